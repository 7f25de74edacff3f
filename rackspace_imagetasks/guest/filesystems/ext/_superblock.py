# SPDX-License-Identifier: Apache-2.0
"""The superblock and the group descriptors of ext2, ext3 and ext4.

After Linux, Documentation/filesystems/ext4, whose names the fields have.
"""

import enum
import struct
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems._crc32c import crc32c
from rackspace_imagetasks.guest.filesystems.base import Damaged

SUPERBLOCK_AT = 1024
SUPERBLOCK_SIZE = 1024
ROOT_INODE = 2
BASIC_INODE = 128
"""The size of an inode of revision 0, and of that part of any other which always exists."""

_MAGIC = 0xEF53
_MAX_BLOCK_SHIFT = 6  # blocks of 64 KiB
_HAS_ERRORS = 0x2  # in the state
_MIN_64BIT_DESCRIPTOR = 64


class Compatible(enum.IntEnum):
    """Features that a reader need not know."""

    HAS_JOURNAL = 0x4
    SPARSE_SUPER2 = 0x200


class Incompatible(enum.IntEnum):
    """Features that a reader must know, named as mke2fs names them."""

    COMPRESSION = 0x1
    FILETYPE = 0x2
    NEEDS_RECOVERY = 0x4
    JOURNAL_DEV = 0x8
    META_BG = 0x10
    EXTENT = 0x40
    BIT64 = 0x80
    MMP = 0x100
    FLEX_BG = 0x200
    EA_INODE = 0x400
    DIRDATA = 0x1000
    METADATA_CSUM_SEED = 0x2000
    LARGE_DIR = 0x4000
    INLINE_DATA = 0x8000
    ENCRYPT = 0x10000
    CASEFOLD = 0x20000


class ReadOnlyCompatible(enum.IntEnum):
    """Features that only a writer must know."""

    SPARSE_SUPER = 0x1
    LARGE_FILE = 0x2
    BTREE_DIR = 0x4
    METADATA_CSUM = 0x400


_UNREADABLE = Incompatible.COMPRESSION | Incompatible.JOURNAL_DEV | Incompatible.DIRDATA
_EXT3_INCOMPATIBLE = Incompatible.FILETYPE | Incompatible.NEEDS_RECOVERY | Incompatible.META_BG
_EXT3_READ_ONLY = (
    ReadOnlyCompatible.SPARSE_SUPER | ReadOnlyCompatible.LARGE_FILE | ReadOnlyCompatible.BTREE_DIR
)


def unreadable_features(bits: int) -> str:
    """Return the names of the incompatible features that this reader does not know, or ''."""
    names = []
    for bit in (1 << n for n in range(32) if bits >> n & 1):
        known = bit in Incompatible.__members__.values()
        if not known:
            names.append(f"{bit:#x}")
        elif bit & _UNREADABLE:
            names.append(Incompatible(bit).name or "")
    return ", ".join(names).lower()


class _SuperblockFields(NamedTuple):
    inodes: int
    blocks_low: int
    free_blocks_low: int
    first_data_block: int
    log_block_size: int
    blocks_per_group: int
    inodes_per_group: int
    magic: int
    state: int
    revision: int
    inode_size: int
    compatible: int
    incompatible: int
    read_only_compatible: int
    uuid: bytes
    label: bytes
    descriptor_size: int
    first_meta_group: int
    blocks_high: int
    free_blocks_high: int
    backup_group_1: int
    backup_group_2: int
    checksum_seed: int
    checksum: int


_SUPERBLOCK = struct.Struct("<II4xI4xII4xI4xI12xHH16xI8xH2xIII16s16s118xH4xI72xI4xI240xII28xI392xI")


