# SPDX-License-Identifier: Apache-2.0
"""`--events`: which files it accepts, and what it writes."""

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.events import Event, EventKind, EventProgress
from rackspace_imagetasks.osc.events import add_events_option, event_file
from tests.unit.osc.local_shell import LocalShellTest

WHEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
EVENT = Event(event=EventKind.MESSAGE, time=WHEN, text="Hello.")
LINE = '{"event": "message", "time": "2026-01-31T12:00:00.000Z", "version": 1, "text": "Hello."}\n'


class FilesTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = Path(self.useFixture(fixtures.TempDir()).path) / "events"

    def opened(self, text):
        file = event_file(str(text))
        self.addCleanup(file.close)
        return file

    def pipe(self):
        """Give both ends of a pipe, which are closed unless the test closes them."""
        read, write = os.pipe()
        reader, writer = os.fdopen(read, "rb", buffering=0), os.fdopen(write, "wb", buffering=0)
        self.addCleanup(reader.close)
        self.addCleanup(writer.close)
        return reader, writer

    def test_appended(self):
        """Each event is a line, which is in the file at once; what was there stays."""
        self.path.write_text("earlier\n")
        file = self.opened(self.path)
        file.write(EVENT)
        self.assertEqual(f"earlier\n{LINE}", self.path.read_text())

    def test_closed(self):
        """What a thread reports after the end is ignored."""
        file = event_file(str(self.path))
        file.close()
        file.write(EVENT)
        self.assertEqual("", self.path.read_text())

    def test_descriptor(self):
        """A number names an open descriptor, which stays open afterwards."""
        reader, writer = self.pipe()
        file = event_file(str(writer.fileno()))
        file.write(EVENT)
        file.close()
        writer.write(b"more")
        self.assertEqual(LINE + "more", reader.read(1000).decode())

    def test_refused(self):
        """What cannot be written to is refused with a reason."""
        reader, writer = self.pipe()
        closed = writer.fileno()
        writer.close()
        folder, missing = self.path.parent, self.path / "no" / "file"
        for text, says in (
            (closed, f"file descriptor {closed}: Bad file descriptor"),
            (reader.fileno(), f"file descriptor {reader.fileno()}: it is open for reading only"),
            (1, "file descriptor 1: the number must be 2 or higher"),
            (10**30, f"file descriptor {10**30}: "),
            (folder, f"file '{folder}': Is a directory"),
            (missing, f"file '{missing}': No such file or directory"),
            ("", "file '': No such file or directory"),
            ("a\0b", "embedded null byte"),
        ):
            error = self.assertRaises(argparse.ArgumentTypeError, event_file, str(text))
            self.assertIn(says, str(error))
            self.assertTrue(str(error).startswith("cannot write events to "), error)

    def test_lost_file(self):
        """A full disk and a pipe without a reader end the events, not the job."""
        reader, writer = self.pipe()
        gone = self.opened(writer.fileno())
        reader.close()
        for file, reason in ((self.opened("/dev/full"), "No space left"), (gone, "Broken pipe")):
            log = self.useFixture(fixtures.FakeLogger())
            progress = EventProgress(file.write)
            progress.message("Hello.")
            progress.message("Hello again.")
            self.assertIn(reason, log.output)
            self.assertEqual(1, log.output.count("No more events are reported"))

    def test_secrets(self):
        """The secrets of this process, and tokens in headers, are masked."""
        self.useFixture(fixtures.EnvironmentVariable("OS_PASSWORD", "correct horse"))
        text = "Sent 'correct horse', {'api_key': 'f00d'} and X-Auth-Token: gAAAAB"
        self.opened(self.path).write(Event(event=EventKind.MESSAGE, time=WHEN, text=text))
        written = json.loads(self.path.read_text())["text"]
        self.assertEqual("Sent '***', {'api_key': '***'} and X-Auth-Token: ***", written)

    def test_default(self):
        """Without the option, there is no file."""
        parser = argparse.ArgumentParser()
        add_events_option(parser)
        self.assertIsNone(parser.parse_args([]).events)


class UsageTest(LocalShellTest):
    def test_usage_error(self):
        """A file that cannot be written is a usage error, before anything is sent."""
        for words in (
            ("import", "--file", "disk.vhd"), ("export", "web"), ("save", "a/b", "--file", "c"),
            ("transfer", "web", "--to-region", "ORD"), ("wait", "7"), ("clean",),
        ):  # fmt: skip
            status, _, stderr = self.openstack("image", "task", *words, "--events", "no/file")
            self.assertEqual(2, status, stderr)
            self.assertIn(
                "argument --events: cannot write events to file 'no/file': No such file or"
                " directory\n",
                stderr,
            )
