# SPDX-License-Identifier: Apache-2.0
"""Pages of the documentation, and the console sessions in them.

A session is a literal block that begins with a `$ ` prompt. What a command needs beforehand is
named in comments above it: `.. prepare: <name>` in reStructuredText, `<!-- prepare: <name> -->` in
Markdown.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "doc" / "source"
README = ROOT / "README.md"

_PROMPT = "$ "
_PREPARE = re.compile(r"^\s*(?:\.\.|<!--) prepare: (?P<name>.+?)(?: -->)?$")
_MINIMUM_INDENT = 3

# What differs between two runs of one command. The same identifier stands for the same thing
# wherever it is on a page; an incidental value means nothing beyond its place.
_IDENTIFIER = r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{16}\b"
_INCIDENTAL = (
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|(?<=\bin )\d+\.\d(?= s\b)|(?<=127\.0\.0\.1:)\d+"
    r"|\b[0-9a-f]{128}\b"
)
_VARIABLE = re.compile(f"(?P<identifier>{_IDENTIFIER})|(?P<incidental>{_INCIDENTAL})")


@dataclass(frozen=True)
class Command:
    """A command of a page, with the output that the page shows."""

    text: str
    output: str
    preparations: tuple[str, ...]
    indent: str
    first: int  # index of the first line of output
    end: int  # index of the line after the output


@dataclass
class Page:
    """One file of the documentation.

    :ivar name: its path below `doc/source` without the suffix, or `README`.
    """

    name: str
    path: Path
    lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.path.read_text().splitlines()

    def commands(self) -> Iterator[Command]:
        """Yield the commands of all sessions, in order."""
        preparations: list[str] = []
        indent = ""  # of the session that the current line belongs to
        for number, line in enumerate(self.lines):
            if found := _PREPARE.match(line):
                preparations.append(found["name"])
            if line.strip() and not line.startswith(indent or _PROMPT):
                indent = ""
            if not line.lstrip().startswith(_PROMPT):
                continue
            indent = indent or line[: len(line) - len(line.lstrip())]
            if len(indent) >= _MINIMUM_INDENT and line.startswith(indent + _PROMPT):
                yield self._command(number, indent, tuple(preparations))
                preparations = []

    def _command(self, number: int, indent: str, preparations: tuple[str, ...]) -> Command:
        text = self.lines[number].strip().removeprefix(_PROMPT)
        first = number + 1
        while text.endswith("\\"):
            text = text.removesuffix("\\") + self.lines[first].strip()
            first += 1
        end = first
        for index in range(first, len(self.lines)):
            line = self.lines[index]
            if line.strip() and (not line.startswith(indent) or line.startswith(indent + _PROMPT)):
                break
            if line.strip():
                end = index + 1
        output = "\n".join(line.removeprefix(indent) for line in self.lines[first:end])
        return Command(text, output, preparations, indent, first, end)

    def rewrite(self, outputs: Mapping[Command, str]) -> None:
        """Replace the output of some commands in the file."""
        lines = list(self.lines)
        for command, output in reversed(list(outputs.items())):
            lines[command.first : command.end] = [
                f"{command.indent}{line}".rstrip() for line in output.splitlines()
            ]
        self.path.write_text("\n".join(lines) + "\n")


def all_pages() -> dict[str, Page]:
    """Return every page of the documentation, and the README, by name."""
    pages = {"README": Page("README", README)}
    for path in sorted(SOURCE.rglob("*.rst")):
        name = path.relative_to(SOURCE).with_suffix("").as_posix()
        pages[name] = Page(name, path)
    return pages


class Translation:
    """The identifiers, times and ports of a page, matched with those of a run of its commands."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}  # by the identifier on the page
        self._given: list[str] = []

    def give(self, identifier: str) -> None:
        """Have the next unknown identifier in a command stand for this one."""
        self._given.append(identifier)

    def real(self, command: str) -> str:
        """Return a command of the page with the identifiers of this run.

        :raises KeyError: for an identifier that nothing on the page has shown before.
        """
        return _VARIABLE.sub(lambda found: self._real_identifier(found[0]), command)

    def _real_identifier(self, shown: str) -> str:
        if shown not in self._real and self._given:
            self._real[shown] = self._given.pop(0)
        return self._real[shown]

    def shown(self, real: str, before: str) -> str:
        """Return real output with the identifiers of the page.

        :param before: what the page shows; new identifiers are matched with its own by position.
        """
        if (same := _canonical(real)) and (other := _canonical(before)):
            return before if self._translate(same, other) == other else self._translate(real, "")
        return self._translate(real, before)

    def _translate(self, real: str, before: str) -> str:
        self._match_columns(real, before)
        if _kinds(real) == _kinds(before):
            return self._matched_in_order(real, before)
        new, old = real.splitlines(), before.splitlines()
        same = difflib.SequenceMatcher(None, list(map(_mask, new)), list(map(_mask, old)), False)
        for start, other, size in same.get_matching_blocks():
            for ours, theirs in zip(new[start:][:size], old[other:][:size], strict=True):
                self._matched_in_order(ours, theirs)
        return self._known(real)

    def _match_columns(self, real: str, before: str) -> None:
        """Match the identifiers in the columns that two tables have in common."""
        ours, theirs = _columns(real), _columns(before)
        for title in ours:
            new = list(_VARIABLE.finditer(ours[title]))
            old = list(_VARIABLE.finditer(theirs.get(title, "")))
            if len(new) == len(old):
                for pair in zip(new, old, strict=True):
                    self._matched(*pair)

    def _matched_in_order(self, real: str, before: str) -> str:
        shown, position = "", 0
        pairs = zip(_VARIABLE.finditer(real), _VARIABLE.finditer(before), strict=True)
        for ours, theirs in pairs:
            shown += real[position : ours.start()] + self._matched(ours, theirs)
            position = ours.end()
        return shown + real[position:]

    def _matched(self, real: "re.Match[str]", shown: "re.Match[str]") -> str:
        if real.lastgroup == "incidental":
            return shown[0]
        names = {value: key for key, value in self._real.items()}
        if real[0] not in names and shown[0] not in self._real:
            self._real[shown[0]] = real[0]
            return shown[0]
        return names.setdefault(real[0], real[0])

    def _known(self, real: str) -> str:
        names = {value: key for key, value in self._real.items()}
        for found in _VARIABLE.finditer(real):
            if found.lastgroup == "identifier" and found[0] not in names:
                self._real[found[0]] = names[found[0]] = found[0]
        return _VARIABLE.sub(lambda found: names.get(found[0], found[0]), real)


def _kinds(text: str) -> list[str | None]:
    return [found.lastgroup for found in _VARIABLE.finditer(text)]


def _mask(text: str) -> str:
    """Return a text without what differs between two runs."""
    return _VARIABLE.sub(lambda found: f"<{found.lastgroup}>", text)


def _canonical(text: str) -> str:
    """Return a JSON object with its keys in order: a server lists properties in any order."""
    try:
        value = json.loads(text)
    except ValueError:
        return ""
    return json.dumps(value, indent=2, sort_keys=True) if isinstance(value, dict) else ""


def _columns(output: str) -> dict[str, str]:
    """Return the text below each title of a table, or nothing if there is no table."""
    lines = [line for line in output.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {title: "\n".join(rest) for title, *rest in zip(*cells, strict=False)}
