# SPDX-License-Identifier: Apache-2.0
"""Fetch parts with hashes into a file, or only what of them the file does not have."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.objects._body import CHUNK
from rackspace_imagetasks.objects._sparse import ZEROS, SparseFile
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.meter import Meter
from rackspace_imagetasks.objects.origin import Origin, Part
from rackspace_imagetasks.threads import InOrder
from rackspace_imagetasks.units import MIB

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

PIECE = 64 * MIB
"""How much of a single part to fetch with one GET; a smaller one is fetched with one."""
_ATTEMPTS = 3


class _Partial(NamedTuple):
    """The first `length` bytes of a part that an earlier run left, and their hash."""

    length: int = 0
    hash: "Hash | None" = None


@dataclass(frozen=True)
class Fetch:
    """The download of one origin into a file."""

    origin: Origin
    file: SparseFile
    transfer: DataTransfer

    def run(self) -> int:
        """Fetch what the file does not contain yet, and return the number of bytes reused."""
        parts, size = self.origin.parts, self.origin.size
        is_divisible = len(parts) == 1 and size > PIECE and self.origin.has_ranges
        if is_divisible and self.transfer.connections.maximum > 1:
            reused = self._fetch_pieces(parts[0])
        else:
            reused = self._fetch_parts(parts)
        self.file.resize(size)
        return reused

    def is_complete(self) -> bool:
        """Return whether the file already has exactly the content; fetch nothing."""
        parts = self.origin.parts
        if self.file.size != self.origin.size or any(part.digest is None for part in parts):
            return False
        found = self._find_partial(parts)
        return all(f.length == p.length for f, p in zip(found, parts, strict=True))

    def _fetch_parts(self, parts: Sequence[Part]) -> int:
        """Fetch the parts, or the rest of each; return the number of bytes reused."""
        partial = self._find_partial(parts)
        present = sum(each.length for each in partial)
        self.transfer.keep(present)
        if len(parts) > 1:  # a single one is written in order: the end of the file is its end
            self.file.resize(self.origin.size)
        missing = [
            (part, found)
            for part, found in zip(parts, partial, strict=True)
            if found.length < part.length
        ]
        with self.transfer.downloading(self.origin.name, self.origin.size - present) as meter:
            wrong = self.transfer.each(lambda each: self._fetch(*each, meter), missing)
        return present - sum(wrong)

    def _fetch(self, part: Part, partial: _Partial, meter: Meter) -> int:
        """Fetch the rest of a part until its hash is right; return the number of wrong bytes."""
        wrong = 0
        for _ in range(_ATTEMPTS):
            hashed, position = partial.hash or self._new_hash(), partial.length
            for chunk in self.origin.receive(part, position, part.length - position):
                hashed.update(chunk)
                self._write(part.offset + position, chunk, meter)
                position += len(chunk)
            found = hashed.hexdigest()
            if part.matches(found):
                return wrong
            self._take_back(position, partial.length, meter)
            wrong += partial.length
            partial = _Partial()
        raise self.origin.corrupt(part, found)

    def _fetch_pieces(self, whole: Part) -> int:
        """Fetch a large part in several ranges at once; return the number of bytes reused."""
        pieces = [
            Extent(start, min(PIECE, whole.length - start))
            for start in range(0, whole.length, PIECE)
        ]
        present = [self._reliable(piece, self._written(piece)) for piece in pieces]
        self.file.resize(whole.length)
        missing = whole.length - sum(present)
        with self.transfer.downloading(self.origin.name, missing) as meter:
            for _ in range(_ATTEMPTS):
                found = self._fetch_each(whole, pieces, present, meter)
                if whole.matches(found):
                    return sum(present)
                self._take_back(whole.length, sum(present), meter)
                present = [0] * len(pieces)
        raise self.origin.corrupt(whole, found)

    def _fetch_each(
        self, whole: Part, pieces: list[Extent], present: list[int], meter: Meter
    ) -> str:
        """Fetch the rest of each piece; return the hash of the whole, computed on the way."""
        whole_hash = self._new_hash()
        hashing = InOrder(lambda index: self._hash(pieces[index], whole_hash))

        def fetch(index: int) -> None:
            (start, length), done = pieces[index], present[index]
            self.transfer.keep(done)
            position = start + done
            for chunk in self.origin.receive(whole, position, length - done):
                self._write(position, chunk, meter)
                position += len(chunk)
            hashing.ready(index)

        self.transfer.each(fetch, range(len(pieces)))
        hashing.finish()
        return whole_hash.hexdigest()

    def _find_partial(self, parts: Sequence[Part]) -> list[_Partial]:
        """Return what an earlier run left of each part."""
        if not self.file.size:
            return [_Partial()] * len(parts)
        with self.transfer.checking(self.origin.size) as meter:

            def check(part: Part) -> _Partial:
                partial = self._check(part)
                meter.advance(part.length)
                return partial

            return self.transfer.each(check, parts)

    def _check(self, part: Part) -> _Partial:
        """Return the whole part if its hash is correct; else as much as may be correct."""
        extent = Extent(part.offset, part.length)
        written = self._written(extent)
        if not written:  # a hole: zeros, or nothing yet
            is_right = _hash_of_zeros(self.origin.algorithm, part.length) == part.digest
            return _Partial(part.length) if is_right else _Partial()
        reliable = self._reliable(extent, written)
        hashed = self._hash(Extent(extent.offset, reliable), self._new_hash())
        partial = _Partial(reliable, hashed.copy())
        self._hash(Extent(extent.offset + reliable, written - reliable), hashed)
        _hash_zeros(part.length - written, hashed)
        if hashed.hexdigest() == part.digest:
            return _Partial(part.length)
        return partial if reliable < part.length else _Partial()

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

    def _hash(self, extent: Extent, hashed: "Hash") -> "Hash":
        for chunk in self.file.read_chunks(*extent):
            hashed.update(chunk)
            self.transfer.check()
        return hashed

    def _new_hash(self) -> "Hash":
        return _new_hash(self.origin.algorithm)


def _new_hash(algorithm: str) -> "Hash":
    return hashlib.new(algorithm, usedforsecurity=False)


def _hash_zeros(length: int, hashed: "Hash") -> None:
    for start in range(0, length, len(ZEROS)):
        hashed.update(ZEROS[: length - start])


@functools.cache
def _hash_of_zeros(algorithm: str, length: int) -> str:
    hashed = _new_hash(algorithm)
    _hash_zeros(length, hashed)
    return hashed.hexdigest()
