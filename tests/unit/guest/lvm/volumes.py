# SPDX-License-Identifier: Apache-2.0
"""Physical volumes of LVM: those that lvm2 wrote, and others with any metadata."""

import lzma
import struct
import zlib
from pathlib import Path

from tests.unit.guest.mutation import SparseSource

_DATA = Path(__file__).parents[3] / "data" / "lvm"
KIB = 1024
MIB = 1024 * KIB
EXTENT = 64 * KIB
METADATA_AT = 4096
METADATA_SIZE = MIB - METADATA_AT


def written(name, size=4 * MIB, first_extent=MIB):
    """Return a physical volume that lvm2 wrote, with each of its extents filled with its name."""
    head = lzma.decompress((_DATA / f"{name}.img.xz").read_bytes())
    name = name.removeprefix("other-types-")
    count = (size - first_extent) // EXTENT
    data = b"".join(extent(name, number) for number in range(count))
    return SparseSource(size, {0: head, first_extent: data}, name)


def extent(name, number):
    """Return an extent whose content names it, and the 4 KiB block."""
    blocks = [f"{name} {number} {block:>3}\n".encode() for block in range(EXTENT // 4096)]
    return b"".join(block.ljust(4096, b".") for block in blocks)


def crc(content):
    """CRC-32 with the start of lvm2, lib/misc/crc.c, which does not invert it."""
    return zlib.crc32(content, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def label(uuid, area=(METADATA_AT, METADATA_SIZE), kind=b"LVM2 001"):
    """Return the sector with the label of a physical volume."""
    areas = struct.pack("<QQQQ", MIB, 0, 0, 0) + struct.pack("<QQQQ", *area, 0, 0)
    content = struct.pack("<I8s", 32, kind) + uuid + struct.pack("<Q", 4 * MIB) + areas
    content = content.ljust(492, b"\0")
    return struct.pack("<8sQI", b"LABELONE", 1, crc(content)) + content


def header(text, *, at=512, size=METADATA_SIZE, flags=0):
    """Return the header of an area with metadata."""
    content = struct.pack("<16sIQQ", b" LVM2 x[5A%r0N*>", 1, METADATA_AT, size)
    content += struct.pack("<QQII", at, len(text), crc(text), flags)
    content = content.ljust(508, b"\0")
    return struct.pack("<I", crc(content)) + content


def made(uuid, text, name="pv"):
    """Return a physical volume of 4 MiB with any metadata."""
    text = text.encode()
    return SparseSource(
        4 * MIB,
        {512: label(uuid.encode()), METADATA_AT: header(text), METADATA_AT + 512: text},
        name,
    )


def repair(source):
    """Make the checksums right after changes: of the label, the area's header and the text."""
    at, length = struct.unpack("<QQ", source.peek(METADATA_AT + 40, 16))
    if length <= 64 * KIB and METADATA_AT + at + length <= source.size:
        text = source.peek(METADATA_AT + at, length)
        source.put(METADATA_AT + 56, struct.pack("<I", crc(text)))
    source.put(METADATA_AT, struct.pack("<I", crc(source.peek(METADATA_AT + 4, 508))))
    source.put(512 + 16, struct.pack("<I", crc(source.peek(512 + 20, 492))))
