# SPDX-License-Identifier: Apache-2.0
"""Reading a file's metadata in few, large pieces: over a network each read is a request."""

from rackspace_imagetasks.bytesource import ByteSource

_WHOLE = 64 << 10  # a file no larger than this is read at once
_END = 4 << 10  # bytes read of each end of a larger one


class Window:
    """The parts of a source that were read; none is read twice."""

    def __init__(self, source: ByteSource) -> None:
        self.size = source.size
        self._source = source
        self._pieces: list[tuple[int, bytes]] = []
        if self.size <= _WHOLE:
            self._load(0, self.size)

    @property
    def head(self) -> bytes:
        """The first bytes, at most 4 KiB."""
        return self.read(0, _END)

    @property
    def tail(self) -> bytes:
        """The last bytes, at most 4 KiB."""
        return self.read(max(0, self.size - _END), _END)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, or fewer if the file ends before.

        :raises SourceError: when the source cannot be read.
        """
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        for start, piece in self._pieces:
            if start <= offset and end <= start + len(piece):
                return piece[offset - start : end - start]
        return self._load(offset, end - offset)

    def _load(self, offset: int, length: int) -> bytes:
        piece = self._source.read_at(offset, length) if length else b""
        self._pieces.append((offset, piece))
        return piece
