# SPDX-License-Identifier: Apache-2.0
"""Fewer and larger requests to a disk that is read over a connection."""

import bisect
import threading
from array import array
from collections.abc import Iterator

from rackspace_imagetasks.bytesource import BaseSource, ByteSource, Extent

_PLACES = 8  # positions at which reading may continue: one per reading thread, and some more


class ReadAhead(BaseSource):
    """A disk that is read ahead where reading continues, and whose known zeros are not requested.

    :param disk: a disk of which each read costs a round trip.
    :param amount: the most bytes to read at once.
    """

    def __init__(self, disk: ByteSource, amount: int) -> None:
        super().__init__(disk.name, disk.size, disk.identity)
        self._disk = disk
        self._amount = amount
        self._extents: tuple[array[int], array[int]] | None = None
        # By the offset at which a read ended, the oldest first: the bytes read beyond it.
        self._ahead: dict[int, memoryview] = {}
        self._lock = threading.Lock()

    def _read(self, offset: int, length: int) -> bytes:
        end = offset + length
        if self._data_end(offset, end) is None:
            return bytes(length)
        with self._lock:
            known = self._ahead.pop(offset, None)
        if known is None or len(known) < length:
            known = self._read_on(offset, length, known)
        with self._lock:
            self._ahead[end] = known[length:]
            if len(self._ahead) > _PLACES:
                del self._ahead[next(iter(self._ahead))]
        return bytes(known[:length])

    def data_extents(self) -> Iterator[Extent]:
        """Yield the disk's extents, and keep them for later reads."""
        if self._extents is None:
            starts, ends = array("Q"), array("Q")
            for start, length in self._disk.data_extents():
                starts.append(start)
                ends.append(start + length)
            self._extents = starts, ends
        for start, end in zip(*self._extents, strict=True):
            yield Extent(start, end - start)

    def close(self) -> None:
        """Close the disk."""
        self._disk.close()

    def verify_unchanged(self) -> None:
        """Check the disk."""
        self._disk.verify_unchanged()

    def _read_on(self, offset: int, length: int, known: memoryview | None) -> memoryview:
        """Read the missing bytes, and more of the same extent if an earlier read ended here."""
        start, end = offset + len(known or b""), offset + length
        data_end = self._data_end(start, end) or start
        if known is not None:
            end = max(end, min(start + self._amount, data_end))
        stop = min(end, data_end)
        data = self._disk.read_at(start, stop - start) if stop > start else b""
        return memoryview((bytes(known or b"") + data).ljust(end - offset, b"\0"))

    def _data_end(self, offset: int, end: int) -> int | None:
        """Return the end of the last extent before `end`, or None if it is before `offset`."""
        if self._extents is None:
            return self.size
        starts, ends = self._extents
        last = bisect.bisect_left(starts, end) - 1
        return ends[last] if last >= 0 and ends[last] > offset else None
