# SPDX-License-Identifier: Apache-2.0
"""Progress on a pseudo-terminal, held against the captures on the page about it.

With `UPDATE_DOCS=1` in the environment (`make docs-output`), captures that differ are written into
the page.
"""

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
import threading
import typing
from pathlib import Path

import fixtures
import pyte
import testscenarios
from oslotest import base

from rackspace_imagetasks.events import EventKind, EventProgress, Job, JobKind, Place, running
from rackspace_imagetasks.osc.bars import BarProgress
from rackspace_imagetasks.progress import PhaseKind, PhaseTitle

load_tests = testscenarios.load_tests_apply_scenarios

PAGE = Path(__file__).parents[3] / "doc/source/user/progress.rst"
CAPTURE = re.compile(r"^\.\. capture: (\S+)\n\n\.\. code-block:: text\n\n((?:   .*\n|\n)+)", re.M)
HEIGHTS = {1: 24, 4: 24, 20: 16}
GIB = 2**30
_DRAWN = "drawn"


class Terminal:
    """A pseudo-terminal and what its screen shows."""

    def __init__(self, width, height):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.stream = os.fdopen(slave, "w", encoding="utf-8")
        self._screen = pyte.Screen(width, height)
        self._parser = pyte.ByteStream(self._screen)
        self._read_mark = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while data := os.read(self._master, 65536):
                self._parser.feed(data)
                if self._screen.title == _DRAWN:
                    self._screen.title = ""
                    self._read_mark.set()

    def shown(self):
        """Return the lines of the screen, once it shows all that was written."""
        self._read_mark.clear()
        self.stream.write(f"\x1b]2;{_DRAWN}\x07")
        self.stream.flush()
        assert self._read_mark.wait(30)
        return [line.rstrip() for line in self._screen.display]

    def close(self):
        self.stream.close()
        self._reader.join(30)
        os.close(self._master)


class TerminalCase(base.BaseTestCase):
    """Gives `self.progress`, which is shown on `self.terminal`; `self.now` is the time."""

    width, height = 80, 24

    def setUp(self):
        super().setUp()
        for name, value in (("TERM", "xterm"), ("COLUMNS", None), ("LINES", None)):
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        self.now = 0.0
        self.phases = contextlib.ExitStack()
        self.terminal = Terminal(self.width, self.height)
        self.addCleanup(self.terminal.close)
        self.bars = BarProgress(self.terminal.stream, clock=lambda: self.now, refreshes=False)
        self.addCleanup(self.bars.close)
        self.progress = EventProgress(None, self.bars, clock=lambda: self.now)

    def begin(self, job, kind, total=None, task_id=None):
        """Begin a phase of a job, which lasts until the end of the test."""
        title = PhaseTitle(kind, "As the title says", task_id)
        with running(self.progress, job):
            return self.phases.enter_context(self.progress.phase(title, total))

    def wait(self, job, kind, status):
        """Begin to wait for a task."""
        self.begin(job, kind, task_id="7").note(status)

    def end(self, job, kind=EventKind.DONE):
        self.progress.emit(kind, job)

    def shown(self):
        """Return the lines that are shown."""
        self.bars.refresh()
        lines = self.terminal.shown()
        return lines[: max((n for n, line in enumerate(lines, 1) if line), default=0)]


def transfer(image, region="ORD"):
    here, there = Place("rack", "DFW"), Place("rack", region)
    return Job(job=JobKind.TRANSFER, image=image, image_id=f"id of {image}", source=here,
               target=there)  # fmt: skip


class CapturesTest(TerminalCase):
    """The captures in the documentation."""

    scenarios: typing.ClassVar = [
        (f"{images}-{width}", {"images": images, "width": width, "height": HEIGHTS[images]})
        for images in HEIGHTS
        for width in (60, 80, 120)
    ]

    def show_1(self):
        """An import that has sent 1.2 of 4 GiB."""
        job = Job(job=JobKind.IMPORT, image="web", target=Place("rack", "DFW"))
        phase = self.begin(job, PhaseKind.UPLOAD, 4 * GIB)
        self.now = 49.0
        phase.advance(GIB * 12 // 10)

    def show_4(self):
        """A batch in which no image has arrived yet."""
        self.bars.expect(4)
        self.wait(transfer("東京-web"), PhaseKind.EXPORT, "processing")
        copies = [
            (self.begin(transfer(name), PhaseKind.COPY, size), size // part)
            for name, size, part in (
                ("database", 12 * GIB, 3),
                ("application-server-frankfurt", 4 * GIB, 2),
            )
        ]
        self.now = 41.0
        self.wait(transfer("win2022"), PhaseKind.IMPORT, "pending")
        self.now = 83.0
        for phase, done in copies:
            phase.advance(done)

    def show_20(self):
        """A batch of which 12 images are there, and 4 have not begun."""
        self.bars.expect(20)
        for number in range(12):
            job = transfer(f"node-{number + 1:02}")
            self.wait(job, PhaseKind.EXPORT, "processing")
            self.now += 80
            self.end(job, EventKind.FAILED if number == 7 else EventKind.DONE)
        began = self.now
        copies = [
            self.begin(transfer(f"node-{number}"), PhaseKind.COPY, 2 * GIB) for number in (13, 14)
        ]
        for number in (15, 16):
            self.now += 11
            self.wait(transfer(f"node-{number}"), PhaseKind.EXPORT, "processing")
        self.now = began + 30
        for phase, done in zip(copies, (GIB, GIB // 2), strict=True):
            phase.advance(done)

    def test_capture(self):
        """The page shows what the terminal does."""
        getattr(self, f"show_{self.images}")()
        text = "".join(f"   {line}\n" for line in self.shown())
        name = f"{self.images}-{self.width}"
        page = PAGE.read_text()
        found = {match[1]: match for match in CAPTURE.finditer(page)}[name]
        if os.environ.get("UPDATE_DOCS") == "1":
            start, end = found.span(2)
            PAGE.write_text(f"{page[:start]}{text}\n{page[end:]}")
        else:
            self.assertEqual(found[2].rstrip("\n"), text.rstrip("\n"))
