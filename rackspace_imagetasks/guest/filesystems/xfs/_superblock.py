# SPDX-License-Identifier: Apache-2.0
"""The superblock of XFS: its features, and where blocks and inodes are.

The document for all of XFS is "XFS Algorithms & Data Structures", which names the chapters here;
features that are newer are from Linux, fs/xfs/libxfs/xfs_format.h.
"""

import struct
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems.base import Damaged, Volume
from rackspace_imagetasks.guest.filesystems.xfs._checks import check_crc
from rackspace_imagetasks.units import SECTOR

MAGIC = b"XFSB"

_LAYOUT = struct.Struct(">4sIQ16x16sQQ20xII4xI4H12s5BxBx16xQ40xB7xI12xI")
_VERSION_MASK = 0xF
_DIRECTORIES_V2 = 0x2000  # the only format of directories since 2002
_ASCII_CASE_INSENSITIVE = 0x4000
_FILE_TYPES_V4 = 0x200  # of features2
_FILE_TYPES = 0x1  # of the incompatible features, as all that follow
_NEEDS_REPAIR = 0x10
_CRC_AT = 224
# File types, sparse inodes, metadata UUID, big time, large extent counts, exchange of ranges, and
# parent pointers change nothing that is read here, or are provided for.
_KNOWN = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80
_UNKNOWN_NAMES = {0x100: "metadir", 0x200: "zoned", 0x400: "zone gaps"}


class Superblock(NamedTuple):
    """The fields that readers need, in their order ("Superblocks").

    :ivar group_blocks: the number of blocks in each allocation group.
    """

    magic: bytes
    block_size: int
    blocks: int
    uuid: bytes
    log_start: int
    root: int
    group_blocks: int
    groups: int
    log_blocks: int
    version_bits: int
    sector_size: int
    inode_size: int
    inodes_per_block: int
    label: bytes
    block_log: int
    sector_log: int
    inode_log: int
    inodes_per_block_log: int
    group_log: int
    in_progress: int
    free_blocks: int
    directory_log: int
    features2: int
    incompatible: int

    @property
    def version(self) -> int:
        """4, or 5 for the format whose metadata describes itself."""
        return self.version_bits & _VERSION_MASK

    @property
    def directory_block_size(self) -> int:
        """The size of the blocks of directories in bytes."""
        return self.block_size << self.directory_log

    @property
    def is_case_sensitive(self) -> bool:
        """Whether names that differ in the case of ASCII letters are different names."""
        return not self.version_bits & _ASCII_CASE_INSENSITIVE

    @property
    def has_file_types(self) -> bool:
        """Whether each entry of a directory has the type of the file."""
        if self.version == 5:
            return bool(self.incompatible & _FILE_TYPES)
        return bool(self.features2 & _FILE_TYPES_V4)

    def block_offset(self, block: int, count: int = 1) -> int:
        """Return the offset in bytes of adjacent blocks.

        :raises Damaged: if they are not all in one allocation group.
        """
        group, index = block >> self.group_log, block & ((1 << self.group_log) - 1)
        if group >= self.groups or index + count > self.group_blocks:
            raise Damaged(f"A structure refers to {count} blocks from block {block}.")
        return (group * self.group_blocks + index) * self.block_size

    def inode_offset(self, number: int) -> int:
        """Return the offset of an inode: its number consists of its block and its place in that.

        :raises Damaged: if there can be no such inode.
        """
        block, index = divmod(number, self.inodes_per_block)
        return self.block_offset(block) + index * self.inode_size


def read_superblock(volume: Volume) -> Superblock:
    """Return the superblock, whose geometry is consistent and whose features are all known.

    :raises Damaged: otherwise, with the reason.
    """
    superblock = Superblock(*_LAYOUT.unpack_from(volume.read(0, SECTOR)))
    if superblock.magic != MAGIC:
        raise Damaged("The superblock of XFS is missing.")
    if superblock.version not in (4, 5):
        raise Damaged(f"Version {superblock.version} of XFS is not supported.")
    if superblock.version == 4 and not superblock.version_bits & _DIRECTORIES_V2:
        raise Damaged("Directories of version 1 of XFS are not supported.")
    if superblock.in_progress:
        raise Damaged("The XFS file system was not completely made.")
    if superblock.version == 5:
        _require_known_features(superblock.incompatible)
    if not _is_consistent(superblock):
        raise Damaged("The superblock of XFS is damaged.")
    if superblock.version == 5:
        check_crc(volume.read(0, superblock.sector_size), _CRC_AT, "the superblock")
    return superblock


def _require_known_features(incompatible: int) -> None:
    if incompatible & _NEEDS_REPAIR:
        raise Damaged("The XFS file system is marked as one that needs repair.")
    unknown = [1 << bit for bit in range(32) if (incompatible & ~_KNOWN) >> bit & 1]
    if unknown:
        names = ", ".join(_UNKNOWN_NAMES.get(flag, f"0x{flag:x}") for flag in unknown)
        raise Damaged(f"XFS with the following features is not supported: {names}.")


def _is_consistent(superblock: Superblock) -> bool:
    """Return whether sizes and their logarithms agree and are within the limits of XFS."""
    block, inode = superblock.block_log, superblock.inode_log
    return (
        9 <= block <= 16
        and 8 <= inode <= min(11, block)
        and 9 <= superblock.sector_log <= 15
        and superblock.block_size == 1 << block
        and superblock.inode_size == 1 << inode
        and superblock.sector_size == 1 << superblock.sector_log
        and superblock.inodes_per_block_log == block - inode
        and superblock.inodes_per_block == 1 << (block - inode)
        and block + superblock.directory_log <= 16
        and 0 < superblock.group_blocks <= 1 << min(superblock.group_log, 31)
        and superblock.groups == -(-superblock.blocks // superblock.group_blocks)
    )
