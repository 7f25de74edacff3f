# SPDX-License-Identifier: Apache-2.0
"""Directories of XFS: within an inode, or in blocks ("Directories").

What follows the entries, which speeds up lookups by hashes of names, is not read; the size of a
directory does not include it.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems.base import Damaged, Volume
from rackspace_imagetasks.guest.filesystems.xfs._checks import check_crc, check_owner
from rackspace_imagetasks.guest.filesystems.xfs._inode import (
    LOCAL,
    Inode,
    Piece,
    local_content,
    pieces,
)
from rackspace_imagetasks.guest.filesystems.xfs._superblock import Superblock

MAX_DIRECTORY = 64 << 20
"""The most bytes that are read of one directory, which are at least a million names."""
_HEADERS = {b"XD2B": 16, b"XD2D": 16, b"XDB3": 64, b"XDD3": 64}
_SINGLE_BLOCK = (b"XD2B", b"XDB3")  # which has the hashes at its end
_CRC_AT = 4
_OWNER_AT = 40
_UNUSED = b"\xff\xff"


class Entry(NamedTuple):
    """A name in a directory, and the number of its inode."""

    name: bytes
    number: int


def entries(volume: Volume, superblock: Superblock, inode: Inode) -> Iterator[Entry]:
    """Yield the entries of a directory without `.` and `..`.

    :raises Damaged: if it is damaged or too large.
    """
    if inode.format == LOCAL:
        yield from _short_form(superblock, inode)
        return
    if inode.size % superblock.directory_block_size or inode.size > MAX_DIRECTORY:
        raise Damaged(f"The directory in inode {inode.number} of XFS is damaged or too large.")
    stored = pieces(volume, superblock, inode, inode.size)
    for block in _blocks(stored, superblock, inode):
        for entry in _block_entries(block, superblock, inode):
            if entry.name not in (b".", b".."):
                yield entry


def _short_form(superblock: Superblock, inode: Inode) -> Iterator[Entry]:
    content = local_content(inode)
    if len(content) < 2:
        raise _damaged(inode)
    count, large = struct.unpack_from(">BB", content)
    width = 8 if large else 4
    offset = 2 + width  # the parent is the first number
    for _ in range(count):
        if offset >= len(content):
            raise _damaged(inode)
        start = offset + 3
        name_end = start + content[offset]
        number_at = name_end + superblock.has_file_types
        offset = number_at + width
        if offset > len(content) or start == name_end:
            raise _damaged(inode)
        number = int.from_bytes(content[number_at:offset], "big")
        yield Entry(content[start:name_end], number)


def _blocks(stored: Iterable[Piece], superblock: Superblock, inode: Inode) -> Iterator[bytes]:
    """Yield the blocks of a directory, each of which may consist of several of the file system."""
    size = superblock.directory_block_size
    start, pending = 0, b""
    for offset, content in stored:
        if not pending:
            start = offset
        if start % size or offset != start + len(pending):
            raise _damaged(inode)
        pending += content
        whole = len(pending) - len(pending) % size
        for at in range(0, whole, size):
            yield pending[at : at + size]
        start, pending = start + whole, pending[whole:]
    if pending:
        raise _damaged(inode)


def _block_entries(block: bytes, superblock: Superblock, inode: Inode) -> Iterator[Entry]:
    magic = block[:4]
    if magic not in _HEADERS or magic.endswith(b"3") != (superblock.version == 5):
        raise _damaged(inode)
    if superblock.version == 5:
        check_crc(block, _CRC_AT, f"a block of directory {inode.number}")
        check_owner(block, _OWNER_AT, inode.number)
    offset, end = _HEADERS[magic], _data_end(block, inode)
    # The number, the length of the name, the name, its type, and the entry's own offset, so that
    # the whole is a multiple of eight bytes.
    fixed = 8 + 1 + superblock.has_file_types + 2
    while offset < end:
        if block.startswith(_UNUSED, offset):
            length = int.from_bytes(block[offset + 2 : offset + 4], "big")
        else:
            number, name_length = struct.unpack_from(">QB", block, offset)
            length = -(-(fixed + name_length) // 8) * 8
            name_at = offset + 9
            if not name_length:
                raise _damaged(inode)
            yield Entry(block[name_at : name_at + name_length], number)
        following = offset + length
        tag = int.from_bytes(block[following - 2 : following], "big")
        if not length or length % 8 or following > end or tag != offset:
            raise _damaged(inode)
        offset = following


def _data_end(block: bytes, inode: Inode) -> int:
    """Return where the entries of a block end."""
    if block[:4] not in _SINGLE_BLOCK:
        return len(block)
    (hashes,) = struct.unpack_from(">I", block, len(block) - 8)
    end = len(block) - 8 - 8 * int(hashes)
    if end < _HEADERS[block[:4]]:
        raise _damaged(inode)
    return end


def _damaged(inode: Inode) -> Damaged:
    return Damaged(f"The directory in inode {inode.number} of XFS is damaged.")
