# SPDX-License-Identifier: Apache-2.0
"""The text in which LVM keeps its metadata: sections, numbers, strings, and lists of these."""

import re
from collections.abc import Iterator
from typing import NamedTuple, Union

from rackspace_imagetasks.guest.filesystems.base import Damaged

_MAX_DEPTH = 8  # of sections; LVM uses four
_TOKEN = re.compile(
    r"""
    (?P<space> (?: \s | \#[^\n]* )+ )
    | " (?P<text> (?: [^"\\] | \\. )* ) "
    | (?P<mark> [{}\[\]=,] )
    | (?P<word> [\w.+-]+ )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_NUMBER = re.compile(r"-?\d{1,20}", re.ASCII)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

Scalar = int | str
Value = Union[Scalar, list[Scalar], "Section"]


class Section:
    """A section; each method raises `Damaged` for a value that is missing or of another type."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}

    def sections(self) -> Iterator[tuple[str, "Section"]]:
        """Yield the sections in this one, and their names."""
        for name, value in self.values.items():
            if isinstance(value, Section):
                yield name, value

    def section(self, name: str) -> "Section":
        """Return a section."""
        value = self.values.get(name)
        if not isinstance(value, Section):
            raise _missing(name)
        return value

    def number(self, name: str) -> int:
        """Return a number, which is not negative."""
        value = self.values.get(name)
        if not isinstance(value, int) or value < 0:
            raise _missing(name)
        return value

    def text(self, name: str) -> str:
        """Return a string."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise _missing(name)
        return value

    def items(self, name: str) -> list[Scalar]:
        """Return a list, which is empty if there is none."""
        value = self.values.get(name, [])
        if not isinstance(value, list):
            raise _missing(name)
        return value


def _missing(name: str) -> Damaged:
    return Damaged(f"The metadata of LVM has no valid '{name}'.")


class _Token(NamedTuple):
    kind: str
    content: str


def parse(text: str) -> Section:
    """Return the outermost section.

    :raises Damaged: if the text is not valid.
    """
    tokens = _tokens(text)
    path = [Section()]
    for token in tokens:
        if token == _Token("mark", "}") and len(path) > 1:
            path.pop()
            continue
        name = _require(token, "word", "text")
        if _require(next(tokens, None), "mark") == "{":
            if len(path) > _MAX_DEPTH:
                raise Damaged("The metadata of LVM is nested too deeply.")
            section = path[-1].values[name] = Section()
            path.append(section)
        else:
            path[-1].values[name] = _value(tokens)
    if len(path) > 1:
        raise Damaged("The metadata of LVM is not complete.")
    return path[0]


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Damaged("The metadata of LVM contains characters that are not valid.")
        position = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            yield _Token(kind, match[kind])


def _require(token: _Token | None, *kinds: str) -> str:
    if token is None or token.kind not in kinds:
        raise Damaged("The metadata of LVM is not valid.")
    return token.content


def _value(tokens: Iterator[_Token]) -> Value:
    token = next(tokens, None)
    if token != _Token("mark", "["):
        return _scalar(token)
    items: list[Scalar] = []
    for token in tokens:
        if token == _Token("mark", "]"):
            return items
        if token != _Token("mark", ","):
            items.append(_scalar(token))
    raise Damaged("The metadata of LVM is not complete.")


def _scalar(token: _Token | None) -> Scalar:
    content = _require(token, "word", "text")
    if token and token.kind == "word":
        return int(content) if _NUMBER.fullmatch(content) else content
    return _ESCAPED.sub(r"\1", content)
