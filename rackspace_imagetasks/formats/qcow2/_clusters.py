# SPDX-License-Identifier: Apache-2.0
"""The clusters of a disk that may hold data, and their order in a qcow2 file."""

import hashlib
import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

from rackspace_imagetasks.bytesource import ByteSource, Extent, joined, stored_extents
from rackspace_imagetasks.formats.qcow2._structures import CLUSTER, TABLE_ENTRIES
from rackspace_imagetasks.units import divide_up


class Run(NamedTuple):
    """Clusters that follow each other on the disk and in the file.

    :ivar cluster: the number of the first one on the disk.
    :ivar place: how many clusters with data precede it in the file.
    """

    cluster: int
    place: int
    length: int


class Clusters:
    """The clusters of a disk that may hold data, as runs in the order of the file.

    A run takes 20 bytes, however long it is.

    :param runs: for each run, its first cluster and their number.
    """

    def __init__(self, runs: Iterable[Extent]) -> None:
        self._firsts = array("Q")
        self._places = array("Q", [0])  # and at the end, the number of all clusters
        for first, count in joined(runs):
            self._firsts.append(first)
            self._places.append(self._places[-1] + count)
        self._ascending = _sorted_indexes(self._firsts)

    @classmethod
    def of(cls, disk: ByteSource) -> Self:
        """Find the clusters of a disk by its extents alone, in the order of their storage.

        If stored extents share a cluster, as small blocks do, the order is that of the disk.
        """
        clusters = cls(_runs(stored_extents(disk)))
        return cls(_runs(disk.data_extents())) if clusters._overlap() else clusters

    def __len__(self) -> int:
        return self._places[-1]

    @property
    def digest(self) -> str:
        """A text that identifies the clusters and their order."""
        digest = hashlib.sha256(self._firsts)
        digest.update(self._places)
        return digest.hexdigest()[:32]

    def at(self, place: int) -> Run:
        """Return the clusters from a place in the file to the end of their run."""
        index = bisect_right(self._places, place) - 1
        before = place - self._places[index]
        return Run(self._firsts[index] + before, place, self._length(index) - before)

    def between(self, first: int, end: int) -> Iterator[Run]:
        """Yield the runs from one cluster of the disk up to another, ascending."""
        at = bisect_right(self._ascending, first, key=self._firsts.__getitem__) - 1
        for number in range(max(0, at), len(self._ascending)):
            run = self._run(self._ascending[number])
            if run.cluster >= end:
                return
            low, high = max(first, run.cluster), min(end, run.cluster + run.length)
            if low < high:
                yield Run(low, run.place + low - run.cluster, high - low)

    def tables(self) -> "array[int]":
        """Return the numbers of the L2 tables that have an entry for any of them, ascending."""
        tables = array("Q")
        for cluster, _place, length in map(self._run, self._ascending):
            first = max(cluster // TABLE_ENTRIES, tables[-1] + 1 if tables else 0)
            tables.extend(range(first, divide_up(cluster + length, TABLE_ENTRIES)))
        return tables

    def _run(self, index: int) -> Run:
        return Run(self._firsts[index], self._places[index], self._length(index))

    def _length(self, index: int) -> int:
        return self._places[index + 1] - self._places[index]

    def _overlap(self) -> bool:
        runs = itertools.pairwise(map(self._run, self._ascending))
        return any(run.cluster + run.length > after.cluster for run, after in runs)


def _runs(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Yield the clusters that the extents touch; neighbours can share one, which counts once."""
    start = end = 0
    for offset, length in extents:
        first, stop = offset // CLUSTER, divide_up(offset + length, CLUSTER)
        if start <= first < end:
            first = end
        if first < stop:
            yield Extent(first, stop - first)
            start, end = first, stop


def _sorted_indexes(numbers: Sequence[int]) -> Sequence[int]:
    """Return the indexes of numbers in ascending order; if that is their order, in no memory."""
    indexes = range(len(numbers))
    if all(low <= high for low, high in itertools.pairwise(numbers)):
        return indexes
    return array("I", sorted(indexes, key=numbers.__getitem__))
