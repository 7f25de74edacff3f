# SPDX-License-Identifier: Apache-2.0
"""The volumes of a disk, and what is in each of them."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.formats.filesystems import read_file_system
from rackspace_imagetasks.guest._devices import OpenVolume
from rackspace_imagetasks.guest.facts import VolumeFacts
from rackspace_imagetasks.guest.filesystems.base import Damaged, FileSystem, Volume
from rackspace_imagetasks.guest.filesystems.ext import Ext
from rackspace_imagetasks.guest.filesystems.ntfs import Ntfs
from rackspace_imagetasks.guest.systems.files import cut

_READERS: dict[str, Callable[[Volume], FileSystem]] = {"ext": Ext, "NTFS": Ntfs}
WHOLE_DISK = "disk"


class Walk(NamedTuple):
    """What was found on a disk.

    :ivar volumes: in the order of the partition table, each followed by what is inside of it.
    :ivar readable: those with a file system that can be read.
    """

    volumes: list[VolumeFacts]
    readable: list[OpenVolume]


def walk(disk: ByteSource) -> Walk:
    """Find the volumes of a disk."""
    found = Walk([], [])
    _look_into(disk, VolumeFacts(name=WHOLE_DISK, size=disk.size, start=0), found)
    return found


def _look_into(source: ByteSource, facts: VolumeFacts, found: Walk) -> None:
    known = read_file_system(source)
    if known is None:
        return
    reader = _READERS.get(known.name)
    if reader is None:
        return
    try:
        files = reader(Volume(source))
    except Damaged as error:
        found.volumes.append(dataclasses.replace(facts, content=known.name, problem=error.text))
        return
    facts = dataclasses.replace(
        facts,
        content=files.kind,
        used=files.used,
        label=cut(files.label),
        uuid=cut(files.uuid),
        notes=tuple(map(cut, files.notes)),
    )
    found.volumes.append(facts)
    found.readable.append(OpenVolume(facts, files))
