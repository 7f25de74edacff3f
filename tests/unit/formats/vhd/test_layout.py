# SPDX-License-Identifier: Apache-2.0
import contextlib
import filecmp
import uuid
from array import array
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, Extent, FileSource
from rackspace_imagetasks.exceptions import (
    Cancelled,
    SourceChanged,
    SourceError,
    TargetError,
    VhdError,
)
from rackspace_imagetasks.formats.vhd import VirtualVhd, check, open_disk, write_file
from rackspace_imagetasks.formats.vhd.layout import Layout
from rackspace_imagetasks.progress import SilentPhase
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


class WriteFileTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.useFixture(fixtures.TempDir()).path)

    def disk(self, size=32 * MIB):
        path = self.folder / "disk.raw"
        with path.open("wb") as file:
            file.truncate(size)
            file.seek(9 * MIB)
            file.write(b"data" * 100_000)
        return FileSource(path)

    def test_written_is_the_view(self):
        """The file has the view's bytes, and holes where a block is zero for long."""
        vhd = VirtualVhd(self.disk())
        path = self.folder / "disk.vhd"
        write_file(vhd, path)
        self.assertEqual(whole(vhd), path.read_bytes())
        self.assertLess(path.stat().st_blocks * 512, 3 * MIB // 2)
        self.assertEqual(["disk.raw", "disk.vhd"], sorted(p.name for p in self.folder.iterdir()))

    def test_disk_is_written_sparsely(self):
        """The disk of a VHD is written as a raw file with its holes."""
        vhd = VirtualVhd(self.disk(200 * MIB))
        write_file(open_disk(vhd), self.folder / "copy.raw")
        copy = self.folder / "copy.raw"
        self.assertTrue(filecmp.cmp(self.folder / "disk.raw", copy, shallow=False))
        self.assertLess(copy.stat().st_blocks * 512, MIB)

    def test_changed_source_leaves_nothing(self):
        """A disk that changes while it is written is an error, and no file appears."""
        disk = self.disk()
        vhd = VirtualVhd(disk)
        with disk.path.open("ab") as file:
            file.write(b"more")
        self.assertRaises(SourceChanged, write_file, vhd, self.folder / "disk.vhd")
        self.assertEqual(["disk.raw"], [path.name for path in self.folder.iterdir()])

    def test_no_more_threads(self):
        """If no thread can be started, the error says so, and no file remains."""
        vhd = VirtualVhd(self.disk())
        fault = mock.Mock(side_effect=RuntimeError("can't start new thread"))
        with mock.patch("threading.Thread.start", fault):
            error = self.assertRaises(TargetError, write_file, vhd, self.folder / "disk.vhd")
        fault.assert_called()
        self.assertIn("can't start new thread", str(error))
        self.assertEqual(["disk.raw"], [path.name for path in self.folder.iterdir()])

    def test_cancelled(self):
        """An exception in the progress report stops writing soon, and no file remains."""

        class Impatient(SilentPhase):
            def advance(self, amount):
                if amount:
                    raise Cancelled("stopped")

        class Progress:
            def phase(self, title, total=None):
                return contextlib.nullcontext(Impatient())

        disk = Image(2000 * MIB, *((block * BLOCK, b"data") for block in range(1000)))
        vhd = VirtualVhd(disk)
        disk.requests.clear()
        target = self.folder / "disk.vhd"
        self.assertRaises(Cancelled, write_file, vhd, target, progress=Progress())
        self.assertLess(len(disk.requests), 1000)
        self.assertEqual([], list(self.folder.iterdir()))

    def test_existing_file_is_kept(self):
        """A file is replaced only with `overwrite`."""
        path = self.folder / "disk.vhd"
        path.write_text("precious")
        self.assertRaises(TargetError, write_file, VirtualVhd(Image(MIB)), path)
        self.assertEqual("precious", path.read_text())
        write_file(VirtualVhd(Image(MIB)), path, overwrite=True)
        self.assertEqual((), check(FileSource(path)).findings)

    def test_progress_reaches_the_total(self):
        """Scanning and writing each advance by exactly their total."""
        phases = {}

        class Counting:
            def phase(self, title, total=None):
                phases[title] = [total, 0]
                return contextlib.nullcontext(Phase(phases[title]))

        class Phase:
            def __init__(self, counts):
                self.counts = counts

            def advance(self, amount):
                self.counts[1] += amount

        disk = self.disk()
        with disk.path.open("r+b") as file:
            for at in (1, 3, 15, 21):
                file.seek(at * MIB)
                file.write(b"data")
        vhd = VirtualVhd(FileSource(disk.path), progress=Counting())
        write_file(vhd, self.folder / "disk.vhd", progress=Counting())
        write_file(open_disk(vhd), self.folder / "copy.raw", progress=Counting())
        for total, done in phases.values():
            self.assertEqual(total, done)
        self.assertEqual(["Scanning", "Writing"], list(phases))
