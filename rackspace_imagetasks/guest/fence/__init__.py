# SPDX-License-Identifier: Apache-2.0
"""Run code that parses an untrusted disk in a helper process that can only read this disk.

`run_fenced` calls a function in a process without credentials, environment, files and network,
and with limits on memory, time and reads. A crash, a hang or nonsense costs its result alone.

What only the parent needs is loaded when it is first used: the helper imports this package, too.
"""

import importlib
from typing import TYPE_CHECKING

from rackspace_imagetasks.guest.fence._protocol import Limits, Protection

if TYPE_CHECKING:
    from rackspace_imagetasks.guest.fence._helper import Fenced, InspectionFailed, run_fenced

_OF_THE_PARENT = ("Fenced", "InspectionFailed", "run_fenced")


def __getattr__(name: str) -> object:
    if name in _OF_THE_PARENT:
        return getattr(importlib.import_module(f"{__name__}._helper"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Fenced", "InspectionFailed", "Limits", "Protection", "run_fenced"]
