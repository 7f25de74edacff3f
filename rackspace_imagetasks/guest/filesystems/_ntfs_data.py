# SPDX-License-Identifier: Apache-2.0
"""The values of attributes of NTFS: bytes in a record, clusters, or compressed clusters."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from rackspace_imagetasks.guest.filesystems import _lznt1
from rackspace_imagetasks.guest.filesystems._ntfs_records import Attribute, Run
from rackspace_imagetasks.guest.filesystems.base import MAX_READ, Damaged, Volume

_MAX_RUNS = 1 << 18  # runs that are kept for one attribute
_MAX_UNIT = 64 << 10  # bytes; NTFS compresses 16 clusters of at most 4 KiB
_COMPRESSED = 0x00FF
_ENCRYPTED = 0x4000


class Value(Protocol):
    """The value of an attribute.

    :ivar size: in bytes.
    """

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`, or raise `Damaged`."""


class Clusters(NamedTuple):
    """The clusters of a volume, and their size in bytes."""

    volume: Volume
    size: int


def value_of(parts: Iterable[Attribute], clusters: Clusters) -> Value:
    """Return the value of an attribute that has one part or more, the first part first.

    :param parts: those after the first are only asked for when they are needed.
    """
    waiting = iter(parts)
    first = next(waiting, None)
    if first is None:
        raise Damaged("A file of NTFS does not have the attribute that it must have.")
    if first.flags & _ENCRYPTED:
        raise Damaged("A file is encrypted (EFS).")
    if first.value is not None:
        return _Resident(first.value)
    if first.first:
        raise Damaged("The first part of an attribute of NTFS is missing.")
    if first.flags & _COMPRESSED and first.unit:
        return _Compressed(first, waiting, clusters)
    return _Stored(first, waiting, clusters)


class _Resident:
    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self._content = content

    def read(self, offset: int, length: int) -> bytes:
        _check_range(self.size, offset, length)
        return self._content[offset : offset + length]


class _Stored:
    """An attribute in clusters."""

    def __init__(
        self, first: Attribute, following: Iterator[Attribute], clusters: Clusters
    ) -> None:
        self.size = first.size
        self._initialized = min(first.initialized, first.size)
        self._volume, self._cluster = clusters
        self._runs = list(first.runs())
        self._following = following
        self._is_loading = False

    def read(self, offset: int, length: int) -> bytes:
        _check_range(self.size, offset, length)
        stored = max(0, min(length, self._initialized - offset))
        return self._read(offset, stored).ljust(length, b"\0") if stored else bytes(length)

    def _read(self, offset: int, length: int) -> bytes:
        """Read bytes that were written."""
        return b"".join(self._pieces(offset, offset + length))

    def _pieces(self, start: int, end: int) -> Iterator[bytes]:
        at = start
        for run in self._runs_between(start // self._cluster, -(-end // self._cluster)):
            length = min(end, run.end * self._cluster) - at
            if run.cluster is None:
                yield bytes(length)
            else:
                place = run.cluster * self._cluster + at - run.first * self._cluster
                yield self._volume.read(place, length)
            at += length

    def _runs_between(self, first: int, end: int) -> Iterator[Run]:
        """Yield the runs that contain the clusters from `first` to `end`."""
        while not self._runs or self._runs[-1].end < end:
            self._load()
        return (run for run in self._runs if run.first < end and run.end > first)

    def _load(self) -> None:
        """Add the runs of the next part."""
        # The part of the table of records that says where a record is can be in that very record.
        if self._is_loading:
            raise Damaged("The description of the file table of NTFS refers to itself.")
        self._is_loading = True
        part = next(self._following, None)
        self._is_loading = False
        if part is None or part.first != (self._runs[-1].end if self._runs else 0):
            raise Damaged("Runs of a file are missing.")
        self._runs.extend(part.runs())
        if len(self._runs) > _MAX_RUNS:
            raise Damaged("A file has too many runs.")


class _Compressed(_Stored):
    """An attribute in units of clusters; a unit that lacks its last clusters is compressed."""

    def __init__(
        self, first: Attribute, following: Iterator[Attribute], clusters: Clusters
    ) -> None:
        super().__init__(first, following, clusters)
        self._unit = 1 << min(first.unit, 16)  # in clusters
        if self._unit * self._cluster > _MAX_UNIT:
            raise Damaged("The compression units of a file are too large.")

    def _read(self, offset: int, length: int) -> bytes:
        size = self._unit * self._cluster
        first, end = offset // size, -(-(offset + length) // size)
        units = b"".join(map(self._read_unit, range(first, end)))
        return units[offset - first * size :][:length]

    def _read_unit(self, number: int) -> bytes:
        first, size = number * self._unit, self._unit * self._cluster
        runs = self._runs_between(first, first + self._unit)
        end = max((run.end for run in runs if run.cluster is not None), default=0)
        stored = min(end - first, self._unit)
        if stored <= 0:
            return bytes(size)
        content = super()._read(first * self._cluster, stored * self._cluster)
        return content if stored == self._unit else _lznt1.decompress(content, size)


def _check_range(size: int, offset: int, length: int) -> None:
    if offset < 0 or not 0 <= length <= MAX_READ or offset + length > size:
        raise Damaged(f"A file has {size} bytes; {length} at offset {offset} are not all in it.")
