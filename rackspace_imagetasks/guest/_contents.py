# SPDX-License-Identifier: Apache-2.0
"""What is in a volume, by its first bytes."""

import struct
import uuid
from collections.abc import Callable
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems.base import FileSystem, Volume
from rackspace_imagetasks.guest.filesystems.ext import Ext
from rackspace_imagetasks.guest.filesystems.fat import Fat
from rackspace_imagetasks.guest.filesystems.iso import Iso
from rackspace_imagetasks.guest.filesystems.ntfs import Ntfs
from rackspace_imagetasks.guest.filesystems.xfs import Xfs

ISO, LVM = "ISO 9660", "LVM"
Reader = Callable[[Volume], FileSystem]
_HEAD = 4096
_BTRFS_AT = 64 << 10
_LABEL = 16  # bytes of the label of a swap area


class Content(NamedTuple):
    """What a volume contains.

    :ivar reader: reads the file system; None if it is only named.
    :ivar has_files: whether there can be files in it.
    """

    name: str
    reader: Reader | None = None
    is_encrypted: bool = False
    has_files: bool = True
    uuid: str = ""
    label: str = ""
    used: int | None = None


class _Signature(NamedTuple):
    offset: int
    magic: bytes
    content: Content


# The offsets are those of the vendors' headers, and of util-linux, libblkid.
_SIGNATURES = (
    _Signature(0, b"XFSB", Content("XFS", Xfs)),
    _Signature(3, b"-FVE-FS-", Content("BitLocker", is_encrypted=True)),
    _Signature(3, b"NTFS    ", Content("NTFS", Ntfs)),
    _Signature(3, b"EXFAT   ", Content("exFAT")),
    _Signature(82, b"FAT32", Content("FAT32", Fat)),
    _Signature(54, b"FAT1", Content("FAT", Fat)),
    _Signature(0x438, b"\x53\xef", Content("ext", Ext)),
    _Signature(0x400, b"\x10\x20\xf5\xf2", Content("F2FS")),
    _Signature(0, b"hsqs", Content("SquashFS")),
    _Signature(1024, b"\xe2\xe1\xf5\xe0", Content("EROFS")),
    _Signature(24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca", Content("bcachefs")),
    _Signature(4086, b"SWAPSPACE2", Content("swap", has_files=False)),
)


def identify(volume: Volume) -> Content | None:
    """Return what a volume contains, None if it is unknown.

    :raises SourceError: if the disk cannot be read.
    """
    head = _part(volume, 0, _HEAD)
    for offset, magic, content in _SIGNATURES:
        if head.startswith(magic, offset):
            return _with_swap_names(content, head) if content.name == "swap" else content
    if head.startswith(b"LUKS\xba\xbe\0"):
        identity = head[168:208].partition(b"\0")[0].decode("ascii", "replace")
        return Content(f"LUKS {head[7]}", is_encrypted=True, uuid=identity)
    return _with_large_header(volume)


def _with_swap_names(content: Content, head: bytes) -> Content:
    identity, label = struct.unpack_from(f"16s{_LABEL}s", head, 1036)
    name = label.partition(b"\0")[0].decode("utf-8", "replace")
    return content._replace(uuid=str(uuid.UUID(bytes=identity)), label=name)


def _with_large_header(volume: Volume) -> Content | None:
    """Return what begins after the first 32 KiB, which boot loaders can use."""
    if _part(volume, 0x8001, 5) == b"CD001":
        return Content(ISO, Iso)
    block = _part(volume, _BTRFS_AT, _HEAD)
    if block[64:72] == b"_BHRfS_M":
        (used,) = struct.unpack_from("<Q", block, 0x78)
        label = block[0x12B:0x22B].partition(b"\0")[0].decode("utf-8", "replace")
        return Content("Btrfs", uuid=str(uuid.UUID(bytes=block[32:48])), label=label, used=used)
    return None


def is_blank(volume: Volume) -> bool:
    """Return whether a volume begins with zeros."""
    return not any(_part(volume, 0, _HEAD))


def _part(volume: Volume, offset: int, length: int) -> bytes:
    """Return bytes of a volume, or those before its end."""
    length = min(length, volume.size - offset)
    return volume.read(offset, length) if length > 0 else b""
