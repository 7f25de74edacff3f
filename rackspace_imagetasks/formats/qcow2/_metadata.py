# SPDX-License-Identifier: Apache-2.0
"""What precedes the data in a qcow2 file: a header, and tables that are made when they are read.

The tables of a full disk of 2 TiB have more than 300 MiB, but its clusters are one run.
"""

import itertools
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable

from rackspace_imagetasks.formats.qcow2._clusters import Clusters
from rackspace_imagetasks.formats.qcow2._structures import (
    BLOCK_COUNTS,
    CLUSTER,
    COPIED,
    ENTRY_SIZE,
    TABLE_ENTRIES,
    Header,
)
from rackspace_imagetasks.units import divide_up


class Metadata:
    """The header, refcount table, refcount blocks, L1 table and L2 tables, in this order.

    :ivar size: their bytes, and therefore the offset of the data.
    :ivar file_size: the bytes of the whole file.
    """

    def __init__(self, disk_size: int, clusters: Clusters) -> None:
        self._clusters = clusters
        self._tables = clusters.tables()
        l1_entries = divide_up(disk_size, CLUSTER * TABLE_ENTRIES)
        l1_clusters = _table_clusters(l1_entries)
        self._blocks = _refcount_blocks(1 + l1_clusters + len(self._tables) + len(clusters))
        table_clusters = _table_clusters(self._blocks)
        counts = (1, table_clusters, self._blocks, l1_clusters, len(self._tables))
        self._ends = [end * CLUSTER for end in itertools.accumulate(counts)]
        self._readers: tuple[Callable[[int, int], bytes], ...] = (
            self._read_header,
            lambda offset, length: _serialised(self._refcount_table, offset, length),
            self._read_refcounts,
            lambda offset, length: _serialised(self._l1_table, offset, length),
            self._read_l2_tables,
        )
        _, self._blocks_at, l1_at, self._l2_at, self.size = self._ends
        self.file_size = self.size + len(clusters) * CLUSTER
        self._header = Header(
            disk_size=disk_size,
            l1_entries=l1_entries,
            l1_offset=l1_at,
            refcount_table_offset=CLUSTER,
            refcount_table_clusters=table_clusters,
        ).serialise()

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`, all from the same table."""
        part = bisect_right(self._ends, offset)
        start = self._ends[part - 1] if part else 0
        return self._readers[part](offset - start, min(length, self._ends[part] - offset))

    def _read_header(self, offset: int, length: int) -> bytes:
        return self._header[offset : offset + length].ljust(length, b"\0")

    def _read_refcounts(self, offset: int, length: int) -> bytes:
        """Return 16-bit counts: 1 for each cluster of the file, and 0 after its end."""
        used = max(0, min(length, 2 * (self.file_size // CLUSTER) - offset))
        ones = b"\0\1" * (used // 2 + 1)
        return ones[offset % 2 :][:used].ljust(length, b"\0")

    def _read_l2_tables(self, offset: int, length: int) -> bytes:
        place, within = divmod(offset, CLUSTER)
        base = self._tables[place] * TABLE_ENTRIES

        def entries(first: int, end: int) -> "array[int]":
            return self._l2_entries(base + first, base + end)

        return _serialised(entries, within, min(length, CLUSTER - within))

    def _refcount_table(self, first: int, end: int) -> "array[int]":
        table = _empty(end - first)
        _fill(table, 0, min(end, self._blocks) - first, self._blocks_at + first * CLUSTER)
        return table

    def _l1_table(self, first: int, end: int) -> "array[int]":
        table = _empty(end - first)
        for place in range(bisect_left(self._tables, first), bisect_left(self._tables, end)):
            table[self._tables[place] - first] = COPIED | self._l2_at + place * CLUSTER
        return table

    def _l2_entries(self, first: int, end: int) -> "array[int]":
        table = _empty(end - first)
        for cluster, place, length in self._clusters.between(first, end):
            _fill(table, cluster - first, length, COPIED | self.size + place * CLUSTER)
        return table


def _table_clusters(entries: int) -> int:
    return divide_up(entries * ENTRY_SIZE, CLUSTER)


def _refcount_blocks(others: int) -> int:
    """Return how many refcount blocks count these clusters, themselves and their table."""
    blocks = 0
    while True:
        needed = divide_up(others + blocks + _table_clusters(blocks), BLOCK_COUNTS)
        if needed <= blocks:
            return blocks
        blocks = needed


def _empty(entries: int) -> "array[int]":
    return array("Q", bytes(entries * ENTRY_SIZE))


def _fill(table: "array[int]", at: int, count: int, offset: int) -> None:
    """Let entries of a table refer to consecutive clusters; a count below 1 is none."""
    if count > 0:
        table[at : at + count] = array("Q", range(offset, offset + count * CLUSTER, CLUSTER))


def _serialised(entries: Callable[[int, int], "array[int]"], offset: int, length: int) -> bytes:
    """Return a range of a table's bytes, of which only the entries in it are made."""
    first = offset // ENTRY_SIZE
    table = entries(first, divide_up(offset + length, ENTRY_SIZE))
    if sys.byteorder == "little":
        table.byteswap()
    return table.tobytes()[offset - first * ENTRY_SIZE :][:length]
