# SPDX-License-Identifier: Apache-2.0
"""What a VHD is made of: the footer, the dynamic header and the batmap's header.

After Microsoft's "Virtual Hard Disk Image Format Specification" 1.0, and Xen's extensions (the
hidden flag and the batmap). Integers are big-endian; sizes and offsets are in bytes unless a name
says sectors. `parse` refuses a wrong cookie or checksum, `unpack` takes any bytes as they are, and
`serialise` computes the checksum; neither judges the fields, which is `vhd.checks`' work.
"""

import enum
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, NamedTuple, Self
from uuid import UUID

from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd.geometry import Geometry
from rackspace_imagetasks.text import printable

FOOTER_SIZE = 512
SHORT_FOOTER_SIZE = 511  # as Virtual PC wrote it before 2004
HEADER_SIZE = 1024
BATMAP_HEADER_SIZE = 512
BLOCK_SIZE = 2 << 20  # the format's default, and the only one that XenServer takes
UNALLOCATED = 0xFFFF_FFFF  # in the block allocation table (BAT)
NO_OFFSET = 0xFFFF_FFFF_FFFF_FFFF
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
VERSION = 0x0001_0000  # 1.0, of the footer and of the dynamic header
BATMAP_VERSION = 0x0001_0002
POISONED_COOKIE = b"v_poison"  # what XenServer writes over the cookie of a disk it has killed

_CHECKSUM_SIZE = 4


class DiskType(enum.IntEnum):
    """The kinds of disk in use; 0 is none, and 1, 5 and 6 are deprecated."""

    FIXED = 2
    DYNAMIC = 3
    DIFFERENCING = 4


def checksum(content: bytes) -> int:
    """Return the one's complement of the sum of all bytes, in 32 bits."""
    return ~sum(content) & 0xFFFF_FFFF


def _checksum_without(content: bytes, at: int) -> int:
    return checksum(content[:at] + content[at + _CHECKSUM_SIZE :])


def _stores_checksum(content: bytes, at: int) -> bool:
    stored = int.from_bytes(content[at : at + _CHECKSUM_SIZE], "big")
    return stored == _checksum_without(content, at)


def _with_checksum(content: bytes, at: int) -> bytes:
    value = _checksum_without(content, at).to_bytes(_CHECKSUM_SIZE, "big")
    return content[:at] + value + content[at + _CHECKSUM_SIZE :]


def _require_length(content: bytes, size: int, what: str) -> None:
    if len(content) != size:
        raise VhdError(f"A {what} has {size} bytes, not {len(content)}.")


@dataclass(frozen=True, kw_only=True)
class Footer:
    """The last 512 bytes of a VHD, with a copy at offset 0 of a dynamic or differencing one."""

    COOKIE: ClassVar[bytes] = b"conectix"
    _LAYOUT: ClassVar[struct.Struct] = struct.Struct(">8sIIQI4sIIQQHBBII16sBB426s")
    _CHECKSUM_AT: ClassVar[int] = 64

    features: int = 2
    version: int = VERSION
    data_offset: int
    timestamp: int
    creator_application: bytes
    creator_version: int
    creator_host_os: int = 0
    original_size: int
    current_size: int
    geometry: Geometry
    disk_type: int
    uuid: UUID
    saved_state: int = 0
    hidden: int = 0
    reserved: bytes = bytes(426)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a footer of 512 bytes, or of 511.

        :raises VhdError: when the length, the cookie or the checksum is wrong.
        """
        footer = cls.unpack(content)
        if content[:8] != cls.COOKIE:
            raise VhdError(f"A VHD footer begins with 'conectix', not {content[:8]!r}.")
        if not cls.checksum_matches(content):
            raise VhdError("The checksum of the VHD footer does not match its content.")
        return footer

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Read the fields of a footer, whatever its cookie and checksum say.

        :raises VhdError: when the length is neither 512 nor 511 bytes.
        """
        if len(content) == SHORT_FOOTER_SIZE:
            content += b"\0"
        _require_length(content, FOOTER_SIZE, "VHD footer")
        (_cookie, features, version, data_offset, timestamp, application, release, host_os,
         original_size, current_size, cylinders, heads, sectors_per_track, disk_type, _checksum,
         uuid, saved_state, hidden, reserved) = cls._LAYOUT.unpack(content)  # fmt: skip
        return cls(
            features=features,
            version=version,
            data_offset=data_offset,
            timestamp=timestamp,
            creator_application=application,
            creator_version=release,
            creator_host_os=host_os,
            original_size=original_size,
            current_size=current_size,
            geometry=Geometry(cylinders, heads, sectors_per_track),
            disk_type=disk_type,
            uuid=UUID(bytes=uuid),
            saved_state=saved_state,
            hidden=hidden,
            reserved=reserved,
        )

    @classmethod
    def checksum_matches(cls, content: bytes) -> bool:
        """Tell whether the stored checksum is that of the other bytes."""
        return _stores_checksum(content, cls._CHECKSUM_AT)

    def serialise(self) -> bytes:
        """Return the 512 bytes."""
        content = self._LAYOUT.pack(
            self.COOKIE,
            self.features,
            self.version,
            self.data_offset,
            self.timestamp,
            self.creator_application,
            self.creator_version,
            self.creator_host_os,
            self.original_size,
            self.current_size,
            *self.geometry,
            self.disk_type,
            0,
            self.uuid.bytes,
            self.saved_state,
            self.hidden,
            self.reserved,
        )
        return _with_checksum(content, self._CHECKSUM_AT)

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
        """The program that wrote the disk, for people: `tap`, `qemu`, `win`, `vbox`."""
        return printable(self.creator_application.rstrip(b"\0 ").decode("latin-1"))

    @property
    def creator_release(self) -> str:
        """The creator's version, for people, such as `1.3`."""
        return f"{self.creator_version >> 16}.{self.creator_version & 0xFFFF}"

    @property
    def by_xenserver(self) -> bool:
        """Whether XenServer takes the disk for one of its own; three bytes decide."""
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


