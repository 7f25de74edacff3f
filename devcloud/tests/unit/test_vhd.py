# SPDX-License-Identifier: Apache-2.0
import struct

from oslotest import base

from devcloud.cloudimages import vhd
from devcloud.tests import vhdfiles

LIMITS = vhd.Limits(virtual=40 << 30, physical=40 << 30)


def reader(content):
    return lambda offset, length: content[offset : offset + length]


def size_of(content, limits=LIMITS):
    return vhd.virtual_size(reader(content), len(content), limits)


class TestAccepted(base.BaseTestCase):
    def test_fixed(self):
        """A fixed disk is as large as its data."""
        self.assertEqual(4096, size_of(vhdfiles.fixed(4096)))

    def test_old_fixed_footer(self):
        """Virtual PC's footer of 511 bytes, before 2004, is still one."""
        self.assertEqual(4096, size_of(vhdfiles.fixed(4096)[:-1]))

    def test_dynamic(self):
        """Blocks may be missing, and stand in any order."""
        self.assertEqual(8 << 20, size_of(vhdfiles.dynamic(8 << 20, stored=0)))
        shuffled = vhdfiles.dynamic(8 << 20, stored=2, table=[4 + 4097, 4])
        self.assertEqual(8 << 20, size_of(shuffled))

    def test_exactly_the_limit(self):
        """40 GiB is not over 40 GiB."""
        self.assertEqual(40 << 30, size_of(vhdfiles.dynamic(40 << 30, stored=0)))

    def test_blocks_of_512_kib(self):
        """Blocks of another size have a bitmap of another size."""
        header = vhdfiles.header(4, block=1 << 19)
        disk = vhdfiles.dynamic(1 << 20, stored=0, with_header=header)
        self.assertEqual(1 << 20, size_of(disk))


class TestRefused(base.BaseTestCase):
    def assertRefused(self, code, content, limits=LIMITS):  # noqa: N802
        error = self.assertRaises(vhd.Refused, size_of, content, limits)
        self.assertEqual(code, error.code)

    def test_no_vhd(self):
        """Whatever has no footer is not a valid VHD: 396."""
        for content in (b"", b"conectix", bytes(4096), b"QFI\xfb" + bytes(8192)):
            self.assertRefused(396, content)
        self.assertRefused(396, vhdfiles.fixed(cookie=b"connectx"))
        self.assertRefused(396, vhdfiles.fixed(good_checksum=False))

    def test_truncated(self):
        """A dynamic disk cut short still begins as one: 111."""
        self.assertRefused(111, vhdfiles.dynamic()[:-1024])

    def test_kinds(self):
        """A child is 721, an unknown type 523."""
        self.assertRefused(721, vhdfiles.dynamic(kind=4))
        self.assertRefused(523, vhdfiles.dynamic(kind=5))

    def test_zero_uuid(self):
        """A UUID of zeros is 614."""
        self.assertRefused(614, vhdfiles.dynamic(vhd_uuid=bytes(16)))

    def test_too_large(self):
        """A disk over the limit is 413, a file 609."""
        self.assertRefused(413, vhdfiles.dynamic((40 << 30) + 512, stored=0))
        self.assertRefused(609, vhdfiles.fixed(4096), vhd.Limits(40 << 30, physical=4096))

    def test_order_of_codes(self):
        """A file with several faults gets the first code of the service's order."""
        self.assertRefused(721, vhdfiles.dynamic(41 << 30, kind=4, stored=0, vhd_uuid=bytes(16)))
        self.assertRefused(614, vhdfiles.dynamic(41 << 30, stored=0, vhd_uuid=bytes(16)))

    def test_fixed_of_another_length(self):
        """A fixed disk must have all its data and no more."""
        self.assertRefused(111, bytes(512) + vhdfiles.fixed(4096))

    def test_copies_differ(self):
        """The footer and its copy must be the same."""
        other = vhdfiles.footer(8 << 20, 3)
        self.assertRefused(111, other + vhdfiles.dynamic(8 << 20)[512:])

    def test_headers(self):
        """Each bad header field is found before the table is read."""
        for header in (
            bytes(1024),
            vhdfiles.header(1),  # too few entries
            vhdfiles.header(0xFFFFFFFF),  # more than the file could hold
            vhdfiles.header(4, block=3 << 20),
            vhdfiles.header(4, block=512),
            vhdfiles.header(4, table=1024),  # inside the header
            vhdfiles.header(4, table=1 << 60),
            vhdfiles.header(4, parent=b"p" * 16),
            vhdfiles.header(4).replace(b"\0", b"\1", 1),  # the checksum
        ):
            self.assertRefused(111, vhdfiles.dynamic(8 << 20, with_header=header))

    def test_blocks(self):
        """No block may lie outside the data, nor on another."""
        for table in ([0], [3], [5], [0xFFFFFFFE], [4, 4], [4, 4100]):
            stored = len(table)
            self.assertRefused(111, vhdfiles.dynamic(table=table, stored=stored))


class TestExportedFooter(base.BaseTestCase):
    def test_renewed(self):
        """An export's footer has another UUID and time, and is valid."""
        old = vhdfiles.footer(4096, 2)
        new = vhd.renewed(old)
        self.assertEqual(4096, size_of(bytes(4096) + new))
        self.assertNotEqual(old[68:84], new[68:84])
        self.assertEqual(old[84:], new[84:])
        self.assertGreater(struct.unpack(">I", new[24:28])[0], 800_000_000)

    def test_where_footers_are(self):
        """A dynamic disk has two, a fixed one has one, others have none."""
        for content, expected in (
            (vhdfiles.fixed(4096), [4096]),
            (vhdfiles.dynamic(stored=0), [0, 2048]),
            (b"README", []),
        ):
            self.assertEqual(expected, vhd.footer_offsets(reader(content), len(content)))
