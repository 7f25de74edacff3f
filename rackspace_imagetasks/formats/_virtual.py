# SPDX-License-Identifier: Apache-2.0
"""A disk image that is read without being written: made from its disk, part by part."""

from rackspace_imagetasks.bytesource import BaseSource, ByteSource


class VirtualFile(BaseSource):
    """The file of a disk; a subclass lays it out, and makes one part of it at a time."""

    def __init__(self, disk: ByteSource, size: int, identity: str) -> None:
        super().__init__(disk.name, size, identity)
        self._disk = disk

    def _read(self, offset: int, length: int) -> bytes:
        pieces = []
        while length > 0:
            piece = self._piece(offset, length)
            pieces.append(piece)
            offset, length = offset + len(piece), length - len(piece)
        return b"".join(pieces)

    def _piece(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`, all from the same part of the file."""
        raise NotImplementedError

    def _data(self, offset: int, length: int) -> bytes:
        """Return the disk's bytes, and zeros after its end."""
        available = max(0, min(length, self._disk.size - offset))
        data = self._disk.read_at(offset, available) if available else b""
        return data if available == length else data.ljust(length, b"\0")

    def verify_unchanged(self) -> None:
        """Check that the disk is still the one that was laid out."""
        self._disk.verify_unchanged()

    def close(self) -> None:
        """Close the disk."""
        self._disk.close()
