# SPDX-License-Identifier: Apache-2.0
"""Inodes of XFS, and where their data is."""

import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Volume
from rackspace_imagetasks.guest.filesystems.xfs._checks import check_crc, check_owner
from rackspace_imagetasks.guest.filesystems.xfs._superblock import Superblock

LOCAL = 1  # the formats of a data fork
EXTENTS = 2
BTREE = 3

_CORE = struct.Struct(">2sHBB18xQ24xQ12xIHB7xH")  # "Inode Core", to the flags
_CORE_SIZES = {1: 100, 2: 100, 3: 176}
_FLAGS2 = struct.Struct(">Q24xQ")  # from offset 120, version 3 only; then the inode's own number
_FLAGS2_AT = 120
_CRC_AT = 100
_REALTIME = 0x1
_LARGE_EXTENT_COUNTS = 0x10
_MAX_SIZE = 2**63 - 1
_RECORD = struct.Struct(">QQ")
_MAX_LEVEL = 9  # as in Linux; a tree of this height is larger than any disk
_PIECE = 1 << 20

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK}


class Inode(NamedTuple):
    """What an inode says of its file.

    :ivar fork: the data fork: the content itself, extents, or the root of a B+tree of extents.
    """

    number: int
    kind: Kind
    size: int
    format: int
    extent_count: int
    is_realtime: bool
    fork: bytes


class Extent(NamedTuple):
    """Adjacent blocks of a file, and where they are on the disk."""

    start: int
    block: int
    blocks: int
    is_unwritten: bool


class Piece(NamedTuple):
    """A part of a file that is stored."""

    offset: int
    content: bytes


def read_inode(volume: Volume, superblock: Superblock, number: int) -> Inode:
    """Return an inode.

    :raises Damaged: if there is none, or its fields contradict each other.
    """
    content = volume.read(superblock.inode_offset(number), superblock.inode_size)
    magic, mode, version, format_, large_count, size, count, _, fork_offset, flags = (
        _CORE.unpack_from(content)
    )
    if magic != b"IN" or version not in _CORE_SIZES or size > _MAX_SIZE or not mode:
        raise Damaged(f"Inode {number} of XFS is damaged.")
    if version == 3:
        check_crc(content, _CRC_AT, f"inode {number}")
        flags2, own_number = _FLAGS2.unpack_from(content, _FLAGS2_AT)
        count = large_count if flags2 & _LARGE_EXTENT_COUNTS else count
        if own_number != number:
            raise Damaged(f"Inode {number} of XFS says that it is inode {own_number}.")
    start = _CORE_SIZES[version]
    end = start + 8 * fork_offset if fork_offset else len(content)
    if end > len(content):
        raise Damaged(f"The data fork of inode {number} of XFS is larger than the inode.")
    kind = _KINDS.get(stat.S_IFMT(mode), Kind.OTHER)
    return Inode(number, kind, size, format_, count, bool(flags & _REALTIME), content[start:end])


def local_content(inode: Inode) -> bytes:
    """Return the content of an inode that has it in itself."""
    if inode.size > len(inode.fork):
        raise Damaged(f"Inode {inode.number} of XFS is too small for its content.")
    return inode.fork[: inode.size]


def pieces(
    volume: Volume, superblock: Superblock, inode: Inode, end: int, start: int = 0
) -> Iterator[Piece]:
    """Yield what is stored of a file between two offsets, ascending; the rest is zeros."""
    if inode.is_realtime:
        raise Damaged(f"The data of inode {inode.number} of XFS is on another device.")
    size = superblock.block_size
    for extent in extents(volume, superblock, inode):
        first = extent.start * size
        if first >= end:
            return
        if extent.is_unwritten:
            continue
        at = superblock.block_offset(extent.block, extent.blocks) - first
        stop = min(first + extent.blocks * size, end)
        for offset in range(max(first, start), stop, _PIECE):
            yield Piece(offset, volume.read(at + offset, min(_PIECE, stop - offset)))


def extents(volume: Volume, superblock: Superblock, inode: Inode) -> Iterator[Extent]:
    """Yield the extents of a file, ascending and not empty, which bounds their number."""
    if inode.format == EXTENTS:
        lists: Iterator[bytes] = iter([_extent_list(inode)])
    elif inode.format == BTREE:
        lists = _leaves(volume, superblock, inode)
    else:
        raise Damaged(f"Inode {inode.number} of XFS has no extents.")
    end = 0
    for records in lists:
        for high, low in _RECORD.iter_unpack(records):
            extent = _extent(high, low)
            if extent.start < end or not extent.blocks:
                raise Damaged(f"The extents of inode {inode.number} of XFS overlap.")
            end = extent.start + extent.blocks
            yield extent


def _extent_list(inode: Inode) -> bytes:
    length = inode.extent_count * _RECORD.size
    if length > len(inode.fork):
        raise Damaged(f"Inode {inode.number} of XFS has too many extents.")
    return inode.fork[:length]


def _extent(high: int, low: int) -> Extent:
    """Unpack the 1, 54, 52 and 21 bits of an extent ("Data Extents")."""
    block = (high & 0x1FF) << 43 | low >> 21
    return Extent(high >> 9 & (1 << 54) - 1, block, low & (1 << 21) - 1, bool(high >> 63))


def _leaves(volume: Volume, superblock: Superblock, inode: Inode) -> Iterator[bytes]:
    """Yield the records of each leaf of a B+tree of extents, from left to right."""
    level, count = struct.unpack_from(">HH", inode.fork)
    if not 0 < level <= _MAX_LEVEL:
        raise Damaged(f"The extent tree of inode {inode.number} of XFS is damaged.")
    waiting = [(level - 1, child) for child in _children(inode, inode.fork[4:], count)]
    while waiting:
        level, block = waiting.pop()
        content = volume.read(superblock.block_offset(block), superblock.block_size)
        header = 72 if superblock.version == 5 else 24
        _check_tree_block(content, superblock, inode, level)
        (count,) = struct.unpack_from(">H", content, 6)
        body = content[header:]
        if level:
            waiting.extend((level - 1, child) for child in _children(inode, body, count))
        elif 0 < count <= len(body) // _RECORD.size:
            yield body[: count * _RECORD.size]
        else:
            raise Damaged(f"The extent tree of inode {inode.number} of XFS is damaged.")


def _children(inode: Inode, body: bytes, count: int) -> tuple[int, ...]:
    """Return the children of a node, the last first: all keys precede all pointers."""
    capacity = len(body) // 16
    if not 0 < count <= capacity:
        raise Damaged(f"The extent tree of inode {inode.number} of XFS is damaged.")
    children: tuple[int, ...] = struct.unpack_from(f">{count}Q", body, 8 * capacity)
    return children[::-1]


def _check_tree_block(content: bytes, superblock: Superblock, inode: Inode, level: int) -> None:
    magic = b"BMA3" if superblock.version == 5 else b"BMAP"
    if content[:4] != magic or content[4:6] != level.to_bytes(2, "big"):
        raise Damaged(f"The extent tree of inode {inode.number} of XFS is damaged.")
    if superblock.version == 5:
        check_crc(content, 64, "a block of extents")
        check_owner(content, 56, inode.number)
