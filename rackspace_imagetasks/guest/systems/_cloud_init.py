# SPDX-License-Identifier: Apache-2.0
"""cloud-init: its version, and where it looks for the data of a server."""

import itertools
import re
from collections.abc import Iterator

from rackspace_imagetasks.guest.facts import CloudInit
from rackspace_imagetasks.guest.systems.files import SystemFiles, cut

_PROGRAMS = ("/usr/bin/cloud-init", "/usr/local/bin/cloud-init")
_CONFIGURATION = "/etc/cloud/cloud.cfg"
_DISABLED = "/etc/cloud/cloud-init.disabled"
_MAX_FILES = 50
_MAX_DATASOURCES = 30
_VERSION = re.compile(r'^(?:_PACKAGED)?_+VERSION(?:__)? *= *"([0-9][^"]*)"', re.MULTILINE)
_LIST = re.compile(r"datasource_list *:(.*)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


def cloud_init_of(files: SystemFiles) -> CloudInit | None:
    """Return what is known of cloud-init, None if it is not installed."""
    program = files.first(_PROGRAMS)
    if program is None:
        return None
    datasources = _datasources(files)
    return CloudInit(
        version=_version(files),
        datasources=datasources[1] if datasources else None,
        place=files.place(program),
        datasources_place=files.place(datasources[0]) if datasources else None,
        is_disabled=files.exists(_DISABLED),
    )


def _version(files: SystemFiles) -> str:
    """Return the version as the package states it: its database is large, the module is small."""
    for path in _package_paths(files):
        if found := _VERSION.findall(files.text(f"{path}/cloudinit/version.py")):
            return cut(found[-1])
    return ""


def _package_paths(files: SystemFiles) -> Iterator[str]:
    for library in ("/usr/lib", "/usr/local/lib"):
        for name in files.names(library):
            if name.startswith("python"):
                yield f"{library}/{name}/dist-packages"
                yield f"{library}/{name}/site-packages"


def _datasources(files: SystemFiles) -> tuple[str, tuple[str, ...]] | None:
    """Return the last list that the configuration has, and the file that has it.

    cloud-init's documentation, "Base configuration": files in cloud.cfg.d follow in their order.
    """
    found = None
    fragments = itertools.islice(files.paths(f"{_CONFIGURATION}.d", ".cfg"), _MAX_FILES)
    for path in (_CONFIGURATION, *fragments):
        names = _list(list(files.lines(path)))
        if names is not None:
            found = (path, names)
    return found


def _list(lines: list[str]) -> tuple[str, ...] | None:
    """Return the names of a list in YAML, in brackets or with a dash each; None without one."""
    for number, line in enumerate(lines):
        if match := _LIST.match(line):
            text = match[1].partition("#")[0]
            following = lines[number + 1 :]
            if "[" in text:
                text = " ".join((text, *following)).partition("]")[0]
            else:
                text += " ".join(itertools.takewhile(lambda each: each.startswith("-"), following))
            return tuple(_NAME.findall(text)[:_MAX_DATASOURCES])
    return None
