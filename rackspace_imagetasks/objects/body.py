# SPDX-License-Identifier: Apache-2.0
"""The body of a PUT: hashed while it is sent, and sent again from its start when need be."""

import hashlib
from collections.abc import Callable, Iterator

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.objects.meter import Meter

#: What is received at once: it still is in the processor's cache when it is hashed and written.
CHUNK = 256 * 1024
#: What is hashed, and mostly sent, at once: each costs a few changes of threads. http.client's own
#: 16 KiB for a body cost 40 % more CPU.
SENT_CHUNK = 1024 * 1024


class Body:
    """`length` bytes from an iterator of chunks; each iteration starts anew.

    `requests` takes Content-Length from `__len__` and iterates once for each request.

    :param md5: the MD5 in hex, where `chunks` itself raises if it is another; None to take it here.
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
        self._given = 0

    @property
    def md5(self) -> str:
        """The MD5, in hex, of what the last iteration gave."""
        return self._known_md5 or self._hash.hexdigest()

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[memoryview]:
        self._meter.take_back(self._given)
        self._given = 0
        self._hash = hashlib.md5(usedforsecurity=False)
        for chunk in self._chunks():
            if self._known_md5 is None:
                self._hash.update(chunk)
            rest = memoryview(chunk)
            while rest:
                size = self._meter.portion  # once: other threads make it smaller
                portion, rest = rest[:size], rest[size:]
                self._meter.let_pass(len(portion))
                self._given += len(portion)
                yield portion


def read_chunks(source: ByteSource, offset: int, length: int) -> Iterator[bytes]:
    """Read a slice of `source` in chunks, as they are sent."""
    end = offset + length
    for start in range(offset, end, SENT_CHUNK):
        yield source.read_at(start, min(SENT_CHUNK, end - start))
