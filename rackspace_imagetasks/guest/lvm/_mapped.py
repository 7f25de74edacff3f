# SPDX-License-Identifier: Apache-2.0
"""The bytes of a logical volume, which are in one or more physical volumes."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rackspace_imagetasks.bytesource import BaseSource, ByteSource


class Stripe(NamedTuple):
    """Where the bytes of a stripe begin."""

    source: ByteSource
    start: int


class Segment(NamedTuple):
    """A part of a logical volume, in chunks that are distributed to stripes in turn.

    :ivar chunk: the size of a chunk in bytes.
    """

    start: int
    size: int
    chunk: int
    stripes: tuple[Stripe, ...]

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield bytes of the segment, all within it."""
        while length:
            number, skipped = divmod(offset, self.chunk)
            row, column = divmod(number, len(self.stripes))
            count = min(length, self.chunk - skipped)
            stripe = self.stripes[column]
            yield stripe.source.read_at(stripe.start + row * self.chunk + skipped, count)
            offset, length = offset + count, length - count


class Mapped(BaseSource):
    """A logical volume; its segments ascend and leave no gaps."""

    def __init__(self, name: str, size: int, uuid: str, segments: Iterable[Segment]) -> None:
        super().__init__(name, size, f"lvm-{uuid}")
        self._segments = tuple(segments)

    def _read(self, offset: int, length: int) -> bytes:
        pieces: list[bytes] = []
        for segment in self._segments:
            first = max(offset, segment.start)
            end = min(offset + length, segment.start + segment.size)
            if first < end:
                pieces += segment.read(first - segment.start, end - first)
        return b"".join(pieces)
