# SPDX-License-Identifier: Apache-2.0
"""A file in the making in which blocks of zeros are holes."""

import os
from collections.abc import Iterator

from rackspace_imagetasks.bytesource import seek_data
from rackspace_imagetasks.exceptions import TargetError
from rackspace_imagetasks.objects.body import CHUNK
from rackspace_imagetasks.partfile import PartFile
from rackspace_imagetasks.text import printable

ZEROS = bytes(CHUNK)


class SparseFile:
    """`FILE.part`, written and read from threads."""

    def __init__(self, part: PartFile) -> None:
        self._part = part

    def resize(self, size: int) -> None:
        """Make the file `size` bytes long; what is added is a hole."""
        self._part.resize(size)

    @property
    def size(self) -> int:
        """The length in bytes, holes included."""
        return os.fstat(self._part.fd).st_size

    @property
    def allocated(self) -> int:
        """The bytes that it takes on the disk."""
        return os.fstat(self._part.fd).st_blocks * 512

    def write_at(self, offset: int, chunk: bytes) -> None:
        """Write a chunk; one of zeros is left out where there is nothing to replace."""
        if chunk == ZEROS[: len(chunk)] and not self.has_data(offset, len(chunk)):
            return
        self._part.write_at(offset, chunk)

    def has_data(self, offset: int, length: int) -> bool:
        """Tell whether anything but a hole is in a range; if in doubt, yes."""
        try:
            start = seek_data(self._part.fd, offset)
        except OSError:
            return True
        return start is not None and start < offset + length

    def data_end(self, offset: int, length: int) -> int:
        """Return how many bytes of a range, from its start, end with the last data in it."""
        at, limit = offset, offset + length
        try:
            while (start := seek_data(self._part.fd, at)) is not None and start < limit:
                at = os.lseek(self._part.fd, start, os.SEEK_HOLE)
        except OSError:
            return length  # in doubt, it may all be data
        return min(at - offset, length)

    def read_chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """Read a range of the file in chunks."""
        end = offset + length
        while offset < end:
            try:
                chunk = os.pread(self._part.fd, min(CHUNK, end - offset), offset)
            except OSError as error:
                name = printable(self._part.path)
                raise TargetError(f"Cannot read '{name}': {error.strerror}.") from error
            if not chunk:
                raise TargetError(f"'{printable(self._part.path)}' became shorter.")
            offset += len(chunk)
            yield chunk
