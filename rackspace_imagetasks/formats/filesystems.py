# SPDX-License-Identifier: Apache-2.0
"""The size of a file system by its superblock; everything in that is untrusted."""

import struct
from typing import NamedTuple

from rackspace_imagetasks.bytesource import ByteSource

_MAX_BLOCK_SHIFT = 6  # ext blocks have at most 64 KiB
_EXT_64BIT = 0x80
_BTRFS_SUPERBLOCK = 64 << 10


class FileSystem(NamedTuple):
    """A file system at the beginning of a disk, and its size in bytes."""

    name: str
    size: int


def read_file_system(disk: ByteSource) -> FileSystem | None:
    """Return the file system at the beginning of a disk, or None if none is known.

    :raises SourceError: when the disk cannot be read.
    """
    head = disk.read_at(0, min(disk.size, 4096))
    found = _xfs(head) or _ntfs(head) or _exfat(head) or _fat(head) or _ext(head)
    if found or disk.size < _BTRFS_SUPERBLOCK + 4096:
        return found
    return _btrfs(disk.read_at(_BTRFS_SUPERBLOCK, 4096))


def _ext(head: bytes) -> FileSystem | None:
    """Linux, Documentation/filesystems/ext4/super.rst."""
    block = head[1024:2048]
    if len(block) < 1024 or block[56:58] != b"\x53\xef":
        return None
    blocks, shift = struct.unpack_from("<I16xI", block, 4)
    (features,) = struct.unpack_from("<I", block, 96)
    if features & _EXT_64BIT:
        blocks |= struct.unpack_from("<I", block, 0x150)[0] << 32
    return FileSystem("ext", blocks << (10 + shift)) if shift <= _MAX_BLOCK_SHIFT else None


def _xfs(head: bytes) -> FileSystem | None:
    """XFS Algorithms & Data Structures, "Superblocks"."""
    if len(head) < 512 or not head.startswith(b"XFSB"):
        return None
    block_size, blocks = struct.unpack_from(">IQ", head, 4)
    return FileSystem("XFS", block_size * blocks)


def _btrfs(block: bytes) -> FileSystem | None:
    """Linux, fs/btrfs: the size of this device, one of perhaps several."""
    if block[64:72] != b"_BHRfS_M":
        return None
    return FileSystem("Btrfs", struct.unpack_from("<Q", block, 0xC9 + 8)[0])


def _ntfs(head: bytes) -> FileSystem | None:
    """Microsoft's boot sector: the total does not count the backup of that sector."""
    if len(head) < 512 or head[3:11] != b"NTFS    ":
        return None
    sector_size, sectors = struct.unpack_from("<H27xQ", head, 11)
    return FileSystem("NTFS", sector_size * sectors)


def _exfat(head: bytes) -> FileSystem | None:
    """Microsoft, "exFAT file system specification", 3.1."""
    if len(head) < 512 or head[3:11] != b"EXFAT   " or not 9 <= head[108] <= 12:
        return None
    return FileSystem("exFAT", struct.unpack_from("<Q", head, 72)[0] << head[108])


def _fat(head: bytes) -> FileSystem | None:
    """Microsoft, "FAT: General Overview of On-Disk Format"."""
    if len(head) < 512 or b"FAT" not in (head[54:57], head[82:85]) or head[510:512] != b"\x55\xaa":
        return None
    sector_size, sectors16 = struct.unpack_from("<H6xH", head, 11)
    (sectors32,) = struct.unpack_from("<I", head, 32)
    return FileSystem("FAT", sector_size * (sectors16 or sectors32))
