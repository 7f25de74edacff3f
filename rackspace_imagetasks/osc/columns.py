# SPDX-License-Identifier: Apache-2.0
"""Columns whose values differ for people and for programs."""

from cliff import columns


class SizeColumn(columns.FormattableColumn[int | None]):
    """A size: in binary units for people, in bytes for programs."""

    def human_readable(self) -> str:
        """Return the size in binary units, or nothing if it is unknown."""
        from rackspace_imagetasks.text import format_size

        return "" if self._value is None else format_size(self._value)


class TextColumn(columns.FormattableColumn[object]):
    """Text from a service or a file: without control characters for people, as it is for programs.

    Every text that this package did not write itself is shown in such a column.

    :cvar max_length: characters that people see, at most.
    """

    max_length = 300

    def human_readable(self) -> str:
        """Return the text without control characters, or nothing if there is none."""
        from rackspace_imagetasks.text import printable

        return printable("" if self._value is None else self._value, self.max_length)

    def machine_readable(self) -> str | None:
        """Return the text unchanged."""
        return None if self._value is None else str(self._value)


class DetailColumn(TextColumn):
    """Sentences that explain a result."""

    max_length = 2000


class CodeColumn(columns.FormattableColumn[int | None]):
    """A failure code of the service, or nothing."""

    def human_readable(self) -> str:
        """Return the code's digits."""
        return "" if self._value is None else str(self._value)
