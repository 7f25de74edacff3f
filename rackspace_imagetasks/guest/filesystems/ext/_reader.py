# SPDX-License-Identifier: Apache-2.0
"""The reader of ext2, ext3 and ext4: inodes, what they contain, and the names in directories."""

import functools
from collections.abc import Iterator

from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status, Volume
from rackspace_imagetasks.guest.filesystems.ext._blocks import runs
from rackspace_imagetasks.guest.filesystems.ext._directory import DirectoryBlocks, Entry, folded
from rackspace_imagetasks.guest.filesystems.ext._inline import inline_content
from rackspace_imagetasks.guest.filesystems.ext._inode import Inode, InodeFlag
from rackspace_imagetasks.guest.filesystems.ext._superblock import (
    ROOT_INODE,
    SUPERBLOCK_AT,
    SUPERBLOCK_SIZE,
    Superblock,
)

_MAX_DIRECTORY = 16 << 20  # bytes; 60,000 names of the largest length
_MAX_LINK = 4096
_MAX_KEPT_DIRECTORY = 64 << 10  # bytes
_MAX_KEPT_DIRECTORIES = 24
_MAX_KEPT = 256  # inodes, and descriptors of groups
_PIECE = 64 << 10
"""How much is read at once."""
_INLINE_PARENT = 4
"""In the place of `.` and `..`, a directory in an inode has the number of its parent."""


class Ext:
    """A file system; nodes are the numbers of inodes.

    :raises Damaged: if the superblock cannot be used.
    """

    is_case_sensitive = True

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._superblock = superblock = Superblock(volume.read(SUPERBLOCK_AT, SUPERBLOCK_SIZE))
        self.kind = superblock.kind
        self.size = superblock.blocks * superblock.block_size
        used = superblock.blocks - superblock.free_blocks
        self.used = used * superblock.block_size if used >= 0 else None
        self.label = superblock.label
        self.uuid = superblock.uuid
        self.notes = superblock.notes
        self._table = functools.lru_cache(_MAX_KEPT)(self._read_table)
        self._inode = functools.lru_cache(_MAX_KEPT)(self._read_inode)
        self._small_directory = functools.lru_cache(_MAX_KEPT_DIRECTORIES)(self._read_directory)

    @property
    def root(self) -> int:
        """The root directory."""
        return ROOT_INODE

    def status(self, node: int) -> Status:
        """Return what an inode is."""
        inode = self._inode(node)
        return Status(inode.kind, inode.size)

    def child(self, directory: int, name: str) -> int | None:
        """Return an entry of a directory, or None if the directory does not have it."""
        inode = self._directory(directory)
        if inode.has(InodeFlag.CASEFOLDED):
            wanted = folded(name)
            return next((n for found, n in self._entries(inode) if folded(found) == wanted), None)
        return next((number for found, number in self._entries(inode) if found == name), None)

    def names(self, directory: int) -> Iterator[str]:
        """Yield the names in a directory."""
        for name, _ in self._entries(self._directory(directory)):
            yield name

    def read(self, node: int, limit: int) -> bytes:
        """Return the first bytes of a file."""
        return self._content(self._inode_of_kind(node, Kind.FILE), limit)

    def link(self, node: int) -> str:
        """Return the target of a symbolic link."""
        inode = self._inode_of_kind(node, Kind.LINK)
        if inode.size > _MAX_LINK:
            raise Damaged(f"Symbolic link {node} is too long.")
        is_fast = inode.size < len(inode.block) and not inode.has(
            InodeFlag.EXTENTS | InodeFlag.INLINE_DATA | InodeFlag.ENCRYPTED
        )
        target = inode.block[: inode.size] if is_fast else self._content(inode, _MAX_LINK)
        return target.decode("utf-8", "surrogateescape")

    def _inode_of_kind(self, number: int, kind: Kind) -> Inode:
        inode = self._inode(number)
        if inode.kind is not kind:
            raise Damaged(f"Inode {number} is not a {kind.value}.")
        return inode

    def _read_inode(self, number: int) -> Inode:
        group, index = self._superblock.inode_place(number)
        size = self._superblock.inode_size
        content = self._volume.read(self._table(group) + index * size, size)
        return Inode(number, content, self._superblock)

    def _read_table(self, group: int) -> int:
        """Return the offset of a group's inodes."""
        at = self._superblock.descriptor_at(group)
        descriptor = self._volume.read(at, self._superblock.descriptor_size)
        return self._superblock.inode_table(group, descriptor)

    def _content(self, inode: Inode, limit: int) -> bytes:
        """Return the first bytes of the content of an inode; parts without blocks are zeros."""
        self._check_readable(inode)
        if inode.has(InodeFlag.INLINE_DATA):
            return inline_content(inode)[:limit]
        content = bytearray(min(inode.size, limit))
        block_size = self._superblock.block_size
        wanted = -(-len(content) // block_size)
        for number, piece in self._pieces(inode, wanted):
            start = number * block_size
            content[start : start + len(piece)] = piece[: len(content) - start]
        return bytes(content)

    def _pieces(self, inode: Inode, wanted: int) -> Iterator[tuple[int, bytes]]:
        """Yield the first blocks of a file in pieces, each with the number of its first block."""
        block_size = self._superblock.block_size
        step = _PIECE // block_size
        for run in runs(inode, wanted, block_size, self._block):
            for at in range(0, run.length, step):
                offset, length = (run.block + at) * block_size, min(step, run.length - at)
                yield run.start + at, self._volume.read(offset, length * block_size)

    def _check_readable(self, inode: Inode) -> None:
        for flag in (InodeFlag.ENCRYPTED, InodeFlag.COMPRESSED):
            if inode.has(flag):
                raise Damaged(f"Inode {inode.number} is {(flag.name or '').lower()}.")

    def _block(self, number: int) -> bytes:
        block_size = self._superblock.block_size
        return self._volume.read(number * block_size, block_size)

    def _directory(self, number: int) -> Inode:
        inode = self._inode_of_kind(number, Kind.DIRECTORY)
        self._check_readable(inode)
        if not 0 < inode.size <= _MAX_DIRECTORY:
            raise Damaged(f"The size of directory {number} is not valid.")
        return inode

    def _entries(self, directory: Inode) -> Iterator[Entry]:
        """Return the entries of a directory; those of small directories are read only once."""
        if directory.size > _MAX_KEPT_DIRECTORY:
            return self._read_entries(directory)
        return iter(self._small_directory(directory.number))

    def _read_directory(self, number: int) -> tuple[Entry, ...]:
        return tuple(self._read_entries(self._inode(number)))

    def _read_entries(self, directory: Inode) -> Iterator[Entry]:
        reader = DirectoryBlocks(directory, self._superblock.inodes)
        if directory.has(InodeFlag.INLINE_DATA):
            content = inline_content(directory)
            in_map = len(directory.block)
            yield from reader.entries(content[_INLINE_PARENT:in_map])
            yield from reader.entries(content[in_map:])
            return
        for number, block in enumerate(self._directory_blocks(directory)):
            reader.verify(block, number)
            yield from reader.entries(block)

    def _directory_blocks(self, directory: Inode) -> Iterator[bytes]:
        """Yield the blocks of a directory, none of which may be missing."""
        block_size = self._superblock.block_size
        wanted, partial = divmod(directory.size, block_size)
        expected = 0
        for number, piece in self._pieces(directory, wanted):
            if number != expected:
                break
            yield from (piece[at : at + block_size] for at in range(0, len(piece), block_size))
            expected += len(piece) // block_size
        if partial or expected != wanted:
            raise Damaged(f"Directory {directory.number} has missing blocks.")
