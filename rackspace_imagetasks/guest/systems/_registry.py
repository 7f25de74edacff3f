# SPDX-License-Identifier: Apache-2.0
"""Hives of the Windows registry, read key by key.

The format is not published; "Windows registry file format specification" by M. Suhanov describes
it. A hive has 100 MB or more, so as little as possible of it is read.
"""

import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol

from rackspace_imagetasks.guest.filesystems.base import Damaged

_HEADER = struct.Struct("<4sII24xI")  # signature, two sequence numbers, root key
_BINS = 4096  # what the offsets in a hive are relative to
_CELL = struct.Struct("<i")  # its size, negative if it is in use
_KEY = struct.Struct("<2sH16xI4xI4xII28xHxx")
_VALUE = struct.Struct("<2sHIIIHxx")
_LIST = struct.Struct("<2sH")
_LATIN_KEY, _LATIN_VALUE = 0x20, 0x01  # flags: the name is in Latin-1 and not in UTF-16
_IS_INLINE = 1 << 31  # flag of a size: the data are in the place of their offset
_TEXT, _EXPANDABLE_TEXT, _NUMBER = 1, 2, 4
_MAX_TEXT = 1024  # bytes
_MAX_SUBKEYS = 200_000
_MAX_VALUES = 4096


class Readable(Protocol):
    """A file of which any part can be read."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`, or raise `Damaged`."""


class Key(NamedTuple):
    """A key: its name, the number and the list of its subkeys, and those of its values."""

    name: str
    subkeys: int
    subkeys_at: int
    values: int
    values_at: int


class Hive:
    """A hive of the registry.

    :ivar is_clean: whether all changes are in the hive, and none is only in its log.
    :raises Damaged: if the file is not a hive.
    """

    def __init__(self, file: Readable) -> None:
        signature, first, second, root = _HEADER.unpack(file.read(0, _HEADER.size))
        if signature != b"regf":
            raise Damaged("A hive of the registry does not begin with its signature.")
        self.is_clean: bool = first == second
        self._file = file
        self._root = self._key(root)

    def key(self, path: str) -> Key | None:
        r"""Return the key at a path such as `Microsoft\Windows NT`, or None if there is none."""
        key: Key | None = self._root
        for name in path.split("\\"):
            key = self._subkey(key, name.upper()) if key else None
        return key

    def values(self, key: Key, names: Collection[str]) -> dict[str, str]:
        """Return those of the named values of a key that are texts or 32-bit numbers."""
        if key.values > _MAX_VALUES:
            raise Damaged("A key of the registry has too many values.")
        found = {}
        for offset in self._numbers(key.values_at, 0, key.values) if key.values else ():
            signature, length, size, data, kind, flags = _VALUE.unpack(
                self._cell(offset, 0, _VALUE.size)
            )
            if signature != b"vk":
                raise Damaged("A value in the registry is damaged.")
            name = self._name(offset, _VALUE.size, length, is_latin=bool(flags & _LATIN_VALUE))
            if name in names and kind in (_TEXT, _EXPANDABLE_TEXT, _NUMBER):
                found[name] = _decode(kind, self._data(size, data))
        return found

    def _subkey(self, key: Key, name: str) -> Key | None:
        for offset in self._candidates(key, name):
            found = self._key(offset)
            if found.name.upper() == name:
                return found
        return None

    def _candidates(self, key: Key, name: str) -> Iterator[int]:
        """Yield the offsets of the subkeys that can have a name."""
        if not key.subkeys:
            return
        kind, count = _LIST.unpack(self._cell(key.subkeys_at, 0, _LIST.size))
        is_nested = kind == b"ri"
        lists = self._numbers(key.subkeys_at, _LIST.size, count) if is_nested else (key.subkeys_at,)
        left = min(key.subkeys, _MAX_SUBKEYS)
        for each in lists:
            kind, count = _LIST.unpack(self._cell(each, 0, _LIST.size))
            left -= count
            if left < 0:
                raise Damaged("A key of the registry has more subkeys than it says.")
            yield from self._candidates_of(each, kind, count, name)

    def _candidates_of(self, at: int, kind: bytes, count: int, name: str) -> Iterator[int]:
        if kind == b"li":
            yield from self._numbers(at, _LIST.size, count)
            return
        if kind not in (b"lh", b"lf"):
            raise Damaged("A list of subkeys in the registry is damaged.")
        pairs = self._numbers(at, _LIST.size, 2 * count)
        matches = _has_hash if kind == b"lh" else _has_first_letters
        for offset, hint in zip(pairs[::2], pairs[1::2], strict=True):
            if matches(hint, name):
                yield offset

    def _key(self, at: int) -> Key:
        signature, flags, subkeys, subkeys_at, values, values_at, length = _KEY.unpack(
            self._cell(at, 0, _KEY.size)
        )
        if signature != b"nk":
            raise Damaged("A key of the registry is damaged.")
        name = self._name(at, _KEY.size, length, is_latin=bool(flags & _LATIN_KEY))
        return Key(name, subkeys, subkeys_at, values, values_at)

    def _name(self, at: int, start: int, length: int, *, is_latin: bool) -> str:
        stored = self._cell(at, start, length)
        return stored.decode("latin-1" if is_latin else "utf-16-le", "replace")

    def _data(self, size: int, at: int) -> bytes:
        if size & _IS_INLINE:
            return at.to_bytes(4, "little")[: size & ~_IS_INLINE]
        return self._cell(at, 0, min(size, _MAX_TEXT))

    def _numbers(self, at: int, start: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self._cell(at, start, 4 * count))

    def _cell(self, at: int, start: int, length: int) -> bytes:
        """Return bytes of the cell at an offset."""
        (size,) = _CELL.unpack(self._file.read(_BINS + at, _CELL.size))
        if _CELL.size + start + length > -size:
            raise Damaged("A cell of the registry is too small, or not in use.")
        return self._file.read(_BINS + at + _CELL.size + start, length)


def _decode(kind: int, data: bytes) -> str:
    if kind == _NUMBER:
        return str(int.from_bytes(data, "little"))
    return data.decode("utf-16-le", "replace").partition("\0")[0]


def _has_hash(hint: int, name: str) -> bool:
    total = 0
    for letter in name:
        total = (37 * total + ord(letter)) & 0xFFFFFFFF
    return hint == total


def _has_first_letters(hint: int, name: str) -> bool:
    letters = hint.to_bytes(4, "little").rstrip(b"\0").decode("latin-1")
    return not letters.isascii() or name.startswith(letters.upper())
