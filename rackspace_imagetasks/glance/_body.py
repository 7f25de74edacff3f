# SPDX-License-Identifier: Apache-2.0
"""The data of an image as the body of a request: read ahead, and hashed while it is sent."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.objects.meter import Meter
from rackspace_imagetasks.threads import ahead
from rackspace_imagetasks.units import MIB

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_CHUNK = MIB
_CHUNKS_AHEAD = 8


class SentData(NamedTuple):
    """What was sent as the data of an image: its size, and its hashes in hex."""

    size: int
    md5: str
    sha512: str


class ImageBody:
    """All bytes of a source, in order; each iteration starts again.

    Another thread reads the source and computes the hashes while earlier bytes are being sent.
    """

    def __init__(self, source: ByteSource, meter: Meter) -> None:
        self._source = source
        self._meter = meter
        self._counted = 0
        self._start()

    def _start(self) -> None:
        self._md5: Hash = hashlib.md5(usedforsecurity=False)
        self._sha512: Hash = hashlib.sha512()

    @property
    def sent(self) -> SentData:
        """What the last iteration sent, once it is complete."""
        return SentData(self._source.size, self._md5.hexdigest(), self._sha512.hexdigest())

    def __len__(self) -> int:
        return self._source.size

    def __iter__(self) -> Iterator[memoryview]:
        self._meter.take_back(self._counted)
        self._counted = 0
        self._start()
        with ahead(self._hashed_chunks(self._md5, self._sha512), _CHUNKS_AHEAD) as chunks:
            for chunk in chunks:
                yield from self._pieces(memoryview(chunk))

    def _pieces(self, rest: memoryview) -> Iterator[memoryview]:
        while rest:
            size = self._meter.chunk_size
            piece, rest = rest[:size], rest[size:]
            self._meter.advance(len(piece))
            self._counted += len(piece)
            yield piece

    def _hashed_chunks(self, *hashes: "Hash") -> Iterator[bytes]:
        """Yield the source, the last chunk only if it is unchanged: no mixture is ever stored."""
        size = self._source.size
        for start in range(0, size, _CHUNK):
            chunk = self._source.read_at(start, min(_CHUNK, size - start))
            for each in hashes:
                each.update(chunk)
            if start + len(chunk) == size:
                self._source.verify_unchanged()
            yield chunk