class Superblock:
    """What the superblock says, checked as far as the reader depends on it.

    :raises Damaged: if the superblock cannot be used.
    """

    def __init__(self, content: bytes) -> None:
        self._fields = fields = _SuperblockFields._make(_SUPERBLOCK.unpack(content))
        if fields.magic != _MAGIC:
            raise Damaged("The volume has no ext superblock.")
        is_dynamic = fields.revision > 0
        self.compatible = fields.compatible if is_dynamic else 0
        self.incompatible = fields.incompatible if is_dynamic else 0
        self.read_only_compatible = fields.read_only_compatible if is_dynamic else 0
        if unknown := unreadable_features(self.incompatible):
            raise Damaged(f"The ext file system has features that cannot be read: {unknown}.")
        self.has_checksums = bool(self.read_only_compatible & ReadOnlyCompatible.METADATA_CSUM)
        if self.has_checksums and crc32c(content[:-4]) != fields.checksum:
            raise Damaged("The checksum of the ext superblock is wrong.")
        if fields.log_block_size > _MAX_BLOCK_SHIFT:
            raise Damaged("The block size of the ext file system is not valid.")
        self.block_size = 1024 << fields.log_block_size
        self.inode_size = fields.inode_size if is_dynamic else BASIC_INODE
        self.descriptor_size = max(fields.descriptor_size, 32) if self._is_64bit else 32
        self.blocks = fields.blocks_low | self._high(fields.blocks_high)
        self._check_geometry()

    def _check_geometry(self) -> None:
        fields = self._fields
        if not (
            fields.blocks_per_group
            and fields.inodes_per_group
            and fields.first_data_block <= 1
            and fields.first_data_block < self.blocks
            and BASIC_INODE <= self.inode_size <= self.block_size
            and not self.inode_size & self.inode_size - 1
            and (not self._is_64bit or self.descriptor_size >= _MIN_64BIT_DESCRIPTOR)
            and not self.descriptor_size & self.descriptor_size - 1
            and self.descriptor_size <= SUPERBLOCK_SIZE
        ):
            raise Damaged("The geometry of the ext file system is not valid.")

    @property
    def _is_64bit(self) -> bool:
        return bool(self.incompatible & Incompatible.BIT64)

    def _high(self, number: int) -> int:
        return number << 32 if self._is_64bit else 0

    @property
    def kind(self) -> str:
        """`ext4` if it has features that ext3 does not know, as blkid decides."""
        if self.incompatible & ~_EXT3_INCOMPATIBLE or self.read_only_compatible & ~_EXT3_READ_ONLY:
            return "ext4"
        return "ext3" if self.compatible & Compatible.HAS_JOURNAL else "ext2"

    @property
    def free_blocks(self) -> int:
        """The number of free blocks, as the file system was last left."""
        return self._fields.free_blocks_low | self._high(self._fields.free_blocks_high)

    @property
    def label(self) -> str:
        """The label, untrusted."""
        return self._fields.label.split(b"\0")[0].decode("utf-8", "replace")

    @property
    def uuid(self) -> str:
        """The UUID as in fstab, or '' if it is zero."""
        if not any(self._fields.uuid):
            return ""
        digits = self._fields.uuid.hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes the content doubtful."""
        notes = []
        if self.incompatible & Incompatible.NEEDS_RECOVERY:
            notes.append("needs recovery: the journal was not replayed")
        if self._fields.state & _HAS_ERRORS:
            notes.append("has errors: the operating system has marked it for a check")
        return tuple(notes)

    @property
    def inodes(self) -> int:
        """The number of the last inode."""
        return self._fields.inodes

    @property
    def checksum_seed(self) -> int:
        """The CRC with which those of the metadata begin."""
        if self.incompatible & Incompatible.METADATA_CSUM_SEED:
            return self._fields.checksum_seed
        return crc32c(self._fields.uuid)

    def inode_place(self, number: int) -> tuple[int, int]:
        """Return the group of an inode, and its index in that group.

        :raises Damaged: if there is no such inode.
        """
        groups = -(-(self.blocks - self._fields.first_data_block) // self._fields.blocks_per_group)
        group, index = divmod(number - 1, self._fields.inodes_per_group)
        if not 1 <= number <= self._fields.inodes or group >= groups:
            raise Damaged(f"There is no inode {number}.")
        return group, index

    def descriptor_at(self, group: int) -> int:
        """Return the offset of a group's descriptor ("Block group descriptors", meta_bg)."""
        per_block = self.block_size // self.descriptor_size
        table_block, index = divmod(group, per_block)
        is_meta = self.incompatible & Incompatible.META_BG
        if is_meta and table_block >= self._fields.first_meta_group:
            block = self._meta_group_block(table_block * per_block)
        else:
            block = SUPERBLOCK_AT // self.block_size + 1 + table_block
        return block * self.block_size + index * self.descriptor_size

    def _meta_group_block(self, group: int) -> int:
        """Return the block with the descriptors of the meta group that begins with a group."""
        first = self._fields.first_data_block + group * self._fields.blocks_per_group
        block = first + self._has_superblock(group)
        # With blocks of 1 KiB, the superblock is in block 1, even if the group begins with block 0.
        is_shifted = group == 0 and self.block_size == SUPERBLOCK_SIZE and first == 0
        return block + is_shifted

    def _has_superblock(self, group: int) -> bool:
        if group == 0:
            return True
        if self.compatible & Compatible.SPARSE_SUPER2:
            return group in (self._fields.backup_group_1, self._fields.backup_group_2)
        if not self.read_only_compatible & ReadOnlyCompatible.SPARSE_SUPER or group == 1:
            return True
        return any(_is_power(group, base) for base in (3, 5, 7))

    def inode_table(self, group: int, descriptor: bytes) -> int:
        """Return the offset of a group's inodes by its descriptor.

        :raises Damaged: if the checksum of the descriptor is wrong.
        """
        if self.has_checksums:
            content = struct.pack("<I", group) + descriptor[:30] + bytes(2) + descriptor[32:]
            (checksum,) = struct.unpack_from("<H", descriptor, 30)
            if crc32c(content, self.checksum_seed) & 0xFFFF != checksum:
                raise Damaged(f"The checksum of the descriptor of group {group} is wrong.")
        (block,) = struct.unpack_from("<I", descriptor, 8)
        if self._is_64bit:
            block |= struct.unpack_from("<I", descriptor, 40)[0] << 32
        return int(block) * self.block_size


def _is_power(number: int, base: int) -> bool:
    power = base
    while power < number:
        power *= base
    return power == number
