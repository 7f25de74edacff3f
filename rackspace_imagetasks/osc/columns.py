# SPDX-License-Identifier: Apache-2.0
"""Columns whose values differ for people and for programs."""

import json
import re
from collections.abc import Iterable

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


def safe_row(values: Iterable[object]) -> tuple[object, ...]:
    """Return a row whose texts are in text columns, whichever of them come from a service."""
    return tuple(
        each if isinstance(each, columns.FormattableColumn | int | float) else TextColumn(each)
        for each in values
    )
