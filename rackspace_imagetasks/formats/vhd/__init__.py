# SPDX-License-Identifier: Apache-2.0
"""VHD, the disk image format of XenServer and Virtual PC.

`check` validates a file and `open_disk` returns the disk inside it; both accept a `VhdFile`, so
that a file is read once for both. `VirtualVhd` is the VHD of a disk without writing it. Each name
is loaded when it is first used: validating a file takes less time than loading the modules that
lay one out.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rackspace_imagetasks.formats.vhd._file import VhdFile
    from rackspace_imagetasks.formats.vhd.checks import check
    from rackspace_imagetasks.formats.vhd.layout import VirtualVhd
    from rackspace_imagetasks.formats.vhd.reader import open_disk
    from rackspace_imagetasks.formats.vhd.report import Finding, Report, Severity, VhdFacts

_MODULES = {
    "Finding": "report",
    "Report": "report",
    "Severity": "report",
    "VhdFacts": "report",
    "VhdFile": "_file",
    "VirtualVhd": "layout",
    "check": "checks",
    "open_disk": "reader",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


__all__ = [
    "Finding",
    "Report",
    "Severity",
    "VhdFacts",
    "VhdFile",
    "VirtualVhd",
    "check",
    "open_disk",
]
