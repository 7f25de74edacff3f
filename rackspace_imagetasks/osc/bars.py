# SPDX-License-Identifier: Apache-2.0
"""Progress on a terminal: a line for each image, drawn from the events of the jobs."""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.text import Text

from rackspace_imagetasks.events import Event, EventDisplay, EventKind
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.osc import bar_layout
from rackspace_imagetasks.osc.bar_layout import Line, format_duration
from rackspace_imagetasks.osc.hints import worded
from rackspace_imagetasks.progress import PhaseKind
from rackspace_imagetasks.text import printable

_WINDOW = 30.0  # seconds whose bytes make the rate
_STALE = 5.0  # seconds without a report from which on they count for the rate
_WORDS = {
    PhaseKind.EXPORT: "exporting",
    PhaseKind.IMPORT: "importing",
    PhaseKind.WAIT: "waiting",
    PhaseKind.UPLOAD: "uploading",
    PhaseKind.DOWNLOAD: "downloading",
    PhaseKind.COPY: "copying",
    PhaseKind.CHECK: "checking",
    PhaseKind.SCAN: "scanning",
    PhaseKind.WRITE: "writing",
}
_TASKS = (PhaseKind.EXPORT, PhaseKind.IMPORT)
_ENDS = {EventKind.DONE: "done", EventKind.FAILED: "failed"}


class _Phase:
    """A phase that runs."""

    def __init__(self, event: Event, now: float) -> None:
        self.kind, self.total = event.phase, event.total
        self._words = _WORDS[event.phase] if event.job and event.phase else ""  # else in its title
        self._is_task = event.task_id is not None and event.phase in _TASKS
        self.started = now
        self.done = 0
        self.status = ""
        self._reports = deque([(now, 0)])

    def report(self, done: int, now: float) -> None:
        """Note the bytes so far."""
        if done < self.done:  # a retry repeats some
            self._reports.clear()
        self.done = done
        self._reports.append((now, done))
        while len(self._reports) > 2 and now - self._reports[1][0] >= _WINDOW:
            self._reports.popleft()

    def rate(self, now: float) -> float | None:
        """Return the bytes per second of the last half minute."""
        (began, before), (last, done) = self._reports[0], self._reports[-1]
        end = now if now - last > _STALE else last
        return (done - before) / (end - began) if end > began else None

    @property
    def counts_bytes(self) -> bool:
        """Whether its bytes are shown."""
        return self.total is not None or self.done > 0

    def activity(self, now: float) -> str:
        """Return what is being done; for a wait, with the status and how long it has taken."""
        if self.counts_bytes:
            return self._words
        words = f"{self.kind} task" if self._is_task else self._words
        doing = " ".join(filter(None, (words, self.status)))
        return ", ".join(filter(None, (doing, format_duration(now - self.started))))


class _Item:
    """What has a line: an image, with its target if there are several, or a phase of its own."""

    def __init__(self, label: str, target: str, now: float) -> None:
        self.label, self.target = label, target
        self.started = now
        self.phases: dict[int, _Phase] = {}
        self.last: _Phase | None = None
        self.ended = ""

    @property
    def phase(self) -> _Phase | None:
        """The phase that began last of those that run; between phases, the last one."""
        return next(reversed(self.phases.values()), self.last)

    def line(self, label: str, now: float) -> Line:
        """Return its line."""
        phase = self.phase
        if self.ended or phase is None:
            return Line(label, self.ended)
        if not phase.counts_bytes:
            return Line(label, phase.activity(now))
        return Line(label, phase.activity(now), phase.done, phase.total, phase.rate(now))


Key = tuple[object, ...]


