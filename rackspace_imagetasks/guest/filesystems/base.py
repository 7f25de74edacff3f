# SPDX-License-Identifier: Apache-2.0
"""What every reader of a file system offers, and bytes of a volume that cannot surprise it."""

import enum
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import SourceError

MAX_READ = 64 << 20
"""The most bytes that a reader asks for at once: no structure on a disk is larger."""


class Damaged(SourceError):
    """A structure on a disk is damaged, or uses a feature that the reader does not know.

    It never means that a file does not exist.
    """


class Kind(enum.Enum):
    """What a node of a file system is."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "symbolic link"
    OTHER = "other"


class Status(NamedTuple):
    """What a node is, and how many bytes it has."""

    kind: Kind
    size: int


Node = Any
"""What identifies a file or directory to the reader that returned it, such as an inode number."""


class FileSystem(Protocol):
    """A file system that is read without its operating system.

    A reader does not follow links and knows no paths; `Tree` does. Each method raises
    `Damaged` for a structure that it cannot read, and `SourceError` if the disk cannot be read.

    :ivar kind: such as `ext4`, `XFS`, `NTFS`, `FAT32`.
    :ivar size: in bytes.
    :ivar used: in bytes, or None if the file system does not tell it.
    :ivar label: untrusted, or empty.
    :ivar uuid: as fstab and boot loaders write it, or empty.
    :ivar notes: what makes that which is read doubtful, such as a log that was not replayed.
    :ivar is_case_sensitive: whether names that differ in case are different names.
    """

    kind: str
    size: int
    label: str
    uuid: str
    notes: tuple[str, ...]
    is_case_sensitive: bool

    @property
    def used(self) -> int | None:
        """The bytes in use; may be counted when it is asked for."""

    @property
    def root(self) -> Node:
        """The root directory."""

    def status(self, node: Node) -> Status:
        """Return what a node is."""

    def child(self, directory: Node, name: str) -> Node | None:
        """Return an entry of a directory, or None if the directory certainly does not have it.

        Names are decoded as UTF-8 with `surrogateescape`.
        """

    def names(self, directory: Node) -> Iterator[str]:
        """Yield the names in a directory without `.` and `..`, in any order."""

    def read(self, node: Node, limit: int) -> bytes:
        """Return the first bytes of a file, at most `limit`."""

    def link(self, node: Node) -> str:
        """Return the target of a symbolic link."""


@runtime_checkable
class HasRanges(Protocol):
    """A file system that can read any part of a file; needed for large files, such as databases."""

    def read_range(self, node: Node, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes of a file from `offset`; `Damaged` if it has fewer."""


class Volume:
    """The bytes of a volume, for a reader that is told offsets by the volume itself."""

    def __init__(self, source: ByteSource) -> None:
        self.size = source.size
        self._source = source

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`.

        :raises Damaged: if they are not all within the volume, or are more than `MAX_READ`.
        :raises SourceError: if they cannot be read.
        """
        if offset < 0 or not 0 <= length <= MAX_READ or offset + length > self.size:
            raise Damaged(f"A structure refers to {length} bytes at offset {offset}.")
        return self._source.read_at(offset, length)
