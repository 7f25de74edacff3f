# SPDX-License-Identifier: Apache-2.0
"""The structures of a VHD: the footer, the dynamic header and the batmap header.

After Microsoft's "Virtual Hard Disk Image Format Specification" 1.0 and Xen's extensions (the
hidden flag and the batmap). Sizes and offsets are in bytes unless a name says sectors. Parsing
does not judge the fields; `vhd.checks` does.
"""

import enum
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple, Self
from uuid import UUID

from rackspace_imagetasks.formats._structure import U8, U32, U64, Packed
from rackspace_imagetasks.formats.vhd._geometry import Geometry
from rackspace_imagetasks.formats.vhd._structure import Structure

FOOTER_SIZE = 512
SHORT_FOOTER_SIZE = 511  # as Virtual PC wrote it before 2004
HEADER_SIZE = 1024
BATMAP_HEADER_SIZE = 512
BLOCK_SIZE = 2 << 20  # the format's default, and the only one that XenServer supports
UNALLOCATED = 0xFFFF_FFFF  # in the block allocation table (BAT)
NO_OFFSET = 0xFFFF_FFFF_FFFF_FFFF
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
VERSION = 0x0001_0000  # 1.0, of the footer and of the dynamic header
BATMAP_VERSION = 0x0001_0002
POISONED_COOKIE = b"v_poison"  # what XenServer writes over the cookie of a destroyed disk


class DiskType(enum.IntEnum):
    """The disk types in use; 0 is none, and 1, 5 and 6 are deprecated."""

    FIXED = 2
    DYNAMIC = 3
    DIFFERENCING = 4


_GEOMETRY = struct.Struct(">HBB")
Uuid = Annotated[UUID, Packed("16s", lambda stored: UUID(bytes=stored), lambda uuid: uuid.bytes)]
PackedGeometry = Annotated[
    Geometry,
    Packed(
        "4s",
        lambda stored: Geometry._make(_GEOMETRY.unpack(stored)),
        lambda geometry: _GEOMETRY.pack(*geometry),
    ),
]


@dataclass(frozen=True, kw_only=True)
class Footer(Structure):
    """The last 512 bytes of a VHD, with a copy at offset 0 of a dynamic or differencing one."""

    TITLE = "VHD footer"
    COOKIE = b"conectix"
    SIZE = FOOTER_SIZE
    CHECKSUM_AT = 64

    features: U32 = 2
    version: U32 = VERSION
    data_offset: U64
    timestamp: U32
    creator_application: Annotated[bytes, Packed("4s")]
    creator_version: U32
    creator_host_os: U32 = 0
    original_size: U64
    current_size: U64
    geometry: PackedGeometry
    disk_type: Annotated[int, Packed("I4x")]
    uuid: Uuid
    saved_state: U8 = 0
    hidden: U8 = 0
    reserved: Annotated[bytes, Packed("426s")] = bytes(426)

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Read the fields of a footer of 512 bytes, or of 511.

        :raises VhdError: when the length is wrong.
        """
        if len(content) == SHORT_FOOTER_SIZE:
            content += b"\0"
        return super().unpack(content)

    @property
    def kind(self) -> str:
        """The disk type in words."""
        try:
            return DiskType(self.disk_type).name.lower()
        except ValueError:
            return f"type {self.disk_type}"

    @property
    def has_header(self) -> bool:
        """Whether a dynamic header and a BAT say where the disk's bytes are."""
        return self.disk_type in (DiskType.DYNAMIC, DiskType.DIFFERENCING)

    @property
    def creator(self) -> str:
        """The program that wrote the disk, such as `tap`, `qemu`, `win`, `vbox`; untrusted."""
        return self.creator_application.rstrip(b"\0 ").decode("latin-1")

    @property
    def creator_release(self) -> str:
        """The creator's version, such as `1.3`."""
        return f"{self.creator_version >> 16}.{self.creator_version & 0xFFFF}"

    @property
    def by_xenserver(self) -> bool:
        """Whether XenServer considers the disk its own; three bytes decide."""
        return self.creator_application[:3] == b"tap"

    @property
    def created(self) -> datetime:
        """The timestamp as a time."""
        return EPOCH + timedelta(seconds=self.timestamp)


class ParentLocator(NamedTuple):
    """Where a differencing disk names its parent; the name is never followed."""

    code: int
    space: int
    length: int
    reserved: int
    offset: int


_LOCATOR = struct.Struct(">IIIIQ")
_NO_PARENT = UUID(int=0)
_NO_LOCATORS = (ParentLocator(0, 0, 0, 0, 0),) * 8
Locators = Annotated[
    tuple[ParentLocator, ...],
    Packed(
        "192s",
        lambda stored: tuple(map(ParentLocator._make, _LOCATOR.iter_unpack(stored))),
        lambda locators: b"".join(_LOCATOR.pack(*locator) for locator in locators),
    ),
]


@dataclass(frozen=True, kw_only=True)
class DynamicHeader(Structure):
    """The 1024 bytes that say where the BAT is and how large a block is."""

    TITLE = "dynamic VHD header"
    COOKIE = b"cxsparse"
    SIZE = HEADER_SIZE
    CHECKSUM_AT = 36

    data_offset: U64 = NO_OFFSET
    table_offset: U64
    version: U32 = VERSION
    max_table_entries: U32
    block_size: Annotated[int, Packed("I4x")] = BLOCK_SIZE
    parent_uuid: Uuid = _NO_PARENT
    parent_timestamp: U32 = 0
    reserved1: Annotated[bytes, Packed("4s")] = bytes(4)
    parent_name: Annotated[bytes, Packed("512s")] = bytes(512)
    parent_locators: Locators = _NO_LOCATORS
    reserved2: Annotated[bytes, Packed("256s")] = bytes(256)

    @property
    def names_parent(self) -> bool:
        """Whether any field that only a differencing disk uses is set."""
        return bool(
            self.parent_uuid.int
            or self.parent_timestamp
            or any(self.parent_name)
            or self.parent_locators != _NO_LOCATORS
        )


@dataclass(frozen=True, kw_only=True)
class BatmapHeader(Structure):
    """The sector before the batmap (a Xen extension): a bit for each fully written block."""

    TITLE = "batmap header"
    COOKIE = b"tdbatmap"
    SIZE = BATMAP_HEADER_SIZE

    map_offset: U64
    map_sectors: U32
    version: U32 = BATMAP_VERSION
    map_checksum: U32
    """That of the map; the header itself has none."""
    marker: U8 = 0
    reserved: Annotated[bytes, Packed("483s")] = bytes(483)
