# SPDX-License-Identifier: Apache-2.0
"""The files of an operating system for those who look for facts in them.

What cannot be read is noted here, once for all who ask: a damaged file costs the facts that are in
it, and no others.
"""

from collections.abc import Iterable, Iterator, Mapping

from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.facts import Place, Seen
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status

MAX_TEXT = 200
"""The most characters of a text that become part of a fact."""
_MAX_CONFIGURATION = 256 << 10  # bytes of a configuration file
_MAX_PROBLEMS = 20


class SystemFiles:
    """Files by their paths in the operating system.

    :param volume: the name of the volume that contains `/`.
    :param mounts: the names of other volumes by the path at which they are mounted.
    :ivar problems: what could not be read.
    """

    def __init__(self, tree: Tree, volume: str, mounts: Mapping[str, str] | None = None) -> None:
        self._tree = tree
        self._volume = volume
        self._mounts = sorted((mounts or {}).items(), reverse=True)
        self.problems: list[Seen] = []

    def place(self, path: str) -> Place:
        """Return the volume that contains a path, and the path."""
        for target, volume in self._mounts:
            if path == target or path.startswith(f"{target.rstrip('/')}/"):
                return Place(volume, path)
        return Place(self._volume, path)

    def read(self, path: str, limit: int = _MAX_CONFIGURATION) -> bytes:
        """Return the first bytes of a file; none if there is no such file."""
        try:
            return self._tree.read(path, limit) or b""
        except Damaged as error:
            self._note(path, error)
            return b""

    def text(self, path: str, limit: int = _MAX_CONFIGURATION) -> str:
        """Return the beginning of a file as text; empty if there is no such file."""
        return self.read(path, limit).decode("utf-8", "replace")

    def lines(self, path: str) -> Iterator[str]:
        """Yield the lines of a configuration file, without comments and empty lines."""
        for line in self.text(path).splitlines():
            stripped = line.strip()
            if stripped and not stripped.startswith(("#", ";")):
                yield stripped

    def names(self, path: str) -> tuple[str, ...]:
        """Return the sorted names in a directory; none if there is no such directory."""
        try:
            return self._tree.names(path)
        except Damaged as error:
            self._note(path, error)
            return ()

    def paths(self, directory: str, suffix: str = "") -> Iterator[str]:
        """Yield the paths in a directory whose names have a suffix, sorted."""
        for name in self.names(directory):
            if name.endswith(suffix):
                yield f"{directory.rstrip('/')}/{name}"

    def link(self, path: str) -> str:
        """Return the target of a symbolic link; empty if there is no such link."""
        try:
            return self._tree.link(path) or ""
        except Damaged as error:
            self._note(path, error)
            return ""

    def size(self, path: str) -> int | None:
        """Return the size of a file, links followed; None if there is no such file."""
        status = self._status(path)
        return status.size if status is not None and status.kind is Kind.FILE else None

    def exists(self, path: str) -> bool:
        """Return whether a path leads to anything, or is a link, whose target may be elsewhere."""
        return self._status(path) is not None or bool(self.link(path))

    def first(self, paths: Iterable[str]) -> str | None:
        """Return the first path that exists."""
        return next((path for path in paths if self.exists(path)), None)

    def _status(self, path: str) -> Status | None:
        try:
            return self._tree.status(path)
        except Damaged as error:
            self._note(path, error)
            return None

    def _note(self, path: str, error: Damaged) -> None:
        place = self.place(path)
        is_new = all(seen.place != place for seen in self.problems)
        if is_new and len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(Seen(cut(error.text), place))


def cut(text: str) -> str:
    """Return a text of the disk, as long as a fact can be."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def settings(lines: Iterable[str]) -> dict[str, str]:
    """Return the variables of a file in the style of a shell, such as os-release."""
    found: dict[str, str] = {}
    for line in lines:
        key, separator, value = line.removeprefix("export ").partition("=")
        if separator:
            found[key.strip()] = unquoted(value.strip())
    return found


def unquoted(value: str) -> str:
    """Return a word of a shell without its quotation marks."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
