# SPDX-License-Identifier: Apache-2.0
"""File records of NTFS, and the attributes in them.

The names of the fields are those of "NTFS Documentation" by R. Russon and Y. Fledel, which the
Linux-NTFS project published, and of its `layout.h`.
"""

import enum
import struct
from collections.abc import Iterator
from typing import NamedTuple, Self

from rackspace_imagetasks.guest.filesystems._names import utf16
from rackspace_imagetasks.guest.filesystems.base import Damaged

_SECTOR = 512  # for which update sequences are made, whatever the sector size of the disk
_PROTECTED = struct.Struct("<4sHH")  # signature, where the update sequence is, its length
_RECORD = struct.Struct("<16xHxxHHIIQ")
_NUMBER = struct.Struct("<44xI")
_IN_USE, _DIRECTORY = 1, 2
_ATTRIBUTE = struct.Struct("<IIBBHHH")
_RESIDENT = struct.Struct("<IH")
_NON_RESIDENT = struct.Struct("<QQHB5xQQQ")
_LIST_ENTRY = struct.Struct("<IHBBQQH")
_END = 0xFFFFFFFF


class Type(enum.IntEnum):
    """The types of attributes that are read."""

    ATTRIBUTE_LIST = 0x20
    VOLUME_NAME = 0x60
    VOLUME_INFORMATION = 0x70
    DATA = 0x80
    INDEX_ROOT = 0x90
    INDEX_ALLOCATION = 0xA0
    REPARSE_POINT = 0xC0


def unprotected(content: bytes, signature: bytes) -> bytes:
    """Return a structure that consists of several sectors, with their real last bytes.

    NTFS replaces the last two bytes of each sector by a number when it writes a structure.

    :raises Damaged: if the signature is another one, or not all sectors were written.
    """
    found, at, count = _PROTECTED.unpack_from(content)
    if found != signature or (count - 1) * _SECTOR != len(content):
        raise Damaged(f"A structure '{signature.decode()}' of NTFS is damaged.")
    sequence = content[at : at + 2 * count]
    if len(sequence) != 2 * count:
        raise Damaged(f"The update sequence of a structure '{signature.decode()}' is damaged.")
    whole = bytearray(content)
    for number in range(1, count):
        end = number * _SECTOR
        if whole[end - 2 : end] != sequence[:2]:
            raise Damaged(f"A structure '{signature.decode()}' of NTFS was not written completely.")
        whole[end - 2 : end] = sequence[2 * number : 2 * number + 2]
    return bytes(whole)


class Run(NamedTuple):
    """Clusters of an attribute that follow each other on the volume.

    :ivar first: the number of its first cluster in the attribute.
    :ivar cluster: where that is on the volume, or None if it is not stored.
    :ivar length: in clusters.
    """

    first: int
    cluster: int | None
    length: int

    @property
    def end(self) -> int:
        """The number of the cluster in the attribute after its last one."""
        return self.first + self.length


