# SPDX-License-Identifier: Apache-2.0
"""Bytes elsewhere that are read mostly in order, once, and verified on the way."""

import bisect
import contextlib
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rackspace_imagetasks.bytesource import BaseSource, ByteSource, Extent
from rackspace_imagetasks.threads import ahead
from rackspace_imagetasks.units import MIB

_AHEAD = 32  # chunks that wait to be read
_BEHIND = 8 * MIB  # bytes that can be read again without a request
_SKIP = 64 * MIB  # bytes that are received and dropped rather than reading elsewhere
_SKIP_FOR_LITTLE = MIB  # the same for a read after which reading may continue before it
_BULK = 64 * 1024  # the length of a read from which on reading is expected to continue there


class _Chunk(NamedTuple):
    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset of the next chunk."""
        return self.offset + len(self.data)


class OrderedSource(BaseSource):
    """A source whose parts can be verified only as a whole, such as the segments of an object.

    Reads that continue where others ended are served from one stream, which receives ahead and
    verifies each part. Other reads are requests of their own; `verify_unchanged()` verifies the
    parts that they touched.

    :param parts: the extents that can be verified, ascending and adjacent.
    :ivar has_ranges: whether a read can be a request of its own; otherwise, each read before the
        stream begins the stream again.
    :ivar etag: a text that changes with the content.
    :ivar received: the number of bytes that were received.
    :ivar position: the end of the last read that was not apart.
    """

    etag: str
    has_ranges = True

    def __init__(self, name: str, size: int, identity: str, parts: Sequence[Extent]) -> None:
        super().__init__(name, size, identity)
        self._parts = parts
        self.received = 0
        self.position = 0
        self._touched: set[int] = set()
        self._verified: set[int] = set()
        self._used: set[int] = set()
        self._trusted_end = 0
        self._is_apart = False
        self._stream: Iterator[_Chunk] | None = None
        self._streaming = contextlib.ExitStack()
        self._window: deque[_Chunk] = deque()
        self._position = 0
        self._lock = threading.Lock()

    @abstractmethod
    def unordered(self) -> ByteSource:
        """Return the same bytes for small reads here and there, which are not verified."""

    @abstractmethod
    def _receive(self, number: int) -> Iterator[bytes]:
        """Yield part `number` in chunks, the last one only if the part is right."""

    @abstractmethod
    def _read_range(self, extent: Extent) -> bytes:
        """Read exactly an extent with a request of its own."""

    @abstractmethod
    def _verify_version(self) -> None:
        """Check that the source is still the one that was opened.

        :raises SourceChanged: if it is not.
        """

    def verify_unchanged(self) -> None:
        """Verify each part of which any byte was read, and that the source is still the same.

        :raises IntegrityError: if a part is wrong.
        :raises SourceChanged: if the source was replaced or deleted.
        """
        with self._lock:
            if self._stream and self._position < self.size:
                current = self._parts[self._part_at(max(self._position - 1, 0))]
                self._advance(self._position, current.offset + current.length)
            self._end_stream()
            for number in sorted(self._touched - self._verified):
                for _ in self._chunks_of(number):
                    pass
        self._verify_version()

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Have all reads in a `with` block be requests of their own, such as those of tables."""
        self._is_apart = True
        try:
            yield
        finally:
            self._is_apart = False

    @property
    def unverified(self) -> frozenset[int]:
        """The parts of which bytes were read, other than apart, and that are not verified yet."""
        return frozenset(self._used - self._verified)

    def trust(self, end: int) -> None:
        """Rely on an earlier run, which has verified all parts before `end`.

        The next read in order begins in the part with `end`. If bytes before it are read, other
        than apart, their part is verified again.
        """
        number = self._part_at(end) if end < self.size else len(self._parts)
        self._trusted_end = self._position = self._parts[number].offset if end < self.size else end
        self._verified.update(range(number))

    def close(self) -> None:
        """End the stream."""
        self._end_stream()

    def _read(self, offset: int, length: int) -> bytes:
        if not length:
            return b""
        end = offset + length
        with self._lock:
            parts = range(self._part_at(offset), self._part_at(end - 1) + 1)
            self._touched.update(parts)
            if self._is_apart:
                return self._read_alone(Extent(offset, length))
            self._used.update(parts)
            self.position = end
            if offset < self._trusted_end:
                self._verified.difference_update(parts)
                return self._read_alone(Extent(offset, length))
            if not self._is_near(offset, length):
                if self.has_ranges and not self._is_start(offset, end):
                    return self._read_alone(Extent(offset, length))
                self._start_at(offset)
            self._advance(offset, end)
            return self._from_window(offset, end)

    def _read_alone(self, extent: Extent) -> bytes:
        self.received += extent.length
        return self._read_range(extent)

    def _is_near(self, offset: int, length: int) -> bool:
        """Return whether the window has this offset, or soon will have it."""
        first = self._window[0].offset if self._window else self._position
        is_last = self.has_ranges and offset + length == self.size  # followed by none
        skipped = _SKIP_FOR_LITTLE if length < _BULK or is_last else _SKIP
        return first <= offset <= self._position + skipped

    def _is_start(self, offset: int, end: int) -> bool:
        """Return whether reading is expected to continue where a read elsewhere ends.

        A read up to the end of the source, such as that of a VHD's footer, is followed by none.
        """
        if end - offset < _BULK or end == self.size:
            return False
        is_earlier_part = self._part_at(offset) < self._part_at(self._position)
        return offset >= self._position or is_earlier_part

    def _part_at(self, offset: int) -> int:
        return bisect.bisect_right(self._parts, offset, key=lambda part: part.offset) - 1

    def _start_at(self, offset: int) -> None:
        """Have the stream begin with the part that contains an offset."""
        self._end_stream()
        number = self._part_at(offset)
        self._position = self._parts[number].offset
        self._stream = self._streaming.enter_context(ahead(self._chunks_from(number), _AHEAD))

    def _end_stream(self) -> None:
        self._streaming.close()
        self._stream = None
        self._window.clear()

    def _advance(self, start: int, end: int) -> None:
        """Receive until the window reaches `end`; keep what is not far before `start`."""
        if self._stream is None:
            self._start_at(self._position)
        assert self._stream
        while self._position < end:
            try:
                chunk = next(self._stream)
            except Exception:
                self._end_stream()  # the next read begins again
                raise
            self._window.append(chunk)
            self._position = chunk.end
            while self._window and self._window[0].end <= start - _BEHIND:
                self._window.popleft()

    def _from_window(self, offset: int, end: int) -> bytes:
        return b"".join(
            chunk.data[max(offset - chunk.offset, 0) : end - chunk.offset]
            for chunk in self._window
            if chunk.offset < end and offset < chunk.end
        )

    def _chunks_from(self, number: int) -> Iterator[_Chunk]:
        for each in range(number, len(self._parts)):
            yield from self._chunks_of(each)

    def _chunks_of(self, number: int) -> Iterator[_Chunk]:
        part = self._parts[number]
        offset = part.offset
        for data in self._receive(number):
            if offset + len(data) == part.offset + part.length:
                self._verified.add(number)
            self.received += len(data)
            yield _Chunk(offset, data)
            offset += len(data)
