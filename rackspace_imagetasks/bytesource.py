# SPDX-License-Identifier: Apache-2.0
"""Bytes that can be read anywhere, from many threads: a file, memory, an object, a disk.

Everything large in this package is a `ByteSource`: the file to upload, the object in Swift to
judge, the disk inside a VHD, the VHD that does not exist yet. They stack: a VHD view over a disk
over a file is read, checked, uploaded or copied without knowing what is below it.
"""

import errno
import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, Self, runtime_checkable

from rackspace_imagetasks.exceptions import SourceChanged, SourceError
from rackspace_imagetasks.messages import Hint, Message

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{1,2}[^/]")  # a path object has only one slash


class Extent(NamedTuple):
    """A stretch of bytes that may hold data."""

    offset: int
    length: int


def joined(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Yield extents with adjacent ones that follow each other made one, and without empty ones."""
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
        """Its name in messages: a path, `container/object`; untrusted."""

    @property
    def identity(self) -> str:
        """Identifies the content when resuming, in letters, digits, `.` and `-`."""

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
        """Close files and connections."""


@runtime_checkable
class HasStorageOrder(Protocol):
    """A byte source that knows the order in which its data is stored.

    Whoever may choose an order reads it in this one, so that the file below is read in order.
    """

    def stored_extents(self) -> Iterator[Extent]:
        """Return what `data_extents()` returns, in the order in which it is stored."""


def stored_extents(source: ByteSource) -> Iterator[Extent]:
    """Return the extents that may hold data, in the order in which the source stores them."""
    if isinstance(source, HasStorageOrder):
        return source.stored_extents()
    return source.data_extents()


class BaseSource:
    """A `ByteSource` that lacks only `_read`; what seldom differs has its default here."""

    def __init__(self, name: str, size: int, identity: str) -> None:
        self.name = name
        self.size = size
        self.identity = identity

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`.

        :raises SourceError: when they are not all within `size`, or cannot be read.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise SourceError(
                f"Cannot read {length} bytes at offset {offset} of '{self.name}': it has"
                f" {self.size} bytes."
            )
        return self._read(offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`, all within `size`."""
        raise NotImplementedError

    def data_extents(self) -> Iterator[Extent]:
        """Yield everything as one extent."""
        if self.size:
            yield Extent(0, self.size)

    def verify_unchanged(self) -> None:
        """Do nothing: the bytes cannot change."""

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class SourceView(BaseSource):
    """The bytes of another source, which are read in another way; only `_read` is missing."""

    def __init__(self, source: ByteSource) -> None:
        super().__init__(source.name, source.size, source.identity)
        self._source = source

    def data_extents(self) -> Iterator[Extent]:
        """Return the source's extents."""
        return self._source.data_extents()

    def verify_unchanged(self) -> None:
        """Check the source."""
        self._source.verify_unchanged()

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class BytesSource(BaseSource):
    """Bytes in memory."""

    def __init__(self, content: bytes, name: str = "memory") -> None:
        super().__init__(name, len(content), "memory")
        self._content = content

    def _read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]


class FileSource(BaseSource):
    """A local file or block device, opened read-only.

    Its identity is its inode and time of change, and for a device its number and size too.

    :raises SourceError: when the path is not a readable file or block device.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._close_once = threading.Lock()
        try:
            # Before opening it: opening a FIFO would wait for a writer.
            _require_file_or_device(self.path, str(path))
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(_unreadable(str(path), error)) from error
        self._stat = os.fstat(self._fd)
        self._is_device = stat.S_ISBLK(self._stat.st_mode)
        size = os.lseek(self._fd, 0, os.SEEK_END) if self._is_device else self._stat.st_size
        identity = f"{self._stat.st_mtime_ns:x}-{self._stat.st_ino:x}"
        if self._is_device:
            identity += f"-{self._stat.st_rdev:x}-{size:x}"
        super().__init__(str(path), size, identity)

    def fileno(self) -> int:
        """Return the open file's descriptor, to hand this very file to another program."""
        return self._fd

    def _read(self, offset: int, length: int) -> bytes:
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
                    Message(
                        f"'{self.name}' ends at byte {offset} but had {self.size} bytes when it"
                        " was opened: it was truncated while being read.",
                        Hint.WAIT_FOR_WRITER,
                    )
                )
            pieces.append(piece)
            offset, length = offset + len(piece), length - len(piece)
        return b"".join(pieces)

    def data_extents(self) -> Iterator[Extent]:
        """Yield the parts that the file system has stored; holes (SEEK_HOLE) read as zeros.

        :raises SourceError: when the file system cannot tell.
        """
        if self._is_device:
            yield from super().data_extents()
            return
        end = 0
        while end < self.size:
            try:
                start = seek_data(self._fd, end)
                if start is None:
                    return
                end = min(os.lseek(self._fd, start, os.SEEK_HOLE), self.size)
            except OSError as error:
                raise SourceError(
                    f"Cannot find the data of '{self.name}' after offset {end}: {error.strerror}."
                ) from error
            yield Extent(start, end - start)

    def verify_unchanged(self) -> None:
        """Check that size, time of change and inode, of the open file and the path, are the same.

        :raises SourceChanged: when the file was written to, replaced or removed.
        """
        try:
            current = (os.fstat(self._fd), self.path.stat())
        except OSError as error:
            raise SourceChanged(
                f"'{self.name}' disappeared while it was being read: {error.strerror}."
            ) from error
        if any(_version(each) != _version(self._stat) for each in current):
            raise SourceChanged(
                Message(f"'{self.name}' changed while it was being read.", Hint.WAIT_FOR_WRITER)
            )

    def close(self) -> None:
        """Close the file; closing it twice has no effect."""
        with self._close_once:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


def _require_file_or_device(path: Path, name: str) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if _URL.match(name):
            message = Message(f"'{name}' is a URL, not a local file.", Hint.DOWNLOAD_FILE)
            raise SourceError(message) from None
        raise SourceError(Message(f"'{name}' does not exist.", Hint.NAME_DISK_FILE)) from None
    if stat.S_ISDIR(mode):
        raise SourceError(Message(f"'{name}' is a directory.", Hint.NAME_DISK_FILE))
    if stat.S_ISFIFO(mode):
        text = f"'{name}' is a pipe, not a regular file; disk images need random access."
        raise SourceError(Message(text, Hint.SAVE_PIPE))
    if name.endswith("/"):  # which a Path has not
        text = f"'{name}' is not a directory; remove the slash at the end to name the file."
        raise SourceError(text)
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        text = f"'{name}' is not a regular file or a block device."
        raise SourceError(Message(text, Hint.NAME_DISK_FILE))


def _unreadable(name: str, error: OSError) -> Message:
    """Return why a file cannot be opened, and what to do."""
    if error.errno == errno.ELOOP:
        text = f"'{name}' is a symbolic link that leads back to itself."
        return Message(text, Hint.NAME_DISK_FILE)
    text = f"Cannot read '{name}': {error.strerror}."
    is_denied = error.errno in (errno.EACCES, errno.EPERM)
    return Message(text, Hint.CHECK_PERMISSIONS if is_denied else Hint.NAME_DISK_FILE)


def seek_data(fd: int, offset: int) -> int | None:
    """Return the offset of the next data in a file, from `offset` on, or None if there is none.

    :raises OSError: when the file system cannot tell, which does not mean that there is no data.
    """
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def _version(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