@dataclass(frozen=True, kw_only=True)
class DynamicHeader:
    """The 1024 bytes that say where the BAT is and how large a block is."""

    COOKIE: ClassVar[bytes] = b"cxsparse"
    _LAYOUT: ClassVar[struct.Struct] = struct.Struct(">8sQQIIII16sI4s512s192s256s")
    _CHECKSUM_AT: ClassVar[int] = 36

    data_offset: int = NO_OFFSET
    table_offset: int
    version: int = VERSION
    max_table_entries: int
    block_size: int = BLOCK_SIZE
    parent_uuid: UUID = _NO_PARENT
    parent_timestamp: int = 0
    reserved1: bytes = bytes(4)
    parent_name: bytes = bytes(512)
    parent_locators: tuple[ParentLocator, ...] = _NO_LOCATORS
    reserved2: bytes = bytes(256)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a header of 1024 bytes.

        :raises VhdError: when the length, the cookie or the checksum is wrong.
        """
        header = cls.unpack(content)
        if content[:8] != cls.COOKIE:
            raise VhdError(f"A dynamic VHD header begins with 'cxsparse', not {content[:8]!r}.")
        if not cls.checksum_matches(content):
            raise VhdError("The checksum of the dynamic VHD header does not match its content.")
        return header

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Read the fields of a header, whatever its cookie and checksum say.

        :raises VhdError: when there are not 1024 bytes.
        """
        _require_length(content, HEADER_SIZE, "dynamic VHD header")
        fields = cls._LAYOUT.unpack(content)
        return cls(
            data_offset=fields[1],
            table_offset=fields[2],
            version=fields[3],
            max_table_entries=fields[4],
            block_size=fields[5],
            parent_uuid=UUID(bytes=fields[7]),
            parent_timestamp=fields[8],
            reserved1=fields[9],
            parent_name=fields[10],
            parent_locators=tuple(map(ParentLocator._make, _LOCATOR.iter_unpack(fields[11]))),
            reserved2=fields[12],
        )

    @classmethod
    def checksum_matches(cls, content: bytes) -> bool:
        """Tell whether the stored checksum is that of the other bytes."""
        return _stores_checksum(content, cls._CHECKSUM_AT)

    def serialise(self) -> bytes:
        """Return the 1024 bytes."""
        content = self._LAYOUT.pack(
            self.COOKIE,
            self.data_offset,
            self.table_offset,
            self.version,
            self.max_table_entries,
            self.block_size,
            0,
            self.parent_uuid.bytes,
            self.parent_timestamp,
            self.reserved1,
            self.parent_name,
            b"".join(_LOCATOR.pack(*locator) for locator in self.parent_locators),
            self.reserved2,
        )
        return _with_checksum(content, self._CHECKSUM_AT)

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
class BatmapHeader:
    """The sector before the batmap (a Xen extension): a bit for each block wholly written."""

    COOKIE: ClassVar[bytes] = b"tdbatmap"
    _LAYOUT: ClassVar[struct.Struct] = struct.Struct(">8sQIIIB483s")

    map_offset: int
    map_sectors: int
    version: int = BATMAP_VERSION
    map_checksum: int
    marker: int = 0
    reserved: bytes = bytes(483)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a batmap header of 512 bytes; its checksum is the map's, not its own.

        :raises VhdError: when the length or the cookie is wrong.
        """
        _require_length(content, BATMAP_HEADER_SIZE, "batmap header")
        cookie, *fields = cls._LAYOUT.unpack(content)
        if cookie != cls.COOKIE:
            raise VhdError(f"A batmap header begins with 'tdbatmap', not {cookie!r}.")
        names = ("map_offset", "map_sectors", "version", "map_checksum", "marker", "reserved")
        return cls(**dict(zip(names, fields, strict=True)))

    def serialise(self) -> bytes:
        """Return the 512 bytes."""
        return self._LAYOUT.pack(
            self.COOKIE,
            self.map_offset,
            self.map_sectors,
            self.version,
            self.map_checksum,
            self.marker,
            self.reserved,
        )
