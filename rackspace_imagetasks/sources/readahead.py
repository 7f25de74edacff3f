# SPDX-License-Identifier: Apache-2.0
"""Fewer and larger requests to a disk behind a connection."""

import bisect
import threading
from array import array
from collections.abc import Iterator

from rackspace_imagetasks.bytesource import ByteSource, Extent

_PLACES = 8  # where reading may go on: one for each thread that reads, and some


class ReadAhead:
    """Reads ahead where reading goes on, and answers for known zeros without asking.

    :param disk: where each read costs a round trip, and can be up to `amount` bytes.
    """

    def __init__(self, disk: ByteSource, amount: int) -> None:
        self._disk = disk
        self._amount = amount
        self._extents: tuple[array[int], array[int]] | None = None
        # By the offset at which a read ended, the oldest first: what was read beyond it.
        self._ahead: dict[int, memoryview] = {}
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """The disk's size in bytes."""
        return self._disk.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`."""
        end = offset + length
        if not 0 <= offset <= end <= self.size:
            return self._disk.read_at(offset, length)  # which says what is wrong
        if self._data_end(offset, end) is None:
            return bytes(length)
        with self._lock:
            there = self._ahead.pop(offset, None)
        if there is None or len(there) < length:
            there = self._read_on(offset, length, there)
        with self._lock:
            self._ahead[end] = there[length:]
            if len(self._ahead) > _PLACES:
                del self._ahead[next(iter(self._ahead))]
        return bytes(there[:length])

    def data_extents(self) -> Iterator[Extent]:
        """Yield the disk's extents, and remember them."""
        if self._extents is None:
            starts, ends = array("Q"), array("Q")
            for start, length in self._disk.data_extents():
                starts.append(start)
                ends.append(start + length)
            self._extents = starts, ends
        for start, end in zip(*self._extents, strict=True):
            yield Extent(start, end - start)

    def _read_on(self, offset: int, length: int, there: memoryview | None) -> memoryview:
        """Read what is missing, and if an earlier read ended here, more of the same extent."""
        start, end = offset + len(there or b""), offset + length
        data_end = self._data_end(start, end) or start
        if there is not None:
            end = max(end, min(start + self._amount, data_end))
        stop = min(end, data_end)
        data = self._disk.read_at(start, stop - start) if stop > start else b""
        return memoryview((bytes(there or b"") + data).ljust(end - offset, b"\0"))

    def _data_end(self, offset: int, end: int) -> int | None:
        """Return where the last extent that begins before `end` ends; None if before `offset`."""
        if self._extents is None:
            return self.size
        starts, ends = self._extents
        last = bisect.bisect_left(starts, end) - 1
        return ends[last] if last >= 0 and ends[last] > offset else None
