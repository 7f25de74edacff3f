# SPDX-License-Identifier: Apache-2.0
"""GPT: the primary one at the beginning of a disk, and its backup at the end."""

import struct
import uuid
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.formats.partitions._table import Partition, Region, Sectors, regions_of
from rackspace_imagetasks.formats.partitions._types import NAMES
from rackspace_imagetasks.units import SECTOR

SIGNATURE = b"EFI PART"
_HEADER = struct.Struct("<8sIII4xQQQQ16sQIII")  # UEFI specification, 5.3.2
_ENTRY = struct.Struct("<16s16sQQQ72s")  # 5.3.3
_MAX_ENTRIES = 1024
_MAX_ENTRY = 1024  # bytes
_LEGACY_BOOT = 0x4


class _Header(NamedTuple):
    signature: bytes
    revision: int
    size: int
    checksum: int
    at: int  # in sectors, as all places
    other: int
    first_usable: int
    last_usable: int
    disk: bytes
    entries_at: int
    entry_count: int
    entry_size: int
    entries_checksum: int


class Gpt(NamedTuple):
    """A GPT whose header is valid.

    :ivar regions: what must be within the disk.
    :ivar is_valid: whether its list of partitions is the one for which the header was written.
    """

    partitions: tuple[Partition, ...]
    regions: tuple[Region, ...]
    is_valid: bool


def read_gpt(disk: Sectors, sector_size: int, at: int) -> Gpt | None:
    """Return the GPT whose header is in sector `at`, or None if there is no valid header."""
    content = disk.read(at * sector_size, SECTOR)
    if not content.startswith(SIGNATURE):
        return None
    header = _Header(*_HEADER.unpack_from(content))
    if not _HEADER.size <= header.size <= SECTOR or header.at != at:
        return None
    if header.checksum != _crc(content[: header.size]) or header.entry_size < _ENTRY.size:
        return None
    entries = _read_entries(disk, sector_size, header)
    partitions = tuple(_partitions(entries, sector_size, header.entry_size))
    entries_end = header.entries_at * sector_size + header.entry_count * header.entry_size
    regions = (
        *regions_of(partitions),
        Region("the list of its partitions", entries_end),
        Region("the usable area of its GPT", (header.last_usable + 1) * sector_size),
        Region("the backup of its GPT", (max(header.at, header.other) + 1) * sector_size),
    )
    return Gpt(partitions, regions, zlib.crc32(entries) == header.entries_checksum)


def _crc(header: bytes) -> int:
    return zlib.crc32(header[:16] + bytes(4) + header[20:])


def _read_entries(disk: Sectors, sector_size: int, header: _Header) -> bytes:
    if header.entry_size > _MAX_ENTRY:
        return b""
    length = min(header.entry_count, _MAX_ENTRIES) * header.entry_size
    return disk.read(header.entries_at * sector_size, length)


def _partitions(entries: bytes, sector_size: int, entry_size: int) -> Iterator[Partition]:
    for number, offset in enumerate(range(0, len(entries), entry_size), 1):
        kind, own, first, last, flags, title = _ENTRY.unpack_from(entries, offset)
        if any(kind) and first <= last:
            type_ = str(uuid.UUID(bytes_le=kind))
            yield Partition(
                number,
                first * sector_size,
                (last + 1 - first) * sector_size,
                type_,
                NAMES.get(type_, type_),
                str(uuid.UUID(bytes_le=own)),
                title.decode("utf-16-le", "replace").partition("\0")[0],
                bool(flags & _LEGACY_BOOT),
            )
