# SPDX-License-Identifier: Apache-2.0
"""The record of what is complete in a `FILE.part` that is written piece by piece.

The record follows the content, which the file system stores no sooner than the record: a machine
that fails may lose any of both. Each entry therefore has the hash of its piece, and an entry that
is torn, or whose piece is not intact, ends the record.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.objects._sparse import SparseFile
from rackspace_imagetasks.units import round_up

_ALIGNMENT = 4096
_MARK = b"\0pieces\n"
_HEAD = struct.Struct(f">32s{len(_MARK)}s")
_ENTRY = struct.Struct(f">Q32s{len(_MARK)}s")


class Entry(NamedTuple):
    """A piece that is complete.

    :ivar position: where reading the source continues after it.
    :ivar digest: the SHA-256 of its bytes.
    """

    position: int
    digest: bytes


class PieceRecord:
    """The entries of the pieces, in the order in which they are written.

    :param size: the length of the content.
    :param key: 32 bytes that identify what is written, from which source.
    """

    def __init__(self, file: SparseFile, size: int, key: bytes) -> None:
        self._file = file
        self._key = key
        self._start = round_up(size, _ALIGNMENT)
        self._end = self._start

    @property
    def is_present(self) -> bool:
        """Whether the file has a record of exactly this content."""
        return self._file.read_some(self._start, _HEAD.size) == _HEAD.pack(self._key, _MARK)

    def begin(self) -> None:
        """Empty the file, and begin a record."""
        self._file.resize(0)
        self._file.write_at(self._start, _HEAD.pack(self._key, _MARK))
        self._end = self._start + _HEAD.size

    def entries(self) -> Iterator[Entry]:
        """Yield the entries; when it is left, the record ends after the last one that was used."""
        self._end = self._start + _HEAD.size
        while len(read := self._file.read_some(self._end, _ENTRY.size)) == _ENTRY.size:
            position, digest, mark = _ENTRY.unpack(read)
            if mark != _MARK:
                return
            yield Entry(position, digest)
            self._end += _ENTRY.size

    def truncate(self) -> None:
        """Remove the entries after the last one that was used."""
        self._file.resize(self._end)

    def append(self, entry: Entry) -> None:
        """Add an entry."""
        self._file.write_at(self._end, _ENTRY.pack(*entry, _MARK))
        self._end += _ENTRY.size


def discard_pieces(file: SparseFile) -> None:
    """Empty a file that ends with a record: what it has is not the beginning of a download."""
    if file.size >= len(_MARK) and file.read_some(file.size - len(_MARK), len(_MARK)) == _MARK:
        file.resize(0)
