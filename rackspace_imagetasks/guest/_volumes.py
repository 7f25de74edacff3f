# SPDX-License-Identifier: Apache-2.0
"""The volumes of a disk, and what is in each of them."""

import itertools
from dataclasses import replace

from rackspace_imagetasks.bytesource import BaseSource, ByteSource
from rackspace_imagetasks.formats.partitions import Partition, Table, read_table
from rackspace_imagetasks.guest._contents import ISO, LVM, Content, Reader, identify, is_blank
from rackspace_imagetasks.guest._devices import OpenVolume
from rackspace_imagetasks.guest.facts import Place, Seen, VolumeFacts
from rackspace_imagetasks.guest.filesystems.base import Damaged, Volume
from rackspace_imagetasks.guest.lvm import PhysicalVolume, logical_volumes, physical_volume
from rackspace_imagetasks.guest.systems.files import cut
from rackspace_imagetasks.guest.systems.windows import likeness
from rackspace_imagetasks.units import SECTOR

WHOLE_DISK = "disk"
_MAX_VOLUMES = 256
_EXTENDED = "extended"
_WITHOUT_FILES = ("BIOS boot", "Microsoft reserved", "Linux reserved")


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
            self._note(WHOLE_DISK, error.text)

    def _note(self, volume: str, text: str) -> None:
        self.notes.append(Seen(cut(text), Place(volume)))

    def _add_partitions(self, table: Table) -> None:
        for note in table.notes:
            self._note(WHOLE_DISK, note)
        if len(table.partitions) > _MAX_VOLUMES:
            self._note(WHOLE_DISK, f"Only the first {_MAX_VOLUMES} partitions were read.")
        disc = identify(Volume(self._disk))
        if disc and disc.name == ISO:  # a disc that also boots from a USB stick
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
        """Add a volume with what is in it."""
        try:
            if physical := physical_volume(source):
                self._add_physical_volume(physical, facts)
            elif content := identify(Volume(source)):
                self._add_content(source, facts, content, partition_uuid)
            elif not is_blank(Volume(source)) and facts.type not in _WITHOUT_FILES:
                problem = "The content of the volume is unknown."
                self.volumes.append(replace(facts, problem=problem))
            elif facts.name != WHOLE_DISK:
                self.volumes.append(facts)
        except Damaged as error:
            self.volumes.append(replace(facts, problem=cut(error.text)))

    def _add_physical_volume(self, physical: PhysicalVolume, facts: VolumeFacts) -> None:
        self._physical.append(physical)
        problem = physical.problem and cut(f"LVM cannot be read: {physical.problem}")
        self.volumes.append(replace(facts, content=LVM, problem=problem))

    def _add_content(
        self, source: ByteSource, facts: VolumeFacts, content: Content, partition_uuid: str
    ) -> None:
        facts = replace(
            facts,
            content=content.name,
            is_encrypted=content.is_encrypted,
            uuid=cut(content.uuid),
            label=cut(content.label),
            used=content.used,
        )
        if content.reader:
            self._read(source, facts, content.reader, partition_uuid)
            return
        problem = ""
        if content.is_encrypted:
            problem = f"The volume is encrypted with {content.name}."
        elif content.has_files:
            problem = f"{content.name} is not read."
        self.volumes.append(replace(facts, problem=problem))
        self._compare_with_windows(source, facts.name)

    def _read(
        self, source: ByteSource, facts: VolumeFacts, reader: Reader, partition_uuid: str
    ) -> None:
        try:
            files = reader(Volume(source))
        except Damaged as error:
            self.volumes.append(replace(facts, problem=cut(error.text)))
            self._compare_with_windows(source, facts.name)
            return
        facts = replace(
            facts,
            content=files.kind,
            used=files.used,
            label=cut(files.label),
            uuid=cut(files.uuid),
            notes=tuple(map(cut, files.notes)),
        )
        self.volumes.append(facts)
        self.readable.append(OpenVolume(facts, files, partition_uuid))

    def _compare_with_windows(self, source: ByteSource, name: str) -> None:
        if reason := likeness(Volume(source)):
            self.windows_like.append(Seen(reason, Place(name)))
