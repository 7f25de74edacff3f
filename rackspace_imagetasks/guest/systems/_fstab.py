# SPDX-License-Identifier: Apache-2.0
"""The file systems that a Linux system mounts: fstab(5)."""

import re
from collections.abc import Iterator

from rackspace_imagetasks.guest.facts import Mount
from rackspace_imagetasks.guest.systems.files import SystemFiles, cut, unquoted

PATH = "/etc/fstab"
_MAX_MOUNTS = 100
_ESCAPE = re.compile(r"\\([0-7]{3})")  # \040 is a space
_OPTIONAL = {"noauto", "nofail"}
_WITHOUT_DEVICE = {"none", "proc", "sysfs", "tmpfs", "devpts", "devtmpfs", "cgroup", "debugfs"}


def mounts_of(files: SystemFiles) -> tuple[Mount, ...]:
    """Return the file systems and swap areas on devices that fstab lists."""
    return tuple(_mounts(files))[:_MAX_MOUNTS]


def _mounts(files: SystemFiles) -> Iterator[Mount]:
    for line in files.lines(PATH):
        fields = [_ESCAPE.sub(_character, field) for field in line.split()]
        if len(fields) < 2 or fields[0] in _WITHOUT_DEVICE:
            continue
        options = set(fields[3].split(",")) if len(fields) > 3 else set()
        yield Mount(
            device=cut(device_name(fields[0])),
            target=cut(fields[1]),
            place=files.place(PATH),
            is_optional=bool(options & _OPTIONAL),
        )


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


def device_name(device: str) -> str:
    """Return the name of a device as fstab and boot loaders write it, without quotation marks."""
    key, separator, value = device.partition("=")
    return f"{key}={unquoted(value)}" if separator else device
