# SPDX-License-Identifier: Apache-2.0
"""What format a disk's file is in, by the magics that the formats define; never by its name."""

import shlex
import struct
from typing import NamedTuple

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.formats.vhd.footers import Footers
from rackspace_imagetasks.formats.vhd.window import Window

FORMATS = ("raw", "vhd", "qcow2", "vmdk", "vdi", "vhdx", "qed")
"""What can be read, as users name it."""


class _Magic(NamedTuple):
    """Bytes at an offset (from the end, where negative) that only one format has there."""

    format: str
    offset: int
    content: bytes


_MAGICS = (
    _Magic("vhd", 0, b"conectix"),
    _Magic("vhd", -512, b"conectix"),
    _Magic("vhd", -511, b"conectix"),
    _Magic("qcow2", 0, b"QFI\xfb"),
    _Magic("qed", 0, b"QED\0"),
    _Magic("vmdk", 0, b"KDMV"),
    _Magic("vmdk descriptor", 0, b"# Disk DescriptorFile"),
    _Magic("vmdk extent", 0, b"COWD"),
    _Magic("vdi", 64, struct.pack("<I", 0xBEDA107F)),
    _Magic("vhdx", 0, b"vhdxfile"),
    _Magic("parallels", 0, b"WithoutFreeSpace"),
    _Magic("parallels", 0, b"WithouFreSpacExt"),
    _Magic("dmg", -512, b"koly"),
    _Magic("gzip", 0, b"\x1f\x8b\x08"),
    _Magic("xz", 0, b"\xfd7zXZ\0"),
    _Magic("zstd", 0, b"\x28\xb5\x2f\xfd"),
    _Magic("bzip2", 4, b"1AY&SY"),
    _Magic("7z", 0, b"7z\xbc\xaf\x27\x1c"),
    _Magic("zip", 0, b"PK\x03\x04"),
    _Magic("tar", 257, b"ustar"),
    _Magic("iso", 32769, b"CD001"),
)

_SIGNATURES = (
    _Magic("raw", 510, b"\x55\xaa"),  # a boot sector: an MBR, which a GPT disk has too
    # A file system without a partition table, as Xen can boot.
    _Magic("raw", 0x438, b"\x53\xef"),  # ext2 to ext4
    _Magic("raw", 0, b"XFSB"),
    _Magic("raw", 0x10040, b"_BHRfS_M"),  # btrfs
)

_REMEDIES = {
    "vmdk descriptor": "is the text part of a VMware disk whose data is in other files; make it one"
    " file with `qemu-img convert -O qcow2`",
    "vmdk extent": "is part of a VMware ESX disk; make the disk one file with"
    " `qemu-img convert -O qcow2` from its descriptor",
    "parallels": "is a Parallels disk; convert it with `qemu-img convert -f parallels -O qcow2`",
    "dmg": "is an Apple disk image; convert it with `qemu-img convert -f dmg -O qcow2`",
    "gzip": "is compressed; unpack it with `gunzip`",
    "xz": "is compressed; unpack it with `unxz`",
    "zstd": "is compressed; unpack it with `unzstd`",
    "bzip2": "is compressed; unpack it with `bunzip2`",
    "7z": "is a 7z archive; unpack it with `7z x`",
    "zip": "is a zip archive; unpack it with `unzip`",
    "tar": "is a tar archive (an OVA is one too); unpack it with `tar -xf`",
    "iso": "is a CD image, made to install from; install it on a disk first",
}


def detect(source: ByteSource, asked: str | None = None) -> str:
    """Return the one of `FORMATS` that `source` is in.

    :param asked: the format that the user says it is: taken for granted if it is raw, checked if
        it is another.
    :raises SourceError: when it is none of them, or could be more than one.
    """
    if source.size == 0:
        raise SourceError(f"'{source.name}' is empty; name a disk image file.")
    found = _formats(source)
    if asked:
        _check_asked(source, asked, found)
        found = {asked}
    if not found:
        found = {"raw"}
    if len(found) > 1:
        raise SourceError(
            f"'{source.name}' looks like {' and '.join(sorted(found))} at once; say which it is"
            " with --source-format."
        )
    (format_,) = found
    if format_ in _REMEDIES:
        raise SourceError(
            f"'{source.name}' {_REMEDIES[format_]}; if it is a raw disk, say so with"
            " --source-format raw."
        )
    if format_ == "raw":
        _check_whole_sectors(source)
    return format_


def _formats(source: ByteSource) -> set[str]:
    head = source.read_at(0, min(source.size, 32774))
    tail = source.read_at(max(0, source.size - 512), min(source.size, 512))
    found = {
        magic.format
        for magic in _MAGICS
        if (
            head.startswith(magic.content, magic.offset)
            if magic.offset >= 0
            else tail.startswith(magic.content, len(tail) + magic.offset)
        )
    }
    # Also where something was appended to it, or XenServer marked it as destroyed: the footer is
    # never a part of a raw disk.
    footers = Footers.find(Window(source))
    return found | {"vhd"} if footers.footer or footers.poisoned else found


def _check_asked(source: ByteSource, asked: str, found: set[str]) -> None:
    if asked not in FORMATS:
        raise SourceError(f"There is no format '{asked}'; it can be {', '.join(FORMATS)}.")
    if asked != "raw" and asked not in found:
        looks = " and ".join(sorted(found)) or "raw"
        raise SourceError(f"'{source.name}' is not in the format {asked}; it looks like {looks}.")


def _check_whole_sectors(source: ByteSource) -> None:
    if source.size % 512:
        raise SourceError(
            f"'{source.name}' is not a disk image: its format is not known here, and its"
            f" {source.size} bytes are not a multiple of 512, as a raw disk's are; if it is one, it"
            f" was cut off, and `truncate --size=%512 {shlex.quote(source.name)}` pads it."
        )


def looks_like_raw(source: ByteSource) -> bool:
    """Tell a raw disk from what is only taken for one because no other format fits."""
    for _, offset, content in _SIGNATURES:
        end = offset + len(content)
        if source.size >= end and source.read_at(offset, len(content)) == content:
            return True
    return False
