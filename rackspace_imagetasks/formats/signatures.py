# SPDX-License-Identifier: Apache-2.0
"""The signatures by which disk images and archives are recognised."""

import struct
from typing import NamedTuple

from rackspace_imagetasks.formats.window import Window


class Signature(NamedTuple):
    """Bytes that only one format has at an offset (from the end if it is negative)."""

    format: str
    description: str
    offset: int
    content: bytes

    def matches(self, window: Window) -> bool:
        """Return whether the file has these bytes."""
        offset = self.offset if self.offset >= 0 else window.size + self.offset
        if offset < 0 or offset + len(self.content) > window.size:
            return False
        if offset + len(self.content) <= len(window.head):
            return window.head.startswith(self.content, offset)
        return window.read(offset, len(self.content)) == self.content


# A VHD is recognised by its structures (`formats.vhd.file`), wherever they are.
SIGNATURES = (
    Signature("qcow2", "a qcow2 image", 0, b"QFI\xfb"),
    Signature("qed", "a QED image", 0, b"QED\0"),
    Signature("vmdk", "a VMDK image", 0, b"KDMV"),
    Signature("vmdk descriptor", "a VMDK descriptor", 0, b"# Disk DescriptorFile"),
    Signature("vmdk extent", "an extent of a VMware ESX disk", 0, b"COWD"),
    Signature("vdi", "a VDI image", 64, struct.pack("<I", 0xBEDA107F)),
    Signature("vhdx", "a VHDX image", 0, b"vhdxfile"),
    Signature("parallels", "a Parallels disk", 0, b"WithoutFreeSpace"),
    Signature("parallels", "a Parallels disk", 0, b"WithouFreSpacExt"),
    Signature("dmg", "an Apple disk image", -512, b"koly"),
    Signature("gzip", "a file compressed with gzip", 0, b"\x1f\x8b\x08"),
    Signature("xz", "a file compressed with xz", 0, b"\xfd7zXZ\0"),
    Signature("zstd", "a file compressed with zstd", 0, b"\x28\xb5\x2f\xfd"),
    Signature("bzip2", "a file compressed with bzip2", 4, b"1AY&SY"),
    Signature("7z", "a 7z archive", 0, b"7z\xbc\xaf\x27\x1c"),
    Signature("zip", "a ZIP archive", 0, b"PK\x03\x04"),
    Signature("tar", "a tar archive", 257, b"ustar"),
    Signature("iso", "a CD image", 32769, b"CD001"),
)


def recognise(window: Window) -> tuple[Signature, ...]:
    """Return the signatures that a file has, one for each format.

    :raises SourceError: when the file cannot be read.
    """
    found = {each.format: each for each in SIGNATURES if each.matches(window)}
    return tuple(found.values())
