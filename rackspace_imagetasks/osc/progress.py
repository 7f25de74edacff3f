# SPDX-License-Identifier: Apache-2.0
"""Progress on standard error: bars on a terminal, occasional lines in a log, or nothing."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

from rackspace_imagetasks.events import running_job
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.osc.bars import BarProgress
from rackspace_imagetasks.osc.hints import worded
from rackspace_imagetasks.osc.streams import write_line
from rackspace_imagetasks.progress import Phase, Progress, SilentProgress
from rackspace_imagetasks.text import format_size, printable

_LINE_INTERVAL = 10.0  # seconds
_LONG_PHASE = 20.0  # seconds after which a phase is worth a line even without -v
_LONG_INTERVAL = 300.0


class ShownProgress(Progress, Protocol):
    """Progress that occupies a part of the screen until it is closed."""

    def expect(self, count: int) -> None:
        """Set how many images there are in all."""

    def close(self) -> None:
        """Release the screen."""


def progress_on(stream: TextIO, verbose_level: int) -> ShownProgress:
    """Return progress for a verbosity level: 0 for `-q`, 1 by default, 2 and more for `-v`."""
    if verbose_level == 0:
        return QuietProgress()
    if stream.isatty():
        return BarProgress(stream)
    return LineProgress(stream, verbose=verbose_level > 1)


class QuietProgress(SilentProgress):
    """Progress that is not shown."""

    def expect(self, count: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class LineProgress:
    """Messages and lines of progress, for a log.

    :param verbose: write a line every ten seconds and for each status, and not only about what
        takes long.
    """

    def __init__(
        self, stream: TextIO, *, verbose: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._verbose, self._clock = stream, verbose, clock

    @contextlib.contextmanager
    def phase(self, title: str, total: int | None = None) -> Iterator[Phase]:
        """Yield a phase that writes lines."""
        lines = _Lines(self._write, _of_job(title), total, self._clock)
        if self._verbose:
            lines.first = lines.interval = _LINE_INTERVAL
            lines.first_note = 0.0
        yield lines
        lines.end(always=self._verbose)

    def message(self, message: str | Message) -> None:
        """Write a line."""
        self._write(worded(message))

    def _write(self, line: str) -> None:
        write_line(self._stream, line)

    def expect(self, count: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _of_job(title: str) -> str:
    """Return a title that names the image: objects are named after its ID."""
    job = running_job()
    named = title if job is None or (job.image or "") in title else f"{job.image}: {title}"
    return printable(named)


class _Lines:
    def __init__(
        self,
        write: Callable[[str], None],
        title: str,
        total: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._write, self._title, self._total, self._clock = write, title, total, clock
        self._lock = threading.Lock()
        self._done = 0
        self._noted: dict[str, float] = {}
        self._started = clock()
        self._written: float | None = None
        self.first, self.interval = _LONG_PHASE, _LONG_INTERVAL
        self.first_note = _LONG_PHASE

    def advance(self, amount: int) -> None:
        with self._lock:
            self._done += amount
            now = self._clock()
            since, interval = self._written, self.interval
            if since is None:
                since, interval = self._started, self.first
            if now - since >= interval:
                self._written = now
                self._write(f"{self._title}: {self._state()}")

    def note(self, text: str) -> None:
        """Write a status when it is new, and again from time to time as long as it lasts."""
        with self._lock:
            now = self._clock()
            if now - self._started < self.first_note:
                return
            if now - self._noted.get(text, -math.inf) >= _LONG_INTERVAL:
                self._noted[text] = now
                self._write(f"{self._title}: {printable(text)}")

    def end(self, *, always: bool) -> None:
        """Write the number of bytes, and how long they took."""
        if self._done and (always or self._written is not None):
            seconds = self._clock() - self._started
            self._write(f"{self._title}: {format_size(self._done)} in {seconds:.1f} s")

    def _state(self) -> str:
        if not self._total:
            return format_size(self._done)
        percent = 100 * self._done // self._total
        return f"{format_size(self._done)} of {format_size(self._total)} ({percent} %)"
