# SPDX-License-Identifier: Apache-2.0
"""The entries of directories in ext2, ext3 and ext4, read one after the other.

The index of a large directory is not used: its blocks look like unused entries to whoever reads
the directory without it ("Hash Tree Directories").
"""

import struct
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems._crc32c import crc32c
from rackspace_imagetasks.guest.filesystems.base import Damaged
from rackspace_imagetasks.guest.filesystems.ext._inode import Inode, InodeFlag

_ENTRY = struct.Struct("<IHBB")  # ext4_dir_entry_2; if entries tell no kinds, that is 0
_TAIL = struct.Struct("<IHBBI")  # ext4_dir_entry_tail
_TAIL_KIND = 0xDE
_LARGEST_BLOCK = 65536


class Entry(NamedTuple):
    """A name, and the number of its inode."""

    name: str
    inode: int


class DirectoryBlocks:
    """Reads blocks of a directory.

    :param last_inode: the number of the last inode of the file system.
    """

    def __init__(self, directory: Inode, last_inode: int) -> None:
        self._directory = directory
        self._last_inode = last_inode

    def verify(self, block: bytes, number: int) -> None:
        """Compare the checksum of a block; those of an index contain no entries that matter."""
        if self._directory.seed is None or self._is_index(block, number):
            return
        inode, length, name_length, kind, checksum = _TAIL.unpack_from(block, len(block) - 12)
        is_tail = (inode, length, name_length, kind) == (0, _TAIL.size, 0, _TAIL_KIND)
        if not is_tail or checksum != crc32c(block[:-12], self._directory.seed):
            raise Damaged(f"The checksum of directory {self._directory.number} is wrong.")

    def _is_index(self, block: bytes, number: int) -> bool:
        if not self._directory.has(InodeFlag.INDEXED):
            return False
        inode, length, _, _ = _ENTRY.unpack_from(block)
        return not number or (not inode and _length(length, len(block)) == len(block))

    def entries(self, block: bytes) -> Iterator[Entry]:
        """Yield the entries in a block that are in use, without `.` and `..`."""
        offset = 0
        while offset < len(block):
            inode, length, name = self._entry(block, offset)
            if inode and name not in (b".", b".."):
                yield Entry(name.decode("utf-8", "surrogateescape"), inode)
            offset += length

    def _entry(self, block: bytes, offset: int) -> tuple[int, int, bytes]:
        """Return the inode of an entry, its length, and its name."""
        if offset + _ENTRY.size > len(block):
            raise self._damaged()
        inode, stored_length, name_length, _ = _ENTRY.unpack_from(block, offset)
        length = _length(stored_length, len(block))
        name = block[offset + _ENTRY.size :][:name_length]
        if (
            length % 4
            or length < _ENTRY.size + name_length
            or offset + length > len(block)
            or inode > self._last_inode
            or (inode and (not name or b"/" in name or b"\0" in name))
        ):
            raise self._damaged()
        return inode, length, name

    def _damaged(self) -> Damaged:
        return Damaged(f"Directory {self._directory.number} is damaged.")


def _length(stored: int, block_size: int) -> int:
    """Return the length of an entry; 16 bits cannot hold that of the largest block."""
    if block_size == _LARGEST_BLOCK and stored in (0, _LARGEST_BLOCK - 1):
        return _LARGEST_BLOCK
    return stored


def folded(name: str) -> str:
    """Return what names have in common that are one name in a directory that ignores case."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
