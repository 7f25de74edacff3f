# SPDX-License-Identifier: Apache-2.0
"""The helper process: what it may do, and what each way to misbehave costs."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import fixtures
from oslotest import base

import rackspace_imagetasks
from benchmarks.fuzz.disks import write_system
from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.exceptions import Cancelled, ServiceError, SourceError
from rackspace_imagetasks.guest.facts import DiskFacts
from rackspace_imagetasks.guest.fence import (
    InspectionFailed,
    Limits,
    Protection,
    _confinement,
    run_fenced,
)
from rackspace_imagetasks.guest.inspection import inspect
from rackspace_imagetasks.units import MIB
from tests.unit.formats.vhd import oracles
from tests.unit.guest import hostile
from tests.unit.guest.filesystems import extdisks

CHECKOUT = Path(rackspace_imagetasks.__file__).parents[1]
CONTENT = b"abcd" + bytes(range(256)) * 10_000 + b"wxyz"
FUNCTION = "tests.unit.guest.hostile:"


class Disk(BytesSource):
    """Bytes in memory that call `act` before each read."""

    def __init__(self, act=lambda: None):
        super().__init__(CONTENT, "disk.raw")
        self.act = act

    def _read(self, offset, length):
        self.act()
        return super()._read(offset, length)


def fire(error):
    raise error


def run(name, disk=None, kind=hostile.Seen, **options):
    return run_fenced(disk or Disk(), FUNCTION + name, kind, **options)


def children():
    """Return the processes that any thread of this one has started and not waited for."""
    tasks = Path("/proc/self/task").iterdir()
    return {child for task in tasks for child in (task / "children").read_text().split()}


def descriptors():
    """Return the open descriptors; the one that reads the directory is there each time."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


class FenceTest(base.BaseTestCase):
    """What is started and opened for a helper is gone when its result is there."""

    def setUp(self):
        super().setUp()
        before, opened = children(), descriptors()
        self.addCleanup(lambda: self.assertEqual(opened, descriptors()))
        self.addCleanup(lambda: self.assertEqual(before, children()))

    def reason(self, name, **options):
        """Run a function that has no result; return why."""
        error = self.assertRaises(InspectionFailed, run, name, **options)
        start = "The contents of 'disk.raw' could not be inspected: "
        self.assertTrue(str(error).startswith(start), error)
        return str(error).removeprefix(start)


class ResultTest(FenceTest):
    def test_result(self):
        """The function reads the disk, and its result arrives."""
        fenced = run("read", deep=True)
        expected = hostile.Seen(("abcd", "wxyz"), (len(CONTENT),), True)
        self.assertEqual(expected, fenced.value)

    def test_pages(self):
        """Adjacent pages are requested together, and each is requested once."""
        fenced = run("read_all")
        self.assertEqual((len(CONTENT), sum(CONTENT)), fenced.value.numbers)
        self.assertEqual((3, len(CONTENT)), (fenced.reads, fenced.read_bytes))

    def test_threads(self):
        """Several disks can be inspected at the same time."""
        with ThreadPoolExecutor(4) as pool:
            values = {fenced.value for fenced in pool.map(run, ["read"] * 4)}
        self.assertEqual({hostile.Seen(("abcd", "wxyz"), (len(CONTENT),))}, values)

    def test_empty_disk(self):
        """A disk without bytes is inspected, too."""
        fenced = run_fenced(BytesSource(b""), FUNCTION + "read_all", hostile.Seen)
        self.assertEqual((0, 0), fenced.value.numbers)


class InspectionTest(FenceTest):
    def test_inspection(self):
        """An inspection finds the same in the helper, where nothing can be imported any more."""
        oracles.require("mke2fs")
        folder = Path(self.useFixture(fixtures.TempDir()).path)
        write_system(folder / "root")
        image = extdisks.make(folder / "disk.raw", files=folder / "root")
        with FileSource(image) as disk:
            for deep in (False, True):
                found = inspect(disk, deep=deep)
                names = [system.name for system in found.systems]
                self.assertEqual(["Debian GNU/Linux 12 (bookworm)"], names)
                fenced = run_fenced(disk, f"{inspect.__module__}:inspect", DiskFacts, deep=deep)
                self.assertEqual(found, fenced.value)


