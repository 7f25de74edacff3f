# SPDX-License-Identifier: Apache-2.0
"""Disks in files that are not local: QEMU reads them through a server in this process."""

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import fixtures

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.exceptions import (
    Cancelled,
    ImageTasksError,
    Refused,
    ServiceError,
    SourceChanged,
    SourceError,
    VhdError,
)
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.sources import _block_cache, open_disk_of
from rackspace_imagetasks.sources.completeness import require_complete
from rackspace_imagetasks.units import divide_up
from tests.unit.formats.vhd import oracles
from tests.unit.sources import disks
from tests.unit.sources.disks import CONTENT, MIB, DiskTest, FaultySource, children

# What `qemu-img convert` writes: the format as users name it, its name in QEMU, options.
_FORMATS = (
    ("raw", "raw"),
    ("vhd-dynamic", "vpc", "-o", "subformat=dynamic,force_size=on"),
    ("vhd-fixed", "vpc", "-o", "subformat=fixed,force_size=on"),
    ("qcow2", "qcow2"),
    ("qcow2", "qcow2", "-c"),
    ("qcow2", "qcow2", "-c", "-o", "compression_type=zstd"),
    ("qcow2", "qcow2", "-o", "compat=0.10"),
    ("qcow2", "qcow2", "-o", "cluster_size=512"),
    ("qcow2", "qcow2", "-o", "cluster_size=2M,preallocation=metadata"),
    ("qcow2", "qcow2", "-o", "extended_l2=on"),
    ("vmdk", "vmdk"),
    ("vmdk", "vmdk", "-o", "subformat=streamOptimized"),
    ("vdi", "vdi"),
    ("vdi", "vdi", "-o", "static=on"),
    ("vhdx", "vhdx"),
    ("vhdx", "vhdx", "-o", "subformat=fixed"),
    ("qed", "qed"),
)

_PROGRAM = """
import hashlib, resource, sys
from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.sources import _block_cache, open_disk_of
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with open_disk_of(BytesSource(sys.stdin.buffer.read())) as disk:
    print(disk.format, hashlib.sha256(disk.read_at(0, disk.size)).hexdigest())
"""


class DiskOfTest(DiskTest):
    def setUp(self):
        super().setUp()
        disks.need_qemu(self)

    def convert(self, content, format_, *options):
        """Return a disk image that qemu-img writes, and the path of it."""
        raw, path = self.write("original", content), self.directory / f"disk.{format_}"
        oracles.run("qemu-img", "convert", "-f", "raw", "-O", format_, *options, raw, path)
        return path.read_bytes(), path

    def random_qcow2(self, size=24 * MIB):
        """Return a disk that is larger than what is kept in memory, and its qcow2."""
        content = os.urandom(size)
        return content, self.convert(content, "qcow2")[0]


