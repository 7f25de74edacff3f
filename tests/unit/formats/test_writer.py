# SPDX-License-Identifier: Apache-2.0
import contextlib
import filecmp
from pathlib import Path
from unittest import mock

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.exceptions import Cancelled, SourceChanged, TargetError
from rackspace_imagetasks.formats.vhd import VirtualVhd, check, open_disk
from rackspace_imagetasks.formats.writer import write_file
from rackspace_imagetasks.progress import SilentPhase
from tests.unit.formats.vhd.builder import BLOCK, MIB, Image


def whole(source):
    return source.read_at(0, source.size)


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
