# SPDX-License-Identifier: Apache-2.0
"""What a disk without a partition table, a partition, or a logical volume contains.

This is the one place that knows the signatures of file systems and volumes. One read decides.
"""

import enum
from typing import NamedTuple

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.formats import _superblocks as superblocks

_HEAD = 72 << 10  # up to the superblock of Btrfs


class Role(enum.Enum):
    """What the contents of a volume are for."""

    FILE_SYSTEM = "file system"
    SWAP = "swap"
    ENCRYPTED = "encrypted"
    MEMBER = "member"
    """A part of other volumes, such as a physical volume of LVM."""


class Content(NamedTuple):
    """What a volume contains.

    :ivar name: such as `XFS`; `ext` stands for ext2, ext3, and ext4.
    :ivar size: in bytes, as all sizes; None if the superblock does not tell it.
    :ivar label: untrusted, as is the UUID.
    :ivar version: such as `2` of LUKS; empty if it does not matter.
    """

    name: str
    role: Role
    size: int | None
    used: int | None
    label: str
    uuid: str
    version: str

    @property
    def full_name(self) -> str:
        """The name with the version."""
        return f"{self.name} {self.version}" if self.version else self.name


class _Signature(NamedTuple):
    """Bytes at an offset, and the function that reads the superblock and decides."""

    name: str
    role: Role
    offset: int
    content: bytes
    read: superblocks.Read = superblocks.anything


_BITLOCKER_TO_GO = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")  # looks like FAT
_BCACHE = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")  # and of bcachefs in its first years
_BCACHEFS = bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef")

# What contains other volumes precedes what may be left of an earlier file system.
_SIGNATURES = (
    _Signature("LUKS", Role.ENCRYPTED, 0, b"LUKS\xba\xbe", superblocks.luks),
    _Signature("BitLocker", Role.ENCRYPTED, 3, b"-FVE-FS-"),
    _Signature("BitLocker", Role.ENCRYPTED, 424, _BITLOCKER_TO_GO),
    _Signature("LVM", Role.MEMBER, 0, b"", superblocks.lvm),
    _Signature("Linux RAID", Role.MEMBER, 0, b"", superblocks.linux_raid),
    _Signature("bcachefs", Role.FILE_SYSTEM, 4120, _BCACHEFS),
    _Signature("bcache", Role.MEMBER, 4120, _BCACHE),
    _Signature("XFS", Role.FILE_SYSTEM, 0, b"XFSB", superblocks.xfs),
    _Signature("SquashFS", Role.FILE_SYSTEM, 0, b"hsqs", superblocks.squashfs),
    _Signature("NTFS", Role.FILE_SYSTEM, 3, b"NTFS    ", superblocks.ntfs),
    _Signature("exFAT", Role.FILE_SYSTEM, 3, b"EXFAT   ", superblocks.exfat),
    _Signature("ReFS", Role.FILE_SYSTEM, 3, b"ReFS\0\0\0\0"),
    _Signature("FAT", Role.FILE_SYSTEM, 54, b"FAT", superblocks.fat),
    _Signature("FAT", Role.FILE_SYSTEM, 82, b"FAT", superblocks.fat),
    _Signature("APFS", Role.FILE_SYSTEM, 32, b"NXSB"),
    _Signature("ext", Role.FILE_SYSTEM, 1080, b"\x53\xef", superblocks.ext),
    _Signature("F2FS", Role.FILE_SYSTEM, 1024, b"\x10\x20\xf5\xf2", superblocks.f2fs),
    _Signature("EROFS", Role.FILE_SYSTEM, 1024, b"\xe2\xe1\xf5\xe0"),
    _Signature("HFS+", Role.FILE_SYSTEM, 1024, b"H+\0\4"),
    _Signature("swap", Role.SWAP, 0, b"", superblocks.swap),
    _Signature("Btrfs", Role.FILE_SYSTEM, 65600, b"_BHRfS_M", superblocks.btrfs),
    _Signature("ReiserFS", Role.FILE_SYSTEM, 65588, b"ReIsEr"),
    _Signature("JFS", Role.FILE_SYSTEM, 32768, b"JFS1"),
    _Signature("UFS", Role.FILE_SYSTEM, 0, b"", superblocks.ufs),
    _Signature("ZFS", Role.FILE_SYSTEM, 0, b"", superblocks.zfs),
    _Signature("ISO 9660", Role.FILE_SYSTEM, 32769, b"CD001", superblocks.iso),
)


def read_content(volume: ByteSource) -> Content | None:
    """Return what a volume contains by its signature, or None if that is unknown.

    :raises SourceError: when the volume cannot be read.
    """
    head = volume.read_at(0, min(volume.size, _HEAD))
    for signature in _SIGNATURES:
        if head.startswith(signature.content, signature.offset):
            superblock = signature.read(head)
            if superblock:
                return Content(signature.name, signature.role, *superblock)
    return None