class TestFormats(DiskOfTest):
    def test_every_format(self):
        """From each format comes the disk that `qemu-img convert -O raw` finds in the file."""
        content = CONTENT + os.urandom(MIB) + b"the end".ljust(512, b".")
        for format_, driver, *options in _FORMATS:
            with self.subTest(driver, options=options):
                packed, path = self.convert(content, driver, *options)
                back = self.directory / "back"
                oracles.run("qemu-img", "convert", "-f", driver, "-O", "raw", path, back)
                with open_disk_of(FaultySource(packed)) as disk:
                    self.assertEqual(format_, disk.format)
                    self.assert_same_disk(back.read_bytes(), disk)
                    self.assertEqual(content, disk.read_at(0, len(content)))

    def test_sparse(self):
        """Unallocated parts are not in the extents."""
        with open_disk_of(FaultySource(disks.packed("disk.qcow2"))) as disk:
            self.assertEqual(3, len(list(disk.data_extents())))
            self.assertEqual("qcow2, 5 MiB", disk.description)

    def test_format_given(self):
        """A given format is believed if it is raw, and checked otherwise."""
        packed = disks.packed("disk.qcow2")
        with open_disk_of(FaultySource(packed), format="qcow2") as disk:
            self.assertEqual(CONTENT, disk.read_at(0, disk.size))
        with open_disk_of(FaultySource(packed), format="raw") as disk:
            self.assertEqual(packed, disk.read_at(0, disk.size))
        for given in ("vmdk", "vhd", "vdi", "nbd"):
            error = self.assertRaises(SourceError, open_disk_of, FaultySource(packed), format=given)
            self.assertIn(given, str(error))

    def test_lying_content(self):
        """What only begins like a format is refused, in one line that names the source."""
        for magic in (b"QFI\xfb\0\0\0\3", b"QED\0", b"KDMV", b"vhdxfile"):
            source = FaultySource(magic.ljust(MIB, b"\0"))
            error = self.assertRaises(SourceError, open_disk_of, source)
            self.assertIn("'the image'", str(error))
            self.assertNotIn("\n", str(error))
            self.assertNotIn("json:", str(error))
            self.assertTrue(source.closed)

    def test_truncated(self):
        """A truncated file is refused, not read as zeros; so is a truncated disk."""
        for name in ("disk.qcow2", "disk.vmdk", "stream.vmdk", "disk.vdi", "disk.qed"):
            content = disks.packed(name)[:-70_000]
            error = self.assertRaises(SourceError, open_disk_of, FaultySource(content))
            self.assertIn("'the image'", str(error))
        oracles.require("sfdisk")
        raw = self.write("disk.raw", bytes(8 * MIB))
        oracles.run("sfdisk", "-q", raw, stdin="label: gpt\n")
        packed, _ = self.convert(raw.read_bytes()[: 6 * MIB], "qcow2")
        with open_disk_of(FaultySource(packed)) as disk:
            error = self.assertRaises(Refused, require_complete, disk)
            self.assertIn("The disk in 'the image' is truncated", str(error))
            self.assertIs(Hint.ALLOW_TRUNCATED, error.messages[0].hint)

    def test_empty(self):
        """A file and a disk of 0 bytes are refused."""
        packed, _ = self.convert(b"", "qcow2")
        for content in (b"", packed):
            error = self.assertRaises(SourceError, open_disk_of, FaultySource(content))
            self.assertRegex(str(error), "is empty")
        self.assertEqual([], children())

    def test_damaged_vhd(self):
        """The errors of a VHD are those of this package."""
        packed, _ = self.convert(CONTENT, "vpc")
        content = packed[:1536] + bytes(4) + packed[1540:]
        self.assertRaises(VhdError, open_disk_of, FaultySource(content))


class TestRequests(DiskOfTest):
    def test_sequential_reading(self):
        """Reading a whole disk reads each MiB of the file once, and a few more for the start."""
        size = 1024 * MIB
        path = self.directory / "sparse.raw"
        with path.open("wb") as file:
            for place in range(0, size, 50 * MIB):
                file.seek(place)
                file.write(os.urandom(MIB + 512))
            file.truncate(size)
        for name in ("disk.qcow2", "stream.vmdk"):
            packed = self.directory / name
            options = ["-o", "subformat=streamOptimized"] if "vmdk" in name else []
            oracles.run("qemu-img", "convert", "-O", name[-5:].strip("."), *options, path, packed)
            source = FaultySource(packed.read_bytes())
            with open_disk_of(source) as disk, path.open("rb") as file:
                self.assertLess(len(list(disk.data_extents())), 100)
                for offset in range(0, size, MIB):
                    self.assertTrue(file.read(MIB) == disk.read_at(offset, MIB))
            self.assertLessEqual(len(source.reads), divide_up(source.size, MIB) + 16)
            self.assertLessEqual(sum(n for _, n in source.reads), source.size + 8 * MIB)
            self.assertLessEqual(max(length for _, length in source.reads), 3 * MIB)

    def test_vhd_in_small_pieces(self):
        """The bitmaps of a dynamic VHD are read together with its data."""
        content = b"".join(os.urandom(MIB) + bytes(MIB) for _ in range(20))
        source = FaultySource(self.convert(content, "vpc", "-o", "force_size=on")[0])
        with open_disk_of(source) as disk:
            for offset in range(0, len(content), 65536):
                self.assertEqual(content[offset : offset + 65536], disk.read_at(offset, 65536))
        self.assertLessEqual(len(source.reads), divide_up(source.size, MIB) + 4)

    def test_raw_is_read_as_asked(self):
        """Reads of a raw disk are those of the file."""
        source = FaultySource(CONTENT)
        with open_disk_of(source) as disk:
            source.reads.clear()
            disk.read_at(512, 3 * MIB)
            self.assertEqual([(512, 3 * MIB)], source.reads)

    def test_threads(self):
        """Many threads can read at the same time, and the file is not read more often for it."""
        content, packed = self.random_qcow2(8 * MIB)
        source = FaultySource(packed)
        offsets = [n * 20_011 for n in range(400)]
        with open_disk_of(source) as disk, ThreadPoolExecutor(16) as pool:
            pieces = list(pool.map(lambda offset: disk.read_at(offset, 9999), offsets))
        self.assertEqual([content[o : o + 9999] for o in offsets], pieces)
        self.assertLessEqual(len(source.reads), divide_up(source.size, MIB) + 16)


