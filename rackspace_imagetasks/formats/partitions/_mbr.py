# SPDX-License-Identifier: Apache-2.0
"""The MBR, its boot code, and the chain of boot records with logical partitions."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.formats.partitions._table import Partition, Region, Sectors
from rackspace_imagetasks.formats.partitions._types import NAMES
from rackspace_imagetasks.units import SECTOR

_BOOT_SIGNATURE = b"\x55\xaa"
_CODE_END = 440
_ENTRY = struct.Struct("<B3xB3xII")
_ENTRIES_AT = 446
_ACTIVE = 0x80
_EXTENDED = (0x05, 0x0F, 0x85)
_PROTECTIVE = 0xEE
_MAX_LOGICAL = 128  # more than any operating system reads
_WINDOWS_START = b"\x33\xc0\x8e\xd0\xbc\x00\x7c"  # of all versions since Windows 2000


class _Entry(NamedTuple):
    status: int
    kind: int
    start: int  # in sectors
    sectors: int

    @property
    def is_used(self) -> bool:
        return bool(self.kind and self.sectors)


class Mbr:
    """The first sector of a disk, which may or may not be an MBR."""

    def __init__(self, disk: Sectors) -> None:
        self._disk = disk
        self._sector = disk.read(0, SECTOR)
        self._entries = [] if _is_file_system(self._sector) else _entries(self._sector)

    @property
    def boot_code(self) -> str:
        """Whose code is in it: `unknown`, or empty if there is none."""
        return _boot_code(self._sector[:_CODE_END]) if self._entries else ""

    @property
    def is_protective(self) -> bool:
        """Whether it has an entry that protects a GPT."""
        return any(entry.kind == _PROTECTIVE for entry in self._entries)

    @property
    def has_partitions(self) -> bool:
        """Whether it has entries that do not protect a GPT."""
        return any(entry.is_used and entry.kind != _PROTECTIVE for entry in self._entries)

    def partitions(self) -> tuple[tuple[Partition, ...], tuple[Region, ...]]:
        """Return the partitions, and boot records for further ones that are not in the disk."""
        found = tuple(self._found())
        partitions = sorted(each for each in found if isinstance(each, Partition))
        return tuple(partitions), tuple(each for each in found if isinstance(each, Region))

    def _found(self) -> Iterator[Partition | Region]:
        for number, entry in enumerate(self._entries, 1):
            # A protective entry is often larger than the disk.
            if entry.is_used and entry.kind != _PROTECTIVE:
                yield self._partition(number, entry, 0)
                if entry.kind in _EXTENDED:
                    yield from self._logical(entry.start)

    def _partition(self, number: int, entry: _Entry, base: int) -> Partition:
        """Return a partition by its entry, whose start is counted from sector `base`."""
        kind = f"0x{entry.kind:02x}"
        (signature,) = struct.unpack_from("<I", self._sector, _CODE_END)
        return Partition(
            number,
            (base + entry.start) * SECTOR,
            entry.sectors * SECTOR,
            kind,
            NAMES.get(kind, kind),
            f"{signature:08x}-{number:02x}",
            is_active=entry.status == _ACTIVE,
        )

    def _logical(self, first: int) -> Iterator[Partition | Region]:
        """Yield the logical partitions in an extended one at sector `first`."""
        record, seen = first, set[int]()
        for number in range(5, 5 + _MAX_LOGICAL):
            seen.add(record)
            if (record + 1) * SECTOR > self._disk.size:
                yield Region(f"the table of partition {number}", (record + 1) * SECTOR)
                return
            entries = _entries(self._disk.read(record * SECTOR, SECTOR))
            if not entries:
                return
            partition, following = entries[:2]
            if partition.is_used:
                yield self._partition(number, partition, record)
            record = first + following.start
            if not following.is_used or record in seen:
                return


def _entries(sector: bytes) -> list[_Entry]:
    """Return the entries of an MBR or an extended boot record; none if it is not one.

    The boot sector of a file system has the same signature, but code in place of the entries.
    """
    if not sector.endswith(_BOOT_SIGNATURE):
        return []
    entries = [
        _Entry._make(_ENTRY.unpack_from(sector, _ENTRIES_AT + _ENTRY.size * n)) for n in range(4)
    ]
    return entries if all(entry.status in (0, _ACTIVE) for entry in entries) else []


def _is_file_system(sector: bytes) -> bool:
    """Return whether a boot sector belongs to an NTFS, exFAT or FAT file system."""
    return sector[3:11] in (b"NTFS    ", b"EXFAT   ") or b"FAT" in (sector[54:57], sector[82:85])


def _boot_code(code: bytes) -> str:
    """Return whose boot code this is, by the messages that it prints."""
    if not any(code):
        return ""
    if b"GRUB " in code:
        return "GRUB"
    if code[6:10] == b"LILO":
        return "LILO"
    if code.startswith(_WINDOWS_START) and b"Missing operating system" in code:
        return "Windows"
    if b"Operating system load error" in code or b"Missing OS\r\n" in code:
        return "Syslinux"
    return "unknown"
