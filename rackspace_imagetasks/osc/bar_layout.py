# SPDX-License-Identifier: Apache-2.0
"""The lines of progress on a terminal, laid out for its width and height."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from rackspace_imagetasks.osc.cells import fitting
from rackspace_imagetasks.text import SIZE_UNITS

_GAP = "  "
_MIN_BAR, _MAX_BAR = 10, 30  # columns
_MIN_LABEL = 8


class Symbols(NamedTuple):
    """What bars and cut names are made of."""

    done: str
    left: str
    cut: str


UNICODE = Symbols("━", "─", "…")
ASCII = Symbols("#", "-", "~")


@dataclasses.dataclass(frozen=True)
class Line:
    """The progress of one image, or of all.

    :ivar label: what the line is about.
    :ivar activity: what is being done, or how it ended.
    :ivar done: the bytes so far; None if no bytes are counted.
    :ivar total: the number of bytes, if it is known.
    :ivar rate: bytes per second, if it is known.
    :ivar is_sum: whether the line is about several images, more of which may follow.
    """

    label: str
    activity: str
    done: int | None = None
    total: int | None = None
    rate: float | None = None
    is_sum: bool = False

    @property
    def percent(self) -> str:
        """The part that is done."""
        if self.done is None or not self.total or self.is_sum:
            return ""
        return f"{100 * min(self.done, self.total) // self.total}%"

    @property
    def size(self) -> str:
        """The bytes so far and all, in one unit."""
        return "" if self.done is None else format_part(self.done, self.total)

    @property
    def speed(self) -> str:
        """The rate with its unit."""
        return "" if self.rate is None else f"{format_part(int(self.rate), None)}/s"

    @property
    def time_left(self) -> str:
        """The time that the remaining bytes take at this rate."""
        if self.done is None or not self.total or not self.rate or self.is_sum:
            return ""
        return f"{format_duration((self.total - self.done) / self.rate)} left"

    def bar(self, width: int, symbols: Symbols) -> str:
        """Return a bar of this width; spaces if there is nothing to show."""
        if not self.percent:
            return " " * width
        filled = width * min(self.done or 0, self.total or 1) // (self.total or 1)
        return symbols.done * filled + symbols.left * (width - filled)


def lay_out(lines: Sequence[Line], width: int, symbols: Symbols = UNICODE) -> list[str]:
    """Return the lines as text in columns that fit the width.

    What does not fit is left out in this order: the bar, the rate, the time left; then names are
    cut.
    """
    for shown in _LEVELS:
        table = _Table(lines, shown)
        room = width - table.needed
        if room >= 0:
            break
    label = table.label + min(room, 0)
    table.label = max(label, min(table.label, _MIN_LABEL))
    table.bar = min(max(room, 0) + _MIN_BAR, _MAX_BAR)
    return [cut(table.text(line, symbols), width, symbols) for line in lines]


_OPTIONAL = frozenset({"bar", "speed", "time_left"})
_LEVELS = (
    _OPTIONAL,
    frozenset({"speed", "time_left"}),
    frozenset({"time_left"}),
    frozenset[str](),
)
_RIGHT_COLUMNS = ("size", "speed", "time_left")


class _Table:
    """The columns of some lines, and how wide they are."""

    def __init__(self, lines: Sequence[Line], shown: frozenset[str]) -> None:
        counted = [line for line in lines if line.size]
        self.label = max((cell_len(line.label) + 1 for line in lines), default=0)
        self.activity = max((cell_len(line.activity) for line in counted), default=0)
        self.has_bar = "bar" in shown and any(line.percent for line in counted)
        self.bar = _MIN_BAR
        self.widths = {
            name: width
            for name in ("percent", *_RIGHT_COLUMNS)
            if (name not in _OPTIONAL or name in shown)
            and (width := max((len(getattr(line, name)) for line in counted), default=0))
        }
        free = max((cell_len(line.activity) for line in lines if not line.size), default=0)
        columns = [*self.widths.values()]
        columns += [self.activity] if self.activity else []
        columns += [self.bar] if self.has_bar else []
        rest = sum(columns) + len(_GAP) * (len(columns) - 1) if counted else 0
        self.needed = self.label + len(_GAP) + max(rest, free)

    def text(self, line: Line, symbols: Symbols) -> str:
        """Return a line as text, as wide as it happens to be."""
        label = cut(line.label, self.label - 1, symbols) + ":"
        cells = [_padded(label, self.label)]
        if not line.size:
            return _GAP.join([*cells, line.activity])
        if self.activity:
            cells.append(_padded(line.activity, self.activity))
        if "percent" in self.widths:
            cells.append(line.percent.rjust(self.widths["percent"]))
        if self.has_bar:
            cells.append(line.bar(self.bar, symbols))
        cells += [
            getattr(line, name).rjust(self.widths[name])
            for name in _RIGHT_COLUMNS
            if name in self.widths
        ]
        return _GAP.join(cells).rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def cut(text: str, width: int, symbols: Symbols = UNICODE) -> str:
    """Return a text of at most this many columns, with a mark where it was cut."""
    if cell_len(text) <= width:
        return text
    return text[: fitting(text, width - 1)] + symbols.cut if width > 0 else ""


def format_part(done: int, total: int | None) -> str:
    """Return an amount, and the total if it is known, in the unit of the larger: `1.2/4.0 GiB`."""
    unit = 0
    while (total or done) / 1024**unit >= 1024 and unit < len(SIZE_UNITS) - 1:
        unit += 1
    numbers = [done] if total is None else [done, total]
    shown = "/".join(f"{number / 1024**unit:.{1 if unit else 0}f}" for number in numbers)
    return f"{shown} {SIZE_UNITS[unit]}"


def format_duration(seconds: float) -> str:
    """Return a duration as minutes and seconds, from one hour on with hours: `1:23`, `1:02:03`."""
    minutes, second = divmod(max(int(seconds), 0), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def fit_height(running: Sequence[Line], ended: Sequence[Line], height: int) -> list[Line]:
    """Return the lines that fit the height: those of images that have ended only if all do."""
    if len(running) + len(ended) <= height:
        return [*ended, *running]
    if len(running) <= height:
        return list(running)
    shown = max(height - 1, 0)
    more = Line("...", f"{len(running) - shown} more")
    return list(itertools.chain(running[:shown], [more][:height]))