class BarProgress(EventDisplay):
    """Lines with the phase, the bytes, the rate, and the time left of each image.

    :param stream: a terminal.
    :param refreshes: whether the lines are drawn again by themselves, four times a second.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        clock: Callable[[], float] = time.monotonic,
        refreshes: bool = True,
    ) -> None:
        self._stream, self._clock = stream, clock
        self._symbols = _symbols(stream)
        self._lock = threading.Lock()
        self._items: dict[Key, _Item] = {}
        self._counts = {EventKind.DONE: 0, EventKind.FAILED: 0}
        self._expected = 0
        self._is_closed = False
        self._console = Console(file=stream, highlight=False)
        self._live = Live(
            console=self._console,
            auto_refresh=refreshes,
            transient=True,
            get_renderable=self._drawn,
            vertical_overflow="crop",
        )

    def expect(self, count: int) -> None:
        """Set how many images there are in all."""
        self._expected = count

    def on_event(self, event: Event) -> None:
        """Take an event into account."""
        with self._lock:
            if event.event is EventKind.PLANNED:
                self._rename(event)
            elif event.event in _ENDS:
                self._end(event)
            elif event.phase_id is not None:
                self._follow(event, event.phase_id)
        if event.event is EventKind.PHASE_STARTED and not self._is_closed:
            with contextlib.suppress(OSError):  # of a terminal that is gone
                self._live.start()

    def message(self, message: str | Message) -> None:
        """Print a line above the bars."""
        with contextlib.suppress(OSError):
            self._console.print(worded(message), markup=False, soft_wrap=True)

    def refresh(self) -> None:
        """Draw the lines again."""
        with contextlib.suppress(OSError):
            self._live.refresh()

    def close(self) -> None:
        """Remove the bars; a thread that an interrupt has abandoned does not bring them back."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._live.stop()

    def _rename(self, event: Event) -> None:
        """Forget the line of an image that had the name or ID that the user specified."""
        if event.image_id is not None:
            for given in (event.image, event.image_id):
                self._items.pop((event.job, given, None, event.target), None)

    def _follow(self, event: Event, phase_id: int) -> None:
        now = self._clock()
        if event.event is EventKind.PHASE_STARTED:
            begun = self._items.setdefault(_key(event), _Item(*_labels(event), now))
            begun.phases[phase_id] = begun.last = _Phase(event, now)
            return
        item = self._items.get(_key(event))
        phase = item.phases.get(phase_id) if item else None
        if item is None or phase is None:
            return
        if event.done is not None:
            phase.report(event.done, now)
        phase.status = printable(event.status or phase.status)
        if event.event is EventKind.PHASE_ENDED:
            item.last = item.phases.pop(phase_id)
            if event.job is None:
                del self._items[_key(event)]

    def _end(self, event: Event) -> None:
        self._counts[event.event] += 1
        if item := self._items.get(_key(event)):
            duration = format_duration(self._clock() - item.started)
            item.ended = f"{_ENDS[event.event]}, {duration}"

    def _drawn(self) -> Group:
        """Return what to draw, for the size that the terminal has now."""
        width, height = self._console.size = _size(self._stream, self._console)
        with self._lock:
            lines = self._lines(self._clock(), height - 1)
        texts = bar_layout.lay_out(lines, width, self._symbols)
        return Group(*(self._styled(text) for text in texts))

    def _lines(self, now: float, height: int) -> list[Line]:
        items = self._shown_items()
        labels = _with_targets(items)
        pairs = [(item, item.line(label, now)) for item, label in zip(items, labels, strict=True)]
        total = self._total(items, now)
        lines = bar_layout.fit_height(
            [line for item, line in pairs if not item.ended],
            [line for item, line in pairs if item.ended],
            height - len(total),
        )
        return [*lines, *total]

    def _shown_items(self) -> list[_Item]:
        """Return the images with a line; without what all targets of an image share, once over."""
        sent = {item.label for item in self._items.values() if item.target}
        return [
            item
            for item in self._items.values()
            if item.target or item.phases or item.ended or item.label not in sent
        ]

    def _total(self, items: list[_Item], now: float) -> list[Line]:
        """Return the line about all images, if there are several."""
        ended = sum(self._counts.values())
        running = sum(not item.ended for item in items)
        count = max(self._expected, ended + running)
        if count < 2 or not items:
            return []
        activity = f"{self._counts[EventKind.DONE]} of {count} done"
        if failed := self._counts[EventKind.FAILED]:
            activity += f", {failed} failed"
        phases = [item.phase for item in items if item.phases and not item.ended]
        counted = [phase for phase in phases if phase and phase.counts_bytes]
        if not counted:
            return [Line("Total", activity)]
        done, total = (sum(phase.done for phase in counted), sum(p.total or 0 for p in counted))
        rate = sum(phase.rate(now) or 0 for phase in counted)
        return [Line("Total", activity, done, total or None, rate or None, is_sum=True)]

    def _styled(self, text: str) -> Text:
        line = Text(text, no_wrap=True, overflow="crop")
        if self._symbols is bar_layout.UNICODE:
            line.highlight_regex(f"{self._symbols.done}+", "bar.complete")
            line.highlight_regex(f"{self._symbols.left}+", "bar.back")
        return line


def _key(event: Event) -> Key:
    """Return what all events of a line have in common."""
    if event.job is None:
        return (event.phase_id,)
    return event.job, event.image, event.image_id, event.target


def _labels(event: Event) -> tuple[str, str]:
    """Return the label of a line, and the target of its image if it is transferred."""
    if event.job is None or event.image is None:
        return printable(event.title or ""), ""
    if event.source is None or event.target is None:
        return printable(event.image), ""
    return printable(event.image), printable(event.target.region)


def _with_targets(items: list[_Item]) -> list[str]:
    """Return the labels; those of an image with several targets name them."""
    targets: dict[str, set[str]] = {}
    for item in items:
        targets.setdefault(item.label, set()).add(item.target)
    return [
        f"{item.label} -> {item.target}"
        if item.target and len(targets[item.label]) > 1
        else item.label
        for item in items
    ]


def _symbols(stream: TextIO) -> bar_layout.Symbols:
    """Return the symbols that a stream can encode."""
    try:
        "".join(bar_layout.UNICODE).encode(stream.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return bar_layout.ASCII
    return bar_layout.UNICODE


def _size(stream: TextIO, console: Console) -> ConsoleDimensions:
    """Return the size of a terminal, whichever other terminals the process has."""
    with contextlib.suppress(OSError, ValueError):
        columns, rows = os.get_terminal_size(stream.fileno())
        if columns and rows:
            return ConsoleDimensions(columns, rows)
    return console.size
