# SPDX-License-Identifier: Apache-2.0
"""ISO 9660 with the long names of Rock Ridge or Joliet, read from a byte source (ECMA-119)."""

import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems import _rockridge
from rackspace_imagetasks.guest.filesystems._names import utf16
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status, Volume

_SECTOR = 2048
_FIRST_DESCRIPTOR = 16  # sector
_MAX_DESCRIPTORS = 32
_PRIMARY, _SUPPLEMENTARY, _TERMINATOR = 1, 2, 255
_JOLIET = (b"%/@", b"%/C", b"%/E")  # escape sequences
# Type, signature, label, size in blocks, escape sequence, block size, record of the root directory
_DESCRIPTOR = struct.Struct("<B5s34x32s8xI4x3s37xH26x34s")
_PUBLISHER = slice(318, 446)
_CREATED, _MODIFIED = slice(813, 829), slice(830, 846)  # sixteen digits each
_RECORD = struct.Struct("<BBI4xI4x7xBBB4xB")
_IS_DIRECTORY, _CONTINUES = 0x02, 0x80
_MAX_DIRECTORY = 8 << 20  # bytes
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK}


class Entry(NamedTuple):
    """A file or directory: where its bytes are, and what it is.

    :ivar is_whole: whether its bytes are all at this place, and not compressed.
    """

    name: str
    kind: Kind
    block: int
    size: int
    link: str
    is_whole: bool


class _Record(NamedTuple):
    block: int
    size: int
    flags: int
    name: bytes
    area: bytes


