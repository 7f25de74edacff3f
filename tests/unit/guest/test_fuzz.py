# SPDX-License-Identifier: Apache-2.0
"""The fuzz target notices what it looks for."""

import contextlib
import io
import signal
import struct
from pathlib import Path
from unittest import mock

import fixtures
from oslotest import base

from benchmarks.fuzz import __main__ as fuzz
from benchmarks.fuzz import batch, explore
from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status

SIZE = 4096


class OneFile:
    """A file system with one file, whose reader makes the mistakes that the disk tells it to."""

    kind, size, used, label, uuid, notes, is_case_sensitive = "one", SIZE, 0, "", "", (), True
    root = "/"

    def __init__(self, volume):
        self.volume = volume
        self.mistake = volume.read(0, 1)
        if self.mistake == b"D":
            raise Damaged("It is damaged.")
        if self.mistake == b"T":
            raise TypeError("a mistake")

    def status(self, node):
        return Status(Kind.DIRECTORY if node == "/" else Kind.FILE, 1)

    def child(self, directory, name):
        return name

    def names(self, directory):
        yield "file"

    def link(self, node):
        raise AssertionError

    def read(self, node, limit):
        match self.mistake:
            case b"S":
                raise struct.error("a mistake")
            case b"E":
                while True:
                    self.volume.read(0, 1)
            case b"H":
                while True:
                    pass
        return self.mistake


class FuzzTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        previous = signal.signal(signal.SIGVTALRM, batch._hang)
        self.addCleanup(signal.signal, signal.SIGVTALRM, previous)
        self.useFixture(fixtures.MockPatch("benchmarks.fuzz.batch.HANG", 0.2))
        self.useFixture(fixtures.MockPatchObject(explore, "READERS", {"ext": OneFile}))

    def read(self, mistake):
        """Return the line of a mutant that makes the reader make a mistake."""
        one = batch.Batch("ext2", BytesSource(bytes(SIZE)), 0)
        mutant = batch.Mutant(BytesSource(mistake.ljust(SIZE, b"\0")))
        with mock.patch.object(one, "mutant", lambda _number: mutant):
            return one.read(1)

    def test_outcomes(self):
        """Each way to fail has its outcome."""
        for mistake, outcome in (
            (b"\0", "same"),
            (b"x", "different"),
            (b"D", "damaged"),
            (b"T", "unhandled"),
            (b"S", "damaged"),
            (b"E", "endless"),
            (b"H", "hang"),
        ):
            with self.subTest(mistake):
                self.assertEqual(outcome, self.read(mistake).outcome)

    def test_last_resort(self):
        """An error that only `Tree` caught is named with the line that raised it."""
        (caught,) = self.read(b"S").caught
        self.assertRegex(caught, r"^error at test_fuzz\.py:\d+$")
        self.assertEqual((), self.read(b"D").caught)

    def test_mutants_are_reproducible(self):
        """The number of a mutant identifies its changes."""
        one = batch.Batch("ext2", BytesSource(bytes(SIZE)), 0)
        changes = [one.mutant(number).patches for number in (1, 2, 1)]
        self.assertEqual(changes[0], changes[2])
        self.assertNotEqual(changes[0], changes[1])

    def test_fenced(self):
        """The helper process must find what this process finds, and fail where it fails."""
        one = batch.Batch("ext2", BytesSource(bytes(SIZE)), 1)
        found = one._clean
        other = explore.Explored("other")
        failure = batch.InspectionFailed("It failed.")
        for result, here, expected in (
            (found, found, "same"),
            (other, found, "different"),
            (found, None, "different"),
            (failure, None, "same"),
            (failure, found, "failed"),
        ):
            fenced = [failure] if result is failure else [mock.Mock(value=result)]
            with mock.patch.object(batch, "run_fenced", side_effect=fenced):
                self.assertEqual(expected, one._explore_fenced(1, here))

    def test_lost_windows(self):
        """Windows that is not found counts, unless the facts say that something is damaged."""
        one = batch.Batch("ext2", BytesSource(bytes(SIZE)), 0)
        one._clean = explore.Explored("clean", has_windows=True, problems=("as before",))
        for explored, is_lost in (
            (explore.Explored("a"), True),
            (explore.Explored("a", problems=("as before",)), True),
            (explore.Explored("a", problems=("as before", "damaged")), False),
            (explore.Explored("a", has_windows=True), False),
        ):
            self.assertEqual(is_lost, one._judged(1, explored).lost_windows)


class DriverTest(base.BaseTestCase):
    """The process that counts survives what the processes with the readers do not."""

    def run_batch(self, act):
        """Run a batch of five mutants whose process calls `act` before the third one."""
        script = Path(self.useFixture(fixtures.TempDir()).path) / "python"
        script.write_text(
            "#!/bin/sh\n"
            'for number in $(seq "$5" $(($6 - 1))); do\n'
            f'  [ "$number" != 2 ] || {act}\n'
            '  echo "{\\"number\\": $number, \\"outcome\\": \\"same\\"}"\n'
            "done\n"
        )
        script.chmod(0o755)
        with (
            mock.patch.object(fuzz.sys, "executable", str(script)),
            mock.patch.object(fuzz, "_PATIENCE", 1),
        ):
            lines = list(fuzz._lines("ext2", Path("disk"), range(5)))
        return [(line["number"], line["outcome"]) for line in lines]

    def expected(self, outcome):
        return [(number, outcome if number == 2 else "same") for number in range(5)]

    def test_crash(self):
        """After a crash, the batch continues with the next mutant."""
        self.assertEqual(self.expected("crash"), self.run_batch("kill -SEGV $$"))

    def test_hang(self):
        """A process without progress is ended."""
        self.assertEqual(self.expected("hang"), self.run_batch("exec sleep 1000"))

    def test_failures(self):
        """A tally counts what must not happen, and shows examples."""
        tally = fuzz.Tally()
        line = {
            "number": 1, "outcome": "same", "detail": "", "caught": [], "lost_windows": False,
            "fenced": "", "seconds": 0.0,
        }  # fmt: skip
        tally.add(line)
        self.assertEqual(0, tally.failures)
        for change in (
            {"outcome": "crash"},
            {"outcome": "hang"},
            {"outcome": "unhandled", "detail": "TypeError"},
            {"outcome": "endless"},
            {"fenced": "different"},
            {"lost_windows": True, "caught": ["ValueError"]},
        ):
            tally.add(line | change)
        self.assertEqual(6, tally.failures)
        self.assertEqual(
            ["1: crash", "1: hang", "1: unhandled TypeError", "1: endless", "1: same"],
            tally.examples,
        )
        with contextlib.redirect_stdout(io.StringIO()) as output:
            fuzz._report({"ext2": tally}, 1.0)
        self.assertIn("1: unhandled TypeError", output.getvalue())
