# SPDX-License-Identifier: Apache-2.0
"""Progress on a pseudo-terminal: which lines there are, and what is left in the end."""

import dataclasses
import io
import re
import threading
from unittest import mock

from oslotest import base

from rackspace_imagetasks.events import EventKind, EventProgress, Job, JobKind
from rackspace_imagetasks.osc.bars import BarProgress
from rackspace_imagetasks.osc.v2.export import ExportImage
from rackspace_imagetasks.progress import PhaseKind, PhaseTitle
from tests.unit.osc.test_progress_captures import TerminalCase, transfer

MIB = 2**20
SAVE = Job(job=JobKind.SAVE, image="web")


class LinesTest(TerminalCase):
    width, height = 80, 6

    def shown(self):
        """Return the lines without their bars."""
        return [re.sub(" {2,}", "  ", re.sub("[━─]+", "", line)) for line in super().shown()]

    def test_several_targets(self):
        """An image that goes to several regions has a line for each, after what they share."""
        shared = Job(job=JobKind.TRANSFER, image="web", image_id="id of web")
        with self.phases:
            self.wait(shared, PhaseKind.EXPORT, "processing")
            self.assertEqual(["web:  export task processing, 0:00"], self.shown())
        for region in ("ORD", "IAD"):
            self.begin(transfer("web", region), PhaseKind.COPY, 4 * MIB)
        self.assertEqual(
            [
                "web -> ORD:  copying  0%  0.0/4.0 MiB",
                "web -> IAD:  copying  0%  0.0/4.0 MiB",
                "Total:  0 of 2 done  0.0/8.0 MiB",
            ],
            self.shown(),
        )

    def test_ended_images(self):
        """What has ended says how, and how long it took, until there is no room for it."""
        self.bars.expect(5)
        for number, end in enumerate((EventKind.DONE, EventKind.FAILED)):
            job = transfer(f"web-{number}")
            self.begin(job, PhaseKind.SCAN, 1)
            self.now += 65
            self.end(job, end)
        expected = ["web-0:  done, 1:05", "web-1:  failed, 1:05",
                    "Total:  1 of 5 done, 1 failed"]  # fmt: skip
        self.assertEqual(expected, self.shown())
        for number in (2, 3, 4):
            self.wait(transfer(f"web-{number}"), PhaseKind.IMPORT, "pending")
        waiting = [f"web-{number}:  import task pending, 0:00" for number in (2, 3, 4)]
        self.assertEqual([*waiting, "Total:  1 of 5 done, 1 failed"], self.shown())

    def test_steps(self):
        """The phase that began last is shown; the line stays between two phases."""
        outer = self.begin(SAVE, PhaseKind.DOWNLOAD, 4 * MIB)
        outer.advance(MIB)
        with self.phases.pop_all():
            with self.phases:
                self.begin(SAVE, PhaseKind.CHECK, 2 * MIB)
                self.assertEqual(["web:  checking  0%  0.0/2.0 MiB"], self.shown())
            self.now = 2.0
            outer.advance(MIB)
            shown = "web:  downloading  50%  2.0/4.0 MiB  1.0 MiB/s  0:02 left"
            self.assertEqual([shown], self.shown())
        self.assertIn("web:  downloading  50%", self.shown()[0])

    def test_planned_image(self):
        """The line of an image that the user named by its ID gets its name once it is known."""
        planned = transfer("web")
        asked = dataclasses.replace(planned, image=planned.image_id, image_id=None)
        with self.phases:
            self.begin(asked, PhaseKind.SCAN, 2 * MIB)
            self.assertEqual(["id of web:  scanning  0%  0.0/2.0 MiB"], self.shown())
        self.progress.emit(EventKind.PLANNED, planned)
        self.assertEqual([], self.shown())
        self.wait(planned, PhaseKind.EXPORT, "pending")
        self.assertEqual(["web:  export task pending, 0:00"], self.shown())

    def test_rate(self):
        """The rate is that of the last half minute, starts again after a retry, and falls."""
        phase = self.begin(SAVE, PhaseKind.DOWNLOAD, 1000 * MIB)
        for self.now, amount, expected in (
            (10.0, 100, "10.0 MiB/s"),
            (20.0, 0, "5.0 MiB/s"),
            (41.0, 310, "10.0 MiB/s"),
            (42.0, -10, "400.0/1000.0 MiB"),
        ):
            phase.advance(amount * MIB)
            self.assertIn(expected, self.shown()[0])
        self.assertNotIn("/s", self.shown()[0])
        self.now = 43.0
        phase.advance(2 * MIB)
        self.assertIn("2.0 MiB/s", self.shown()[0])
        self.now = 62.0  # nothing has arrived since
        self.assertIn("102.4 KiB/s", self.shown()[0])

    def test_without_a_job(self):
        """A phase of its own has its title, as long as it lasts."""
        with self.progress.phase(PhaseTitle(PhaseKind.WRITE, "Writing"), 4 * MIB):
            self.assertEqual(["Writing:  0%  0.0/4.0 MiB"], self.shown())
        self.assertEqual([], self.shown())

    def test_unsafe_name(self):
        """Control characters of names do not reach the terminal, and markup means nothing."""
        self.begin(Job(job=JobKind.SAVE, image="\x1b[2J\n[red]x"), PhaseKind.SCAN, 1)
        self.assertEqual(["\ufffd[2J\ufffd[red]x:  scanning  0%  0/1 bytes"], self.shown())

    def test_messages(self):
        """A message stays above the lines, which leave nothing behind."""
        self.begin(SAVE, PhaseKind.SCAN, 1)
        self.shown()
        self.progress.message("Converting 'x'.")
        line = "web:  scanning  0%  0/1 bytes"
        self.assertEqual(["Converting 'x'.", line], self.shown())
        self.bars.close()
        self.begin(Job(job=JobKind.SAVE, image="late"), PhaseKind.SCAN, 1)
        self.assertEqual(["Converting 'x'."], self.shown())


class BatchTest(base.BaseTestCase):
    def test_number_of_images(self):
        """A batch says how many images there are before it works on the first ones."""
        command = ExportImage(mock.Mock(), None)
        command._progress = progress = mock.Mock()

        def job(_image):
            progress.expect.assert_called_once_with(3)

        outcomes = command.run_batch("abc", job, 1)
        self.assertEqual([None] * 3, [outcome.error for outcome in outcomes])


class ThreadsTest(base.BaseTestCase):
    def test_bytes_of_threads(self):
        """Bytes counted by several threads add up, and closing twice does no harm."""
        bars = BarProgress(io.StringIO(), refreshes=False)
        progress = EventProgress(None, bars)
        with progress.phase("Sending", 4000) as phase:
            threads = [
                threading.Thread(target=lambda: [phase.advance(1) for _ in range(1000)])
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            phase.advance(-3000)  # is reported at once
            self.assertIn("25%", str(bars._drawn().renderables[0]))
        bars.close()
        bars.close()
