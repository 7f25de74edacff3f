# SPDX-License-Identifier: Apache-2.0
import struct
import uuid

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.osc.hints import worded_error
from rackspace_imagetasks.sources._self_contained import check_self_contained
from tests.unit.sources import disks


def _patched(name, offset, content):
    packed = disks.packed(name)
    return packed[:offset] + content + packed[offset + len(content) :]


class TestSelfContained(base.BaseTestCase):
    def assert_refused(self, format_, content, words):
        error = self.assertRaises(
            SourceError, check_self_contained, BytesSource(content, "the.file"), format_
        )
        self.assertIn("'the.file'", str(error))
        self.assertIn(words, str(error))

    def test_complete_disks_pass(self):
        """What qemu-img wrote in one file is complete."""
        for name in ("disk.qcow2", "disk.vmdk", "stream.vmdk", "disk.vdi", "disk.vhdx", "disk.qed"):
            check_self_contained(BytesSource(disks.packed(name)), name.split(".")[1])

    def test_files_that_name_others(self):
        """Files by qemu-img with backing files, external data files or parents are refused."""
        self.assert_refused("qcow2", disks.packed("overlay.qcow2"), "backing file")
        self.assert_refused("qcow2", disks.packed("data.qcow2"), "data in another file")
        self.assert_refused("vmdk", disks.packed("child.vmdk"), "parent")

    def test_qcow2_data_file_by_name_alone(self):
        """The name of a data file is refused even if its feature bit is not set."""
        content = _patched("disk.qcow2", 104, b"DATA" + struct.pack(">I", 8) + b"/etc/foo")
        header_length = struct.pack(">I", 104)
        content = content[:100] + header_length + content[104:]
        self.assert_refused("qcow2", content, "data in another file")

    def test_qcow2_data_file_behind_other_extensions(self):
        """Each extension has its own length, padded to eight bytes."""
        other = b"NAME" + struct.pack(">I", 9) + bytes(16)
        content = _patched("disk.qcow2", 104, other + b"DATA" + struct.pack(">I", 8) + b"/etc/foo")
        self.assert_refused("qcow2", content[:100] + struct.pack(">I", 104) + content[104:], "data")

    def test_qcow2_marks(self):
        """Encryption, a dirty or corrupt bit and an unknown version are refused."""
        self.assert_refused("qcow2", _patched("disk.qcow2", 32, b"\0\0\0\2"), "encrypted")
        self.assert_refused("qcow2", _patched("disk.qcow2", 79, b"\1"), "not closed properly")
        self.assert_refused("qcow2", _patched("disk.qcow2", 79, b"\2"), "corrupt")
        self.assert_refused("qcow2", _patched("disk.qcow2", 7, b"\1"), "version 1")

    def test_qed_marks(self):
        """A QED with a backing file, or that needs a check, is refused."""
        self.assert_refused("qed", _patched("disk.qed", 16, b"\1"), "backing file")
        self.assert_refused("qed", _patched("disk.qed", 16, b"\2"), "not closed properly")

    def test_vmdk_that_is_a_part(self):
        """A VMDK without descriptor, without capacity or with other extents is refused."""
        self.assert_refused("vmdk", _patched("disk.vmdk", 28, bytes(8)), "one extent")
        self.assert_refused("vmdk", _patched("disk.vmdk", 12, bytes(8)), "only the descriptor")
        self.assert_refused("vmdk", _patched("disk.vmdk", 28, b"\2"), "unusual place")
        descriptor = b'RW 1 FLAT "/etc/passwd" 0\nRW 1 SPARSE "b.vmdk"\n\0'
        self.assert_refused("vmdk", _patched("disk.vmdk", 512, descriptor), "FLAT, SPARSE")

    def test_vmdk_extent_names_its_descriptor(self):
        """The descriptor of an extent is named if its name is by VMware's convention."""
        content = _patched("disk.vmdk", 28, bytes(8))
        for name, descriptor in (
            ("a/x-s001.vmdk", "a/x.vmdk"),
            ("x-flat.vmdk", "x.vmdk"),
            ("x.vmdk", "<descriptor>"),
        ):
            source = BytesSource(content, name)
            error = self.assertRaises(SourceError, check_self_contained, source, "vmdk")
            self.assertIn(f"`qemu-img convert -O qcow2 {descriptor} <file>`", worded_error(error))

    def test_vmdk_with_other_characters(self):
        """A descriptor in an unknown encoding is read."""
        descriptor = b'# \xff\xfe\nRW 1 SPARSE "\xe9.vmdk"\n\0'
        check_self_contained(BytesSource(_patched("disk.vmdk", 512, descriptor)), "vmdk")

    def test_vmdk_with_half_a_parent(self):
        """Either the name of a parent or its content ID is sufficient to refuse a disk."""
        extent = b'RW 1 SPARSE "disk.vmdk"\n'
        for parent, complete in (
            (b"parentCID=ffffffff\n", True),
            (b"parentCID=FFFFFFFF\n", True),
            (b"parentCID=0badc0de\n", False),
            (b'parentCID=ffffffff\nparentFileNameHint="/etc/passwd"\n', False),
        ):
            content = _patched("disk.vmdk", 512, parent + extent + b"\0")
            if complete:
                check_self_contained(BytesSource(content), "vmdk")
            else:
                self.assert_refused("vmdk", content, "parent")

    def test_vmdk_whose_header_hides_the_parent(self):
        """The descriptor is read past the length in the header, as QEMU reads it."""
        content = bytearray(_patched("disk.vmdk", 36, (1).to_bytes(8, "little")))
        descriptor = b"# " + b"x" * 600 + b'\nparentFileNameHint="a.vmdk"\nRW 1 SPARSE "b.vmdk"\n\0'
        content[512 : 512 + len(descriptor)] = descriptor
        self.assert_refused("vmdk", bytes(content), "parent")

    def test_vdi_that_is_a_snapshot(self):
        """A differencing VDI, or one with the UUID of a parent, is a snapshot."""
        self.assert_refused("vdi", _patched("disk.vdi", 76, b"\4"), "snapshot")
        for at in (0x1A8, 0x1B7, 0x1B8, 0x1C7):
            self.assert_refused("vdi", _patched("disk.vdi", at, b"\1"), "snapshot")

    def test_vdi_that_was_cut_off(self):
        """A truncated VDI is refused: QEMU would read zeros at its end."""
        self.assert_refused("vdi", disks.packed("disk.vdi")[:-512], "ends before")

    def test_vhdx_with_a_parent(self):
        """A VHDX whose metadata hold a parent locator is a differencing disk."""
        locator = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
        region = disks.packed("disk.vhdx").index(b"metadata")
        content = _patched("disk.vhdx", region + 32, locator)
        self.assert_refused("vhdx", content, "parent")
        for table in (192 * 2**10, 256 * 2**10):  # either of the two is enough
            other = content[:table] + bytes(4) + content[table + 4 :]
            self.assert_refused("vhdx", other, "parent")

    def test_header_cut_off(self):
        """A file that ends within its header is refused, in every format and at every length."""
        for format_, length in (
            ("qcow2", 104),
            ("vmdk", 512),
            ("vdi", 0x1C8),
            ("vhdx", 256 * 2**10 + 12),
            ("qed", 24),
        ):
            content = disks.packed(f"disk.{format_}")
            for cut in {4, 20, length // 2, length - 1} - {length}:
                self.assert_refused(format_, content[:cut], "ends within")

    def test_header_that_cannot_be_read(self):
        """An error of the file itself is not taken for its end."""
        for format_ in ("qcow2", "vmdk", "vdi", "vhdx", "qed"):
            source, error = disks.FaultySource(disks.packed(f"disk.{format_}")), SourceError("EIO")
            source.fail(error)
            raised = self.assertRaises(SourceError, check_self_contained, source, format_)
            self.assertIs(error, raised)
            self.assertEqual([1], source.fired())
