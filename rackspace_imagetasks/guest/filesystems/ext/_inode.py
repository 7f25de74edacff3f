# SPDX-License-Identifier: Apache-2.0
"""The inodes of ext2, ext3 and ext4 ("Index Nodes")."""

import enum
import struct
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems._crc32c import crc32c
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind
from rackspace_imagetasks.guest.filesystems.ext._superblock import (
    BASIC_INODE,
    Incompatible,
    Superblock,
)

_KINDS = {
    0x8: Kind.FILE,
    0x4: Kind.DIRECTORY,
    0xA: Kind.LINK,
    **dict.fromkeys((1, 2, 6, 0xC), Kind.OTHER),
}


class InodeFlag(enum.IntEnum):
    """Flags of an inode that change how it is read."""

    COMPRESSED = 0x4
    ENCRYPTED = 0x800
    INDEXED = 0x1000
    EXTENTS = 0x80000
    INLINE_DATA = 0x10000000
    CASEFOLDED = 0x40000000


class _InodeFields(NamedTuple):
    mode: int
    size_low: int
    links: int
    flags: int
    block: bytes
    generation: int
    size_high: int


_INODE = struct.Struct("<H2xI18xH4xI4x60sI4xI")
_EXTRA_SIZE_AT = 128
_CHECKSUM_AT = 124
_CHECKSUM_HIGH_AT = 130
_EXTRA_WITH_CHECKSUM = 4  # the high half of the checksum is in the extra part if that reaches it


class Inode:
    """An inode.

    :ivar block: the 60 bytes that hold a map of blocks, extents, a short link, or short content.
    :ivar seed: the CRC with which those of its blocks begin, or None without checksums.
    :raises Damaged: if it is not in use or not valid.
    """

    def __init__(self, number: int, content: bytes, superblock: Superblock) -> None:
        fields = _InodeFields._make(_INODE.unpack_from(content))
        self.number = number
        self.content = content
        self.flags = fields.flags
        self.block = fields.block
        identity = struct.pack("<II", number, fields.generation)
        self.seed = crc32c(identity, superblock.checksum_seed) if superblock.has_checksums else None
        if self.seed is not None:
            self._check(self.seed)
        kind = _KINDS.get(fields.mode >> 12)
        if kind is None or not fields.links:
            raise Damaged(f"Inode {number} is not in use.")
        self.kind = kind
        is_large = superblock.incompatible & Incompatible.LARGE_DIR or kind is Kind.FILE
        self.size = fields.size_low | (fields.size_high << 32 if is_large else 0)

    @property
    def extra_size(self) -> int:
        """The length of the fields after the first 128 bytes."""
        if len(self.content) == BASIC_INODE:
            return 0
        return int(struct.unpack_from("<H", self.content, _EXTRA_SIZE_AT)[0])

    def has(self, flags: int) -> bool:
        """Return whether the inode has one of some flags."""
        return bool(self.flags & flags)

    def _check(self, seed: int) -> None:
        """Compare the checksum, of which the high half is not always stored."""
        content = bytearray(self.content)
        low, high = _take(content, _CHECKSUM_AT), 0
        mask = 0xFFFF
        if self.extra_size >= _EXTRA_WITH_CHECKSUM:
            high = _take(content, _CHECKSUM_HIGH_AT)
            mask = 0xFFFFFFFF
        if crc32c(content, seed) & mask != low | high << 16:
            raise Damaged(f"The checksum of inode {self.number} is wrong.")


def _take(content: bytearray, offset: int) -> int:
    """Return a number of 16 bits, and replace it by zero."""
    (number,) = struct.unpack_from("<H", content, offset)
    content[offset : offset + 2] = bytes(2)
    return int(number)
