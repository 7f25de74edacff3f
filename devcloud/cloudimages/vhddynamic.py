# SPDX-License-Identifier: Apache-2.0
"""A dynamic VHD after its first footer: header, block allocation table, batmap and blocks."""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import pairwise

from devcloud.cloudimages.vhdfooter import NO_OFFSET, SECTOR, Footer, checksum

Read = Callable[[int, int], bytes]  # (offset, length) -> bytes
_Region = tuple[int, int]  # where it begins in the file, and where it ends

_BLOCK = 2 << 20
_BITMAP = SECTOR  # before each block, a bit for each of its sectors
_MAX_ENTRIES = 1 << 20  # 2 TiB, more than any VHD can hold
_UNALLOCATED = 0xFFFFFFFF
_HEADER = struct.Struct(">8sQQIIII16sII512s192s256s")
_BATMAP_COOKIE = b"tdbatmap"
_BATMAP_HEADER = struct.Struct(">8sQIIIB483s")


def is_sound(read: Read, end: int, footer: Footer) -> bool:
    """Return whether the structures of a dynamic disk are valid and its blocks in place.

    :param end: the offset of the footer at the end of the file.
    """
    header_at = footer.data_offset
    if header_at + _HEADER.size > end:
        return False
    header = read(header_at, _HEADER.size)
    table_at, entries = struct.unpack_from(">Q4xI", header, 16)
    table_end = table_at + _padded(entries * 4)
    used = [(0, SECTOR), (header_at, header_at + _HEADER.size), (table_at, table_end)]
    if not (
        _is_header_sound(header)
        and footer.current_size <= entries * _BLOCK <= _MAX_ENTRIES * _BLOCK
        and table_at % SECTOR == 0
        and table_end <= end
        and _are_apart(used)
    ):
        return False
    table = struct.unpack(f">{entries}I", read(table_at, entries * 4))
    if footer.is_tap and read(table_end, SECTOR).startswith(_BATMAP_COOKIE):
        used.append((table_end, table_end + SECTOR + _batmap_size(entries)))
        is_batmap_sound = _is_batmap_sound(read, used[-1], table, footer.current_size, end)
    else:
        is_batmap_sound = not footer.needs_batmap
    return is_batmap_sound and _are_blocks_sound(table, used, end)


def _are_apart(regions: list[_Region]) -> bool:
    """Return whether no region of a file overlaps another."""
    return all(one[1] <= other[0] for one, other in pairwise(sorted(regions)))


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


def _is_batmap_sound(
    read: Read, region: _Region, table: tuple[int, ...], disk_size: int, end: int
) -> bool:
    """Check the batmap, with its header, that is right after the padded table."""
    start, stop = region
    if stop > end:
        return False
    header, batmap = read(start, SECTOR), read(start + SECTOR, stop - start - SECTOR)
    _cookie, offset, sectors, version, total, _marker, rest = _BATMAP_HEADER.unpack(header)
    if (
        offset != start + SECTOR
        or sectors != len(batmap) // SECTOR
        or version != 0x00010002
        or any(rest)
    ):
        return False
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


def _are_blocks_sound(table: tuple[int, ...], used: list[_Region], end: int) -> bool:
    """Return whether all blocks are before `end`, and overlap neither each other nor `used`."""
    sectors = sorted(sector for sector in table if sector != _UNALLOCATED)
    length = (_BITMAP + _BLOCK) // SECTOR
    return (
        all(other - one >= length for one, other in pairwise(sectors))
        and (not sectors or (sectors[-1] + length) * SECTOR <= end)
        and not any(_is_any_within(sectors, length, region) for region in used)
    )


def _is_any_within(sectors: list[int], length: int, region: _Region) -> bool:
    """Return whether one of the blocks, of `length` sectors each, overlaps a region."""
    start, stop = (offset // SECTOR for offset in region)
    return bisect_right(sectors, start - length) < bisect_left(sectors, stop)
