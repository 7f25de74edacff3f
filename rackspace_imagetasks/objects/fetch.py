# SPDX-License-Identifier: Apache-2.0
"""Fetch the segments of an object into their places in a file, and what is missing of them."""

import contextlib
import functools
import hashlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.exceptions import IntegrityError
from rackspace_imagetasks.objects.body import CHUNK
from rackspace_imagetasks.objects.counter import TransferCounter
from rackspace_imagetasks.objects.manifest import Layout, StoredSegment
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.objects.sparse import ZEROS, SparseFile
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.workers import InOrder, in_parallel
from rackspace_imagetasks.progress import Phase, Progress
from rackspace_imagetasks.text import printable
from rackspace_imagetasks.units import MIB

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

PIECE = 64 * MIB
"""What of a plain object travels at once, in bytes; an object of no more goes as one."""
_ATTEMPTS = 3

Item = TypeVar("Item")
Result = TypeVar("Result")


def altered(segment: StoredSegment, md5: str) -> IntegrityError:
    """Return the error for a segment whose content is not what its MD5 says."""
    return IntegrityError(
        f"The segment {segment.shown} is altered: its MD5 is {md5} instead of"
        f" {printable(segment.md5, 40)}."
    )


class _PartialSegment(NamedTuple):
    """What an earlier run left of a segment: its first `length` bytes, and their MD5."""

    length: int = 0
    md5: "Hash | None" = None


