# SPDX-License-Identifier: Apache-2.0
"""What the structures of a VHD have in common: a cookie of eight bytes, and most a checksum."""

from typing import ClassVar, Self

from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats import _structure

_CHECKSUM_SIZE = 4


def checksum(content: bytes) -> int:
    """Return the one's complement of the sum of all bytes, in 32 bits."""
    return ~sum(content) & 0xFFFF_FFFF


class Structure(_structure.Structure):
    """A structure of a VHD.

    The checksum is no field: it is the padding (`4x`) at `CHECKSUM_AT`.
    """

    TITLE: ClassVar[str]
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
        return super().unpack(content)

    @classmethod
    def checksum_matches(cls, content: bytes) -> bool:
        """Return whether the stored checksum is that of the other bytes."""
        at = cls.CHECKSUM_AT
        return at is None or content[at : at + _CHECKSUM_SIZE] == _checksum_without(content, at)

    def serialise(self) -> bytes:
        """Return the bytes, with the right checksum."""
        content = super().serialise()
        at = self.CHECKSUM_AT
        if at is None:
            return content
        return content[:at] + _checksum_without(content, at) + content[at + _CHECKSUM_SIZE :]


def _checksum_without(content: bytes, at: int) -> bytes:
    return checksum(content[:at] + content[at + _CHECKSUM_SIZE :]).to_bytes(_CHECKSUM_SIZE, "big")