class TestOtherFiles(DiskOfTest):
    def overlay(self, backing, format_="raw"):
        """Return a qcow2 of 1 MiB that names a backing file."""
        path = self.directory / "overlay.qcow2"
        oracles.run(
            "qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", format_, "-b", backing, path,
            MIB,
        )  # fmt: skip
        return FaultySource(path.read_bytes())

    def test_files_that_name_others_are_refused(self):
        """A backing file, a data file and a VMDK of several files are refused before QEMU runs."""
        sources = [
            self.overlay("/etc/passwd"),
            self.overlay("nbd://127.0.0.1:9/"),
            self.overlay('json:{"driver":"nbd","host":"127.0.0.1"}'),
            FaultySource(disks.packed("data.qcow2")),
            FaultySource(disks.packed("child.vmdk")),
            FaultySource(self.convert(CONTENT, "vmdk", "-o", "subformat=twoGbMaxExtentFlat")[0]),
            FaultySource(self.convert(CONTENT, "vmdk", "-o", "subformat=twoGbMaxExtentSparse")[0]),
        ]
        with mock.patch("subprocess.Popen") as started:
            for source in sources:
                self.assertRaises(SourceError, open_disk_of, source)
                self.assertTrue(source.closed)
        started.assert_not_called()

    def test_no_other_file_is_opened(self):
        """Even without that check, QEMU opens neither a backing file nor a URL."""
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            url = f"nbd://127.0.0.1:{stranger.getsockname()[1]}/"
            for source in (self.overlay("/etc/passwd"), self.overlay(url)):
                with (
                    mock.patch("rackspace_imagetasks.sources.disk.check_self_contained"),
                    open_disk_of(source) as disk,
                ):
                    self.assertEqual(bytes(MIB), disk.read_at(0, MIB))
            stranger.setblocking(False)
            self.assertRaises(BlockingIOError, stranger.accept)

    def test_child_has_no_file(self):
        """The child has no regular file open, and its connections are its own."""
        with open_disk_of(FaultySource(disks.packed("disk.qcow2"))):
            (pid,) = children()
            opened = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        self.assertEqual({"/dev/null"}, {name for name in opened if name.startswith("/")})

    def test_nothing_is_written(self):
        """A disk can be read where no byte can be written to any file."""
        for name in ("disk.qcow2", "stream.vmdk", "disk.vhdx"):
            ended = subprocess.run(
                [sys.executable, "-c", _PROGRAM],
                input=disks.packed(name),
                check=False,
                capture_output=True,
                cwd="/proc",
                env={**os.environ, "TMPDIR": "/nonexistent", "HOME": "/nonexistent"},
            )
            expected = f"{name.split('.')[1]} {hashlib.sha256(CONTENT).hexdigest()}\n"
            self.assertEqual((expected.encode(), b""), (ended.stdout, ended.stderr))


