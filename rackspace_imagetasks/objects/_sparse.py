# SPDX-License-Identifier: Apache-2.0
"""An incomplete file in which blocks of zeros are holes."""

import os
from collections.abc import Iterator

from rackspace_imagetasks.bytesource import seek_data
from rackspace_imagetasks.exceptions import TargetError
from rackspace_imagetasks.objects._body import CHUNK
from rackspace_imagetasks.partfile import PartFile

ZEROS = bytes(CHUNK)


class SparseFile:
    """The open `FILE.part`; safe to use from threads."""

    def __init__(self, part: PartFile) -> None:
        self._part = part

    def resize(self, size: int) -> None:
        """Set the length of the file to `size` bytes; an added range is a hole."""
        self._part.resize(size)

    @property
    def size(self) -> int:
        """The length in bytes, including holes."""
        return os.fstat(self._part.fd).st_size

    @property
    def allocated(self) -> int:
        """The number of bytes that it occupies on the disk."""
        return os.fstat(self._part.fd).st_blocks * 512

    def write_at(self, offset: int, chunk: bytes) -> None:
        """Write a chunk, or leave a hole if it is all zeros and there is no data to replace."""
        if _is_zero(chunk) and not self.has_data(offset, len(chunk)):
            return
        self._part.write_at(offset, chunk)

    def has_data(self, offset: int, length: int) -> bool:
        """Return whether a range contains anything but a hole; return True if that is unknown."""
        try:
            start = seek_data(self._part.fd, offset)
        except OSError:
            return True
        return start is not None and start < offset + length

    def is_zero(self, offset: int, length: int) -> bool:
        """Return whether a range of at most `CHUNK` bytes contains only zeros."""
        return not self.has_data(offset, length) or _is_zero(self.read_some(offset, length))

    def data_end(self, offset: int, length: int) -> int:
        """Return the number of bytes from the start of a range to the end of its last data."""
        at, limit = offset, offset + length
        try:
            while (start := seek_data(self._part.fd, at)) is not None and start < limit:
                at = os.lseek(self._part.fd, start, os.SEEK_HOLE)
        except OSError:
            return length  # unknown: all of it may be data
        return min(at - offset, length)

    def read_some(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer at the end of the file."""
        try:
            return os.pread(self._part.fd, length, offset)
        except OSError as error:
            raise TargetError(f"Cannot read '{self._part.path}': {error.strerror}.") from error

    def read_chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """Read a range of the file in chunks."""
        end = offset + length
        while offset < end:
            chunk = self.read_some(offset, min(CHUNK, end - offset))
            if not chunk:
                raise TargetError(f"'{self._part.path}' was truncated by another program.")
            offset += len(chunk)
            yield chunk


def _is_zero(chunk: bytes) -> bool:
    return chunk == ZEROS[: len(chunk)]
