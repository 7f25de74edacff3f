# SPDX-License-Identifier: Apache-2.0
"""Bytes that can be read anywhere, from many threads: a file, memory, an object, a disk.

Everything large in this package is a `ByteSource`: the file to upload, the object in Swift to
judge, the disk inside a VHD, the VHD that does not exist yet. They stack: a VHD view over a disk
over a file is read, checked, uploaded or copied without knowing what is below.
"""

import errno
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from rackspace_imagetasks.exceptions import SourceChanged, SourceError
from rackspace_imagetasks.text import printable


class Extent(NamedTuple):
    """A stretch of bytes that may hold data."""

    offset: int
    length: int


def joined(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Yield ascending extents with adjacent ones made one, and without empty ones."""
    last = Extent(0, 0)
    for extent in extents:
        if extent.offset == last.offset + last.length:
            last = Extent(last.offset, last.length + extent.length)
            continue
        if last.length:
            yield last
        last = extent
    if last.length:
        yield last


class ByteSource(Protocol):
    """Random access to `size` bytes that do not change; safe to use from threads."""

    @property
    def size(self) -> int:
        """The length in bytes."""

    @property
    def name(self) -> str:
        """What to call it in messages: a path, `container/object`."""

    @property
    def identity(self) -> str:
        """Names this content for a resume: letters, digits, `.`, `-`; other bytes, other name."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`, all within `size`.

        :raises SourceError: when that cannot be done; never a short result.
        """

    def data_extents(self) -> Iterator[Extent]:
        """Return the extents that may hold data, ascending and apart; the rest reads as zeros."""

    def verify_unchanged(self) -> None:
        """Check that the bytes are still those that were opened.

        :raises SourceChanged: when they are not.
        """

    def close(self) -> None:
        """Let go of files and connections."""


class BytesSource:
    """Bytes in memory."""

    def __init__(self, content: bytes, name: str = "memory") -> None:
        self._content = content
        self.name = name
        self.identity = "memory"

    @property
    def size(self) -> int:
        """The length in bytes."""
        return len(self._content)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`."""
        if offset < 0 or length < 0 or offset + length > len(self._content):
            raise SourceError(f"'{self.name}' holds no {length} bytes at offset {offset}.")
        return self._content[offset : offset + length]

    def data_extents(self) -> Iterator[Extent]:
        """Yield the whole as one extent."""
        if self._content:
            yield Extent(0, len(self._content))

    def verify_unchanged(self) -> None:
        """Do nothing: bytes in memory do not change."""

    def close(self) -> None:
        """Do nothing."""


class FileSource:
    """A regular local file, known by device, inode, size and time of change.

    :raises SourceError: when the path is no readable, regular file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = printable(path)
        self._close_once = threading.Lock()
        try:
            # Not a FIFO's end, waited for without end; and never a directory.
            if not self.path.is_file():
                kind = "is a directory" if self.path.is_dir() else "is not a regular file"
                kind = kind if self.path.exists() else "does not exist"
                raise SourceError(f"'{self.name}' {kind}; name a disk image file.")
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(f"Cannot read '{self.name}': {error.strerror}.") from error
        self._stat = os.fstat(self._fd)

    @property
    def size(self) -> int:
        """The length in bytes when it was opened."""
        return self._stat.st_size

    @property
    def identity(self) -> str:
        """Name the content by time of change (nanoseconds) and inode."""
        return f"{self._stat.st_mtime_ns:x}-{self._stat.st_ino:x}"

    def fileno(self) -> int:
        """Return the open file's descriptor, to hand this very file to another program."""
        return self._fd

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`.

        :raises SourceChanged: when the file has become shorter.
        """
        pieces = []
        while length > 0:
            try:
                piece = os.pread(self._fd, length, offset)
            except OSError as error:
                raise SourceError(
                    f"Cannot read '{self.name}' at offset {offset}: {error.strerror}."
                ) from error
            if not piece:
                raise SourceChanged(
                    f"'{self.name}' ends at byte {offset}, before the {self.size} bytes it had when"
                    " it was opened; let its writer finish, then run the command again."
                )
            pieces.append(piece)
            offset, length = offset + len(piece), length - len(piece)
        return b"".join(pieces)

    def data_extents(self) -> Iterator[Extent]:
        """Yield what the file system has stored; holes (SEEK_HOLE) read as zeros.

        :raises SourceError: when the file system cannot tell.
        """
        end = 0
        while end < self.size:
            try:
                start = seek_data(self._fd, end)
                if start is None:
                    return
                end = min(os.lseek(self._fd, start, os.SEEK_HOLE), self.size)
            except OSError as error:
                raise SourceError(
                    f"Cannot tell what '{self.name}' has stored after offset {end}:"
                    f" {error.strerror}."
                ) from error
            yield Extent(start, end - start)

    def verify_unchanged(self) -> None:
        """Compare size, time of change and inode, of the open file and of the path, with then.

        :raises SourceChanged: when the file was written to, replaced or removed.
        """
        try:
            current = (os.fstat(self._fd), self.path.stat())
        except OSError as error:
            raise SourceChanged(
                f"'{self.name}' went away while it was read: {error.strerror}."
            ) from error
        if any(_version(stat) != _version(self._stat) for stat in current):
            raise SourceChanged(
                f"'{self.name}' changed while it was read; let its writer finish, then run the"
                " command again."
            )

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        with self._close_once:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def seek_data(fd: int, offset: int) -> int | None:
    """Return where the next data in a file is, from `offset` on; None where only a hole follows.

    :raises OSError: when the file system cannot tell, which does not mean that there is none.
    """
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def _version(stat: os.stat_result) -> tuple[int, ...]:
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
