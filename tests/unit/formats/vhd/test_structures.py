# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd._geometry import geometry_of
from rackspace_imagetasks.formats.vhd._structures import BatmapHeader, DynamicHeader, Footer
from tests.unit.formats.vhd.builder import GIB, MIB, dynamic


class GeometryTest(base.BaseTestCase):
    def test_as_other_programs_compute_it(self):
        """The geometry is that in footers by XenServer, VirtualBox, Windows and qemu."""
        for size, geometry in (
            (40 * MIB, (963, 5, 17)),
            (512 * MIB, (1040, 16, 63)),
            (10 * MIB, (301, 4, 17)),
            (1079296, (31, 4, 17)),
            (2123776, (61, 4, 17)),
            (4212736, (121, 4, 17)),
        ):
            self.assertEqual(geometry, geometry_of(size))

    def test_where_the_specification_changes_its_mind(self):
        """On both sides of each threshold the geometry is that of the "CHS Calculation"."""
        for sectors, geometry in (
            (1, (0, 4, 17)),
            (4 * 1024 * 17 - 1, (1023, 4, 17)),
            (4 * 1024 * 17, (140, 16, 31)),
            (16 * 1024 * 17 - 1, (1023, 16, 17)),
            (16 * 1024 * 17, (561, 16, 31)),
            ((16 * 1024 + 1) * 17, (561, 16, 31)),
            (16 * 1024 * 31 - 1, (1023, 16, 31)),
            (16 * 1024 * 31, (503, 16, 63)),
            (65535 * 16 * 63 - 1, (65534, 16, 63)),
            (65535 * 16 * 63, (16191, 16, 255)),
            (65535 * 16 * 255, (65535, 16, 255)),
            (65536 * 16 * 255, (65535, 16, 255)),
        ):
            self.assertEqual(geometry, geometry_of(sectors * 512), sectors)

    def test_never_more_than_the_disk(self):
        """The geometry rounds down, and stays in its fields, at every size a VHD can have."""
        for size in (512, 34816, 504 * MIB, GIB, 31 * GIB, 32 * GIB, 127 * GIB, 2040 * GIB):
            geometry = geometry_of(size)
            self.assertLessEqual(geometry.size, size)
            self.assertLessEqual(max(geometry) >> 16, 0)
            self.assertLessEqual(max(geometry[1:]), 255)


class ParseTest(base.BaseTestCase):
    def test_footer_is_as_built(self):
        """Fields are read from, and written to, the offsets of the format's table."""
        content = dynamic(8 * MIB, ()).peek(0, 512)
        footer = Footer.parse(content)
        self.assertEqual(
            (8 * MIB, 3, b"tap\0"),
            (footer.current_size, footer.disk_type, footer.creator_application),
        )
        self.assertEqual(content, footer.serialise())

    def test_header_is_as_built(self):
        """The dynamic header's fields are where the format's table has them."""
        content = dynamic(8 * MIB, ()).peek(512, 1024)
        header = DynamicHeader.parse(content)
        self.assertEqual((1536, 4), (header.table_offset, header.max_table_entries))
        self.assertEqual(content, header.serialise())

    def test_short_footer(self):
        """A footer of 511 bytes is one whose last byte is zero."""
        content = dynamic().peek(0, 512)
        self.assertEqual(Footer.parse(content), Footer.parse(content[:511]))

    def test_damage_is_refused(self):
        """A wrong length, cookie or checksum is a VhdError that says which."""
        footer, header = dynamic().peek(0, 512), dynamic().peek(512, 1024)
        for parse, content, word in (
            (Footer.parse, footer[:-2], "512"),
            (Footer.parse, b"x" + footer[1:], "conectix"),
            (Footer.parse, footer[:-1] + b"x", "checksum"),
            (DynamicHeader.parse, header[:-1], "1024"),
            (DynamicHeader.parse, b"x" + header[1:], "cxsparse"),
            (DynamicHeader.parse, header[:-1] + b"x", "checksum"),
            (BatmapHeader.parse, bytes(512), "tdbatmap"),
            (BatmapHeader.parse, bytes(511), "512"),
        ):
            self.assertIn(word, str(self.assertRaises(VhdError, parse, content)))
