# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fixtures

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.osc.progress import QuietProgress
from rackspace_imagetasks.sources import FORMATS
from tests.unit.osc import local_shell
from tests.unit.sources import disks
from tests.unit.sources.disks import CONTENT, MIB

KILLED = """
import contextlib, os
from rackspace_imagetasks.progress import SilentProgress
from rackspace_imagetasks.sources.convert import convert

class Killed(SilentProgress):
    def phase(self, title, total=None):
        return super().phase(title, total) if title != "Writing" else contextlib.nullcontext(self)

    def advance(self, amount):
        os.kill(os.getpid(), 9)

convert("disk.raw", "disk.vhd", progress=Killed())
"""


class TestVhdConvert(local_shell.LocalShellTest):
    def setUp(self):
        super().setUp()
        Path("disk.raw").write_bytes(CONTENT)

    def assert_converted(self, name, content=CONTENT):
        """The VHD is valid, of whole blocks, and its disk is the source's and zeros."""
        with FileSource(name) as file:
            report = vhd.check(file)
            self.assertEqual((), report.findings)
            disk = vhd.open_disk(file)
            self.assertEqual(-len(content) // (2 * MIB) * -2 * MIB, disk.size)
            self.assertTrue(content.ljust(disk.size, b"\0") == disk.read_at(0, disk.size))
        self.assertFalse(Path(f"{name}.part").exists())

    def assert_no_target(self, name="disk.vhd"):
        self.assertEqual([], list(Path().glob(f"{name}*")))

    def test_raw(self):
        """A raw disk becomes a VHD; stdout has the result alone, stderr what was done."""
        shown = self.result("image", "vhd", "convert", "disk.raw", "disk.vhd")
        self.assertEqual(("raw", 6 * MIB), (shown["source_format"], shown["virtual_size"]))
        self.assert_converted("disk.vhd")
        Path("disk.vhd").unlink()
        _, _, stderr = self.openstack("image", "vhd", "convert", "disk.raw", "disk.vhd")
        self.assertIn(
            "Converted 'disk.raw' (raw, 5 MiB) to 'disk.vhd', a resizable dynamic VHD", stderr
        )
        self.assertIn("added 1 MiB of zeros", stderr)

    def test_blocks_of_zeros_are_left_out(self):
        """Of ten blocks with one that holds data, one is written."""
        Path("sparse.raw").write_bytes(b"boot".ljust(20 * MIB, b"\0"))
        shown = self.result("image", "vhd", "convert", "sparse.raw", "disk.vhd")
        self.assertEqual((1, 10), (shown["blocks_allocated"], shown["blocks_total"]))

    def test_qemu_formats(self):
        """Disks of other programs become the same VHD."""
        disks.need_qemu(self)
        for format_ in ("qcow2", "vmdk", "vdi", "vhdx", "qed"):
            Path("disk.img").write_bytes(disks.packed(f"disk.{format_}"))
            shown = self.result("image", "vhd", "convert", "disk.img", f"{format_}.vhd")
            self.assertEqual(format_, shown["source_format"])
            self.assert_converted(f"{format_}.vhd")

    def test_time_of_creation(self):
        """The VHD says that it was made now, as XenServer's tools do."""
        before = datetime.now(UTC) - timedelta(seconds=1)  # the format has whole seconds
        self.openstack("image", "vhd", "convert", "disk.raw", "disk.vhd")
        with FileSource("disk.vhd") as file:
            self.assertTrue(before <= vhd.check(file).facts.timestamp <= datetime.now(UTC))

    def test_vhd_of_another_kind(self):
        """A VHD becomes another with the same disk."""
        self.openstack("image", "vhd", "convert", "disk.raw", "a.vhd")
        shown = self.result("image", "vhd", "convert", "a.vhd", "b.vhd")
        self.assertEqual("vhd-dynamic", shown["source_format"])
        self.assert_converted("b.vhd")

    def test_existing_target(self):
        """An existing file stays as it is, unless --overwrite is given."""
        Path("disk.vhd").write_bytes(b"precious")
        self.assert_fails("image", "vhd", "convert", "disk.raw", "disk.vhd", says="--overwrite")
        self.assertEqual(b"precious", Path("disk.vhd").read_bytes())
        self.result("image", "vhd", "convert", "disk.raw", "disk.vhd", "--overwrite")
        self.assert_converted("disk.vhd")

    def test_onto_itself(self):
        """The source is never written over: not by its name, a link, or as the part file."""
        Path("link.vhd").symlink_to("disk.raw")
        Path("disk.vhd.part").write_bytes(CONTENT)
        for source, target in (
            ("disk.raw", "disk.raw"),
            ("disk.raw", "link.vhd"),
            ("disk.vhd.part", "disk.vhd"),
        ):
            self.assert_fails(
                *("image", "vhd", "convert", source, target, "--overwrite"), says="its own source"
            )
        self.assertEqual(CONTENT, Path("disk.raw").read_bytes())
        self.assertEqual(CONTENT, Path("disk.vhd.part").read_bytes())

    def test_limits(self):
        """What would break a limit, after rounding, is refused before anything is written."""
        for option, size in (
            ("--max-virtual-size", "4MiB"),
            ("--max-virtual-size", "5MiB"),
            ("--max-physical-size", "6MiB"),
        ):
            self.assert_fails(
                *("image", "vhd", "convert", "disk.raw", "disk.vhd", option, size),
                says="over the limit",
            )
            self.assert_no_target()
        self.result("image", "vhd", "convert", "disk.raw", "disk.vhd", "--max-virtual-size", "6MiB")

    def test_default_limit(self):
        """A disk of over 40 GiB is refused at once, and allowed with a higher limit."""
        with Path("huge.raw").open("wb") as file:
            file.truncate(40 * 1024 * MIB + 512)
        command = ("image", "vhd", "convert", "huge.raw", "disk.vhd")
        self.assert_fails(*command, says="--max-virtual-size")
        self.assert_no_target()
        self.assertEqual(
            0, self.result(*command, "--max-virtual-size", "50GiB")["blocks_allocated"]
        )

    def test_source_format(self):
        """The source's format is found out, or told; a wrong one is refused."""
        Path("disk.img").write_bytes(disks.packed("overlay.qcow2") + bytes(504))
        command = ("image", "vhd", "convert", "disk.img", "disk.vhd")
        self.assert_fails(*command, says="backing file")
        self.assert_fails(*command, "--source-format", "vmdk", says="looks like qcow2")
        self.assert_fails(*command, "--source-format", "cow", says="Unknown format 'cow'")
        self.assert_no_target()
        self.result(*command, "--source-format", "raw")
        self.assert_converted("disk.vhd", Path("disk.img").read_bytes())

    def test_help_names_all_formats(self):
        """The help lists what can be read."""
        _, stdout, _ = self.openstack("help", "image", "vhd", "convert")
        for format_ in FORMATS:
            self.assertIn(format_, stdout)

    def test_bad_input(self):
        """Every bad source and target is a sentence, and leaves nothing."""
        Path("empty").touch()
        Path("text").write_text("hello\n")
        Path("disk.gz").write_bytes(b"\x1f\x8b\x08".ljust(512, b"\0"))
        Path("cut.vhd").write_bytes(b"conectix".ljust(1024, b"\0"))
        for source, says in (
            ("none", "does not exist"),
            (".", "is a directory"),
            ("empty", "is empty"),
            ("text", "not a multiple of 512"),
            ("disk.gz", "gunzip"),
            ("cut.vhd", "cut.vhd"),
        ):
            self.assert_fails("image", "vhd", "convert", source, "disk.vhd", says=says)
            self.assert_no_target()
        command = ("image", "vhd", "convert", "disk.raw")
        self.assert_fails(*command, "none/disk.vhd", says="Directory 'none' does not exist")
        self.assert_fails(*command, ".", says="'.'")

    def test_to_standard_output(self):
        """`-` is standard output, which carries the VHD alone, and not a file of that name."""
        program = [sys.executable, "-m", "openstackclient.shell", "image", "vhd", "convert"]
        with Path("disk.vhd").open("wb") as output:
            done = subprocess.run(
                [*program, "disk.raw", "-"], stdout=output, stderr=subprocess.PIPE, check=True
            )
        self.assertIn(b"to standard output, a resizable dynamic VHD", done.stderr)
        self.assert_converted("disk.vhd")
        self.assertFalse(Path("-").exists())

    def test_interrupted(self):
        """A signal to end while writing ends with 130, and leaves no file and no part of it."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.useFixture(
                fixtures.MonkeyPatch(
                    "rackspace_imagetasks.osc.progress.progress_on",
                    lambda *_, number=number: SignallingProgress(number),
                )
            )
            status, stdout, stderr = self.openstack(
                "image", "vhd", "convert", "disk.raw", "disk.vhd"
            )
            self.assertEqual((130, ""), (status, stdout))
            self.assertNotIn("Traceback", stderr)
            self.assert_no_target()

    def test_killed(self):
        """What kill -9 left is no VHD, and the same command again finishes the job."""
        subprocess.run([sys.executable, "-c", KILLED], check=False)
        part = Path("disk.vhd.part").read_bytes()
        self.assertTrue(part.startswith(b"incomplete"))
        self.result("image", "vhd", "convert", "disk.raw", "disk.vhd")
        self.assert_converted("disk.vhd")


class SignallingProgress(QuietProgress):
    """Sends this process a signal once the target is being written."""

    def __init__(self, number):
        self._number = number

    def phase(self, title, total=None):
        if Path("disk.vhd.part").exists():
            os.kill(os.getpid(), self._number)
        return super().phase(title, total)