@dataclass
class Fetch:
    """One download of an object into a file, in progress."""

    store: ObjectStore
    layout: Layout
    file: SparseFile
    threads: int
    limit: RateLimit
    progress: Progress
    abort: threading.Event
    counter: TransferCounter

    def run(self) -> int:
        """Fetch what is not there yet, and give the bytes that were."""
        segments, size = self.layout.segments, self.layout.info.size
        if len(segments) == 1 and size > PIECE and self.threads > 1:
            reused = self._fetch_plain(segments[0])
        else:
            reused = self._fetch_segments(segments)
        self.file.resize(size)
        return reused

    def _fetch_segments(self, segments: list[StoredSegment]) -> int:
        """Fetch the segments, or the rest of each; give the bytes reused."""
        begun = self._begun(segments)
        there = sum(each.length for each in begun)
        self.counter.keep(there)
        if len(segments) > 1:  # a single one is written in order, so the file's end shows how far
            self.file.resize(self.layout.info.size)
        missing = [(s, b) for s, b in zip(segments, begun, strict=True) if b.length < s.length]
        with self._phase("Fetching", self.layout.info.size - there) as phase:
            meter = self._meter(phase, self.limit)
            lost = self._each(lambda each: self._fetch(*each, meter), missing)
        return there - sum(lost)

    def _fetch(self, segment: StoredSegment, begun: _PartialSegment, meter: Meter) -> int:
        """Fetch the rest of a segment until its MD5 is right; give the bytes that were not."""
        lost = 0
        for _ in range(_ATTEMPTS):
            md5, position = begun.md5 or _md5(), begun.length
            for chunk in self.store.get_range(
                segment.container, segment.name, position, segment.length - position, segment.md5
            ):
                md5.update(chunk)
                self._write(segment.offset + position, chunk, meter)
                position += len(chunk)
            found = md5.hexdigest()
            if found == segment.md5:
                return lost
            self._take_back(position, begun.length, meter)
            lost += begun.length
            begun = _PartialSegment()
        raise altered(segment, found)

    def _fetch_plain(self, whole: StoredSegment) -> int:
        """Fetch a large plain object in several ranges at a time; give the bytes reused."""
        pieces = [
            Extent(start, min(PIECE, whole.length - start))
            for start in range(0, whole.length, PIECE)
        ]
        begun = [self._reached(piece, self._written(piece)) for piece in pieces]
        self.file.resize(whole.length)
        with self._phase("Fetching", whole.length - sum(begun)) as phase:
            meter = self._meter(phase, self.limit)
            for _ in range(_ATTEMPTS):
                found = self._fetch_pieces(whole, pieces, begun, meter)
                if found == whole.md5:
                    return sum(begun)
                self._take_back(whole.length, sum(begun), meter)
                begun = [0] * len(pieces)
        raise altered(whole, found)

    def _fetch_pieces(
        self, whole: StoredSegment, pieces: list[Extent], begun: list[int], meter: Meter
    ) -> str:
        """Fetch the rest of each piece; give the MD5 of the whole, taken behind the writers."""
        md5 = _md5()
        behind = InOrder(lambda index: self._hash(pieces[index], md5))

        def fetch(index: int) -> None:
            (start, length), done = pieces[index], begun[index]
            self.counter.keep(done)
            position, left = start + done, length - done
            for chunk in self.store.get_range(
                whole.container, whole.name, position, left, whole.md5
            ):
                self._write(position, chunk, meter)
                position += len(chunk)
            behind.ready(index)

        self._each(fetch, range(len(pieces)))
        behind.finish()
        return md5.hexdigest()

    def _begun(self, segments: list[StoredSegment]) -> list[_PartialSegment]:
        """See what an earlier run left of each segment."""
        if not self.file.size:
            return [_PartialSegment()] * len(segments)
        with self._phase("Checking", self.layout.info.size) as phase:
            meter = self._meter(phase, RateLimit(None))

            def look_at(segment: StoredSegment) -> _PartialSegment:
                begun = self._look_at(segment)
                meter.let_pass(segment.length)
                return begun

            return self._each(look_at, segments)

    def _look_at(self, segment: StoredSegment) -> _PartialSegment:
        """Return all of a segment if its MD5 is right, and else what may be right of it."""
        extent = Extent(segment.offset, segment.length)
        written = self._written(extent)
        if not written:  # a hole: zeros, or nothing yet
            is_right = _md5_of_zeros(segment.length) == segment.md5
            return _PartialSegment(segment.length) if is_right else _PartialSegment()
        reached = self._reached(extent, written)
        md5 = self._hash(Extent(extent.offset, reached), _md5())
        begun = _PartialSegment(reached, md5.copy())
        self._hash(Extent(extent.offset + reached, written - reached), md5)
        _hash_zeros(segment.length - written, md5)
        if md5.hexdigest() == segment.md5:
            return _PartialSegment(segment.length)
        return begun if reached < segment.length else _PartialSegment()

    def _written(self, extent: Extent) -> int:
        """Return how many bytes of a range, from its start, end with the last that are no hole."""
        return self.file.data_end(*extent)

    def _reached(self, extent: Extent, written: int) -> int:
        """Return how many of the bytes written can be relied on.

        Where data ends at a hole, the file system has rounded up what was written last.
        """
        at_end = written == extent.length or extent.offset + written == self.file.size
        return written if at_end else max(written - CHUNK, 0)

    def _write(self, offset: int, chunk: bytes, meter: Meter) -> None:
        self.file.write_at(offset, chunk)
        self.counter.keep(len(chunk))
        meter.let_pass(len(chunk))

    def _take_back(self, kept: int, begun: int, meter: Meter) -> None:
        """Count `kept` bytes as wrong, all of them fetched but those that were there before."""
        self.counter.keep(-kept)
        meter.take_back(kept - begun)

    def _hash(self, extent: Extent, md5: "Hash") -> "Hash":
        for chunk in self.file.read_chunks(*extent):
            md5.update(chunk)
            self.store.cancellation.check()
        return md5

    def _each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        return in_parallel(work, items, self.threads, self.abort)

    def _meter(self, phase: Phase, limit: RateLimit) -> Meter:
        return Meter(phase, self.store.cancellation, limit)

    def _phase(self, verb: str, total: int) -> contextlib.AbstractContextManager[Phase]:
        return self.progress.phase(f"{verb} {printable(self.layout.info.name)}", total)


def _md5() -> "Hash":
    return hashlib.md5(usedforsecurity=False)


def _hash_zeros(length: int, md5: "Hash") -> None:
    for start in range(0, length, len(ZEROS)):
        md5.update(ZEROS[: length - start])


@functools.cache
def _md5_of_zeros(length: int) -> str:
    md5 = _md5()
    _hash_zeros(length, md5)
    return md5.hexdigest()
