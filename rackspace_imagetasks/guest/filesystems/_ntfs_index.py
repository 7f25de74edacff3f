# SPDX-License-Identifier: Apache-2.0
"""The index of names of an NTFS directory, a B-tree."""

import bisect
import string
import struct
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems._names import utf16
from rackspace_imagetasks.guest.filesystems._ntfs_data import Value
from rackspace_imagetasks.guest.filesystems._ntfs_records import Reference, unprotected
from rackspace_imagetasks.guest.filesystems.base import Damaged

NAME = "$I30"
"""The name of the attributes that are a directory's index."""

_ROOT = struct.Struct("<8xI4x")
_NODE = struct.Struct("<III B3x")  # first entry, end of the entries, allocated bytes, flags
_BLOCK_NODE = 24  # where the node header is in a block
_BLOCK_NUMBER = struct.Struct("<16xQ")
_ENTRY = struct.Struct("<QHHH2x")
_HAS_CHILD, _IS_LAST = 1, 2
_NAME_LENGTH = 64  # in the key, which is a FILE_NAME attribute
_DOS = 2
_MAX_DEPTH = 16
_MAX_BLOCK = 64 << 10
_MAX_KEPT = 32  # nodes of a directory
_ASCII_UPPER = {ord(letter): letter.upper() for letter in string.ascii_lowercase}


class Entry(NamedTuple):
    """An entry of a directory's index.

    :ivar is_short: whether the name is an MS-DOS name besides another one.
    :ivar child: the number of the block with the names before this one, if there is one.
    :ivar is_last: whether it ends a node; it has no name then.
    """

    record: Reference
    name: str
    is_short: bool
    child: int | None
    is_last: bool


class Index:
    """The index of a directory.

    :param root: the value of its attribute `INDEX_ROOT`.
    :param blocks: that of `INDEX_ALLOCATION`, or None if the root is all there is.
    :param cluster: the size of the volume's clusters.
    """

    def __init__(self, root: bytes, blocks: Value | None, cluster: int) -> None:
        if len(root) < _ROOT.size + _NODE.size:
            raise Damaged("The index of a directory of NTFS is damaged.")
        (self._block,) = _ROOT.unpack_from(root)
        if not 512 <= self._block <= _MAX_BLOCK or self._block % 512:
            raise Damaged(f"The index of a directory of NTFS has blocks of {self._block} bytes.")
        self._root = tuple(_entries(root[_ROOT.size :]))
        self._blocks = blocks
        self._nodes: dict[int, tuple[Entry, ...]] = {}
        self._unit = cluster if cluster <= self._block else 512  # of the numbers of blocks

    def find(self, name: str) -> Reference | None:
        """Return the record of a name, whose case does not matter, or None if it is not there."""
        if not name.isascii():
            return self._search(name)
        key, entries = _upper(name), self._root
        before, after = list[str](), list[str]()  # the names around the node in its parents
        for _ in range(_MAX_DEPTH):
            names = [_upper(one.name) for one in entries[:-1]]
            _check_order([*before, *names, *after])
            place = bisect.bisect_left(names, key)
            if names[place : place + 1] == [key]:
                return entries[place].record
            child = entries[place].child
            if child is None:
                return None
            before, after = names[:place][-1:] or before, names[place : place + 1] or after
            entries = self._node(child)
        raise Damaged("The index of a directory of NTFS is too deep.")

    def _search(self, name: str) -> Reference | None:
        """Look at all entries: their order depends on a table of the volume that is not read."""
        key = name.upper()
        return next((one.record for one in self if one.name.upper() == key), None)

    def __iter__(self) -> Iterator[Entry]:
        """Yield all entries that have a name."""
        waiting, seen = [self._root], set[int]()
        while waiting:
            for entry in waiting.pop():
                if entry.child is not None:
                    if entry.child in seen:
                        raise Damaged("The index of a directory of NTFS refers to itself.")
                    seen.add(entry.child)
                    waiting.append(self._node(entry.child))
                if not entry.is_last:
                    yield entry

    def _node(self, number: int) -> tuple[Entry, ...]:
        if number not in self._nodes:
            if len(self._nodes) >= _MAX_KEPT:
                self._nodes.clear()
            self._nodes[number] = self._read_node(number)
        return self._nodes[number]

    def _read_node(self, number: int) -> tuple[Entry, ...]:
        if self._blocks is None:
            raise Damaged("The index of a directory of NTFS has no blocks.")
        block = unprotected(self._blocks.read(number * self._unit, self._block), b"INDX")
        if _BLOCK_NUMBER.unpack_from(block) != (number,):
            raise Damaged("A block of a directory of NTFS is at another place.")
        return tuple(_entries(block[_BLOCK_NODE:]))


def _entries(node: bytes) -> Iterator[Entry]:
    """Yield the entries of a node, from its header on; the last one has no name."""
    at, end, _, _ = _NODE.unpack_from(node)
    end = min(end, len(node))
    while at + _ENTRY.size <= end:
        record, length, key_length, flags = _ENTRY.unpack_from(node, at)
        if length < _ENTRY.size or length % 8 or at + length > end:
            break
        entry = node[at : at + length]
        child = int.from_bytes(entry[-8:], "little") if flags & _HAS_CHILD else None
        if flags & _IS_LAST:
            yield Entry(Reference.of(record), "", False, child, True)
            return
        name, is_short = _name(entry[_ENTRY.size :][:key_length])
        yield Entry(Reference.of(record), name, is_short, child, False)
        at += length
    raise Damaged("An entry of a directory of NTFS is damaged.")


def _name(key: bytes) -> tuple[str, bool]:
    """Return a name from its FILE_NAME attribute, and whether it is an MS-DOS name alone."""
    length = key[_NAME_LENGTH] if len(key) > _NAME_LENGTH + 1 else 0
    stored = key[_NAME_LENGTH + 2 :][: 2 * length]
    if not length or len(stored) != 2 * length:
        raise Damaged("A name in a directory of NTFS is damaged.")
    return utf16(stored), key[_NAME_LENGTH + 1] == _DOS


def _check_order(names: list[str]) -> None:
    """Check that names ascend: a name that is at a wrong place is not found otherwise.

    The order of two names that are not ASCII depends on a table of the volume that is not read.
    """
    known = [name for name in names if name.isascii()]
    if known != sorted(known):
        raise Damaged("The names in a directory of NTFS are not in their order.")


def _upper(name: str) -> str:
    """Return a name in upper case, as far as that decides on its order relative to ASCII names.

    No other letter becomes an ASCII letter, and all others follow those.
    """
    return name.upper() if name.isascii() else name.translate(_ASCII_UPPER)
