# SPDX-License-Identifier: Apache-2.0
"""Binary structures that are declared once: how to read, write and check one derives from that."""

import dataclasses
import struct
import typing
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self

from rackspace_imagetasks.exceptions import VhdError

_CHECKSUM_SIZE = 4


@dataclasses.dataclass(frozen=True)
class Packed:
    """How a field is stored: its code for the `struct` module, and its conversion if any."""

    code: str
    decode: Callable[[Any], Any] = lambda stored: stored
    encode: Callable[[Any], Any] = lambda value: value


U8 = Annotated[int, Packed("B")]
U32 = Annotated[int, Packed("I")]
U64 = Annotated[int, Packed("Q")]


def checksum(content: bytes) -> int:
    """Return the one's complement of the sum of all bytes, in 32 bits."""
    return ~sum(content) & 0xFFFF_FFFF


class Structure:
    """A structure of big-endian fields that begins with a cookie of eight bytes.

    A subclass is a dataclass whose fields, annotated with `Packed`, follow the cookie in their
    order. The checksum is no field: it is the padding (`4x`) at `CHECKSUM_AT`.
    """

    TITLE: ClassVar[str]
    COOKIE: ClassVar[bytes]
    SIZE: ClassVar[int]
    CHECKSUM_AT: ClassVar[int | None] = None

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a valid structure.

        :raises VhdError: when the length, the cookie or the checksum is wrong.
        """
        parsed = cls.unpack(content)
        if not content.startswith(cls.COOKIE):
            raise VhdError(
                f"A {cls.TITLE} begins with '{cls.COOKIE.decode()}', not {content[:8]!r}."
            )
        if not cls.checksum_matches(content):
            raise VhdError(f"The checksum of the {cls.TITLE} does not match its content.")
        return parsed

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Read the fields, whatever the cookie and the checksum are.

        :raises VhdError: when the length is wrong.
        """
        if len(content) != cls.SIZE:
            raise VhdError(f"A {cls.TITLE} has {cls.SIZE} bytes, not {len(content)}.")
        layout, fields = _declaration(cls)
        _cookie, *stored = layout.unpack(content)
        return cls(
            **{
                name: packed.decode(value)
                for (name, packed), value in zip(fields, stored, strict=True)
            }
        )

    @classmethod
    def checksum_matches(cls, content: bytes) -> bool:
        """Return whether the stored checksum is that of the other bytes."""
        at = cls.CHECKSUM_AT
        return at is None or content[at : at + _CHECKSUM_SIZE] == _checksum_without(content, at)

    def serialise(self) -> bytes:
        """Return the bytes, with the right checksum."""
        layout, fields = _declaration(type(self))
        content = layout.pack(
            self.COOKIE, *(packed.encode(getattr(self, name)) for name, packed in fields)
        )
        at = self.CHECKSUM_AT
        if at is None:
            return content
        return content[:at] + _checksum_without(content, at) + content[at + _CHECKSUM_SIZE :]


def _checksum_without(content: bytes, at: int) -> bytes:
    return checksum(content[:at] + content[at + _CHECKSUM_SIZE :]).to_bytes(_CHECKSUM_SIZE, "big")


_Declaration = tuple[struct.Struct, tuple[tuple[str, Packed], ...]]
_declarations: dict[type[Structure], _Declaration] = {}


def _declaration(cls: type[Structure]) -> _Declaration:
    """Return the layout of a structure, and the names and conversions of its fields."""
    if cls not in _declarations:
        _declarations[cls] = _read_declaration(cls)
    return _declarations[cls]


def _read_declaration(cls: type[Structure]) -> _Declaration:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = tuple(
        (field.name, hints[field.name].__metadata__[0])
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]
    )
    return struct.Struct(">8s" + "".join(packed.code for _, packed in fields)), fields