class ConfinementTest(FenceTest):
    def test_nothing_is_inherited(self):
        """The process has no environment, no descriptors but its own, and no controlling process.

        Python sets LC_CTYPE itself. The arguments contain nothing about the disk but its size.
        """
        secret = {"OS_PASSWORD": "secret", "PYTHONPATH": "/nowhere"}
        with mock.patch.dict(os.environ, secret), (CHECKOUT / "setup.py").open() as file:
            os.set_inheritable(file.fileno(), True)
            start = run("start", kind=hostile.Start).value
        self.assertLessEqual(set(start.environment), {"LC_CTYPE"})
        sock = int(start.arguments[6])
        self.assertEqual((0, 1, 2, sock), start.descriptors)
        self.assertEqual(("/", True), (start.directory, start.session))
        self.assertNotIn("disk.raw", " ".join(start.arguments))

    def test_forbidden_acts(self):
        """It can use no file, no network, no other process and no further descriptor."""
        self.assertEqual((), run("attempt").value.texts)

    def test_acts_without_protection(self):
        """The same acts succeed in a process that is not confined."""
        self.assertEqual(set(hostile.ACTS), attempt_after("pass"))

    def test_protections_are_reported(self):
        """What the kernel allows holds, and the result says so."""
        allowed = {one for one in Protection if attempt_with(one) is not None}
        self.assertEqual(allowed, set(run("start", kind=hostile.Start).protections))

    def test_each_protection(self):
        """Each protection that the kernel allows denies its acts without the others."""
        files = {"read a file", "write a file", "list a directory"}
        for protection, denied in (
            (Protection.NO_NEW_PRIVILEGES, set()),
            (Protection.NAMESPACES, {"use the network"}),
            (Protection.LANDLOCK, files),
            (Protection.SECCOMP, set(hostile.ACTS)),
        ):
            with self.subTest(protection):
                possible = attempt_with(protection) or set()
                self.assertEqual(set(), denied & possible)

    def test_limits_alone(self):
        """Without any protection, the limits allow no new descriptor, and so no file."""
        possible = attempt_after("_confinement.limit_resources(Limits())")
        self.assertLessEqual(possible, {"start a process", "signal the parent"})

    def test_kernel_without_protections(self):
        """If the kernel allows none, the limits hold, and no protection is claimed to hold."""
        with (
            mock.patch.object(_confinement, "PROTECT", dict.fromkeys(Protection, refused)),
            mock.patch.object(_confinement, "limit_resources") as limited,
        ):
            self.assertEqual((), _confinement.confine(Limits()))
        limited.assert_called_once_with(Limits())


def refused():
    raise PermissionError


def attempt_with(protection):
    """Return what a process can do with one protection, or None if the kernel does not allow it."""
    names = dict.fromkeys((Protection.NO_NEW_PRIVILEGES.name, protection.name))
    return attempt_after("; ".join(f"_confinement.PROTECT[Protection.{name}]()" for name in names))


