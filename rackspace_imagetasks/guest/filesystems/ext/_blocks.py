# SPDX-License-Identifier: Apache-2.0
"""Where the blocks of a file in ext2, ext3 or ext4 are: extents and maps of blocks.

Both are trees. The nodes of an extent tree have to describe distinct parts of the file, so a tree
cannot be larger than the part that is wanted. In a map, the position of a pointer tells its part.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems._crc32c import crc32c
from rackspace_imagetasks.guest.filesystems.base import Damaged
from rackspace_imagetasks.guest.filesystems.ext._inode import Inode, InodeFlag

_HEADER = struct.Struct("<HHHH4x")  # ext4_extent_header
_INDEX = struct.Struct("<IIH2x")  # ext4_extent_idx
_EXTENT = struct.Struct("<IHHI")  # ext4_extent
_EXTENT_MAGIC = 0xF30A
_MAX_DEPTH = 5
_MAX_INITIALISED = 32768
"""The longest extent with content. If the stored length is larger, the rest of it is the length."""
_MAX_BLOCKS = 1 << 32
_DIRECT = 12
_POINTER = 4

ReadBlock = Callable[[int], bytes]
"""Returns a block of the file system by its number."""


class Run(NamedTuple):
    """Blocks of a file that follow each other on the disk."""

    start: int
    block: int
    length: int

    @property
    def end(self) -> int:
        """The block of the file after the last."""
        return self.start + self.length


def runs(inode: Inode, wanted: int, block_size: int, read_block: ReadBlock) -> Iterator[Run]:
    """Yield where the first blocks of a file are, in order; those that are missing are zeros.

    :param wanted: the number of blocks.
    :raises Damaged: if the tree is not valid.
    """
    if inode.has(InodeFlag.EXTENTS):
        return _joined(_Extents(inode, wanted, read_block).runs())
    return _joined(_mapped(inode, wanted, block_size, read_block))


def _joined(found: Iterable[Run]) -> Iterator[Run]:
    last = Run(0, 0, 0)
    for run in found:
        if last.length and run.start == last.end and run.block == last.block + last.length:
            last = Run(last.start, last.block, last.length + run.length)
            continue
        if last.length:
            yield last
        last = run
    if last.length:
        yield last


class _Node(NamedTuple):
    """A node of an extent tree that has not been read yet, and what it has to describe.

    :ivar start: the block of the file at which it begins.
    :ivar end: that at which the next one begins.
    """

    block: int
    start: int
    end: int
    depth: int


class _Extents:
    """The extent tree of an inode ("Extent Tree")."""

    def __init__(self, inode: Inode, wanted: int, read_block: ReadBlock) -> None:
        self._inode = inode
        self._wanted = wanted
        self._read_block = read_block

    def runs(self) -> Iterator[Run]:
        depth, entries = self._entries(self._inode.block)
        if depth > _MAX_DEPTH:
            raise self._damaged()
        node = _Node(0, 0, _MAX_BLOCKS, depth)
        waiting: list[_Node] = []
        while True:
            if node.depth:
                waiting += reversed(self._children(node, entries))
            else:
                yield from self._leaf(node, entries)
            if not waiting:
                return
            node = waiting.pop()
            entries = self._read(node)

    def _read(self, node: _Node) -> list[bytes]:
        """Return the entries of a node below the root."""
        content = self._read_block(node.block)
        depth, entries = self._entries(content)
        if depth != node.depth or not entries or _start(entries[0]) != node.start:
            raise self._damaged()
        self._verify(content)
        return entries

    def _verify(self, content: bytes) -> None:
        """Compare the checksum, which follows the room for entries."""
        if self._inode.seed is None:
            return
        _, _, room, _ = _HEADER.unpack_from(content)
        end = _HEADER.size + room * _EXTENT.size
        stored = int.from_bytes(content[end : end + 4], "little")
        if crc32c(content[:end], self._inode.seed) != stored:
            raise self._damaged()

    def _entries(self, content: bytes) -> tuple[int, list[bytes]]:
        """Return the depth of a node, and its entries, which ascend."""
        magic, count, _, depth = _HEADER.unpack_from(content)
        end = _HEADER.size + count * _EXTENT.size
        if magic != _EXTENT_MAGIC or end > len(content):
            raise self._damaged()
        found = [content[at : at + _EXTENT.size] for at in range(_HEADER.size, end, _EXTENT.size)]
        if any(_start(entry) >= _start(following) for entry, following in pairwise(found)):
            raise self._damaged()
        return depth, found

    def _children(self, node: _Node, entries: list[bytes]) -> list[_Node]:
        """Return the children of a node that are wanted."""
        found = [_INDEX.unpack(entry) for entry in entries]
        ends = [*(start for start, _, _ in found[1:]), node.end]
        if not found or found[-1][0] >= node.end:
            raise self._damaged()
        return [
            _Node(low | high << 32, start, end, node.depth - 1)
            for (start, low, high), end in zip(found, ends, strict=True)
            if start < self._wanted
        ]

    def _leaf(self, node: _Node, entries: list[bytes]) -> Iterator[Run]:
        end = node.start
        for start, stored_count, high, low in map(_EXTENT.unpack, entries):
            is_initialised = stored_count <= _MAX_INITIALISED
            count = stored_count if is_initialised else stored_count - _MAX_INITIALISED
            if not count or start < end or start + count > node.end:
                raise self._damaged()
            end = start + count
            if start >= self._wanted:
                return
            if is_initialised:
                yield Run(start, low | high << 32, min(count, self._wanted - start))

    def _damaged(self) -> Damaged:
        return Damaged(f"The extent tree of inode {self._inode.number} is damaged.")


def _start(entry: bytes) -> int:
    return int.from_bytes(entry[:4], "little")


class _Pointer(NamedTuple):
    """A pointer of a map: to a block of the file if its level is 0, else to more pointers."""

    start: int
    level: int
    block: int


def _mapped(inode: Inode, wanted: int, block_size: int, read_block: ReadBlock) -> Iterator[Run]:
    """Yield the blocks of a map ("Direct/Indirect Block Addressing"), one at a time."""
    per_block = block_size // _POINTER
    waiting = list(reversed(_roots(inode.block, per_block)))
    while waiting:
        start, level, block = waiting.pop()
        if not block or start >= wanted:
            continue
        if not level:
            yield Run(start, block, 1)
            continue
        span = per_block ** (level - 1)
        count = min(per_block, -(-(wanted - start) // span))
        blocks = struct.unpack_from(f"<{count}I", read_block(block))
        children = [_Pointer(start + n * span, level - 1, block) for n, block in enumerate(blocks)]
        waiting += reversed(children)


def _roots(content: bytes, per_block: int) -> list[_Pointer]:
    """Return the pointers in an inode: twelve to blocks, then one of each level."""
    start, found = 0, []
    for number, block in enumerate(struct.unpack("<15I", content)):
        level = max(0, number - _DIRECT + 1)
        found.append(_Pointer(start, level, block))
        start += per_block**level
    return found