class TestFailures(DiskOfTest):
    def test_source_that_fails_while_it_is_opened(self):
        """Whichever read fails, the source's own error is raised, and nothing remains."""
        self.useFixture(fixtures.MockPatchObject(_block_cache, "_KEPT", 0))
        packed = disks.packed("disk.qcow2")
        opened, threads = set(Path("/proc/self/fd").iterdir()), threading.active_count()
        first = FaultySource(packed)
        with open_disk_of(first):
            count = len(first.reads)
        self.assertGreater(count, 20)  # by this process and by each of the three children
        for number in range(count):
            error = SourceChanged("Changed.") if number % 2 else ServiceError("503.")
            self.assert_fails_at(number, packed, error)
        self.assertEqual(set(), set(Path("/proc/self/fd").iterdir()) - opened)
        self.assertEqual([], children())
        self.assertLessEqual(threading.active_count(), threads)  # a thread of another test may end

    def assert_fails_at(self, number, packed, error):
        """Opening fails with the error of the read with this number."""
        source = FaultySource(packed)
        source.fail(error, after=number)
        self.assertIs(error, self.assertRaises(ImageTasksError, open_disk_of, source))
        self.assertGreaterEqual(source.fired()[0], 1)
        self.assertTrue(source.closed)

    def test_source_that_fails_in_the_middle(self):
        """The source's own error is what the reader gets; a later read can succeed."""
        content, packed = self.random_qcow2()
        for error in (
            ServiceError("The service answered 503."),
            SourceChanged("It changed."),
            Cancelled("Stopped."),
        ):
            source = FaultySource(packed)
            with open_disk_of(source) as disk:
                source.fail(error, start=20 * MIB, times=1)
                self.assertEqual(content[: 8 * MIB], disk.read_at(0, 8 * MIB))
                raised = self.assertRaises(ImageTasksError, disk.read_at, 21 * MIB, 512)
                self.assertIs(error, raised)
                self.assertEqual([1], source.fired())
                self.assertEqual(content[-512:], disk.read_at(disk.size - 512, 512))

    def test_failure_in_many_threads(self):
        """Every thread gets the source's error."""
        content, packed = self.random_qcow2()
        source, error = FaultySource(packed), ServiceError("No.")
        with open_disk_of(source) as disk, ThreadPoolExecutor(8) as pool:
            source.fail(error, start=18 * MIB)
            reads = [pool.submit(disk.read_at, n * MIB, 512) for n in range(18, 24)]
            self.assertEqual({error}, {read.exception() for read in reads})
            self.assertGreaterEqual(source.fired()[0], 1)
            self.assertEqual(content[:512], disk.read_at(0, 512))

    def test_source_that_was_closed(self):
        """A disk whose source was closed says so; a closed disk cannot be read."""
        _, packed = self.random_qcow2()
        source = FaultySource(packed)
        with open_disk_of(source) as disk:
            source.close()
            error = self.assertRaises(SourceError, disk.read_at, 20 * MIB, 512)
            self.assertEqual("'the image' is closed.", str(error))
        self.assertRaises(SourceError, disk.read_at, 0, 512)
        self.assertEqual([], children())

    def test_child_that_dies(self):
        """After the child is killed, every read fails with an error that names the source."""
        with open_disk_of(FaultySource(disks.packed("disk.qcow2"))) as disk:
            (pid,) = children()
            os.kill(pid, signal.SIGKILL)
            for _ in range(8):
                error = self.assertRaises(SourceError, disk.read_at, 0, 512)
                self.assertIn("'the image'", str(error))

    def test_close_while_the_source_is_read(self):
        """Closing does not wait for a read of the source that takes long."""
        _, packed = self.random_qcow2()
        source = FaultySource(packed)
        reading, released = threading.Event(), threading.Event()
        with contextlib.ExitStack() as stack:
            disk = stack.enter_context(open_disk_of(source))
            pool = stack.enter_context(ThreadPoolExecutor(1))
            stack.callback(released.set)
            source.before_read = lambda: (reading.set(), released.wait(30))
            read = pool.submit(disk.read_at, 20 * MIB, 512)
            self.assertTrue(reading.wait(30))
            disk.close()
            self.assertFalse(released.is_set())
            self.assertIsInstance(read.exception(30), SourceError)

    def test_changes_are_seen(self):
        """The disk is unchanged as long as its source is."""
        source = FaultySource(disks.packed("disk.qcow2"))
        with open_disk_of(source) as disk:
            disk.verify_unchanged()
            changed = SourceChanged("It changed.")
            with mock.patch.object(source, "verify_unchanged", side_effect=changed):
                self.assertIs(changed, self.assertRaises(SourceChanged, disk.verify_unchanged))

    def test_no_more_threads_or_processes(self):
        """If no thread or process can be started, the error says so, and nothing remains open."""
        opened = set(Path("/proc/self/fd").iterdir())
        for name, fault in (
            ("threading.Thread.start", mock.Mock(side_effect=RuntimeError("can't start"))),
            ("subprocess.Popen", mock.Mock(side_effect=BlockingIOError(11, "Try again"))),
        ):
            with mock.patch(name, fault):
                source = FaultySource(disks.packed("disk.qcow2"))
                error = self.assertRaises(SourceError, open_disk_of, source)
            fault.assert_called()
            self.assertIs(Hint.FREE_MEMORY, error.messages[0].hint)
        self.assertEqual(set(), set(Path("/proc/self/fd").iterdir()) - opened)

    def test_local_files_are_not_served(self):
        """QEMU reads a local file itself."""
        path = self.unpack("disk.qcow2")
        with open_disk_of(FileSource(path)) as disk:
            (pid,) = children()
            self.assertEqual(str(path), str(Path(f"/proc/{pid}/fd/0").readlink()))
            self.assertEqual(CONTENT, disk.read_at(0, disk.size))

    def test_missing_programs(self):
        """Without QEMU's tools, the error names the packages that contain them."""
        self.useFixture(fixtures.EnvironmentVariable("PATH", str(self.directory)))
        source = FaultySource(disks.packed("disk.qcow2"))
        error = self.assertRaises(SourceError, open_disk_of, source)
        self.assertIs(Hint.INSTALL_QEMU, error.messages[0].hint)