class Iso:
    """An ISO 9660 file system; a node is an `Entry`.

    :ivar publisher: who made the disc; untrusted, or empty.
    :ivar has_udf: whether a UDF file system is on the same disc; it is not read.
    :raises Damaged: if no volume descriptor can be used.
    """

    kind = "ISO 9660"

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        descriptors = list(self._descriptors())
        primary = next((one for one in descriptors if one[0] == _PRIMARY), None)
        if primary is None:
            raise Damaged("This disc has no primary volume descriptor of ISO 9660.")
        _, _, label, blocks, _, self._block, root = _DESCRIPTOR.unpack_from(primary)
        if self._block not in (512, 1024, 2048):
            raise Damaged(f"A volume descriptor of ISO 9660 gives blocks of {self._block} bytes.")
        self.size: int = blocks * self._block
        self.used: int | None = self.size
        self.label = label.decode("ascii", "replace").rstrip(" \0")
        self.publisher = primary[_PUBLISHER].decode("ascii", "replace").rstrip(" \0")
        self.uuid = _uuid(primary)
        self.has_udf = self._has_udf(len(descriptors))
        self.notes: tuple[str, ...] = (
            ("The disc also has a UDF file system.",) if self.has_udf else ()
        )
        self._is_joliet = False
        self.root = self._root(root)
        self._skipped = self._find_skipped()
        self.is_case_sensitive = self._skipped is not None
        joliet = next(filter(_is_joliet, descriptors), None)
        if joliet and self._skipped is None:
            _, _, label, _, _, _, root = _DESCRIPTOR.unpack_from(joliet)
            self._is_joliet = True
            self.label = utf16(label, "utf-16-be").rstrip(" \0")
            self.root = self._root(root)

    def status(self, node: Entry) -> Status:
        """Return what a file is."""
        return Status(node.kind, node.size if node.kind is Kind.FILE else 0)

    def child(self, directory: Entry, name: str) -> Entry | None:
        """Return the entry of a name."""
        if self.is_case_sensitive:
            return next((one for one in self._entries(directory) if one.name == name), None)
        name = name.upper()
        return next((one for one in self._entries(directory) if one.name.upper() == name), None)

    def names(self, directory: Entry) -> Iterator[str]:
        """Yield the names in a directory."""
        return (entry.name for entry in self._entries(directory))

    def read(self, node: Entry, limit: int) -> bytes:
        """Return the first bytes of a file."""
        return self.read_range(node, 0, min(limit, node.size))

    def read_range(self, node: Entry, offset: int, length: int) -> bytes:
        """Return bytes of a file."""
        if node.kind is not Kind.FILE or not node.is_whole:
            raise Damaged("A file of ISO 9660 is compressed, or in several parts.")
        if offset < 0 or length < 0 or offset + length > node.size:
            raise Damaged("A file does not have the bytes that are read.")
        return self._volume.read(node.block * self._block + offset, length)

    def link(self, node: Entry) -> str:
        """Return the target of a symbolic link."""
        if node.kind is not Kind.LINK or not node.link:
            raise Damaged("A link of ISO 9660 has no target.")
        return node.link

    def _descriptors(self) -> Iterator[bytes]:
        for number in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + _MAX_DESCRIPTORS):
            content = self._volume.read(number * _SECTOR, _SECTOR)
            if content[1:6] != b"CD001" or content[0] == _TERMINATOR:
                return
            yield content

    def _has_udf(self, descriptors: int) -> bool:
        """Return whether the descriptors of UDF follow those of ISO 9660."""
        after = (_FIRST_DESCRIPTOR + descriptors + 1) * _SECTOR
        is_there = after + 6 <= self._volume.size
        return is_there and self._volume.read(after, 6)[1:] == b"BEA01"

    def _root(self, record: bytes) -> Entry:
        root = _record(record)
        return Entry("", Kind.DIRECTORY, root.block, root.size, "", is_whole=True)

    def _find_skipped(self) -> int | None:
        """Return what `_rockridge.skipped` says of the root directory."""
        content = self._volume.read(self.root.block * self._block, self._block)
        return _rockridge.skipped(_record(content[: content[0]]).area)

    def _entries(self, directory: Entry) -> Iterator[Entry]:
        is_part = False
        for record in self._records(directory):
            was_part, is_part = is_part, bool(record.flags & _CONTINUES)
            if record.name in (b"\0", b"\1") or was_part:
                continue
            entry = self._entry(record)
            if entry:
                yield entry

    def _records(self, directory: Entry) -> Iterator[_Record]:
        """Yield the records of a directory; none crosses the end of a block."""
        if directory.kind is not Kind.DIRECTORY or directory.size > _MAX_DIRECTORY:
            raise Damaged("A directory of ISO 9660 is damaged.")
        content = self._volume.read(directory.block * self._block, directory.size)
        at = 0
        while at < len(content):
            length = content[at]
            if not length:
                at += self._block - at % self._block
                continue
            yield _record(content[at : at + length])
            at += length

    def _entry(self, record: _Record) -> Entry | None:
        """Return the entry of a record, or None if it belongs to another directory."""
        kind = Kind.DIRECTORY if record.flags & _IS_DIRECTORY else Kind.FILE
        is_whole = not record.flags & _CONTINUES
        if self._skipped is None:
            return Entry(self._name(record.name), kind, record.block, record.size, "", is_whole)
        more = _rockridge.attributes(record.area[self._skipped :], self._read_field)
        if more.is_moved:
            return None
        name = more.name or self._name(record.name)
        if more.moved_to:
            size = self._size_of_directory(more.moved_to)
            return Entry(name, Kind.DIRECTORY, more.moved_to, size, "", is_whole)
        if more.mode:
            kind = _KINDS.get(stat.S_IFMT(more.mode), Kind.OTHER)
        is_whole = is_whole and not more.is_compressed
        return Entry(name, kind, record.block, record.size, more.link, is_whole)

    def _name(self, stored: bytes) -> str:
        """Return a name without its version."""
        if self._is_joliet:
            return utf16(stored, "utf-16-be").partition(";")[0]
        return stored.decode("ascii", "replace").partition(";")[0].removesuffix(".")

    def _read_field(self, block: int, offset: int, length: int) -> bytes:
        return self._volume.read(block * self._block + offset, length)

    def _size_of_directory(self, block: int) -> int:
        """Return the size of a directory from its first record, which describes itself."""
        content = self._volume.read(block * self._block, self._block)
        return _record(content[: content[0]]).size


def _record(content: bytes) -> _Record:
    if len(content) < _RECORD.size:
        raise Damaged("A record of ISO 9660 is damaged.")
    _, attributes, block, size, flags, _, _, length = _RECORD.unpack_from(content)
    end = _RECORD.size + length
    if not length or end > len(content):
        raise Damaged("A name of ISO 9660 is damaged.")
    area = content[end + (end & 1) :]
    return _Record(block + attributes, size, flags, content[_RECORD.size : end], area)


def _is_joliet(descriptor: bytes) -> bool:
    kind, _, _, _, escape, _, _ = _DESCRIPTOR.unpack_from(descriptor)
    return kind == _SUPPLEMENTARY and escape in _JOLIET


def _uuid(descriptor: bytes) -> str:
    """Return the time of modification or creation, which Linux uses as a UUID."""
    for place in (_MODIFIED, _CREATED):
        digits = descriptor[place].decode("ascii", "replace")
        if digits.isdecimal() and digits.strip("0"):
            parts = (digits[:4], *(digits[at : at + 2] for at in range(4, 16, 2)))
            return "-".join(parts)
    return ""
