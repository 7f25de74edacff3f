# SPDX-License-Identifier: Apache-2.0
import struct
import time

from oslotest import base

from devcloud.cloudimages import vhd, vhdfooter
from devcloud.tests import vhdfiles

LIMITS = vhd.Limits(virtual=40 << 30, physical=40 << 30)
FIRST, STRIDE = vhdfiles.FIRST_BLOCK, vhdfiles.STRIDE
MINUTE = 60


def reader(content):
    return lambda offset, length: content[offset : offset + length]


def size_of(content, limits=LIMITS):
    return vhd.virtual_size(reader(content), len(content), limits)


def creator(name, version):
    return {28: name.ljust(4, b"\0") + struct.pack(">I", version)}


def ahead(seconds):
    """Return the timestamp of a clock that is `seconds` ahead."""
    return {24: struct.pack(">I", int(time.time()) - 946684800 + seconds)}


class TestAccepted(base.BaseTestCase):
    def test_fixed(self):
        """A fixed disk is as large as its data."""
        self.assertEqual(4096, size_of(vhdfiles.fixed(4096)))

    def test_old_fixed_footer(self):
        """The footer of 511 bytes that Virtual PC wrote before 2004 is valid."""
        self.assertEqual(4096, size_of(vhdfiles.fixed(4096)[:-1]))

    def test_dynamic(self):
        """Blocks may be missing, and in any order."""
        self.assertEqual(8 << 20, size_of(vhdfiles.dynamic(8 << 20, stored=0)))
        shuffled = vhdfiles.dynamic(8 << 20, stored=2, table=[FIRST + STRIDE, FIRST])
        self.assertEqual(8 << 20, size_of(shuffled))

    def test_exactly_the_limit(self):
        """40 GiB is not over 40 GiB."""
        self.assertEqual(40 << 30, size_of(vhdfiles.dynamic(40 << 30, stored=0)))

    def test_larger_table(self):
        """The table may have more entries than the disk has blocks."""
        disk = vhdfiles.dynamic(
            8 << 20, stored=0, with_header=vhdfiles.header(6), with_batmap=vhdfiles.batmap(6, 2048)
        )
        self.assertEqual(8 << 20, size_of(disk))

    def test_order_of_the_structures(self):
        """The header may be after the table and its batmap."""
        table = b"\xff" * 512
        structures = table + vhdfiles.batmap(4, 1024) + vhdfiles.header(4, table=512)
        foot = vhdfiles.footer(8 << 20, 3, changes={16: struct.pack(">Q", 2048)})
        self.assertEqual(8 << 20, size_of(foot + structures + foot))

    def test_creators(self):
        """Other creators, and the first versions of `tap`, need no batmap."""
        for changes in (
            creator(b"win ", 0x000A0000),
            creator(b"qemu", 0x00050003),
            creator(b"tap", 0x00010000),
            creator(b"tap", 0x00010001),
        ):
            disk = vhdfiles.dynamic(stored=0, with_batmap=b"", changes=changes)
            self.assertEqual(8 << 20, size_of(disk))

    def test_footer_fields(self):
        """Fields that XenServer does not check, or in which it accepts several values."""
        for changes in (
            {11: b"\3"},  # a temporary disk
            ahead(29 * MINUTE),
            {40: struct.pack(">Q", 1 << 40)},  # the original size
            {84: b"\1"},  # a suspended server
            {56: struct.pack(">HBB", 240, 4, 17)},  # the geometry of 8 MiB
            {56: struct.pack(">HBB", 100, 255, 255)},  # larger, but not when packed
        ):
            self.assertEqual(8 << 20, size_of(vhdfiles.dynamic(stored=0, changes=changes)))

    def test_batmap(self):
        """Blocks that are allocated may be marked as fully written."""
        batmap = vhdfiles.batmap(4, 2048, bits=b"\x80")
        self.assertEqual(8 << 20, size_of(vhdfiles.dynamic(with_batmap=batmap)))

    def test_batmap_of_a_large_disk(self):
        """The checksum of a batmap with more than one sector covers only the first ones."""
        size, stored = (4096 + 1) * vhdfiles.BLOCK, 0
        self.assertEqual(size, size_of(vhdfiles.dynamic(size, stored=stored)))
        # All bits are zero, so the checksum above is the same for one sector and for two.
        at = 1536 + -(-4097 * 4 // 512) * 512
        batmap = bytearray(vhdfiles.batmap(4097, at))
        batmap[512 + 512] = 0x80  # the last block, in the second sector
        table = [0xFFFFFFFF] * 4096 + [(at + len(batmap)) // 512]
        disk = vhdfiles.dynamic(size, table=table, stored=1, with_batmap=bytes(batmap))
        self.assertEqual(size, size_of(disk))


class RefusalCase(base.BaseTestCase):
    def assertRefused(self, code, content, limits=LIMITS):  # noqa: N802
        error = self.assertRaises(vhd.Refused, size_of, content, limits)
        self.assertEqual(code, error.code)


class TestRefused(RefusalCase):
    def test_no_vhd(self):
        """A file without a valid footer is not a VHD: 396."""
        for content in (b"", b"conectix", bytes(4096), b"QFI\xfb" + bytes(8192)):
            self.assertRefused(396, content)
        self.assertRefused(396, vhdfiles.fixed(cookie=b"connectx"))
        self.assertRefused(396, vhdfiles.fixed(good_checksum=False))

    def test_destroyed(self):
        """A disk that XenServer marked as destroyed is not a VHD, in spite of the first footer."""
        disk = bytearray(vhdfiles.dynamic(stored=0))
        disk[-512:-504] = b"v_poison"
        self.assertRefused(396, bytes(disk))
        self.assertRefused(396, bytes(disk[:-1]))  # with a footer of 511 bytes

    def test_no_footer_but_other_structures(self):
        """A dynamic header alone, or a fixed disk's footer at offset 0, makes no VHD: 396."""
        disk = vhdfiles.dynamic(stored=0)
        self.assertRefused(396, bytes(512) + disk[512:-512] + bytes(512))
        self.assertRefused(396, vhdfiles.footer(4096, 2) + bytes(4096))

    def test_truncated(self):
        """A truncated dynamic disk still begins with a footer: 111."""
        self.assertRefused(111, vhdfiles.dynamic()[:-1024])

    def test_trailing_bytes(self):
        """Any number of bytes after the footer is 111, for both types of disk."""
        for disk in (vhdfiles.fixed(), vhdfiles.dynamic(stored=0)):
            for length in (1, 511, 512, 4096, 60_000):
                self.assertRefused(111, disk + bytes(length))
            self.assertRefused(111, disk + bytes((64 << 10) - 512))

    def test_codes_of_displaced_footers(self):
        """Defects of a footer that is followed by bytes keep their codes; 111 is the last."""
        for code, options in (
            (721, {"kind": 4}),
            (523, {"kind": 5}),
            (614, {"vhd_uuid": bytes(16)}),
        ):
            for length in (1, 511, 4096):
                disk = vhdfiles.dynamic(stored=0, **options)
                self.assertRefused(code, disk + bytes(length))

    def test_footer_of_another_file(self):
        """A valid footer near the end that the rest of the file does not confirm: 396."""
        for footer in (vhdfiles.footer(8 << 20, 2), vhdfiles.footer(8 << 20, 3)):
            self.assertRefused(396, bytes(4096) + footer + bytes(2048))

    def test_footer_of_511_bytes(self):
        """A footer has 511 bytes only if its cookie is there, at a multiple of 512."""
        disk = vhdfiles.fixed(4096)
        # Of whole sectors and 511 bytes, but with a footer of 512 bytes.
        self.assertRefused(614, bytes(511) + vhdfiles.fixed(4096, vhd_uuid=bytes(16)))
        self.assertRefused(396, bytes(1) + disk[:-1])

    def test_types(self):
        """A disk with a parent is 721, an unknown type is 523."""
        self.assertRefused(721, vhdfiles.dynamic(kind=4))
        self.assertRefused(523, vhdfiles.dynamic(kind=5))

    def test_zero_uuid(self):
        """A UUID of zeros is 614."""
        self.assertRefused(614, vhdfiles.dynamic(vhd_uuid=bytes(16)))

    def test_too_large(self):
        """A disk over the limit is 413, a file over the limit is 609."""
        self.assertRefused(413, vhdfiles.dynamic((40 << 30) + 512, stored=0))
        self.assertRefused(609, vhdfiles.fixed(4096), vhd.Limits(40 << 30, physical=4096))

    def test_order_of_codes(self):
        """A file with several defects gets the first code in the order of the service."""
        self.assertRefused(721, vhdfiles.dynamic(41 << 30, kind=4, stored=0, vhd_uuid=bytes(16)))
        self.assertRefused(614, vhdfiles.dynamic(41 << 30, stored=0, vhd_uuid=bytes(16)))

    def test_fixed_of_another_length(self):
        """A fixed disk must have exactly its data before the footer."""
        self.assertRefused(111, bytes(512) + vhdfiles.fixed(4096))

    def test_ambiguous(self):
        """A fixed disk must not begin as a dynamic one."""
        disk = vhdfiles.footer(4096, 3) + vhdfiles.fixed(4096)[512:]
        self.assertRefused(111, disk)

    def test_copies_differ(self):
        """The footer and its copy must be identical."""
        other = vhdfiles.footer(8 << 20, 3)
        self.assertRefused(111, other + vhdfiles.dynamic(8 << 20)[512:])


class TestFooterFields(RefusalCase):
    """What XenServer's own check refuses in a footer whose checksum is valid."""

    def test_both_types(self):
        """Each invalid field is found in fixed and in dynamic disks."""
        for changes in (
            {11: b"\0"},  # features
            {11: b"\6"},
            {12: struct.pack(">I", 0x00020000)},  # version
            ahead(31 * MINUTE),
            creator(b"tap", 0x00000001),
            creator(b"tap", 0x00010004),
            creator(b"tap", 0x00020000),
            {48: bytes(8)},  # the size
            {48: struct.pack(">Q", 4097)},
            {56: struct.pack(">HBB", 964, 1, 1)},  # a smaller product, but larger when packed
            {84: b"\2"},  # saved state
            {85: b"\1"},  # hidden
            {86: b"\1"},  # reserved
            {511: b"\1"},
        ):
            for build in (vhdfiles.fixed, lambda **options: vhdfiles.dynamic(stored=0, **options)):
                self.assertRefused(111, build(changes=changes))

    def test_data_offset(self):
        """A fixed disk has 64 one bits, a dynamic disk the place of its header."""
        for offset in (0xFFFFFFFF, 0, 512):
            self.assertRefused(111, vhdfiles.fixed(changes={16: struct.pack(">Q", offset)}))
        for offset in (0, 513, 1 << 60, vhdfiles.ONES):
            changes = {16: struct.pack(">Q", offset)}
            self.assertRefused(111, vhdfiles.dynamic(stored=0, changes=changes))


class TestGeometry(base.BaseTestCase):
    def test_specification(self):
        """The geometry is that of the specification's algorithm."""
        for size, expected in (
            (512, (0, 4, 17)),
            (40 << 20, (963, 5, 17)),
            (504 << 20, (1024, 16, 63)),
            (40 << 30, (20560, 16, 255)),
            (2 << 40, (65535, 16, 255)),
        ):
            packed = vhdfooter.geometry(size)
            self.assertEqual(expected, (packed >> 16, packed >> 8 & 0xFF, packed & 0xFF))


class TestTables(RefusalCase):
    def test_headers(self):
        """Each invalid header field is found before the table is read."""
        for header in (
            bytes(1024),
            vhdfiles.header(1),  # too few entries
            vhdfiles.header(0xFFFFFFFF),  # more than the file can hold
            vhdfiles.header(4, block=3 << 20),
            vhdfiles.header(4, block=512),
            vhdfiles.header(16, block=1 << 19),  # valid for the format, but not for XenServer
            vhdfiles.header(4, table=1024),  # inside the header
            vhdfiles.header(4, table=1537),
            vhdfiles.header(4, table=1 << 60),
            vhdfiles.header(4, changes={8: struct.pack(">Q", 0xFFFFFFFF)}),  # data offset
            vhdfiles.header(4, changes={8: struct.pack(">Q", 2048)}),
            vhdfiles.header(4, changes={24: struct.pack(">I", 0x00020000)}),  # version
            vhdfiles.header(4, changes={40: b"p" * 16}),  # the parent's UUID, time, name, locators
            vhdfiles.header(4, changes={56: b"\1"}),
            vhdfiles.header(4, changes={64: b"\0/"}),
            vhdfiles.header(4, changes={576: b"W2ku"}),
            vhdfiles.header(4, changes={60: b"\1"}),  # reserved
            vhdfiles.header(4, changes={1023: b"\1"}),
            vhdfiles.header(4).replace(b"\0", b"\1", 1),  # the checksum
        ):
            self.assertRefused(111, vhdfiles.dynamic(8 << 20, with_header=header))

    def test_absurd_table(self):
        """A table of more than 2 TiB of blocks is not read, though the file could hold it."""
        disk = vhdfiles.dynamic(stored=0, with_header=vhdfiles.header((1 << 20) + 1))

        def read(offset, length):
            self.assertLess(length, 1 << 20)
            return disk[:1536][offset : offset + length].ljust(length, b"\xff")

        size = 8 << 30
        with_footer = lambda o, n: disk[-512:] if o == size - 512 else read(o, n)  # noqa: E731
        error = self.assertRaises(vhd.Refused, vhd.virtual_size, with_footer, size, LIMITS)
        self.assertEqual(111, error.code)

    def test_blocks(self):
        """No block may lie outside of the data or overlap another block."""
        for table in (
            [0], [FIRST - 1], [FIRST + 1], [0xFFFFFFFE], [0xFFFFF000], [FIRST, FIRST],
            [FIRST, FIRST + STRIDE - 1],
        ):  # fmt: skip
            stored = len(table)
            self.assertRefused(111, vhdfiles.dynamic(table=table, stored=stored))

    def test_batmaps(self):
        """A disk by `tap` 1.2 or later must have a valid batmap."""
        for batmap in (
            b"",
            vhdfiles.batmap(4, 2048, changes={0: b"tdbatmop"}),
            vhdfiles.batmap(4, 2048, changes={8: struct.pack(">Q", 4096)}),  # offset
            vhdfiles.batmap(4, 2048, changes={16: struct.pack(">I", 2)}),  # size
            vhdfiles.batmap(4, 2048, changes={20: struct.pack(">I", 0x00010001)}),  # version
            vhdfiles.batmap(4, 2048, changes={24: bytes(4)}),  # checksum
            vhdfiles.batmap(4, 2048, changes={29: b"\1"}),  # reserved
            vhdfiles.batmap(4, 2048, bits=b"\x40"),  # a block that is not allocated
        ):
            self.assertRefused(111, vhdfiles.dynamic(with_batmap=batmap))
            self.assertRefused(
                111, vhdfiles.dynamic(with_batmap=batmap, changes=creator(b"tap", 0x00010002))
            )

    def test_optional_batmap(self):
        """A disk by `tap` 1.1 may have no batmap, but not one that is damaged."""
        old = creator(b"tap", 0x00010001)
        self.assertRefused(
            111, vhdfiles.dynamic(with_batmap=vhdfiles.batmap(4, 2048, bits=b"\x40"), changes=old)
        )
        # Nor may a block overlap it.
        self.assertRefused(111, vhdfiles.dynamic(table=[FIRST - 1], changes=old))


class TestExportedFooter(base.BaseTestCase):
    def test_renewed(self):
        """The footer of an export has another UUID and timestamp, and is valid."""
        old = vhdfiles.footer(4096, 2)
        new = vhd.renewed(old)
        self.assertEqual(4096, size_of(bytes(4096) + new))
        self.assertNotEqual(old[68:84], new[68:84])
        self.assertEqual(old[84:], new[84:])
        self.assertGreater(struct.unpack(">I", new[24:28])[0], 800_000_000)

    def test_footer_offsets(self):
        """A dynamic disk has two footers, a fixed disk one, other files none."""
        for content, expected in (
            (vhdfiles.fixed(4096), [4096]),
            (vhdfiles.dynamic(stored=0), [0, 3072]),
            (b"README", []),
        ):
            self.assertEqual(expected, vhd.footer_offsets(reader(content), len(content)))