class Attribute(NamedTuple):
    """An attribute of a file, or a part of one whose clusters are described in several records.

    :ivar value: its value if that is in the record, otherwise None.
    :ivar first: the number of the first cluster that it describes.
    :ivar unit: clusters in a compression unit as a power of two; 0 if it is not compressed.
    :ivar initialized: the bytes that were written; the rest up to `size` is zeros.
    :ivar mapping: the encoded runs.
    """

    kind: int
    name: str
    flags: int
    value: bytes | None
    first: int = 0
    unit: int = 0
    size: int = 0
    initialized: int = 0
    mapping: bytes = b""

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Read an attribute from exactly its bytes."""
        kind, _, non_resident, length, at, flags, _ = _ATTRIBUTE.unpack_from(content)
        name = utf16(_slice(content, at, 2 * length))
        if not non_resident:
            length, at = _RESIDENT.unpack(_slice(content, _ATTRIBUTE.size, _RESIDENT.size))
            return cls(kind, name, flags, _slice(content, at, length), size=length)
        first, _, at, unit, _, size, initialized = _NON_RESIDENT.unpack(
            _slice(content, _ATTRIBUTE.size, _NON_RESIDENT.size)
        )
        return cls(kind, name, flags, None, first, unit, size, initialized, content[at:])

    def runs(self) -> Iterator[Run]:
        """Yield the runs of an attribute whose value is not in the record."""
        first, cluster, at = self.first, 0, 0
        while at < len(self.mapping) and self.mapping[at]:
            offset_size, length_size = divmod(self.mapping[at], 16)
            at += 1
            count = int.from_bytes(_slice(self.mapping, at, length_size), "little")
            at += length_size
            step = int.from_bytes(_slice(self.mapping, at, offset_size), "little", signed=True)
            at += offset_size
            cluster += step
            if not count or cluster < 0:
                raise Damaged("The runs of a file are damaged.")
            yield Run(first, cluster if offset_size else None, count)
            first += count


class Reference(NamedTuple):
    """A reference to a file record; the sequence number changes when a record is reused."""

    number: int
    sequence: int

    @classmethod
    def of(cls, stored: int) -> Self:
        """Split the stored form."""
        return cls(stored & (1 << 48) - 1, stored >> 48)


class Listed(NamedTuple):
    """Where a part of an attribute is, by an attribute list."""

    kind: int
    name: str
    first: int
    record: Reference


class Record(NamedTuple):
    """A file record in use.

    :ivar base: the record that it extends; its own number is 0 if it is none.
    """

    number: int
    sequence: int
    base: Reference
    is_directory: bool
    attributes: tuple[Attribute, ...]

    @classmethod
    def unpack(cls, content: bytes, number: int) -> Self:
        """Read a record from its sectors."""
        content = unprotected(content, b"FILE")
        sequence, at, flags, _, _, base = _RECORD.unpack_from(content)
        _, sequence_at, _ = _PROTECTED.unpack_from(content)
        # Since Windows XP, a record has its own number before its update sequence.
        if sequence_at >= _NUMBER.size and _NUMBER.unpack_from(content) != (number,):
            raise Damaged(f"File record {number} of NTFS is at another place.")
        if not flags & _IN_USE:
            raise Damaged(f"File record {number} of NTFS is referred to but not in use.")
        attributes = tuple(_attributes(content, at))
        return cls(number, sequence, Reference.of(base), bool(flags & _DIRECTORY), attributes)

    def parts(self, kind: Type, name: str = "") -> Iterator[Attribute]:
        """Yield the attributes of a type with a name that are in this record."""
        return (one for one in self.attributes if one.kind == kind and one.name == name)


def listed(content: bytes) -> Iterator[Listed]:
    """Yield the entries of an attribute list."""
    at = 0
    while at < len(content):
        kind, length, name_length, name_at, first, record, _ = _LIST_ENTRY.unpack_from(
            _slice(content, at, _LIST_ENTRY.size)
        )
        if length < _LIST_ENTRY.size:
            raise Damaged("An attribute list of NTFS is damaged.")
        name = utf16(_slice(content, at + name_at, 2 * name_length))
        yield Listed(kind, name, first, Reference.of(record))
        at += length


def _attributes(content: bytes, at: int) -> Iterator[Attribute]:
    while content[at : at + 4] != _END.to_bytes(4, "little"):
        kind, length, *_ = _ATTRIBUTE.unpack(_slice(content, at, _ATTRIBUTE.size))
        if length < _ATTRIBUTE.size + _RESIDENT.size:
            raise Damaged(f"An attribute of type {kind:#x} of NTFS is damaged.")
        yield Attribute.unpack(_slice(content, at, length))
        at += length


def _slice(content: bytes, at: int, length: int) -> bytes:
    piece = content[at : at + length]
    if len(piece) != length:
        raise Damaged("A structure of NTFS reaches beyond its end.")
    return piece
