# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import SourceError, VhdError
from rackspace_imagetasks.formats.vhd import open_disk
from rackspace_imagetasks.osc.hints import worded_error
from rackspace_imagetasks.sources._detect import detect
from tests.unit.formats.vhd.builder import dynamic, fixed
from tests.unit.sources import disks

_SECTOR = bytes(512)


def _at(offset, magic):
    return bytes(offset) + magic + bytes(-(offset + len(magic)) % 512)


class TestDetect(base.BaseTestCase):
    def assert_refused(self, content, *words, asked=None):
        error = self.assertRaises(SourceError, detect, BytesSource(content, "the.file"), asked)
        for word in ("'the.file'", *words):
            self.assertIn(word, worded_error(error))

    def test_formats_of_real_files(self):
        """The files that qemu-img wrote are recognised by their content."""
        for name in ("qcow2", "vmdk", "vdi", "vhdx", "qed"):
            content = disks.packed(f"disk.{name}")
            self.assertEqual(name, detect(BytesSource(content)))

    def test_vhd_by_footer_or_copy(self):
        """A VHD is recognised by a footer at its end, of 512 or 511 bytes, or by the copy at 0."""
        footer = b"conectix".ljust(512, b"\0")
        long = bytes(2**20)  # its end is not among the first bytes that are read
        contents = (footer + _SECTOR, _SECTOR + footer, _SECTOR + footer[:511])
        for content in (*contents, footer + long, long + footer, long + footer[:511]):
            self.assertEqual("vhd", detect(BytesSource(content)))

    def test_damaged_vhd_is_not_raw(self):
        """A VHD with appended bytes, or marked as destroyed, is not taken for a raw disk."""
        for behind in (b"x", _SECTOR):
            self.assertEqual("vhd", detect(fixed().append(behind)))
        for image in (fixed(), dynamic()):
            image.footer(0, 8, b"v_poison")
            self.assertEqual("vhd", detect(image))
            self.assertIn("destroyed", str(self.assertRaises(VhdError, open_disk, image)))

    def test_anything_in_whole_sectors_is_raw(self):
        """Content without a signature is a raw disk, even one shorter than their offsets."""
        self.assertEqual("raw", detect(BytesSource(_SECTOR)))
        self.assertEqual("raw", detect(BytesSource(disks.CONTENT)))

    def test_compressed_files_and_archives_say_how_to_unpack(self):
        """Compressed files and archives are refused, with the program that unpacks them."""
        for magic, program in (
            (b"\x1f\x8b\x08", "gunzip"),
            (b"\xfd7zXZ\0", "unxz"),
            (b"\x28\xb5\x2f\xfd", "unzstd"),
            (b"BZh91AY&SY", "bunzip2"),
            (b"PK\x03\x04", "unzip"),
            (b"7z\xbc\xaf\x27\x1c", "7z x"),
            (_at(257, b"ustar"), "tar -xf"),
        ):
            self.assert_refused(magic.ljust(1024, b"\0"), program, "--source-format raw")

    def test_other_files_that_are_not_disks(self):
        """A CD image, a VMware descriptor and an Apple image are refused by their names."""
        self.assert_refused(_at(32769, b"CD001"), "CD image")
        self.assert_refused(b"# Disk DescriptorFile\nversion=1\n", "other files")
        self.assert_refused(_SECTOR + b"koly".ljust(512, b"\0"), "Apple")
        self.assert_refused(b"COWD".ljust(512, b"\0"), "ESX")
        for magic in (b"WithoutFreeSpace", b"WithouFreSpacExt"):
            self.assert_refused(magic.ljust(512, b"\0"), "Parallels")

    def test_empty_and_odd_sizes(self):
        """An empty file and one without whole sectors are not raw disks, even if specified."""
        self.assert_refused(b"", "empty")
        self.assert_refused(b"hello\n", "512", "truncate")
        self.assert_refused(b"hello\n", "512", asked="raw")

    def test_two_formats_at_once(self):
        """A file that begins as a qcow2 and ends as a VHD is refused without a format."""
        content = b"QFI\xfb".ljust(512, b"\0") + b"conectix".ljust(512, b"\0")
        self.assert_refused(content, "qcow2 and vhd", "--source-format")
        self.assertEqual("vhd", detect(BytesSource(content), "vhd"))

    def test_specified_as_raw(self):
        """A raw disk can contain anything: if specified, its content is not examined."""
        self.assertEqual(
            "raw", detect(BytesSource(disks.packed("overlay.qcow2") + bytes(504)), "raw")
        )

    def test_wrong_format_specified(self):
        """The error about a wrong source format says what the file looks like."""
        self.assert_refused(
            disks.packed("disk.vmdk"), "not in the format qcow2", "vmdk", asked="qcow2"
        )
        error = self.assertRaises(SourceError, detect, BytesSource(_SECTOR), "cow")
        self.assertIn("qcow2", str(error))
