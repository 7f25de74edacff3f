# SPDX-License-Identifier: Apache-2.0
"""Paths in the file systems of one operating system, with its mounts and symbolic links.

Whatever a damaged file system makes a reader do, the caller gets `Damaged`: a path that could not
be looked up is never taken for one that does not exist.
"""

import contextlib
import itertools
import struct
from collections.abc import Iterator, Mapping

from rackspace_imagetasks.guest.filesystems.base import (
    Damaged,
    FileSystem,
    HasRanges,
    Kind,
    Node,
    Status,
)

MAX_LINKS = 40  # as Linux follows at most
MAX_NAMES = 10_000
"""The most names of a directory that are returned."""
MAX_FILE = 1 << 20
"""The most bytes of a file that are read unless the caller says otherwise."""
_ERRORS = (
    ArithmeticError, LookupError, MemoryError, OSError, RecursionError, struct.error, ValueError,
)  # fmt: skip


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn any error of a reader that damaged structures cause into `Damaged`."""
    try:
        yield
    except _ERRORS as error:
        raise Damaged(f"'{path}' cannot be read: {error or type(error).__name__}.") from error


class _Place:
    """A node, the file system in which it is, and the path of names that leads to it."""

    def __init__(self, files: FileSystem, node: Node, path: tuple[str, ...]) -> None:
        self.files = files
        self.node = node
        self.path = path

    def status(self) -> Status:
        return self.files.status(self.node)


class File:
    """A regular file, of which any part can be read.

    :ivar size: in bytes.
    """

    def __init__(self, path: str, files: HasRanges, node: Node, size: int) -> None:
        self.size = size
        self._path = path
        self._files = files
        self._node = node

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`.

        :raises Damaged: if the file does not have them, or they cannot be read.
        """
        with reading(self._path):
            return self._files.read_range(self._node, offset, length)


class Tree:
    """The files of an operating system.

    :param root: the file system of `/`.
    :param mounts: other file systems by the path at which they are mounted, such as `/boot`.
    """

    def __init__(self, root: FileSystem, mounts: Mapping[str, FileSystem] | None = None) -> None:
        self.root = root
        self._mounts = {_split(path): files for path, files in (mounts or {}).items()}

    def status(self, path: str) -> Status | None:
        """Return what a path leads to, links followed, or None if it does not exist.

        :raises Damaged: if that cannot be told.
        """
        with reading(path):
            place = self._find(path)
            return place.status() if place else None

    def is_directory(self, path: str) -> bool:
        """Return whether a path leads to a directory."""
        status = self.status(path)
        return status is not None and status.kind is Kind.DIRECTORY

    def is_file(self, path: str) -> bool:
        """Return whether a path leads to a regular file."""
        status = self.status(path)
        return status is not None and status.kind is Kind.FILE

    def read(self, path: str, limit: int = MAX_FILE) -> bytes | None:
        """Return the first bytes of a regular file, or None if there is none at the path.

        :raises Damaged: if that cannot be told, or the file cannot be read.
        """
        with reading(path):
            place = self._find(path)
            if place is None or place.status().kind is not Kind.FILE:
                return None
            return place.files.read(place.node, limit)

    def open(self, path: str) -> File | None:
        """Return a regular file to read in parts, or None if there is none at the path.

        :raises Damaged: if that cannot be told, or its file system is read as a whole only.
        """
        with reading(path):
            place = self._find(path)
            if place is None or (status := place.status()).kind is not Kind.FILE:
                return None
            if not isinstance(place.files, HasRanges):
                raise Damaged(f"Parts of '{path}' cannot be read.")
            return File(path, place.files, place.node, status.size)

    def text(self, path: str, limit: int = MAX_FILE) -> str | None:
        """Return the beginning of a file as text; what is not UTF-8 is replaced."""
        content = self.read(path, limit)
        return None if content is None else content.decode("utf-8", "replace")

    def names(self, path: str) -> tuple[str, ...]:
        """Return the sorted names in a directory, none if there is no directory at the path.

        :raises Damaged: if the directory cannot be read to its end.
        """
        with reading(path):
            place = self._find(path)
            if place is None or place.status().kind is not Kind.DIRECTORY:
                return ()
            return tuple(sorted(itertools.islice(place.files.names(place.node), MAX_NAMES)))

    def link(self, path: str) -> str | None:
        """Return the target of a symbolic link, or None if there is no link at the path."""
        with reading(path):
            place = self._find(path, follow_last=False)
            if place is None or place.status().kind is not Kind.LINK:
                return None
            return place.files.link(place.node)

    def _find(self, path: str, *, follow_last: bool = True) -> _Place | None:
        place = _Place(self.root, self.root.root, ())
        parents: list[_Place] = []
        waiting, links = list(reversed(_split(path))), 0
        while waiting:
            name = waiting.pop()
            if name == "..":
                place = parents.pop() if parents else place
                continue
            if place.status().kind is not Kind.DIRECTORY:
                return None
            found = self._child(place, name)
            if found is None:
                return None
            if found.status().kind is Kind.LINK and (waiting or follow_last):
                links += 1
                if links > MAX_LINKS:
                    raise Damaged(f"'{path}' has too many symbolic links.")
                target = found.files.link(found.node)
                waiting.extend(reversed(_split(target)))
                if target.startswith("/"):
                    place, parents = _Place(self.root, self.root.root, ()), []
                continue
            parents.append(place)
            place = found
        return place

    def _child(self, place: _Place, name: str) -> _Place | None:
        path = (*place.path, name)
        if mounted := self._mounts.get(path):
            return _Place(mounted, mounted.root, path)
        node = place.files.child(place.node, name)
        return None if node is None else _Place(place.files, node, path)


def _split(path: str) -> tuple[str, ...]:
    return tuple(name for name in path.split("/") if name not in ("", "."))
