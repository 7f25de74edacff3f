# SPDX-License-Identifier: Apache-2.0
"""Progress on standard error: bars on a terminal, occasional lines in a log, or nothing."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

from rich import progress as rich_progress
from rich.console import Console

from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.osc.hints import worded
from rackspace_imagetasks.osc.streams import write_line
from rackspace_imagetasks.progress import Phase, Progress, SilentPhase, SilentProgress
from rackspace_imagetasks.text import format_size, printable

_LINE_INTERVAL = 10.0  # seconds


class ShownProgress(Progress, Protocol):
    """Progress that occupies a part of the screen until it is closed."""

    def close(self) -> None:
        """Release the screen."""


def progress_on(stream: TextIO, verbose_level: int) -> ShownProgress:
    """Return progress for a verbosity level: 0 for `-q`, 1 by default, 2 and more for `-v`."""
    if verbose_level == 0:
        return QuietProgress()
    if stream.isatty():
        return BarProgress(stream)
    return LineProgress(stream, phases=verbose_level > 1)


class QuietProgress(SilentProgress):
    """Progress that is not shown."""

    def close(self) -> None:
        """Do nothing."""


class BarProgress:
    """Bars with bytes, rate and time left."""

    def __init__(self, stream: TextIO) -> None:
        self._bars = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(),
            rich_progress.DownloadColumn(binary_units=True),
            rich_progress.TransferSpeedColumn(),
            rich_progress.TimeRemainingColumn(),
            rich_progress.TimeElapsedColumn(),
            console=Console(file=stream, highlight=False),
            transient=True,
        )
        self._bars.start()

    @contextlib.contextmanager
    def phase(self, title: str, total: int | None = None) -> Iterator[Phase]:
        """Show a bar."""
        title = printable(title)
        bar = self._bars.add_task(title, total=total)
        try:
            yield _Bar(self._bars, bar, title)
        finally:
            self._bars.remove_task(bar)

    def message(self, message: str | Message) -> None:
        """Print a line above the bars."""
        with contextlib.suppress(OSError):  # of a terminal that is gone
            self._bars.console.print(worded(message), markup=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bars."""
        with contextlib.suppress(OSError):
            self._bars.stop()


class _Bar:
    def __init__(self, bars: rich_progress.Progress, bar: rich_progress.TaskID, title: str) -> None:
        self._bars, self._bar, self._title = bars, bar, title

    def advance(self, amount: int) -> None:
        self._bars.advance(self._bar, amount)

    def note(self, text: str) -> None:
        self._bars.update(self._bar, description=f"{self._title}: {printable(text)}")


class LineProgress:
    """Messages, and with `phases` occasional lines of progress."""

    def __init__(
        self, stream: TextIO, *, phases: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._phases, self._clock = stream, phases, clock

    @contextlib.contextmanager
    def phase(self, title: str, total: int | None = None) -> Iterator[Phase]:
        """Yield a phase that writes lines, or nothing."""
        if not self._phases:
            yield SilentPhase()
            return
        lines = _Lines(self._write, printable(title), total, self._clock)
        yield lines
        lines.end()

    def message(self, message: str | Message) -> None:
        """Write a line."""
        self._write(worded(message))

    def _write(self, line: str) -> None:
        write_line(self._stream, line)

    def close(self) -> None:
        """Do nothing."""


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
        self._done, self._last_note = 0, ""
        self._started = self._written = clock()

    def advance(self, amount: int) -> None:
        with self._lock:
            self._done += amount
            if self._clock() - self._written >= _LINE_INTERVAL:
                self._written = self._clock()
                self._write(f"{self._title}: {self._state()}")

    def note(self, text: str) -> None:
        with self._lock:
            if text != self._last_note:
                self._last_note = text
                self._write(f"{self._title}: {printable(text)}")

    def end(self) -> None:
        if self._done:
            seconds = self._clock() - self._started
            self._write(f"{self._title}: {format_size(self._done)} in {seconds:.1f} s")

    def _state(self) -> str:
        if not self._total:
            return format_size(self._done)
        percent = 100 * self._done // self._total
        return f"{format_size(self._done)} of {format_size(self._total)} ({percent} %)"
