# SPDX-License-Identifier: Apache-2.0
"""Which volume of a disk a system means by the name of a device."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rackspace_imagetasks.guest.facts import VolumeFacts
from rackspace_imagetasks.guest.filesystems.base import FileSystem

# The first disk of a server, by the names that Linux gives to kinds of disks.
_PARTITION = re.compile(r"/dev/(?:(?:sd|vd|xvd|hd)a|nvme0n1p|mmcblk0p)([0-9]{1,3})")
_DISK = re.compile(r"/dev/(?:(?:sd|vd|xvd|hd)a|nvme0n1|mmcblk0)")
_MAPPER = "/dev/mapper/"


class OpenVolume(NamedTuple):
    """A volume with a file system that can be read.

    :ivar partition_uuid: the identity of the partition in a GPT, or by the signature of an MBR.
    """

    facts: VolumeFacts
    files: FileSystem
    partition_uuid: str = ""


def volume_of(device: str, volumes: Iterable[OpenVolume]) -> OpenVolume | None:
    """Return the volume that fstab(5) means by a device, None if it is not on this disk."""
    is_meant = _test_of(device)
    return next((volume for volume in volumes if is_meant(volume)), None)


def _test_of(device: str) -> Callable[[OpenVolume], bool]:
    tag, _, value = device.partition("=")
    if device.startswith("/dev/disk/by-"):
        tag, _, value = device.removeprefix("/dev/disk/by-").upper().partition("/")
        value = device.rpartition("/")[2]
    tests: dict[str, Callable[[OpenVolume], bool]] = {
        "UUID": lambda volume: volume.facts.uuid.lower() == value.lower(),
        "LABEL": lambda volume: volume.facts.label == value,
        "PARTUUID": lambda volume: volume.partition_uuid.lower() == value.lower(),
        "PARTLABEL": lambda volume: volume.facts.title == value,
    }
    if value and tag in tests:
        return tests[tag]
    name = _volume_name(device)
    return lambda volume: volume.facts.name == name


def _volume_name(device: str) -> str:
    """Return the name of the volume with a path in /dev."""
    if match := _PARTITION.fullmatch(device):
        return f"partition {match[1]}"
    if _DISK.fullmatch(device):
        return "disk"
    if device.startswith(_MAPPER):  # a dash in a name is written as two
        group, _, name = device.removeprefix(_MAPPER).replace("--", "\0").partition("-")
        return f"logical volume {group}/{name}".replace("\0", "-")
    return f"logical volume {device.removeprefix('/dev/')}"
