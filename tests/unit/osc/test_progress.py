# SPDX-License-Identifier: Apache-2.0
import io

from oslotest import base

from rackspace_imagetasks.events import EventProgress, Job, JobKind, running
from rackspace_imagetasks.osc.bars import BarProgress
from rackspace_imagetasks.osc.progress import LineProgress, QuietProgress, progress_on


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ProgressTest(base.BaseTestCase):
    def test_the_stream_and_the_verbosity_choose(self):
        """Bars on a terminal alone, nothing with -q, even there."""
        self.assertIsInstance(progress_on(Terminal(), 0), QuietProgress)
        bars = progress_on(Terminal(), 1)
        self.addCleanup(bars.close)
        self.assertIsInstance(bars, BarProgress)
        self.assertIsInstance(progress_on(io.StringIO(), 1), LineProgress)

    def test_quiet_is_silent(self):
        """With -q not even a message is written."""
        stream = Terminal()
        progress = progress_on(stream, 0)
        progress.message("hello")
        with progress.phase("Sending", 10) as phase:
            phase.advance(10)
        progress.close()
        self.assertEqual("", stream.getvalue())

    def test_a_log_gets_messages_but_no_short_phases(self):
        """Without -v, a log tells what was decided and not how far it is."""
        stream = io.StringIO()
        progress = progress_on(stream, 1)
        progress.message("what was decided")
        with progress.phase("Sending", 10) as phase:
            phase.advance(10)
        self.assertEqual("what was decided\n", stream.getvalue())

    def lines_of(self, total, *steps):
        """Return the lines of a phase without -v: a step is an amount or a note, at a time."""
        stream, now = io.StringIO(), [0.0]
        progress = LineProgress(stream, verbose=False, clock=lambda: now[0])
        with progress.phase("Phase", total) as phase:
            for now[0], step in steps:
                (phase.note if isinstance(step, str) else phase.advance)(step)
        return stream.getvalue().splitlines()

    def test_a_log_gets_long_phases(self):
        """Without -v, a phase is mentioned after 20 seconds, and then every five minutes."""
        lines = self.lines_of(8, (19, 1), (20, 1), (319, 1), (320, 1), (330, 4))
        self.assertEqual(
            [
                "Phase: 2 bytes of 8 bytes (25 %)",
                "Phase: 4 bytes of 8 bytes (50 %)",
                "Phase: 8 bytes in 330.0 s",
            ],
            lines,
        )

    def test_a_log_gets_the_status_of_tasks(self):
        """Without -v, each new status is written from 20 seconds on, and every five minutes."""
        steps = [(0, "queued"), (20, "pending"), (60, "pending"), (120, "processing")]
        lines = self.lines_of(None, *steps, (419, "processing"), (420, "processing"))
        self.assertEqual(["Phase: pending", "Phase: processing", "Phase: processing"], lines)

    def test_a_log_gets_the_status_of_several_tasks(self):
        """The statuses of tasks that are polled together are not repeated with each poll."""
        lines = self.lines_of(None, (20, "1 pending"), (20, "2 pending"), (60, "1 pending"))
        self.assertEqual(["Phase: 1 pending", "Phase: 2 pending"], lines)

    def test_lines_now_and_then(self):
        """With -v a line every ten seconds, one for each new status, and one at the end."""
        stream, now = io.StringIO(), [0.0]
        progress = LineProgress(stream, verbose=True, clock=lambda: now[0])
        with progress.phase("Sending x", 4 * 2**20) as phase:
            phase.advance(2**20)
            now[0] = 10.0
            phase.advance(2**20)
            phase.advance(2**20)
            phase.advance(-(2**20))
            phase.note("retrying")
            phase.note("retrying")
            now[0] = 20.0
            phase.advance(2 * 2**20)
        self.assertEqual(
            [
                "Sending x: 2 MiB of 4 MiB (50 %)",
                "Sending x: retrying",
                "Sending x: 4 MiB of 4 MiB (100 %)",
                "Sending x: 4 MiB in 20.0 s",
            ],
            stream.getvalue().splitlines(),
        )

    def test_escapes_do_not_reach_the_terminal(self):
        """Titles and notes come from files and servers."""
        stream = io.StringIO()
        progress = LineProgress(stream, verbose=True)
        with progress.phase("\x1b[31m", None) as phase:
            phase.note("\x1b[2J")
        progress.message("\x1b]0;x")
        self.assertNotIn("\x1b", stream.getvalue())

    def test_names_of_images(self):
        """In a job, a title that has an ID in place of the image's name gets the name, too."""
        stream = io.StringIO()
        progress = LineProgress(stream, verbose=True)
        reported = EventProgress(None, progress)
        for image in ("web", "7.vhd"):
            with (
                running(reported, Job(job=JobKind.SAVE, image=image)),
                reported.phase("Copying 7.vhd", 1) as phase,
            ):
                phase.note("slow")
        self.assertEqual("web: Copying 7.vhd: slow\nCopying 7.vhd: slow\n", stream.getvalue())