def attempt_after(statement):
    """Return what a process can do after a statement, or None if that raises OSError."""
    script = (
        f"import sys; sys.path.append({str(CHECKOUT)!r})\n"
        "from tests.unit.guest import hostile\n"
        "from rackspace_imagetasks.guest.fence import _confinement, Limits, Protection\n"
        f"try: {statement}\n"
        "except OSError: sys.exit(9)\n"
        "print(*hostile.attempt(None, deep=False).texts, sep=',')"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 9:
        return None
    assert done.returncode == 0, done.stderr
    return set(filter(None, done.stdout.strip().split(",")))


class MisbehaviourTest(FenceTest):
    def test_crash(self):
        """A crash in a library of C has a signal, and the message names it."""
        self.assertEqual("the helper process crashed (SIGSEGV).", self.reason("crash"))
        self.assertRegex(self.reason("abort"), r"^the helper process crashed \(SIG(ABRT|SEGV)\)\.$")

    def test_early_end(self):
        """An end without a result is a failure, whatever the status."""
        for name, status in (("end", 3), ("end_as_if_done", 0), ("exit_by_exception", 0)):
            expected = f"the helper process ended early, with status {status}."
            self.assertEqual(expected, self.reason(name))

    def test_processor_time(self):
        """A loop without reads ends when its processor time is used up."""
        reason = self.reason("spin", limits=Limits(cpu_seconds=1))
        self.assertEqual("it takes more than 1 s of processor time.", reason)

    def test_time(self):
        """A function that waits for nothing ends when the time is over."""
        reason = self.reason("sleep", limits=Limits(seconds=0.75))
        self.assertEqual("it did not finish within 0.75 seconds.", reason)

    def test_memory(self):
        """Memory is limited, whether it is taken at once or in small pieces."""
        expected = "finding its contents takes more than 64 MiB of memory."
        for name in ("allocate", "allocate_slowly"):
            self.assertEqual(expected, self.reason(name, limits=Limits(memory=64 * MIB)))

    def test_errors(self):
        """An error of a reader is quoted; a mistake in a reader is named by its type."""
        self.assertEqual("'/etc' cannot be read: a circle.", self.reason("refuse"))
        self.assertEqual("a ZeroDivisionError occurred: a mistake.", self.reason("fail"))

    def test_missing_function(self):
        """A function that cannot be imported is a failure before the disk is read."""
        disk = Disk(lambda: fire(AssertionError("read")))
        reason = self.reason("nothing", disk=disk)
        self.assertEqual("the helper process ended early, with status 1.", reason)

    def test_missing_python(self):
        """A process that cannot be started is a failure."""
        with mock.patch.object(sys, "executable", "/nowhere/python3"):
            reason = self.reason("read")
        expected = "the helper process could not be started: No such file or directory."
        self.assertEqual(expected, reason)

    def test_invalid_messages(self):
        """What is not a valid result is refused, and never taken for a part of one."""
        for name, expected in (
            ("send_noise", "the helper process sent an unknown message."),
            ("send_ready", "the helper process sent an unknown message."),
            ("send_invalid", "the helper process sent something invalid: it is not valid JSON."),
            ("send_much", "the helper process sent a message of more than 4194304 bytes."),
            ("send_too_long_reason", "the helper process sent a message of more than 65536 bytes."),
            ("send_half", "the helper process ended early, with status 0."),
        ):
            with self.subTest(name):
                self.assertEqual(expected, self.reason(name))
        for name in ("send_wrong_type", "send_wrong_record"):
            with self.subTest(name):
                expected = "the helper process sent something invalid: '"
                self.assertTrue(self.reason(name).startswith(expected))

    def test_result_of_another_type(self):
        """A function that returns something else than a record has made a mistake."""
        self.assertIn("TypeError", self.reason("return_other"))

    def test_untrusted_text(self):
        """Text of the process cannot control a terminal."""
        self.assertEqual("\N{REPLACEMENT CHARACTER}[2J it is fine.", self.reason("send_escape"))

    def test_closed_connection(self):
        """A process that closes its connection and lives on is ended."""
        self.assertEqual("the helper process closed its connection.", self.reason("close"))

    def test_invalid_reads(self):
        """Only bytes of the disk are sent, and not too many at once."""
        expected = "the helper process asked for bytes that the disk does not have."
        for name in ("read_beyond", "read_nothing", "read_too_much"):
            with self.subTest(name):
                disk = Disk(lambda: fire(AssertionError("read")))
                self.assertEqual(expected, self.reason(name, disk=disk))

    def test_budget(self):
        """Reads and bytes are counted on both sides, so that nothing can read without end."""
        for limits, expected in (
            (Limits(reads=10), "finding its contents takes more than 10 reads or 256 MiB."),
            (Limits(read_bytes=MIB), "finding its contents takes more than 10000 reads or 1 MiB."),
        ):
            reads = []
            disk = Disk(lambda reads=reads: reads.append(1))
            reason = self.reason("read_without_end", disk=disk, limits=limits)
            self.assertEqual(f"The disk was not read to the end: {expected}", reason)
            self.assertEqual(10 if limits.reads == 10 else 16, len(reads))
        limits = Limits(reads=10)
        reads = []
        disk = Disk(lambda: reads.append(1))
        reason = self.reason("read_past_the_pages", disk=disk, limits=limits)
        self.assertEqual("finding its contents takes more than 10 reads or 256 MiB.", reason)
        self.assertEqual(10, len(reads))

    def test_reader_that_does_not_read(self):
        """A process that asks and does not take the answer does not block this one."""
        reason = self.reason("ask_without_reading", limits=Limits(seconds=1.5))
        self.assertEqual("it did not finish within 1.5 seconds.", reason)


class ParentTest(FenceTest):
    def test_error_of_the_disk(self):
        """A disk that cannot be read is not a disk that cannot be inspected."""
        for error in (SourceError("It is gone."), ServiceError("Try again.", status=503)):
            disk = Disk(lambda error=error: fire(error))
            self.assertIs(error, self.assertRaises(type(error), run, "read", disk))

    def test_interrupt(self):
        """An interrupt during a read ends the process."""
        self.assertRaises(KeyboardInterrupt, run, "read", Disk(lambda: fire(KeyboardInterrupt())))

    def test_stopped_before(self):
        """A stop before the start is a cancellation."""
        stop = threading.Event()
        stop.set()
        self.assertRaises(Cancelled, run, "sleep", stop=stop)

    def test_stopped_meanwhile(self):
        """A stop while the process works ends it."""
        stop = threading.Event()
        disk = Disk(stop.set)
        self.assertRaises(Cancelled, run, "sleep", disk, stop=stop)
        self.assertTrue(stop.is_set())
