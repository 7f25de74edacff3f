# SPDX-License-Identifier: Apache-2.0
"""Binary structures that are declared once: how to read and write one derives from that."""

import dataclasses
import struct
import typing
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self


@dataclasses.dataclass(frozen=True)
class Packed:
    """How a field is stored: its code for the `struct` module, and its conversion if any."""

    code: str
    decode: Callable[[Any], Any] = lambda stored: stored
    encode: Callable[[Any], Any] = lambda value: value


U8 = Annotated[int, Packed("B")]
U32 = Annotated[int, Packed("I")]
U64 = Annotated[int, Packed("Q")]


class Structure:
    """A structure of big-endian fields that begins with a cookie.

    A subclass is a dataclass whose fields, annotated with `Packed`, follow the cookie in their
    order.
    """

    COOKIE: ClassVar[bytes]
    SIZE: ClassVar[int]

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Read the fields from `SIZE` bytes, whatever the cookie is."""
        layout, fields = _declaration(cls)
        _cookie, *stored = layout.unpack(content)
        return cls(
            **{
                name: packed.decode(value)
                for (name, packed), value in zip(fields, stored, strict=True)
            }
        )

    def serialise(self) -> bytes:
        """Return the bytes."""
        layout, fields = _declaration(type(self))
        return layout.pack(
            self.COOKIE, *(packed.encode(getattr(self, name)) for name, packed in fields)
        )


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
    codes = "".join(packed.code for _, packed in fields)
    return struct.Struct(f">{len(cls.COOKIE)}s{codes}"), fields
