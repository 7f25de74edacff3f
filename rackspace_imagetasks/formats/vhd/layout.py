# SPDX-License-Identifier: Apache-2.0
"""The VHD of a disk, laid out as XenServer's own tools do it, and read without being written.

Which blocks hold data decides every byte around them, so the layout is known once the disk is
scanned, and any part of the VHD can be made on demand. In the file are: the footer's copy, the
dynamic header, the BAT, the batmap, the blocks in ascending order with their data on 4 KiB
boundaries, the footer.
"""

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import UUID, uuid5

from rackspace_imagetasks.bytesource import ByteSource, Extent
from rackspace_imagetasks.exceptions import SourceError, VhdError
from rackspace_imagetasks.formats.vhd.geometry import geometry_of
from rackspace_imagetasks.formats.vhd.scan import allocated_blocks
from rackspace_imagetasks.formats.vhd.structures import (
    BATMAP_HEADER_SIZE,
    BLOCK_SIZE,
    EPOCH,
    FOOTER_SIZE,
    HEADER_SIZE,
    UNALLOCATED,
    BatmapHeader,
    DiskType,
    DynamicHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd.tables import (
    bitmap_size,
    map_checksum,
    map_sectors,
    serialise_bits,
    serialise_table,
    table_size,
)
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.text import format_size
from rackspace_imagetasks.units import GIB, SECTOR, round_up

MAX_DISK_SIZE = 2040 * GIB  # Microsoft's limit; 32-bit sector numbers allow little more

_CREATOR = b"tap\0"
_CREATOR_VERSION = 0x0001_0003
_TABLE_AT = FOOTER_SIZE + HEADER_SIZE
_BITMAP = b"\xff" * bitmap_size(BLOCK_SIZE)
_DATA_ALIGNMENT = 4096
_STRIDE = round_up(len(_BITMAP) + BLOCK_SIZE, _DATA_ALIGNMENT)
_GAP = _STRIDE - len(_BITMAP) - BLOCK_SIZE  # between two blocks
_LOOK = 64 << 10  # bytes
_UUIDS = UUID("ba0b9d2e-9bd8-5d5b-b12c-c1f56a8b42f6")  # the namespace of UUIDs made from content


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where everything is in the VHD of a disk.

    :ivar disk_size: in bytes, a multiple of 2 MiB.
    :ivar blocks: the numbers of the blocks that are allocated, ascending.
    :ivar head: the bytes up to the end of the batmap.
    :ivar footer: the last 512 bytes.
    :ivar first_bitmap: the offset of the first block's bitmap.
    :ivar footer_at: the offset of the footer, right after the last block's data.
    """

    disk_size: int
    blocks: "array[int]"
    head: bytes
    footer: bytes
    first_bitmap: int
    footer_at: int

    @classmethod
    def plan(cls, disk_size: int, blocks: "array[int]", uuid: UUID, timestamp: int) -> Self:
        """Lay out a disk of `disk_size` bytes, of which these blocks are not all zero.

        :param timestamp: seconds since 2000-01-01 UTC.
        """
        entries = disk_size // BLOCK_SIZE
        batmap = _batmap(entries, blocks, disk_size)
        head_size = _TABLE_AT + table_size(entries) + len(batmap)
        first = round_up(head_size + len(_BITMAP), _DATA_ALIGNMENT) - len(_BITMAP)
        footer = _footer(disk_size, uuid, timestamp).serialise()
        header = DynamicHeader(table_offset=_TABLE_AT, max_table_entries=entries).serialise()
        return cls(
            disk_size=disk_size,
            blocks=blocks,
            head=b"".join((footer, header, _table(entries, blocks, first), batmap)),
            footer=footer,
            first_bitmap=first,
            footer_at=first + len(blocks) * _STRIDE - _GAP if blocks else head_size,
        )

    @property
    def size(self) -> int:
        """The bytes of the whole file."""
        return self.footer_at + FOOTER_SIZE


def _footer(disk_size: int, uuid: UUID, timestamp: int) -> Footer:
    return Footer(
        data_offset=FOOTER_SIZE,
        timestamp=timestamp,
        creator_application=_CREATOR,
        creator_version=_CREATOR_VERSION,
        original_size=disk_size,
        current_size=disk_size,
        geometry=geometry_of(disk_size),
        disk_type=DiskType.DYNAMIC,
        uuid=uuid,
    )


def _table(entries: int, blocks: "array[int]", first_bitmap: int) -> bytes:
    table = array("I", [UNALLOCATED]) * entries
    for place, block in enumerate(blocks):
        table[block] = (first_bitmap + place * _STRIDE) // SECTOR
    return serialise_table(table)


def _batmap(entries: int, blocks: "array[int]", disk_size: int) -> bytes:
    batmap = serialise_bits(blocks, map_sectors(entries) * SECTOR)
    header = BatmapHeader(
        map_offset=_TABLE_AT + table_size(entries) + BATMAP_HEADER_SIZE,
        map_sectors=map_sectors(entries),
        map_checksum=map_checksum(batmap, disk_size),
    )
    return header.serialise() + batmap


class VirtualVhd:
    """The dynamic VHD of a disk, as a source of bytes; the same disk always gives the same bytes.

    :param uuid: the VHD's; by default one made from the disk's identity and content.
    :param timestamp: the time of creation, or the seconds since 2000-01-01 UTC that the format
        stores; by default 0, so that an interrupted upload finds the same bytes again.
    :param progress: sees the scan for blocks that hold data.
    :raises VhdError: when the disk is empty or larger than 2040 GiB, or the timestamp is
        outside of what the format can store.
    :raises SourceError: when the disk cannot be read.
    """

    def __init__(
        self,
        disk: ByteSource,
        *,
        uuid: UUID | None = None,
        timestamp: datetime | int | None = None,
        progress: Progress = SILENT,
    ) -> None:
        if not 0 < disk.size <= MAX_DISK_SIZE:
            raise VhdError(
                f"'{disk.name}' has {format_size(disk.size)}; a VHD holds a disk of 1 byte to"
                f" {format_size(MAX_DISK_SIZE)}."
            )
        self._disk = disk
        self.name = disk.name
        seconds = _seconds(timestamp)
        blocks = allocated_blocks(disk, progress)
        uuid = uuid or _uuid_of(disk, blocks)
        self.identity = f"{disk.identity}.vhd-{uuid.hex}-{seconds:x}"
        self.layout = Layout.plan(round_up(disk.size, BLOCK_SIZE), blocks, uuid, seconds)

    @property
    def size(self) -> int:
        """The bytes of the VHD."""
        return self.layout.size

    @property
    def disk_size(self) -> int:
        """The bytes of the disk in it: the source's, rounded up to 2 MiB."""
        return self.layout.disk_size

    @property
    def blocks_allocated(self) -> int:
        """How many blocks of 2 MiB are not all zero."""
        return len(self.layout.blocks)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset` of the VHD.

        :raises SourceError: when the disk cannot be read there.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise SourceError(f"The VHD of '{self.name}' has no {length} bytes at {offset}.")
        pieces = []
        while length > 0:
            piece = self._piece(offset, length)
            pieces.append(piece)
            offset, length = offset + len(piece), length - len(piece)
        return b"".join(pieces)

    def data_extents(self) -> Iterator[Extent]:
        """Yield the whole as one extent: what would be a hole is not in a dynamic VHD."""
        yield Extent(0, self.size)

    def verify_unchanged(self) -> None:
        """Check that the disk is still the one that was scanned."""
        self._disk.verify_unchanged()

    def close(self) -> None:
        """Close the disk."""
        self._disk.close()

    def _piece(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`, as far as they are of one kind."""
        layout = self.layout
        if offset < len(layout.head):
            return layout.head[offset : offset + length]
        if offset >= layout.footer_at:
            return layout.footer[offset - layout.footer_at :][:length]
        if offset < layout.first_bitmap:
            return bytes(min(length, layout.first_bitmap - offset))
        place, within = divmod(offset - layout.first_bitmap, _STRIDE)
        if within < len(_BITMAP):
            return _BITMAP[within : within + length]
        within -= len(_BITMAP)
        if within < BLOCK_SIZE:
            block_at = layout.blocks[place] * BLOCK_SIZE
            return self._data(block_at + within, min(length, BLOCK_SIZE - within))
        return bytes(min(length, _STRIDE - len(_BITMAP) - within))

    def _data(self, offset: int, length: int) -> bytes:
        """Read the disk, and zeros after its end."""
        there = max(0, min(length, self._disk.size - offset))
        data = self._disk.read_at(offset, there) if there else b""
        return data if there == length else data.ljust(length, b"\0")


def _uuid_of(disk: ByteSource, blocks: "array[int]") -> UUID:
    """Make a UUID of what the disk is: its identity, and a look at its content.

    Identities of files are alike on machines that were set up alike.
    """
    content = hashlib.sha256(blocks.tobytes())
    if blocks:
        start = blocks[0] * BLOCK_SIZE
        content.update(disk.read_at(start, min(_LOOK, disk.size - start)))
    return uuid5(_UUIDS, f"{disk.identity}\n{disk.size}\n{content.hexdigest()}")


def _seconds(timestamp: datetime | int | None) -> int:
    if isinstance(timestamp, datetime):
        timestamp = int((timestamp.astimezone(UTC) - EPOCH).total_seconds())
    seconds = timestamp or 0
    if not 0 <= seconds < 1 << 32:
        raise VhdError(f"A VHD's time of creation is in 2000 to 2136, not {seconds} s after 2000.")
    return seconds
