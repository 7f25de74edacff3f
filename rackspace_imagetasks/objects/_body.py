# SPDX-License-Identifier: Apache-2.0
"""The body of a PUT request, hashed while it is sent; a retry sends it again from the start."""

import hashlib
from collections.abc import Callable, Iterator

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.objects.meter import Meter

#: Bytes to receive at once: small enough to be hashed and written from the processor's cache.
CHUNK = 256 * 1024
#: Bytes to hash, and usually to send, at once: each chunk costs some thread switches. Chunks of
#: 16 KiB, the default of urllib3, cost 40 % more CPU time.
SENT_CHUNK = 1024 * 1024


class Body:
    """`length` bytes from an iterator of chunks; each iteration starts again.

    `requests` takes Content-Length from `__len__` and iterates once for each request.

    :param md5: the MD5 in hex if `chunks` itself verifies it; None to compute it here.
    """

    def __init__(
        self,
        chunks: Callable[[], Iterator[bytes]],
        length: int,
        meter: Meter,
        md5: str | None = None,
    ) -> None:
        self._chunks = chunks
        self._length = length
        self._meter = meter
        self._known_md5 = md5
        self._hash = hashlib.md5(usedforsecurity=False)
        self._sent = 0

    @property
    def md5(self) -> str:
        """The MD5, in hex, of the bytes of the last iteration."""
        return self._known_md5 or self._hash.hexdigest()

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[memoryview]:
        self._meter.take_back(self._sent)
        self._sent = 0
        self._hash = hashlib.md5(usedforsecurity=False)
        for chunk in self._chunks():
            if self._known_md5 is None:
                self._hash.update(chunk)
            rest = memoryview(chunk)
            while rest:
                size = self._meter.chunk_size  # read once: other threads reduce it
                piece, rest = rest[:size], rest[size:]
                self._meter.advance(len(piece))
                self._sent += len(piece)
                yield piece


def read_chunks(source: ByteSource, offset: int, length: int) -> Iterator[bytes]:
    """Yield a range of `source` in chunks of the size in which they are sent."""
    end = offset + length
    for start in range(offset, end, SENT_CHUNK):
        yield source.read_at(start, min(SENT_CHUNK, end - start))
