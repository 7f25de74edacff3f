# SPDX-License-Identifier: Apache-2.0
"""What superblocks say of their file system or volume; everything in them is untrusted.

Each function gets the first bytes of a volume, all that `contents` reads, and returns None if the
superblock makes no sense.
"""

import struct
import uuid
from collections.abc import Callable
from typing import NamedTuple

MAX_BLOCK_LOG = 16  # blocks have at most 64 KiB
_EXT_64BIT = 0x80
_SWAP_PAGES = (4096, 8192, 16384, 65536)
_SWAP = b"SWAPSPACE2"
_ISO_SECTOR = 2048


class Superblock(NamedTuple):
    """What a superblock says.

    :ivar size: in bytes; None if it is not told.
    :ivar used: in bytes; None if it is not told.
    :ivar label: as it is stored, without what follows its end.
    :ivar uuid: as fstab and boot loaders write it.
    :ivar version: such as `2` of LUKS.
    """

    size: int | None = None
    used: int | None = None
    label: str = ""
    uuid: str = ""
    version: str = ""


Read = Callable[[bytes], Superblock | None]


def _text(content: bytes, encoding: str = "utf-8") -> str:
    return content.decode(encoding, "replace").partition("\0")[0].rstrip(" ")


def _uuid(content: bytes) -> str:
    return str(uuid.UUID(bytes=content)) if any(content) else ""


def _serial(content: bytes) -> str:
    """Return the four bytes that identify FAT and exFAT, as Linux and Windows write them."""
    digits = content[::-1].hex().upper()
    return f"{digits[:4]}-{digits[4:]}"


def anything(_head: bytes) -> Superblock:
    """Return no details of a format that has none, or whose details nobody needs."""
    return Superblock()


def luks(head: bytes) -> Superblock | None:
    """cryptsetup, "LUKS1 On-Disk Format Specification" and "LUKS2 On-Disk Format Specification"."""
    version = int.from_bytes(head[6:8], "big")
    if version not in (1, 2):
        return None
    label = _text(head[24:72]) if version == 2 else ""
    return Superblock(label=label, uuid=_text(head[168:208]), version=str(version))


def ext(head: bytes) -> Superblock | None:
    """Linux, Documentation/filesystems/ext4/super.rst."""
    block = head[1024:2048]
    if len(block) < 1024:
        return None
    blocks, reserved_free, shift = struct.unpack_from("<I4xI8xI", block, 4)
    (features,) = struct.unpack_from("<I", block, 96)
    if features & _EXT_64BIT:
        blocks |= struct.unpack_from("<I", block, 0x150)[0] << 32
        reserved_free |= struct.unpack_from("<I", block, 0x158)[0] << 32
    if 10 + shift > MAX_BLOCK_LOG:
        return None
    used = (blocks - reserved_free) << (10 + shift)
    return Superblock(blocks << (10 + shift), used, _text(block[120:136]), _uuid(block[104:120]))


def xfs(head: bytes) -> Superblock | None:
    """XFS Algorithms & Data Structures, "Superblocks"."""
    if len(head) < 512:
        return None
    block_size, blocks = struct.unpack_from(">IQ", head, 4)
    (free,) = struct.unpack_from(">Q", head, 144)
    used = block_size * (blocks - free)
    return Superblock(block_size * blocks, used, _text(head[108:120]), _uuid(head[32:48]))


def btrfs(head: bytes) -> Superblock | None:
    """Linux, fs/btrfs: the size is that of this device, one of perhaps several."""
    block = head[64 << 10 :]
    if len(block) < 4096:
        return None
    (used,) = struct.unpack_from("<Q", block, 0x78)
    (size,) = struct.unpack_from("<Q", block, 0xC9 + 8)
    return Superblock(size, used, _text(block[0x12B:0x22B]), _uuid(block[32:48]))


def ntfs(head: bytes) -> Superblock | None:
    """Microsoft's boot sector: the total does not count the backup of that sector."""
    if len(head) < 512:
        return None
    sector_size, sectors = struct.unpack_from("<H27xQ", head, 11)
    return Superblock(sector_size * sectors, uuid=head[72:80][::-1].hex().upper())


