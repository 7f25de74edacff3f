# SPDX-License-Identifier: Apache-2.0
"""Partition tables: MBR with logical partitions, and GPT.

Everything in them is untrusted: what is read is bounded, whatever the tables contain.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.units import SECTOR

LARGE_SECTOR = 4096
"""The sector size of "4K native" disks, which some GPTs are made for."""

_BOOT_SIGNATURE = b"\x55\xaa"
_ENTRY = struct.Struct("<B3xB3xII")
_EXTENDED = (0x05, 0x0F, 0x85)
_PROTECTIVE = 0xEE
_MAX_LOGICAL = 128  # more than any operating system reads
_GPT_HEADER = struct.Struct("<8sIII4xQQQQ16sQIII")  # UEFI specification, 5.3.2
_GPT_SIGNATURE = b"EFI PART"
_GPT_ENTRY = struct.Struct("<16s16sQQ")
_MAX_GPT_ENTRIES = 1024
_MAX_GPT_ENTRY = 1024  # bytes


class Region(NamedTuple):
    """A part of a disk that a partition table refers to.

    :ivar name: for a sentence, such as `partition 2`.
    :ivar end: the offset after its last byte.
    """

    name: str
    end: int


class Table(NamedTuple):
    """The regions of a disk by its partition table, partitions first.

    :ivar sector_size: that for which the table was made, in bytes.
    """

    sector_size: int
    regions: tuple[Region, ...]


def read_table(disk: ByteSource) -> Table | None:
    """Return the partition table of a disk, or None if it has none.

    A disk with a valid GPT is described by that alone: the MBR in front of it only protects it.

    :raises SourceError: when the disk cannot be read.
    """
    for sector_size in (SECTOR, LARGE_SECTOR):
        if regions := _read_gpt(disk, sector_size):
            return Table(sector_size, regions)
    regions = tuple(_read_mbr(disk))
    return Table(SECTOR, regions) if regions else None


def _read(disk: ByteSource, offset: int, length: int) -> bytes:
    """Return `length` bytes, or none if the disk ends before."""
    return disk.read_at(offset, length) if offset + length <= disk.size else b""


def _read_gpt(disk: ByteSource, sector_size: int) -> tuple[Region, ...]:
    header = _read(disk, sector_size, SECTOR)
    if not header.startswith(_GPT_SIGNATURE):
        return ()
    (_, _, size, checksum, _, backup, _, last_usable, _, entries_at, count, entry_size, _) = (
        _GPT_HEADER.unpack_from(header)
    )
    if not _GPT_HEADER.size <= size <= SECTOR or checksum != _crc(header[:size]):
        return ()
    entries_end = entries_at * sector_size + count * entry_size
    partitions = _gpt_partitions(disk, sector_size, entries_at, count, entry_size)
    return (
        *partitions,
        Region("the list of its partitions", entries_end),
        Region("the usable area of its GPT", (last_usable + 1) * sector_size),
        Region("the backup of its GPT", (backup + 1) * sector_size),
    )


def _crc(header: bytes) -> int:
    return zlib.crc32(header[:16] + bytes(4) + header[20:])


def _gpt_partitions(
    disk: ByteSource, sector_size: int, entries_at: int, count: int, entry_size: int
) -> Iterator[Region]:
    if not _GPT_ENTRY.size <= entry_size <= _MAX_GPT_ENTRY:
        return
    content = _read(disk, entries_at * sector_size, min(count, _MAX_GPT_ENTRIES) * entry_size)
    for number, offset in enumerate(range(0, len(content), entry_size), 1):
        kind, _, _, last = _GPT_ENTRY.unpack_from(content, offset)
        if any(kind):
            yield Region(f"partition {number}", (last + 1) * sector_size)


class _Entry(NamedTuple):
    status: int
    kind: int
    start: int  # in sectors
    sectors: int

    @property
    def is_used(self) -> bool:
        return bool(self.kind and self.sectors)

    @property
    def end(self) -> int:
        return (self.start + self.sectors) * SECTOR


def _entries(sector: bytes) -> list[_Entry]:
    """Return the entries of an MBR or an extended boot record; none if it is not one.

    The boot sector of a file system has the same signature, but code in place of the entries.
    """
    if not sector.endswith(_BOOT_SIGNATURE):
        return []
    entries = [_Entry._make(_ENTRY.unpack_from(sector, 446 + 16 * n)) for n in range(4)]
    return entries if all(entry.status in (0, 0x80) for entry in entries) else []


def _read_mbr(disk: ByteSource) -> Iterator[Region]:
    sector = _read(disk, 0, SECTOR)
    if _is_file_system(sector):
        return
    for number, entry in enumerate(_entries(sector), 1):
        # A protective entry is often larger than the disk.
        if entry.is_used and entry.kind != _PROTECTIVE:
            yield Region(f"partition {number}", entry.end)
            if entry.kind in _EXTENDED:
                yield from _logical(disk, entry.start)


def _is_file_system(sector: bytes) -> bool:
    """Return whether a boot sector belongs to an NTFS, exFAT or FAT file system."""
    return sector[3:11] in (b"NTFS    ", b"EXFAT   ") or b"FAT" in (sector[54:57], sector[82:85])


def _logical(disk: ByteSource, first: int) -> Iterator[Region]:
    """Yield the logical partitions in an extended one at sector `first`."""
    record, seen = first, set[int]()
    for number in range(5, 5 + _MAX_LOGICAL):
        seen.add(record)
        if (record + 1) * SECTOR > disk.size:
            yield Region(f"the table of partition {number}", (record + 1) * SECTOR)
            return
        entries = _entries(_read(disk, record * SECTOR, SECTOR))
        if not entries:
            return
        partition, following = entries[:2]
        if partition.is_used:
            yield Region(f"partition {number}", record * SECTOR + partition.end)
        record = first + following.start
        if not following.is_used or record in seen:
            return
