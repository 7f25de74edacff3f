# SPDX-License-Identifier: Apache-2.0
"""The volumes of a disk, and what is in each of them."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

from rackspace_imagetasks.bytesource import BaseSource, ByteSource
from rackspace_imagetasks.formats.contents import Content, Role, read_content
from rackspace_imagetasks.formats.partitions import Partition, Table, read_table
from rackspace_imagetasks.guest._devices import OpenVolume
from rackspace_imagetasks.guest.facts import Place, Seen, VolumeFacts
from rackspace_imagetasks.guest.filesystems.base import Damaged, FileSystem, Volume
from rackspace_imagetasks.guest.filesystems.ext import Ext
from rackspace_imagetasks.guest.filesystems.fat import Fat
from rackspace_imagetasks.guest.filesystems.iso import Iso
from rackspace_imagetasks.guest.filesystems.ntfs import Ntfs
from rackspace_imagetasks.guest.filesystems.xfs import Xfs
from rackspace_imagetasks.guest.lvm import PhysicalVolume, logical_volumes, physical_volume
from rackspace_imagetasks.guest.systems.files import cut
from rackspace_imagetasks.guest.systems.windows import likeness
from rackspace_imagetasks.units import SECTOR

WHOLE_DISK = "disk"
_Reader = Callable[[Volume], FileSystem]
# By the names in `formats.contents`.
_LVM, _DISC = "LVM", "ISO 9660"
_READERS: Mapping[str, _Reader] = {
    "FAT": Fat, _DISC: Iso, "NTFS": Ntfs, "XFS": Xfs, "ext": Ext,
}  # fmt: skip
# By the names in `formats.partitions`.
_EXTENDED = "extended"
_WITHOUT_FILES = ("BIOS boot", "Microsoft reserved", "Linux reserved")
_MAX_VOLUMES = 256
_BLANK = 4096


class _Part(BaseSource):
    """A part of a disk."""

    def __init__(self, disk: ByteSource, name: str, start: int, size: int) -> None:
        super().__init__(name, size, disk.identity)
        self._disk = disk
        self._start = start

    def _read(self, offset: int, length: int) -> bytes:
        return self._disk.read_at(self._start + offset, length)


class Walk:
    """The volumes of a disk, which are all looked into.

    :ivar table: None if the disk has no partition table.
    :ivar volumes: in the order of the partition table, logical volumes last.
    :ivar readable: those with a file system that can be read.
    :ivar windows_like: volumes that cannot be read, but look like Windows, and why.
    :ivar active: the name and first sector of the partition that a BIOS is to boot from.
    :ivar notes: what makes that which was found doubtful.
    """

    def __init__(self, disk: ByteSource) -> None:
        self.table = read_table(disk)
        self.volumes: list[VolumeFacts] = []
        self.readable: list[OpenVolume] = []
        self.windows_like: list[Seen] = []
        self.active = ("", b"")
        self.notes: list[Seen] = []
        self._disk = disk
        self._physical: list[PhysicalVolume] = []
        if self.table is None:
            self._add(disk, VolumeFacts(name=WHOLE_DISK, size=disk.size, start=0))
        else:
            self._add_partitions(self.table)
        try:
            self._add_logical_volumes()
        except Damaged as error:
            self._note(error.text)

    def _note(self, text: str) -> None:
        self.notes.append(Seen(cut(text), Place(WHOLE_DISK)))

    def _add_partitions(self, table: Table) -> None:
        for note in table.notes:
            self._note(note)
        if len(table.partitions) > _MAX_VOLUMES:
            self._note(f"Only the first {_MAX_VOLUMES} partitions were read.")
        whole = read_content(self._disk)
        if whole and whole.name == _DISC:  # a disc that also boots from a USB stick
            self._add(self._disk, VolumeFacts(name=WHOLE_DISK, size=self._disk.size))
        for partition in table.partitions[:_MAX_VOLUMES]:
            if partition.type_name != _EXTENDED:
                self._add_partition(partition)

    def _add_partition(self, partition: Partition) -> None:
        facts = VolumeFacts(
            name=partition.name,
            size=partition.size,
            start=partition.start,
            type=cut(partition.type_name),
            title=cut(partition.title),
            is_active=partition.is_active,
        )
        size = min(partition.size, self._disk.size - partition.start)
        if size <= 0:
            self.volumes.append(replace(facts, problem="The partition is not on the disk."))
            return
        source = _Part(self._disk, partition.name, partition.start, size)
        if partition.is_active and not self.active[0]:
            self.active = (partition.name, source.read_at(0, min(size, SECTOR)))
        self._add(source, facts, partition.uuid)

    def _add_logical_volumes(self) -> None:
        for volume in itertools.islice(logical_volumes(self._physical), _MAX_VOLUMES):
            name = cut(f"logical volume {volume.group}/{volume.name}")
            facts = VolumeFacts(name=name, size=volume.size)
            if volume.source is None:
                problem = cut(f"The volume cannot be read: {volume.problem}.")
                self.volumes.append(replace(facts, problem=problem))
            else:
                self._add(volume.source, facts)

    def _add(self, source: ByteSource, facts: VolumeFacts, partition_uuid: str = "") -> None:
        """Add a volume with what is in it; a disk of zeros has no volume."""
        content = read_content(source)
        if content is not None:
            self._add_content(source, facts, content, partition_uuid)
        elif facts.type not in _WITHOUT_FILES and not _is_blank(source):
            problem = "The content of the volume is unknown."
            self.volumes.append(replace(facts, problem=problem))
        elif facts.name != WHOLE_DISK:
            self.volumes.append(facts)

    def _add_content(
        self, source: ByteSource, facts: VolumeFacts, content: Content, partition_uuid: str
    ) -> None:
        facts = replace(
            facts,
            content=content.full_name,
            used=content.used,
            label=cut(content.label),
            uuid=cut(content.uuid),
            is_encrypted=content.role is Role.ENCRYPTED,
        )
        try:
            if reader := _READERS.get(content.name):
                files = reader(Volume(source))
                facts = _with_file_system(facts, files)
                self.readable.append(OpenVolume(facts, files, partition_uuid))
            else:
                facts = replace(facts, problem=self._problem(source, content))
        except Damaged as error:
            facts = replace(facts, problem=cut(error.text))
        self.volumes.append(facts)
        if facts.problem and (reason := likeness(Volume(source))):
            self.windows_like.append(Seen(reason, Place(facts.name)))

    def _problem(self, source: ByteSource, content: Content) -> str:
        """Return why the files in a volume are not read; empty if there are none in itself."""
        if content.name == _LVM:
            physical = physical_volume(source)
            self._physical += [physical] if physical else []
            problem = physical.problem if physical else ""
            return problem and cut(f"LVM cannot be read: {problem}")
        if content.role is Role.ENCRYPTED:
            return f"The volume is encrypted with {content.full_name}."
        return "" if content.role is Role.SWAP else f"{content.full_name} is not read."


def _with_file_system(facts: VolumeFacts, files: FileSystem) -> VolumeFacts:
    return replace(
        facts,
        content=files.kind,
        used=files.used,
        label=cut(files.label),
        uuid=cut(files.uuid),
        notes=tuple(map(cut, files.notes)),
    )


def _is_blank(source: ByteSource) -> bool:
    """Return whether a volume begins with zeros."""
    return not any(source.read_at(0, min(source.size, _BLANK)))
