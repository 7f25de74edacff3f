# SPDX-License-Identifier: Apache-2.0
"""VHDs made byte by byte after the format's tables, knowing nothing of the library's writer."""

import struct
import uuid

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.exceptions import SourceError

MIB = 1 << 20
GIB = 1 << 30
BLOCK = 2 * MIB
ONES64 = 2**64 - 1
UUID = uuid.UUID("0f6fd7d4-54d2-4e5e-9f2a-37dd2a3cdb55")


def checksum(content, at=None):
    """Return the one's complement of the byte sum, with the field at `at` as zero."""
    total = sum(content) - (sum(content[at : at + 4]) if at is not None else 0)
    return struct.pack(">I", ~total & 0xFFFFFFFF)


class Image:
    """Bytes as a list of writes over zeros: a file of 40 GiB takes no memory."""

    name = "test.vhd"
    identity = "test"

    def __init__(self, size, *writes):
        self.size = size
        self.writes = list(writes)
        self.requests = []

    def put(self, at, content):
        """Write raw bytes, from the end where `at` is negative; no checksum follows."""
        self.writes.append((at if at >= 0 else self.size + at, bytes(content)))
        return self

    def append(self, content):
        self.size += len(content)
        return self.put(-len(content), content)

    def cut(self, amount):
        """Remove bytes from the end."""
        self.size -= amount
        return self

    def peek(self, at, length):
        content = bytearray(length)
        for start, data in self.writes:
            low, high = max(at, start), min(at + length, start + len(data))
            if low < high:
                content[low - at : high - at] = data[low - start : high - start]
        return bytes(content)

    def read_at(self, offset, length):
        self.requests.append((offset, length))
        if offset < 0 or offset + length > self.size:
            raise SourceError(f"read of {length} bytes at {offset} of {self.size}")
        return self.peek(offset, length)

    def data_extents(self):
        if self.size:
            yield Extent(0, self.size)

    def verify_unchanged(self):
        pass

    def close(self):
        pass


class Vhd(Image):
    """A valid VHD whose fields can be set, each with its structure's checksum kept right."""

    footer_at = copy_at = header_at = table_at = batmap_at = 0
    entries = map_size = 0
    has_copy = False

    def footer(self, at, width, value):
        """Set a field of the footer and of its copy."""
        self.last(at, width, value)
        return self.copy(at, width, value) if self.has_copy else self

    def last(self, at, width, value):
        """Set a field of the footer at the end alone."""
        return self._field(self.footer_at, 512, 64, at, width, value)

    def copy(self, at, width, value):
        """Set a field of the footer's copy alone."""
        return self._field(0, 512, 64, at, width, value)

    def header(self, at, width, value):
        return self._field(self.header_at, 1024, 36, at, width, value)

    def entry(self, number, sector):
        return self.put(self.table_at + 4 * number, struct.pack(">I", sector))

    def batmap(self, at, width, value):
        """Set a field of the batmap's header."""
        return self.put(self.batmap_at + at, value.to_bytes(width, "big"))

    def bits(self, at, content):
        """Set bytes of the batmap, and its checksum."""
        self.put(self.batmap_at + 512 + at, content)
        return self._seal_batmap()

    def no_batmap(self):
        return self.put(self.batmap_at, bytes(512 + self.map_size))

    def _field(self, start, length, checksum_at, at, width, value):
        self.put(start + at, value if isinstance(value, bytes) else value.to_bytes(width, "big"))
        if at != checksum_at:
            content = self.peek(start, length)
            self.put(start + checksum_at, checksum(content, checksum_at))
        return self

    def _seal_batmap(self):
        blocks = int.from_bytes(self.peek(self.footer_at + 48, 8), "big") >> 24
        covered = min(max(1, -(-blocks // 512)) * 512, self.map_size)
        return self.put(self.batmap_at + 24, checksum(self.peek(self.batmap_at + 512, covered)))


def _footer(size, kind, creator, version):
    content = bytearray(512)
    content[:8] = b"conectix"
    struct.pack_into(">II", content, 8, 2, 0x00010000)
    struct.pack_into(">Q", content, 16, ONES64 if kind == 2 else 512)
    struct.pack_into(">I", content, 24, 500_000_000)
    struct.pack_into(">4sII", content, 28, creator, version, 0)
    struct.pack_into(">QQ", content, 40, size, size)
    struct.pack_into(">HBB", content, 56, 10, 4, 17)
    struct.pack_into(">I", content, 60, kind)
    content[68:84] = UUID.bytes
    content[64:68] = checksum(content)
    return bytes(content)


def fixed(size=4 * MIB, creator=b"tap\0", version=0x00010003):
    """A fixed VHD."""
    image = Vhd(size + 512, (size, _footer(size, 2, creator, version)))
    image.footer_at = size
    return image


def dynamic(
    size=6 * MIB,
    present=(0, 2),
    *,
    creator=b"tap\0",
    version=0x00010003,
    kind=3,
    entries=None,
    table_at=1536,
    header_at=512,
    stride=4104,
):
    """A dynamic VHD as XenServer lays it out, with the blocks `present` in the file's order."""
    image = Vhd(0)
    image.has_copy = True
    image.entries = -(-size // BLOCK) if entries is None else entries
    image.header_at, image.table_at = header_at, table_at
    table_size = -(-image.entries * 4 // 512) * 512
    image.batmap_at = table_at + table_size
    image.map_size = max(1, -(-image.entries // 4096)) * 512
    end = image.batmap_at + 512 + image.map_size
    first = max(-(-(end + 512) // 4096) * 8 - 1, 7)

    header = bytearray(1024)
    header[:8] = b"cxsparse"
    struct.pack_into(">QQIII", header, 8, ONES64, table_at, 0x00010000, image.entries, BLOCK)
    header[36:40] = checksum(header)
    table = bytearray(b"\xff" * 4 * image.entries)
    bits = bytearray(image.map_size)
    for place, block in enumerate(present):
        sector = first + place * stride
        struct.pack_into(">I", table, block * 4, sector)
        bits[block // 8] |= 0x80 >> block % 8
        image.put(sector * 512, b"\xff" * 512)
        end = (sector + 1) * 512 + BLOCK
    footer = _footer(size, kind, creator, version)
    if header_at != 512:
        footer = bytearray(footer)
        struct.pack_into(">Q", footer, 16, header_at)
        footer[64:68] = checksum(footer, 64)
    image.size, image.footer_at = end + 512, end
    image.put(0, footer).put(header_at, header).put(table_at, table).put(end, footer)
    image.put(image.batmap_at, b"tdbatmap")
    image.batmap(8, 8, image.batmap_at + 512).batmap(16, 4, image.map_size // 512)
    image.batmap(20, 4, 0x00010002)
    return image.bits(0, bits)


def by_qemu(size=6 * MIB, present=(0, 2)):
    """A dynamic VHD as qemu lays it out: another creator, no batmap, blocks packed."""
    return dynamic(size, present, creator=b"qemu", version=0x00050003, stride=4097).no_batmap()
