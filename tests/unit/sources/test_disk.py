# SPDX-License-Identifier: Apache-2.0
import contextlib
import errno
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
from oslotest import base

from rackspace_imagetasks.bytesource import stored_extents
from rackspace_imagetasks.exceptions import SourceChanged, SourceError, VhdError
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.osc.hints import worded_error
from rackspace_imagetasks.sources import _qemu_nbd, open_source
from tests.unit.formats.vhd import oracles
from tests.unit.formats.vhd.builder import dynamic, fixed
from tests.unit.sources import disks
from tests.unit.sources.disks import CONTENT, MIB, DiskTest, children

# A qemu-img that finds no fault, and then fails, or has its parent interrupted and works on.
_FAKE = """#!/bin/sh
[ "$1" = check ] && exit 0
[ "$FAKE" = fails ] && exit 1
yes "{}" | head -c 200000  # more than a pipe holds: the parent reads it
kill -INT "$FAKE_PARENT"
exec sleep 3600
"""


class TestRaw(DiskTest):
    def test_raw_is_the_file(self):
        """A raw disk is its file, byte for byte, and only its data are extents."""
        with open_source(self.write("disk.raw", CONTENT)) as disk:
            self.assertEqual("raw", disk.format)
            self.assert_same_disk(CONTENT, disk)

    def test_raw_that_claims_a_backing_file(self):
        """Opened as raw, an overlay of /etc/passwd is read as its own bytes."""
        content = disks.packed("overlay.qcow2") + bytes(504)
        with open_source(self.write("disk.img", content), format="raw") as disk:
            self.assert_same_disk(content, disk)

    def test_change_is_seen(self):
        """A file that is written to while it is open is detected as changed."""
        path = self.write("disk.raw", CONTENT)
        with open_source(path) as disk:
            disk.verify_unchanged()
            path.write_bytes(CONTENT + bytes(512))
            self.assertRaises(SourceChanged, disk.verify_unchanged)

    def test_not_a_file(self):
        """A missing file, a directory and a URL are refused."""
        for path in (self.directory, self.directory / "none", "nbd://localhost", "json:{}"):
            self.assertRaises(SourceError, open_source, path)


class TestVhd(DiskTest):
    def test_a_vhd_in_doubt(self):
        """A VHD whose content is uncertain is refused, with all reasons."""
        vhd = dynamic()
        content = bytearray(vhd.peek(0, vhd.size))
        content[1536 + 8 : 1536 + 12] = content[1536 : 1536 + 4]  # blocks 0 and 2 in one place
        error = self.assertRaises(VhdError, open_source, self.write("disk", bytes(content)))
        self.assertIn("share sector", str(error))
        short = fixed(4 * MIB)
        path = self.write("disk", short.peek(0, 2 * MIB) + short.peek(4 * MIB, 512))
        self.assertRaises(VhdError, open_source, path)

    def test_storage_order(self):
        """A disk's extents are known in the order of its file, which only a VHD can change."""
        vhd = dynamic(6 * MIB, (2, 0))
        with open_source(self.write("disk.vhd", vhd.peek(0, vhd.size))) as disk:
            self.assertEqual([4 * MIB, 0], [start for start, _ in stored_extents(disk)])
        with open_source(self.write("disk.raw", CONTENT)) as disk:
            self.assertEqual(list(disk.data_extents()), list(stored_extents(disk)))

    def test_what_follows_the_footer_is_no_disk(self):
        """A fixed VHD with appended bytes is read as that VHD, not as a raw disk."""
        vhd = fixed(4 * MIB)
        content = vhd.peek(0, vhd.size)
        for extra in (bytes(1), bytes(512)):
            with open_source(self.write("disk", content + extra)) as disk:
                self.assertEqual(("vhd-fixed", 4 * MIB), (disk.format, disk.size))


class TestQemuMissing(DiskTest):
    def test_packages_are_named(self):
        """Without QEMU's tools, the error names the packages that contain them."""
        self.useFixture(fixtures.EnvironmentVariable("PATH", str(self.directory)))
        error = self.assertRaises(SourceError, open_source, self.unpack("disk.qcow2"))
        self.assertIn("qemu-utils", str(error))
        self.assertIn("qemu-img (RHEL", str(error))


