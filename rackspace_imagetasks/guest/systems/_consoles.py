# SPDX-License-Identifier: Apache-2.0
"""The consoles of a Linux system: kernel messages, and logins on serial lines."""

import re
from collections.abc import Iterator

from rackspace_imagetasks.guest.facts import Seen
from rackspace_imagetasks.guest.systems._boot_entries import BootEntry
from rackspace_imagetasks.guest.systems.files import SystemFiles, cut

_GETTYS = "/etc/systemd/system/getty.target.wants"
_UNIT = re.compile(r"(?:serial-)?getty@([\w-]+)\.service$")
_INITTAB = "/etc/inittab"
_INIT = "/etc/init"  # of Upstart
_DEVICE = re.compile(r"\b(ttyS[0-9]+|hvc[0-9]+|ttyAMA[0-9]+)\b")
_MAX_CONSOLES = 20


def consoles_of(files: SystemFiles, default: BootEntry | None) -> tuple[Seen, ...]:
    """Return the devices that the default entry names, then those with a login of their own."""
    return tuple(_consoles(files, default))[:_MAX_CONSOLES]


def _consoles(files: SystemFiles, default: BootEntry | None) -> Iterator[Seen]:
    if default:
        for value in default.values("console"):
            yield Seen(cut(value.partition(",")[0]), default.place)
    for path in files.paths(_GETTYS):
        if match := _UNIT.search(path):
            yield Seen(cut(match[1]), files.place(path))
    for line in files.lines(_INITTAB):
        if match := _DEVICE.search(line):
            yield Seen(match[1], files.place(_INITTAB))
    for path in files.paths(_INIT, ".conf"):
        if match := _DEVICE.search(path):
            yield Seen(match[1], files.place(path))