def exfat(head: bytes) -> Superblock | None:
    """Microsoft, "exFAT file system specification", 3.1."""
    if len(head) < 512 or not 9 <= head[108] <= 12:
        return None
    (sectors,) = struct.unpack_from("<Q", head, 72)
    return Superblock(sectors << head[108], uuid=_serial(head[100:104]))


def fat(head: bytes) -> Superblock | None:
    """Microsoft, "FAT: General Overview of On-Disk Format"."""
    if len(head) < 512 or head[510:512] != b"\x55\xaa":
        return None
    sector_size, sectors16 = struct.unpack_from("<H6xH", head, 11)
    (sectors32,) = struct.unpack_from("<I", head, 32)
    serial = 67 if head[82:85] == b"FAT" else 39
    label = _text(head[serial + 4 : serial + 15])
    return Superblock(
        sector_size * (sectors16 or sectors32),
        label="" if label == "NO NAME" else label,
        uuid=_serial(head[serial : serial + 4]),
    )


def f2fs(head: bytes) -> Superblock | None:
    """Linux, include/linux/f2fs_fs.h."""
    block = head[1024:2560]
    if len(block) < 1536:
        return None
    (block_log,) = struct.unpack_from("<I", block, 16)
    (blocks,) = struct.unpack_from("<Q", block, 36)
    if not 12 <= block_log <= MAX_BLOCK_LOG:
        return None
    label = _text(block[124:1148], "utf-16-le")
    return Superblock(blocks << block_log, label=label, uuid=_uuid(block[108:124]))


def squashfs(head: bytes) -> Superblock | None:
    """Linux, fs/squashfs/squashfs_fs.h."""
    if len(head) < 96:
        return None
    (used,) = struct.unpack_from("<Q", head, 40)
    return Superblock(used, used)


def iso(head: bytes) -> Superblock | None:
    """ECMA-119, 8.4: the primary volume descriptor."""
    block = head[0x8000:0x8800]
    if len(block) < _ISO_SECTOR:
        return None
    (sectors,) = struct.unpack_from("<I", block, 80)
    return Superblock(sectors * _ISO_SECTOR, label=_text(block[40:72]))


def swap(head: bytes) -> Superblock | None:
    """Linux, include/linux/swap.h: the signature ends the first page, whose size varies."""
    for page in _SWAP_PAGES:
        if head[page - len(_SWAP) : page] == _SWAP:
            (last_page,) = struct.unpack_from("<I", head, 1028)
            size = (last_page + 1) * page
            return Superblock(size, label=_text(head[1052:1068]), uuid=_uuid(head[1036:1052]))
    return None


def lvm(head: bytes) -> Superblock | None:
    """LVM2, lib/format_text/layout.h: a label in one of the first four sectors."""
    for offset in range(0, 2048, 512):
        label = head[offset : offset + 32]
        if label.startswith(b"LABELONE") and label[24:] == b"LVM2 001":
            return Superblock()
    return None


def linux_raid(head: bytes) -> Superblock | None:
    """Linux, include/uapi/linux/raid/md_p.h: version 1.1 at the beginning, 1.2 after 4 KiB."""
    for offset, version in ((0, "1.1"), (4096, "1.2")):
        if head[offset : offset + 8] == struct.pack("<II", 0xA92B4EFC, 1):
            block = head[offset : offset + 64]
            return Superblock(label=_text(block[32:64]), uuid=_uuid(block[16:32]), version=version)
    return None


def zfs(head: bytes) -> Superblock | None:
    """OpenZFS, include/sys/vdev_impl.h: a list of names and values at 16 KiB."""
    label = head[0x4000:0x6000]
    is_list = label.startswith((b"\1\0\0\0", b"\1\1\0\0")) and b"\0\0\0\x09pool_guid" in label
    return Superblock() if is_list else None


def ufs(head: bytes) -> Superblock | None:
    """FreeBSD, sys/ufs/ffs/fs.h: of version 2 at 64 KiB, of version 1 at 8 KiB."""
    for offset, magic, version in ((65536, 0x19540119, "2"), (8192, 0x00011954, "1")):
        found = head[offset + 1372 : offset + 1376]
        if found in (struct.pack("<I", magic), struct.pack(">I", magic)):
            return Superblock(version=version)
    return None
