# SPDX-License-Identifier: Apache-2.0
"""Rock Ridge: the names, types and links of POSIX in the system use fields of ISO 9660.

"System Use Sharing Protocol", IEEE P1281, and "Rock Ridge Interchange Protocol", IEEE P1282.
"""

import dataclasses
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems.base import Damaged

_HEADER = struct.Struct("<2sBB")
_CONTINUATION = struct.Struct("<4xI4xI4xI4x")  # block, offset and length
_NUMBER = struct.Struct("<4xI")
_MAX_CONTINUATIONS = 16
_MAX_CONTINUATION = 64 << 10
_CONTINUES = 1  # flag of a name, a link, or a component of a link
_COMPONENTS = {0x02: ".", 0x04: "..", 0x08: ""}

ReadBlocks = Callable[[int, int, int], bytes]
"""Return the bytes of a block, from an offset in it."""


class Field(NamedTuple):
    """A field of a system use area: its signature, and its bytes with the header."""

    signature: bytes
    content: bytes


@dataclasses.dataclass
class Attributes:
    """What the fields of a directory record say.

    :ivar name: empty if they do not say it.
    :ivar mode: the type and permissions; 0 if they do not say it.
    :ivar moved_to: the block of a directory that this record stands for.
    :ivar is_moved: whether the directory belongs at another place.
    """

    name: str = ""
    mode: int = 0
    link: str = ""
    moved_to: int = 0
    is_moved: bool = False
    is_compressed: bool = False


def skipped(area: bytes) -> int | None:
    """Return how many bytes precede the fields in a record; None if the disc does not use them.

    :param area: the system use area of the first record of the root directory.
    """
    for start in (0, 14):  # the latter on discs for CD-ROM XA
        if area[start : start + 2] == b"SP" and area[start + 4 : start + 6] == b"\xbe\xef":
            return area[start + 6]
    return None


def attributes(area: bytes, read: ReadBlocks) -> Attributes:
    """Return what the fields of a system use area say."""
    found = Attributes()
    name, link = b"", _Link()
    for signature, content in _fields(area, read):
        if signature == b"NM":
            name += content[5:]
        elif signature == b"SL":
            link.add(content[5:])
        elif signature == b"PX":
            (found.mode,) = _NUMBER.unpack_from(content.ljust(_NUMBER.size, b"\0"))
        elif signature == b"CL":
            (found.moved_to,) = _NUMBER.unpack_from(content.ljust(_NUMBER.size, b"\0"))
        elif signature == b"RE":
            found.is_moved = True
        elif signature == b"ZF":
            found.is_compressed = True
    found.name = name.decode("utf-8", "surrogateescape")
    found.link = link.text()
    return found


def _fields(area: bytes, read: ReadBlocks) -> Iterator[Field]:
    for _ in range(_MAX_CONTINUATIONS):
        following = b""
        for field in _fields_of(area):
            if field.signature == b"ST":
                break
            if field.signature == b"CE":
                following = field.content
            yield field
        if len(following) < _CONTINUATION.size:
            return
        block, offset, length = _CONTINUATION.unpack_from(following)
        if length > _MAX_CONTINUATION:
            break
        area = read(block, offset, length)
    raise Damaged("The fields of a record of ISO 9660 do not end.")


def _fields_of(area: bytes) -> Iterator[Field]:
    at = 0
    while at + _HEADER.size <= len(area):
        signature, length, _ = _HEADER.unpack_from(area, at)
        if length < _HEADER.size or at + length > len(area):
            return  # padding
        yield Field(signature, area[at : at + length])
        at += length


class _Link:
    """The target of a symbolic link, of which each component can be in pieces."""

    def __init__(self) -> None:
        self._components: list[str] = []
        self._piece = b""

    def add(self, content: bytes) -> None:
        at = 0
        while at + 2 <= len(content):
            flags, length = content[at], content[at + 1]
            self._piece += content[at + 2 : at + 2 + length]
            at += 2 + length
            if not flags & _CONTINUES:
                name = self._piece.decode("utf-8", "surrogateescape")
                self._components.append(_COMPONENTS.get(flags & 0x0E, name))
                self._piece = b""

    def text(self) -> str:
        # The root is an empty component.
        return "/" if self._components == [""] else "/".join(self._components)
