# SPDX-License-Identifier: Apache-2.0
import uuid
from array import array
from datetime import UTC, datetime
from unittest import mock

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, Extent
from rackspace_imagetasks.exceptions import SourceError, VhdError
from rackspace_imagetasks.formats.vhd import VirtualVhd, check, open_disk
from rackspace_imagetasks.formats.vhd.layout import Layout
from tests.unit.formats.vhd.builder import (
    BLOCK,
    GIB,
    MIB,
    Image,
    by_qemu,
    dynamic,
    fixed,
)
from tests.unit.formats.vhd.test_corpus import load

UUID = uuid.UUID("52f28ef1-9372-41bb-ad2b-b4ca3b06d304")
TIMESTAMP = 0x1C6BA46B  # those of go-vhd-xapi.vhd


def whole(source):
    return source.read_at(0, source.size)


class VirtualVhdTest(base.BaseTestCase):
    def test_empty_disk_is_that_of_xenserver(self):
        """The VHD of an empty 40 MiB disk is, byte for byte, the one that XenServer made."""
        vhd = VirtualVhd(Image(40 * MIB), uuid=UUID, timestamp=TIMESTAMP)
        self.assertEqual(load("go-vhd-xapi.vhd"), whole(vhd))

    def test_as_the_format_has_it(self):
        """Blocks, batmap and footer are those of a VHD put together by the format's tables."""
        disk = Image(6 * MIB, (0, b"first"), (6 * MIB - 4, b"last"))
        vhd = VirtualVhd(disk, uuid=UUID, timestamp=500_000_000)
        expected = dynamic().footer(68, 16, UUID.bytes).footer(56, 4, whole(vhd)[56:60])
        expected.put(4096, b"first").put(-512 - 4, b"last")
        self.assertEqual(whole(expected), whole(vhd))
        self.assertEqual((), check(vhd, max_virtual_size=6 * MIB).findings)

    def test_every_byte_is_the_same_in_any_piece(self):
        """Pieces of all sizes, over every border, join to the same file."""
        vhd = VirtualVhd(Image(5 * MIB, (3, b"x"), (5 * MIB - 1, b"y")))
        content = whole(vhd)
        for size in (4093, 65536, 2 * MIB + 511, 3 * MIB):
            offsets = range(0, vhd.size, size)
            pieces = [vhd.read_at(at, min(size, vhd.size - at)) for at in offsets]
            self.assertEqual(content, b"".join(pieces))

    def test_size_is_rounded_up_with_zeros(self):
        """A disk that is no multiple of 2 MiB is padded, and XenServer's growth loses nothing."""
        vhd = VirtualVhd(Image(2 * MIB + 1, (2 * MIB, b"z")))
        self.assertEqual((4 * MIB, 1), (vhd.disk_size, vhd.blocks_allocated))
        disk = open_disk(vhd)
        self.assertEqual(b"z" + bytes(2 * MIB - 1), disk.read_at(2 * MIB, 2 * MIB))

    def test_zero_blocks_are_left_out(self):
        """A stored block of zeros is not allocated; one other byte anywhere allocates it."""
        for at in (0, 65535, 65536, BLOCK - 1):
            disk = BytesSource(bytes(BLOCK + at) + b"\1" + bytes(2 * BLOCK - at - 1))
            self.assertEqual([1], list(VirtualVhd(disk).layout.blocks))

    def test_several_extents_in_a_block(self):
        """A block with several extents is allocated and counted once."""
        disk = Image(4 * BLOCK, (BLOCK + 1, b"a"), (2 * BLOCK + 1, b"b"), (3 * BLOCK - 1, b"c"))
        stored = ((0, 512), (BLOCK, 512), (2 * BLOCK, 512), (3 * BLOCK - 512, BLOCK))
        disk.data_extents = lambda: (Extent(*each) for each in stored)
        vhd = VirtualVhd(disk)
        self.assertEqual([1, 2], list(vhd.layout.blocks))
        self.assertEqual((), check(vhd).findings)
        self.assertEqual(whole(disk), whole(open_disk(vhd)))

    def test_scan_reads_little_of_full_blocks(self):
        """Of a block that holds data at its beginning, no more than 64 KiB is read."""
        disk = Image(20 * BLOCK, *((block * BLOCK, b"data") for block in range(20)))
        VirtualVhd(disk)
        self.assertLessEqual(sum(length for _, length in disk.requests), 21 * 65536)

    def test_4097_blocks(self):
        """With 4097 blocks the batmap's checksum covers one of two sectors, as XenServer's."""
        disk = Image(4097 * BLOCK, (4096 * BLOCK, b"end"))
        disk.data_extents = lambda: iter([(4096 * BLOCK, BLOCK)])
        vhd = VirtualVhd(disk)
        self.assertEqual((), check(vhd).findings)
        self.assertEqual(b"\xff\xff\xff\xff", vhd.read_at(1536 + 16896 + 24, 4))

    def test_full_disk_is_as_large_as_xenservers(self):
        """The VHD of a full disk of 40 GiB has the same size as by XenServer's tools."""
        blocks = array("I", range(20480))
        layout = Layout.plan(40 * GIB, blocks, UUID, TIMESTAMP)
        self.assertEqual(43_033_645_568, layout.size)

    def test_deterministic(self):
        """The same disk results in the same bytes and identity; another disk or UUID does not."""
        first, again = VirtualVhd(Image(4 * MIB)), VirtualVhd(Image(4 * MIB))
        self.assertEqual((whole(first), first.identity), (whole(again), again.identity))
        for other in (VirtualVhd(Image(6 * MIB)), VirtualVhd(Image(4 * MIB), uuid=UUID)):
            self.assertNotEqual(first.identity, other.identity)
        self.assertTrue(check(first).facts.uuid.int)
        self.assertEqual("", "".join(c for c in first.identity if not (c.isalnum() or c in ".-")))

    def test_timestamp(self):
        """A time is stored as seconds since 2000."""
        vhd = VirtualVhd(Image(MIB), timestamp=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC))
        self.assertEqual("2024-05-06 07:08:09+00:00", str(check(vhd).facts.timestamp))

    def test_refused(self):
        """An empty disk, one over 2040 GiB and a time outside the format are errors."""
        self.assertRaises(VhdError, VirtualVhd, Image(0))
        self.assertRaises(VhdError, VirtualVhd, Image(2041 * GIB))
        self.assertEqual(2 * MIB, VirtualVhd(Image(1)).disk_size)
        for moment in (datetime(1999, 1, 1, tzinfo=UTC), -1, 1 << 32):
            self.assertRaises(VhdError, VirtualVhd, Image(MIB), timestamp=moment)

    def test_reads_outside_are_errors(self):
        """A read beyond the end, or before the beginning, is a SourceError."""
        vhd = VirtualVhd(Image(MIB))
        for offset, length in ((vhd.size, 1), (-1, 2), (0, -1), (vhd.size - 1, 2)):
            self.assertRaises(SourceError, vhd.read_at, offset, length)
        self.assertEqual((b"c", b""), (vhd.read_at(0, 1), vhd.read_at(vhd.size, 0)))

    def test_closing_it_closes_the_disk(self):
        """Closing the VHD closes the disk."""
        for view, disk in ((VirtualVhd, Image(MIB)), (open_disk, dynamic()), (open_disk, fixed())):
            disk.close = mock.Mock()
            view(disk).close()
            disk.close.assert_called_once_with()

    def test_foreign_vhd_becomes_xenservers(self):
        """The disk in a VHD by qemu is the disk in a VHD that grows."""
        foreign = by_qemu().put(8 * 512, b"content")
        vhd = VirtualVhd(open_disk(foreign))
        self.assertTrue(check(vhd).facts.grows)
        self.assertEqual(whole(open_disk(foreign)), whole(open_disk(vhd)))
