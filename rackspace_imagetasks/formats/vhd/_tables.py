# SPDX-License-Identifier: Apache-2.0
"""The tables of a dynamic VHD: the block allocation table, the batmap and the sector bitmaps."""

import sys
from array import array
from collections.abc import Iterable

from rackspace_imagetasks.formats.vhd._structure import checksum
from rackspace_imagetasks.units import SECTOR, divide_up, round_up

# 2 TiB in blocks of 2 MiB: a sector number has 32 bits, so more cannot be used.
MAX_TABLE_ENTRIES = 1 << 20

_ENTRY = 4
_MIN_BLOCK_SIZE = 8 * SECTOR  # a bitmap has at least a byte


def table_size(entries: int) -> int:
    """Return the size in bytes of a BAT of so many entries, padded to sectors."""
    return round_up(entries * _ENTRY, SECTOR)


def parse_table(content: bytes, entries: int) -> "array[int]":
    """Return the sector of each block's bitmap, from a BAT of at least `entries` entries."""
    table = array("I", content[: entries * _ENTRY])
    if sys.byteorder == "little":
        table.byteswap()
    return table


def serialise_table(sectors: Iterable[int]) -> bytes:
    """Return the bytes of a BAT, padded to sectors with zeros as XenServer does."""
    table = array("I", sectors)
    if sys.byteorder == "little":
        table.byteswap()
    content = table.tobytes()
    return content.ljust(table_size(len(table)), b"\0")


def is_block_size(size: int) -> bool:
    """Return whether a block can have this size: a power of two whose bitmap has whole bytes."""
    return size >= _MIN_BLOCK_SIZE and not size & (size - 1)


def bitmap_size(block_size: int) -> int:
    """Return the size in bytes of a block's sector bitmap, padded to sectors."""
    return round_up(divide_up(block_size // SECTOR, 8), SECTOR)


def map_sectors(entries: int) -> int:
    """Return the size in sectors of the batmap of a BAT of so many entries."""
    return max(1, divide_up(divide_up(entries, 8), SECTOR))


def map_checksum(batmap: bytes, current_size: int) -> int:
    """Return a batmap's checksum as all versions of XenServer compute it.

    It covers the sectors of one byte for every eight whole blocks of the disk: with 4097 blocks,
    only the first of the map's two sectors.
    """
    covered = max(1, divide_up(current_size >> 24, SECTOR)) * SECTOR
    return checksum(batmap[:covered])


def serialise_bits(numbers: Iterable[int], size: int) -> bytes:
    """Return `size` bytes with the bits of these numbers set; bit 0 is the first byte's highest."""
    bits = bytearray(size)
    for number in numbers:
        bits[number >> 3] |= 0x80 >> (number & 7)
    return bytes(bits)


def has_bit(bits: bytes, number: int) -> bool:
    """Return whether the bit is set."""
    return bool(bits[number >> 3] & 0x80 >> (number & 7))
