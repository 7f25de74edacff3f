# SPDX-License-Identifier: Apache-2.0
"""A dynamic VHD after its first footer: header, block allocation table, batmap and blocks."""

import struct
from collections.abc import Callable

from devcloud.cloudimages.vhdfooter import NO_OFFSET, SECTOR, Footer, checksum

Read = Callable[[int, int], bytes]  # (offset, length) -> bytes

_BLOCK = 2 << 20
_BITMAP = SECTOR  # before each block, a bit for each of its sectors
_MAX_ENTRIES = 1 << 20  # 2 TiB, more than any VHD can hold
_UNALLOCATED = 0xFFFFFFFF
_HEADER = struct.Struct(">8sQQIIII16sII512s192s256s")
_BATMAP_HEADER = struct.Struct(">8sQIIIB483s")


def is_sound(read: Read, end: int, footer: Footer) -> bool:
    """Return whether the structures of a dynamic disk are valid and its blocks in place.

    :param end: the offset of the footer at the end of the file.
    """
    header_end = footer.data_offset + _HEADER.size
    if header_end > end:
        return False
    header = read(footer.data_offset, _HEADER.size)
    table_at, entries = struct.unpack_from(">Q4xI", header, 16)
    table_end = table_at + entries * 4
    if not (
        _is_header_sound(header)
        and footer.current_size <= entries * _BLOCK <= _MAX_ENTRIES * _BLOCK
        and table_at % SECTOR == 0
        and header_end <= table_at
        and table_end <= end
    ):
        return False
    table = struct.unpack(f">{entries}I", read(table_at, entries * 4))
    first = _padded(table_end)
    if footer.needs_batmap:
        if not _is_batmap_sound(read, first, table, footer.current_size):
            return False
        first += SECTOR + _batmap_size(entries)
    return _are_blocks_sound(table, first, end)


def _padded(size: int) -> int:
    return -(-size // SECTOR) * SECTOR


def _is_header_sound(data: bytes) -> bool:
    (
        cookie, data_offset, _table, version, _entries, block_size, total, *parent, locators, rest
    ) = _HEADER.unpack(data)  # fmt: skip
    uuid, timestamp, reserved, name = parent
    return (
        cookie == b"cxsparse"
        and total == checksum(data, 36)
        and data_offset == NO_OFFSET
        and version == 0x00010000
        and block_size == _BLOCK
        and timestamp == reserved == 0
        and not any(uuid + name + locators + rest)
    )


def _batmap_size(entries: int) -> int:
    """Return the bytes of a map with a bit for each block, padded to whole sectors."""
    return max(SECTOR, _padded(-(-entries // 8)))


def _is_batmap_sound(read: Read, at: int, table: tuple[int, ...], disk_size: int) -> bool:
    """Check the batmap whose header is at `at`, right after the padded table."""
    header, size = read(at, SECTOR), _batmap_size(len(table))
    if len(header) < SECTOR:
        return False
    cookie, offset, sectors, version, total, _marker, rest = _BATMAP_HEADER.unpack(header)
    if (
        cookie != b"tdbatmap"
        or offset != at + SECTOR
        or sectors != size // SECTOR
        or version != 0x00010002
        or any(rest)
    ):
        return False
    batmap = read(offset, size)
    # XenServer sums fewer sectors than the map has when the disk is large.
    summed = max(SECTOR, _padded(disk_size >> 24))
    return total == ~sum(batmap[:summed]) & 0xFFFFFFFF and _are_bits_sound(batmap, table)


def _are_bits_sound(batmap: bytes, table: tuple[int, ...]) -> bool:
    """Return whether only blocks that are allocated are marked as fully written."""
    allocated = sum(
        1 << (len(batmap) * 8 - 1 - number)
        for number, sector in enumerate(table)
        if sector != _UNALLOCATED
    )
    return not int.from_bytes(batmap, "big") & ~allocated


def _are_blocks_sound(table: tuple[int, ...], first: int, end: int) -> bool:
    """Return whether all blocks lie between `first` and `end` and do not overlap."""
    free = first
    for sector in sorted(table):
        if sector == _UNALLOCATED:
            break
        start = sector * SECTOR
        if start < free:
            return False
        free = start + _BITMAP + _BLOCK
    return free <= end or free == first
