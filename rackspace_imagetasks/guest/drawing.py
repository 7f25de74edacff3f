# SPDX-License-Identifier: Apache-2.0
"""A drawing of a disk in characters: its volumes, and where there is data."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.guest.facts import DiskFacts, VolumeFacts
from rackspace_imagetasks.text import format_size

_WIDTH = 78
_BAR = 30
_MAX_ROWS = 40
_LOGICAL = "logical volume "
_MARKS = ".-=#"  # no data, up to a half, more than a half, full
LEGEND = "# data  = more than half  - some  . none"


class _Region(NamedTuple):
    """A part of the disk; its name is empty if no volume is there."""

    name: str
    content: str
    start: int
    end: int


def draw(facts: DiskFacts, extents: Iterable[Extent]) -> list[str]:
    """Return the lines of a drawing that fits 80 columns.

    :param extents: where the disk may hold data.
    """
    data = list(extents)
    regions = list(_regions(facts))
    lines = [f"[{_bar(data, 0, facts.size, _WIDTH)}]", _scale(facts.size), LEGEND, ""]
    lines += [_row(region, data) for region in regions[:_MAX_ROWS]]
    if len(regions) > _MAX_ROWS:
        lines.append(f"... and {len(regions) - _MAX_ROWS} more")
    lines += [
        _line(volume.name.removeprefix(_LOGICAL), volume.content, volume.size)
        for volume in facts.volumes[:_MAX_ROWS]
        if volume.start is None
    ]
    return lines


def _regions(facts: DiskFacts) -> Iterator[_Region]:
    """Yield the volumes that are on the disk itself, and what is between them, in order."""
    end = 0
    for volume in sorted(facts.volumes, key=_start):
        if volume.start is None:
            continue
        if volume.start > end:
            yield _Region("", "", end, volume.start)
        content = volume.content or volume.type
        yield _Region(volume.name, content, volume.start, volume.start + volume.size)
        end = max(end, volume.start + volume.size)
    if end < facts.size:
        yield _Region("", "", end, facts.size)


def _start(volume: VolumeFacts) -> int:
    return volume.start or 0


def _row(region: _Region, data: list[Extent]) -> str:
    bar = _bar(data, region.start, region.end, _BAR)
    size = region.end - region.start
    return _line(region.name or "(no partition)", region.content, size, f"[{bar}]")


def _line(name: str, content: str, size: int, bar: str = "") -> str:
    return f"{name:<15.20} {content:<14.14} {format_size(size):>10}  {bar}".rstrip()


def _scale(size: int) -> str:
    end = format_size(size)
    return f"0{end:>{_WIDTH + 1}}"


def _bar(data: list[Extent], start: int, end: int, width: int) -> str:
    """Return a bar of characters that show how much of each part of a range holds data."""
    return "".join(_mark(*share) for share in _shares(data, start, end, width))


def _mark(filled: int, size: int) -> str:
    if not filled:
        return _MARKS[0]
    if filled >= size:
        return _MARKS[3]
    return _MARKS[2] if 2 * filled > size else _MARKS[1]


def _shares(data: list[Extent], start: int, end: int, width: int) -> list[tuple[int, int]]:
    """Return how much of each of `width` cells of a range holds data, and the size of a cell.

    Both are in parts of a byte, so that the cells can have the same size.
    """
    cell = max(end - start, 1)
    filled = [0] * width
    for offset, length in data:
        first = (max(offset, start) - start) * width
        last = (min(offset + length, end) - start) * width
        for number in range(first // cell, min(-(-last // cell), width)):
            filled[number] += min(last, (number + 1) * cell) - max(first, number * cell)
    return [(each, cell) for each in filled]