class TestQemu(DiskTest):
    def setUp(self):
        super().setUp()
        disks.need_qemu(self)

    def test_every_format(self):
        """The disk read from each format is the one that was written."""
        for name in ("disk.qcow2", "disk.vmdk", "stream.vmdk", "disk.vdi", "disk.vhdx", "disk.qed"):
            with self.subTest(name), open_source(self.unpack(name)) as disk:
                self.assertEqual(name.split(".")[1], disk.format)
                self.assert_same_disk(CONTENT, disk)

    def test_sparse(self):
        """Unallocated parts are not in the extents."""
        with open_source(self.unpack("disk.qcow2")) as disk:
            self.assertEqual(3, len(list(disk.data_extents())))

    def test_partitioned_file_system(self):
        """A partitioned ext4 disk is what `qemu-img convert -O raw` says it is."""
        oracles.require("mkfs.ext4", "sfdisk")
        raw = self._partitioned_disk()
        for format_, *options in (
            ("qcow2",),
            ("qcow2", "-c"),
            ("vmdk", "-o", "subformat=streamOptimized"),
            ("vdi",),
            ("vhdx", "-o", "subformat=fixed"),
        ):
            path, back = self.directory / f"disk.{format_}", self.directory / "back.raw"
            self._convert("-f", "raw", "-O", format_, *options, raw, path)
            self._convert("-f", format_, "-O", "raw", path, back)
            with self.subTest(format_), open_source(path) as disk:
                self.assert_same_disk(back.read_bytes(), disk)

    def _partitioned_disk(self):
        raw, part = self.directory / "ext4.raw", self.directory / "part"
        files = self.directory / "files"
        files.mkdir()
        (files / "greeting").write_bytes(b"hello" * 100_000)
        part.write_bytes(bytes(24 * MIB))
        oracles.run("mkfs.ext4", "-q", "-d", files, part)
        raw.write_bytes(bytes(MIB) + part.read_bytes() + bytes(MIB))
        oracles.run("sfdisk", "-q", raw, stdin="label: gpt\nstart=1MiB, size=24MiB\n")
        return raw

    def _convert(self, *arguments):
        subprocess.run(["qemu-img", "convert", *map(str, arguments)], check=True)

    def test_reads_from_threads(self):
        """Many threads can read at the same time."""
        with open_source(self.unpack("disk.qcow2")) as disk, ThreadPoolExecutor(16) as pool:
            offsets = [n * 12_345 for n in range(400)]
            pieces = list(pool.map(lambda offset: disk.read_at(offset, 9999), offsets))
        self.assertEqual([CONTENT[o : o + 9999] for o in offsets], pieces)

    def test_outside_the_disk(self):
        """Reading past the end raises SourceError, and the disk remains readable."""
        with open_source(self.unpack("disk.qcow2")) as disk:
            self.assertRaises(SourceError, disk.read_at, disk.size - 1, 2)
            self.assertEqual(CONTENT[:16], disk.read_at(0, 16))

    def test_cut_off(self):
        """A truncated file is refused, not read as zeros."""
        for name in ("disk.qcow2", "disk.vmdk", "stream.vmdk", "disk.vdi", "disk.qed"):
            content = disks.packed(name)
            path = self.write(name, content[: len(content) - 70_000])
            error = self.assertRaises(SourceError, open_source, path)
            self.assertIn(f"{name}'", str(error))

    def test_cut_off_by_less_than_a_cluster(self):
        """The loss of less than a cluster, which QEMU's check does not detect, is refused."""
        raw = self.write("raw", os.urandom(4 * MIB))
        for format_ in ("qcow2", "vmdk", "vdi", "qed"):  # a VHDX has padding at its end
            path = raw.with_suffix(f".{format_}")
            subprocess.run(
                ["qemu-img", "convert", "-f", "raw", "-O", format_, raw, path], check=True
            )
            open_source(path).close()
            os.truncate(path, path.stat().st_size - 512)
            self.assertRaises(SourceError, open_source, path)

    def test_last_cluster_without_padding(self):
        """A file that ends with the disk's last byte is complete; without that byte it is not."""
        content, raw = CONTENT + b"the end".ljust(512, b"."), self.directory / "disk.raw"
        raw.write_bytes(content)
        for format_ in ("qcow2", "vmdk"):
            padded = self.directory / f"disk.{format_}"
            self._convert("-f", "raw", "-O", format_, raw, padded)
            whole = padded.read_bytes()
            whole = whole[: whole.rindex(content[-512:]) + 512]
            with open_source(self.write("short", whole)) as disk:
                self.assert_same_disk(content, disk)
            error = self.assertRaises(SourceError, open_source, self.write("cut", whole[:-1]))
            self.assertIn("its last data would be after the end", str(error))

    def test_compressed_cluster_at_the_end(self):
        """A last compressed cluster that is shorter than a cluster is complete."""
        raw, path = self.write("disk.raw", CONTENT), self.directory / "disk.qcow2"
        self._convert("-f", "raw", "-O", "qcow2", "-c", raw, path)
        self.assertTrue(path.stat().st_size % 65536)
        with open_source(path) as disk:
            self.assert_same_disk(CONTENT, disk)

    def test_tools_that_fail_or_are_interrupted(self):
        """An incomplete list of extents is an error; Ctrl-C ends qemu-img too."""
        bin_ = self.directory / "bin"
        bin_.mkdir()
        (bin_ / "qemu-img").write_text(_FAKE)
        (bin_ / "qemu-img").chmod(0o755)
        path = self.unpack("disk.qcow2")
        self.useFixture(fixtures.EnvironmentVariable("PATH", f"{bin_}:{os.environ['PATH']}"))
        self.useFixture(fixtures.EnvironmentVariable("FAKE_PARENT", str(os.getpid())))
        self.useFixture(fixtures.EnvironmentVariable("FAKE", "fails"))
        self.assertRaises(SourceError, open_source, path)
        self.useFixture(fixtures.EnvironmentVariable("FAKE", "interrupts"))
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.assertRaises(KeyboardInterrupt, open_source, path)
        self.assertEqual([], children("sleep"))

    def fake_tool(self, name, script):
        bin_ = self.directory / "bin"
        bin_.mkdir(exist_ok=True)
        (bin_ / name).write_text(f"#!/bin/sh\n: >> {self.directory}/ran\n{script}\n")
        (bin_ / name).chmod(0o755)
        self.useFixture(fixtures.EnvironmentVariable("PATH", f"{bin_}:{os.environ['PATH']}"))

    def assert_no_resources(self, path, reason, tool):
        error = self.assertRaises(SourceError, open_source, path)
        self.assertTrue((self.directory / "ran").exists())
        self.assertIn(f"because {tool} failed", str(error))
        self.assertIn(reason, str(error))
        self.assertNotIn("damaged", str(error))
        self.assertIs(Hint.FREE_MEMORY, error.messages[0].hint)

    def test_tools_without_memory_or_threads(self):
        """A sound disk is not called damaged because a tool has too few resources."""
        path = self.unpack("disk.qcow2")
        for script, reason in (
            ("echo 'qemu-img: cannot allocate 16384 bytes' >&2; exit 1", "cannot allocate"),
            ("echo 'GLib: failed to allocate 999 bytes' >&2; kill -TRAP $$", "SIGTRAP"),
            ("echo 'qemu-img: libc.so.6: failed to map segment' >&2; exit 127", "failed to map"),
            (
                "echo 'qemu: qemu_thread_create: Resource temporarily unavailable'>&2; exit 1",
                "temp",
            ),
            ("kill -KILL $$", "SIGKILL"),
            ('[ "$1" = check ] && exit 0; echo "Cannot allocate memory" >&2; exit 1', "allocate"),
        ):
            self.fake_tool("qemu-img", script)
            self.assert_no_resources(path, reason, "qemu-img")

    def test_damage_is_still_damage(self):
        """Other failures of qemu-img mean that the disk is damaged."""
        path = self.unpack("disk.qcow2")
        for status, said in ((2, "ERROR cluster 5 refcount=0"), (1, "Could not open: Invalid")):
            self.fake_tool("qemu-img", f"echo '{said}' >&2; exit {status}")
            error = self.assertRaises(SourceError, open_source, path)
            self.assertIn("is damaged or incomplete", str(error))

    def test_server_without_memory(self):
        """A qemu-nbd that ends before or while it serves is not taken for a damaged disk."""
        path = self.unpack("disk.qcow2")
        with open_source(path) as disk:
            (pid,) = children()
            os.kill(pid, signal.SIGABRT)
            error = self.assertRaises(SourceError, disk.read_at, 0, 512)
            self.assertIn("because qemu-nbd failed: it was ended by SIGABRT", str(error))
        self.fake_tool("qemu-nbd", "echo 'qemu-nbd: Cannot allocate memory' >&2; exit 1")
        self.assert_no_resources(path, "Cannot allocate memory", "qemu-nbd")

    def test_no_more_threads_or_processes(self):
        """If no thread or process can be started, the error says so, and nothing remains open."""
        path = self.unpack("disk.qcow2")
        opened = set(Path("/proc/self/fd").iterdir())
        no_thread = mock.Mock(side_effect=RuntimeError("can't start new thread"))
        no_process = mock.Mock(side_effect=BlockingIOError(errno.EAGAIN, "Try again"))
        for name, fault in (
            ("threading.Thread.start", no_thread),
            ("subprocess.Popen", no_process),
        ):
            with mock.patch(name, fault):
                error = self.assertRaises(SourceError, open_source, path)
            fault.assert_called()
            self.assertIs(Hint.FREE_MEMORY, error.messages[0].hint)
        self.assertEqual(opened, set(Path("/proc/self/fd").iterdir()))

    def test_vhdx_with_a_log(self):
        """A VHDX that was not closed properly is not damaged: its log must be replayed."""
        oracles.require("qemu-io")
        path = self.directory / "disk.vhdx"
        oracles.run("qemu-img", "create", "-q", "-f", "vhdx", path, "8M")
        command = ["qemu-io", "-f", "vhdx", "-c", "write 0 1M", "-c", "abort", str(path)]
        self.assertNotEqual(0, subprocess.run(command, capture_output=True, check=False).returncode)
        _reactivate_log(path)
        error = self.assertRaises(SourceError, open_source, path)
        self.assertIn("its log must be replayed", str(error))
        self.assertNotIn("damaged", str(error))
        self.assertIn("qemu-img check -r all", worded_error(error))
        oracles.run("qemu-img", "check", "-r", "all", path)
        open_source(path).close()

    def test_internal_snapshots(self):
        """The user is told that internal snapshots of a qcow2 are left out."""
        path = self.unpack("disk.qcow2")
        with open_source(path) as disk:
            self.assertEqual((), disk.notices)
        oracles.run("qemu-img", "snapshot", "-c", "one", path)
        with open_source(path) as disk:
            self.assertIn("internal snapshots (1)", str(*disk.notices))

    def test_garbage_behind_a_magic(self):
        """A file with only the signature of a format is refused, in one line."""
        for magic in (
            b"QFI\xfb\0\0\0\3",
            b"QED\0",
            b"KDMV",
            b"vhdxfile",
            bytes(64) + b"\x7f\x10\xda\xbe",
        ):
            path = self.write("bad", magic.ljust(MIB, b"\0"))
            error = self.assertRaises(SourceError, open_source, path)
            self.assertNotIn("\n", str(error))
            self.assertNotIn("json:", str(error))

    def test_names_that_are_no_plain_names(self):
        """QEMU does not interpret commas, colons and invalid UTF-8 in a file name."""
        for name in ("a,file.driver=x.qcow2", "nbd:unix:x", "json:{}", os.fsdecode(b"\xff.qcow2")):
            with open_source(self.write(name, disks.packed("disk.qcow2"))) as disk:
                self.assertEqual(CONTENT[:16], disk.read_at(0, 16))

    def test_no_temporary_file(self):
        """A disk can be read where no file can be written."""
        path = self.unpack("disk.qcow2")
        self.useFixture(fixtures.EnvironmentVariable("TMPDIR", "/nonexistent"))
        before = set(self.directory.iterdir())
        with open_source(path) as disk:
            disk.read_at(0, disk.size)
            self.assertEqual(before, set(self.directory.iterdir()))

    def test_error_where_nothing_can_be_written(self):
        """QEMU's reason is reported even if no byte can be written to any file."""
        program = (
            "import resource, sys\n"
            "from rackspace_imagetasks.sources import open_source\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
            "open_source(sys.argv[1])\n"
        )
        path = self.write("cut.qcow2", disks.packed("disk.qcow2")[:-70_000])
        ended = subprocess.run(
            [sys.executable, "-c", program, str(path)], check=False, capture_output=True, text=True
        )
        self.assertEqual(1, ended.returncode)
        self.assertIn("is damaged or incomplete: counting reference for region", ended.stderr)

    def test_child_opens_this_file_only(self):
        """No other regular file is open in the child."""
        path = self.unpack("disk.qcow2")
        with open_source(path):
            (pid,) = children()
            opened = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        files = {name for name in opened if name.startswith("/") and not name.startswith("/dev/")}
        self.assertEqual({str(path)}, files)

    def test_child_ends_with_the_disk(self):
        """Closing ends the child; so does a failure to open, of a disk of 0 bytes, too."""
        open_source(self.unpack("disk.qcow2")).close()
        self.assertEqual([], children())
        path = self.directory / "empty.qcow2"
        oracles.run("qemu-img", "create", "-q", "-f", "qcow2", path, "0")
        self.assertIn("0 bytes", str(self.assertRaises(SourceError, open_source, path)))
        self.assertEqual([], children())

    def test_opened_in_a_thread_that_ends(self):
        """The disk remains readable after the thread that opened it has ended."""
        opened = []
        path = self.unpack("disk.qcow2")
        thread = threading.Thread(target=lambda: opened.append(open_source(path)))
        thread.start()
        thread.join()
        with opened[0] as disk:
            self.assertEqual(CONTENT, disk.read_at(0, disk.size))

    def test_child_that_dies(self):
        """After the child is killed, every read fails with an error that names the file."""
        with open_source(self.unpack("disk.qcow2")) as disk:
            (pid,) = children()
            os.kill(pid, signal.SIGKILL)
            for _ in range(2 * _qemu_nbd.CONNECTIONS):
                error = self.assertRaises(SourceError, disk.read_at, 0, 512)
                self.assertIn("disk.qcow2", str(error))

    def test_child_dies_with_us(self):
        """If this process is killed, even while it opens a disk, the child ends too."""
        program = (
            "import os, signal, sys\n"
            "from rackspace_imagetasks.bytesource import FileSource\n"
            "from rackspace_imagetasks.sources import _file_layer, _qemu_nbd\n"
            "server = _qemu_nbd.Server(_file_layer.file_layer(FileSource(sys.argv[1])), 'qcow2')\n"
            "print(server._process.pid, flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        command = [sys.executable, "-c", program, str(self.unpack("disk.qcow2"))]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        self.assertEqual(-signal.SIGKILL, ended.returncode, ended.stderr)
        self.assertTrue(_is_gone(int(ended.stdout)))


def _is_gone(pid):
    """Wait until the process has ended, or is a zombie."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        threading.Event().wait(0.05)
    return False


def _reactivate_log(path):
    """Make the headers of a VHDX name the log that is still in it, as before it was replayed."""
    content = bytearray(path.read_bytes())
    entry = content.index(b"loge")
    for header in (64 << 10, 128 << 10):
        content[header + 4 : header + 8] = bytes(4)
        content[header + 48 : header + 64] = content[entry + 32 : entry + 48]
        content[header + 4 : header + 8] = _crc32c(content[header : header + 4096])
    path.write_bytes(content)


def _crc32c(content):
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return (value ^ 0xFFFFFFFF).to_bytes(4, "little")


class TestPrivateListener(base.BaseTestCase):
    def test_nobody_else_is_accepted(self):
        """No other process can connect before, while or after the connections are accepted."""
        listener, ours = _qemu_nbd.private_listener(4)
        with contextlib.ExitStack() as stack:
            for sock in (listener, *ours):
                stack.enter_context(sock)
            self._assert_refuses(listener)
            accepted = [stack.enter_context(listener.accept()[0]) for _ in ours]
            self._assert_refuses(listener)
            for number, (mine, theirs) in enumerate(zip(ours, accepted, strict=True)):
                mine.sendall(bytes([number]))
                self.assertEqual(bytes([number]), theirs.recv(1))
            ours[0].close()
            accepted[0].close()
            self._assert_refuses(listener)

    def _assert_refuses(self, listener):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.setblocking(False)
            self.assertRaises(OSError, stranger.connect, listener.getsockname())
