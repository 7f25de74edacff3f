# SPDX-License-Identifier: Apache-2.0
"""Columns whose values differ for people and for programs."""

import json
import re
from collections.abc import Iterable, Sequence

from cliff import columns

MAX_TEXT = 100_000
"""Characters of a text that programs receive: a server may send as many as it likes."""

_SURROGATE = re.compile("[\ud800-\udfff]")  # of bytes that are not UTF-8; no stream can write it


class SizeColumn(columns.FormattableColumn[int | None]):
    """A size: in binary units for people, in bytes for programs."""

    def human_readable(self) -> str:
        """Return the size in binary units, or nothing if it is unknown."""
        from rackspace_imagetasks.text import format_size

        return "" if self._value is None else format_size(self._value)


class TextColumn(columns.FormattableColumn[object]):
    """Text from a service or a file: without control characters for people, as it is for programs.

    :cvar max_length: maximum number of characters that people see.
    """

    max_length = 300

    def human_readable(self) -> str:
        """Return the text without control characters, or nothing if there is none."""
        from rackspace_imagetasks.text import printable

        return printable("" if self._value is None else self._value, self.max_length)

    def machine_readable(self) -> str | None:
        """Return the text, up to `MAX_TEXT` characters; only what is not Unicode is replaced."""
        if self._value is None:
            return None
        text = str(self._value)
        text = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


class StructureColumn(columns.FormattableColumn[object]):
    """Lists and dictionaries of texts from a disk: as JSON for people, as they are for programs."""

    def human_readable(self) -> str:
        """Return JSON, in which control characters are escaped."""
        return json.dumps(self.machine_readable())

    def machine_readable(self) -> object:
        """Return the value; only what is not Unicode is replaced."""
        return _unicode(self._value)


def _unicode(value: object) -> object:
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", str(value))
    if isinstance(value, dict):
        return {key: _unicode(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_unicode(each) for each in value]
    return value


class DetailColumn(TextColumn):
    """Sentences that explain a result."""

    max_length = 2000


class CodeColumn(columns.FormattableColumn[int | None]):
    """A failure code of the service, or nothing."""

    def human_readable(self) -> str:
        """Return the code's digits."""
        return "" if self._value is None else str(self._value)


class WrappedColumn(columns.FormattableColumn[object]):
    """Another column in lines that fit a width."""

    def __init__(self, value: columns.FormattableColumn[object], width: int) -> None:
        super().__init__(value)
        self._column = value
        self._width = width

    def human_readable(self) -> str:
        """Return the text for people in lines of at most that width."""
        return "\n".join(_lines(self._column.human_readable(), self._width))

    def machine_readable(self) -> object:
        """Return what programs get from the other column."""
        return self._column.machine_readable()


def _lines(text: str, width: int) -> list[str]:
    """Break a text into lines of at most this many cells.

    A line ends after a space or a slash, else after a hyphen or underscore, else anywhere.
    """
    from rackspace_imagetasks.osc.cells import fitting

    lines, position = [], 0
    while position < len(text):
        # Only so many characters are measured: those of a hostile text may all take no cells.
        count = fitting(text[position : position + 4 * width], width)
        fits = f".{{1,{max(count, 1)}}}"
        pattern = rf"{fits}(?:$|(?<=[ /])|(?= ))|{fits}(?<=[-_])|{fits}"
        part = next(re.compile(pattern, re.DOTALL).finditer(text, position))
        lines.append(part[0].strip())
        position = part.end()
    return [line for line in lines if line]


def wrapped_row(row: Iterable[object], widths: Iterable[int]) -> tuple[object, ...]:
    """Return a row of a table whose cells fit their columns."""
    return tuple(
        WrappedColumn(each, width) if isinstance(each, columns.FormattableColumn) else each
        for each, width in zip(row, widths, strict=True)
    )


def values(titles: Iterable[str], row: Iterable[object]) -> dict[str, object]:
    """Return what programs get of a row, by title."""
    return {title: _value(each) for title, each in zip(titles, row, strict=True)}


def row_for(formatter: str, row: Iterable[object]) -> tuple[object, ...]:
    """Return a row for one of cliff's formatters: in some of them, missing values are empty cells.

    They turn the value of each formattable column into a string, and so None into "None".
    """
    if formatter == "csv":
        return tuple(_csv_cell(_value(each)) for each in row)
    if formatter in ("shell", "value"):
        return tuple(_text_cell(each) for each in row)
    return tuple(row)


def _value(cell: object) -> object:
    """Return what programs get of a cell."""
    return cell.machine_readable() if isinstance(cell, columns.FormattableColumn) else cell


def _csv_cell(value: object) -> object:
    """Return a value that is empty if it is missing, and not quoted if it is a number."""
    is_scalar = value is None or isinstance(value, str | int | float)
    return value if is_scalar else json.dumps(value)


def _text_cell(cell: object) -> object:
    """Return a cell that is empty if its value is missing; texts remain comparable with it."""
    value = _value(cell)
    if value is None:
        return ""
    return value if isinstance(value, str) else cell


def safe_row(values: Iterable[object]) -> tuple[object, ...]:
    """Return a row whose texts are in text columns, whichever of them come from a service."""
    return tuple(
        each if isinstance(each, columns.FormattableColumn | int | float) else TextColumn(each)
        for each in values
    )


def unknown_columns(wanted: Iterable[str], titles: Sequence[str]) -> list[str]:
    """Return a sentence for each column that does not exist, with a similar title if there is one.

    cliff ignores unknown columns, and refuses them after the work if no other is left.
    """
    import difflib

    known = {_normalized(title): title for title in titles}
    sentences = []
    for name in wanted:
        if _normalized(name) not in known:
            near = difflib.get_close_matches(_normalized(name), known, n=1)
            hint = f" Did you mean '{known[near[0]]}'?" if near else ""
            sentences.append(f"Unknown column '{name}'.{hint}")
    return sentences


def _normalized(title: str) -> str:
    """Return a title as cliff compares it."""
    return title.lower().strip().replace(" ", "_")
