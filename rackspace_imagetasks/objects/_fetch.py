# SPDX-License-Identifier: Apache-2.0
"""Fetch the segments of an object into a file, or only the parts that the file does not have."""

import contextlib
import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.objects._body import CHUNK
from rackspace_imagetasks.objects._manifest import Layout, StoredSegment
from rackspace_imagetasks.objects._sparse import ZEROS, SparseFile
from rackspace_imagetasks.objects._verified import SegmentCorrupt
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.meter import Meter
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.threads import InOrder
from rackspace_imagetasks.units import MIB

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

PIECE = 64 * MIB
"""How much of a plain object to fetch with one GET; a smaller object is fetched with one."""
_ATTEMPTS = 3


class _PartialSegment(NamedTuple):
    """The first `length` bytes of a segment that an earlier run left, and their MD5."""

    length: int = 0
    md5: "Hash | None" = None


@dataclass(frozen=True)
class Fetch:
    """The download of one object into a file."""

    store: ObjectStore
    layout: Layout
    file: SparseFile
    transfer: DataTransfer

    def run(self) -> int:
        """Fetch what the file does not contain yet, and return the number of bytes reused."""
        segments, size = self.layout.segments, self.layout.info.size
        if len(segments) == 1 and size > PIECE and self.transfer.connections.maximum > 1:
            reused = self._fetch_plain(segments[0])
        else:
            reused = self._fetch_segments(segments)
        self.file.resize(size)
        return reused

    def is_complete(self) -> bool:
        """Return whether the file already has exactly the object's content; fetch nothing."""
        segments, size = self.layout.segments, self.layout.info.size
        if self.file.size != size:
            return False
        found = self._find_partial(segments)
        return all(f.length == s.length for f, s in zip(found, segments, strict=True))

    def _fetch_segments(self, segments: list[StoredSegment]) -> int:
        """Fetch the segments, or the rest of each; return the number of bytes reused."""
        partial = self._find_partial(segments)
        present = sum(each.length for each in partial)
        self.transfer.keep(present)
        if len(segments) > 1:  # a single one is written in order: the end of the file is its end
            self.file.resize(self.layout.info.size)
        missing = [(s, p) for s, p in zip(segments, partial, strict=True) if p.length < s.length]
        with self._downloading(self.layout.info.size - present) as meter:
            wrong = self.transfer.each(lambda each: self._fetch(*each, meter), missing)
        return present - sum(wrong)

    def _fetch(self, segment: StoredSegment, partial: _PartialSegment, meter: Meter) -> int:
        """Fetch the rest of a segment until its MD5 is right; return the number of wrong bytes."""
        wrong = 0
        for _ in range(_ATTEMPTS):
            md5, position = partial.md5 or _md5(), partial.length
            for chunk in self.store.get_range(
                segment.object, position, segment.length - position, segment.md5
            ):
                md5.update(chunk)
                self._write(segment.offset + position, chunk, meter)
                position += len(chunk)
            found = md5.hexdigest()
            if found == segment.md5:
                return wrong
            self._take_back(position, partial.length, meter)
            wrong += partial.length
            partial = _PartialSegment()
        raise SegmentCorrupt(segment, found)

    def _fetch_plain(self, whole: StoredSegment) -> int:
        """Fetch a large plain object in several ranges at once; return the bytes reused."""
        pieces = [
            Extent(start, min(PIECE, whole.length - start))
            for start in range(0, whole.length, PIECE)
        ]
        present = [self._reliable(piece, self._written(piece)) for piece in pieces]
        self.file.resize(whole.length)
        with self._downloading(whole.length - sum(present)) as meter:
            for _ in range(_ATTEMPTS):
                found = self._fetch_pieces(whole, pieces, present, meter)
                if found == whole.md5:
                    return sum(present)
                self._take_back(whole.length, sum(present), meter)
                present = [0] * len(pieces)
        raise SegmentCorrupt(whole, found)

    def _fetch_pieces(
        self, whole: StoredSegment, pieces: list[Extent], present: list[int], meter: Meter
    ) -> str:
        """Fetch the rest of each piece; return the MD5 of the whole, computed on the way."""
        md5 = _md5()
        hashing = InOrder(lambda index: self._hash(pieces[index], md5))

        def fetch(index: int) -> None:
            (start, length), done = pieces[index], present[index]
            self.transfer.keep(done)
            position, left = start + done, length - done
            for chunk in self.store.get_range(whole.object, position, left, whole.md5):
                self._write(position, chunk, meter)
                position += len(chunk)
            hashing.ready(index)

        self.transfer.each(fetch, range(len(pieces)))
        hashing.finish()
        return md5.hexdigest()

    def _find_partial(self, segments: list[StoredSegment]) -> list[_PartialSegment]:
        """Return what an earlier run left of each segment."""
        if not self.file.size:
            return [_PartialSegment()] * len(segments)
        with self.transfer.checking(self.layout.info.size) as meter:

            def check(segment: StoredSegment) -> _PartialSegment:
                partial = self._check(segment)
                meter.advance(segment.length)
                return partial

            return self.transfer.each(check, segments)

    def _check(self, segment: StoredSegment) -> _PartialSegment:
        """Return the whole segment if its MD5 is correct; else the part that may be correct."""
        extent = Extent(segment.offset, segment.length)
        written = self._written(extent)
        if not written:  # a hole: zeros, or nothing yet
            is_right = _md5_of_zeros(segment.length) == segment.md5
            return _PartialSegment(segment.length) if is_right else _PartialSegment()
        reliable = self._reliable(extent, written)
        md5 = self._hash(Extent(extent.offset, reliable), _md5())
        partial = _PartialSegment(reliable, md5.copy())
        self._hash(Extent(extent.offset + reliable, written - reliable), md5)
        _hash_zeros(segment.length - written, md5)
        if md5.hexdigest() == segment.md5:
            return _PartialSegment(segment.length)
        return partial if reliable < segment.length else _PartialSegment()

    def _written(self, extent: Extent) -> int:
        """Return the number of bytes from the start of a range to the end of its last data."""
        return self.file.data_end(*extent)

    def _reliable(self, extent: Extent, written: int) -> int:
        """Return how many of the bytes written are certainly data.

        Where data ends at a hole, the file system has rounded up the end of the last write.
        """
        at_end = written == extent.length or extent.offset + written == self.file.size
        return written if at_end else max(written - CHUNK, 0)

    def _write(self, offset: int, chunk: bytes, meter: Meter) -> None:
        self.file.write_at(offset, chunk)
        self.transfer.keep(len(chunk))
        meter.advance(len(chunk))

    def _take_back(self, wrong: int, present: int, meter: Meter) -> None:
        """Count `wrong` bytes as not done; all but the `present` ones were fetched by this run."""
        self.transfer.keep(-wrong)
        meter.take_back(wrong - present)

    def _hash(self, extent: Extent, md5: "Hash") -> "Hash":
        for chunk in self.file.read_chunks(*extent):
            md5.update(chunk)
            self.transfer.check()
        return md5

    def _downloading(self, total: int) -> contextlib.AbstractContextManager[Meter]:
        return self.transfer.phase(f"Downloading {self.layout.info.object.name}", total)


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
