# SPDX-License-Identifier: Apache-2.0
"""The VHD of a disk, in the layout of XenServer's own tools, that is read without being written.

The blocks that contain data determine every byte around them. The layout is therefore known once
the disk is scanned, and any part of the VHD can be generated on demand. The file consists of the
footer's copy, the dynamic header, the BAT, the batmap, the blocks in ascending order with their
data on 4 KiB boundaries, and the footer.
"""

import hashlib
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import UUID, uuid5

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats._virtual import VirtualFile
from rackspace_imagetasks.formats.vhd._geometry import geometry_of
from rackspace_imagetasks.formats.vhd._scan import allocated_blocks, blocks_with_data
from rackspace_imagetasks.formats.vhd._structures import (
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
from rackspace_imagetasks.formats.vhd._tables import (
    bitmap_size,
    map_checksum,
    map_sectors,
    serialise_bits,
    serialise_table,
    table_size,
)
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.text import format_sizes
from rackspace_imagetasks.units import GIB, SECTOR, round_up

MAX_DISK_SIZE = 2040 * GIB  # Microsoft's limit; 32-bit sector numbers allow little more

_CREATOR = b"tap\0"
_CREATOR_VERSION = 0x0001_0003
_TABLE_AT = FOOTER_SIZE + HEADER_SIZE
_BITMAP = b"\xff" * bitmap_size(BLOCK_SIZE)
_DATA_ALIGNMENT = 4096
_STRIDE = round_up(len(_BITMAP) + BLOCK_SIZE, _DATA_ALIGNMENT)
_GAP = _STRIDE - len(_BITMAP) - BLOCK_SIZE  # between two blocks
_SAMPLE = 64 << 10  # bytes of the content that the UUID depends on
_UUIDS = UUID("ba0b9d2e-9bd8-5d5b-b12c-c1f56a8b42f6")  # the namespace of UUIDs made from content


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The positions of all parts of the VHD of a disk.

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


class VirtualVhd(VirtualFile):
    """The dynamic VHD of a disk, as a byte source; the same disk always results in the same bytes.

    :param uuid: the VHD's UUID; by default one derived from the disk's identity and content.
    :param timestamp: the time of creation, or the seconds since 2000-01-01 UTC that the format
        stores; by default 0, so that an interrupted upload can resume with the same bytes.
    :param scan: leave out allocated blocks that contain only zeros, which reads the disk first.
    :param progress: reports the scan for blocks that contain data.
    :raises VhdError: when the disk is empty or larger than 2040 GiB, or the format cannot store
        the timestamp.
    :raises SourceError: when the disk cannot be read.
    """

    def __init__(
        self,
        disk: ByteSource,
        *,
        uuid: UUID | None = None,
        timestamp: datetime | int | None = None,
        scan: bool = True,
        progress: Progress = SILENT,
    ) -> None:
        if not 0 < disk.size <= MAX_DISK_SIZE:
            size, limit = format_sizes(disk.size, MAX_DISK_SIZE)
            raise VhdError(
                f"The disk '{disk.name}' has {size}; a VHD can hold a disk of 1 byte to {limit}."
            )
        seconds = _seconds(timestamp)
        blocks = blocks_with_data(disk, progress) if scan else allocated_blocks(disk)
        uuid = uuid or _uuid_of(disk, blocks)
        self.layout = Layout.plan(round_up(disk.size, BLOCK_SIZE), blocks, uuid, seconds)
        identity = f"{disk.identity}.vhd-{uuid.hex}-{seconds:x}"
        super().__init__(disk, self.layout.size, identity)

    @property
    def disk_size(self) -> int:
        """The size in bytes of the disk in it: the source's, rounded up to 2 MiB."""
        return self.layout.disk_size

    @property
    def blocks_allocated(self) -> int:
        """The number of blocks of 2 MiB that are not all zero."""
        return len(self.layout.blocks)

    def _piece(self, offset: int, length: int) -> bytes:
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


def _uuid_of(disk: ByteSource, blocks: "array[int]") -> UUID:
    """Return a UUID derived from the disk's identity and a sample of its content.

    Files can have the same identity on machines that were set up in the same way.
    """
    content = hashlib.sha256(blocks.tobytes())
    if blocks:
        start = blocks[0] * BLOCK_SIZE
        content.update(disk.read_at(start, min(_SAMPLE, disk.size - start)))
    return uuid5(_UUIDS, f"{disk.identity}\n{disk.size}\n{content.hexdigest()}")


def _seconds(timestamp: datetime | int | None) -> int:
    if isinstance(timestamp, datetime):
        timestamp = int((timestamp.astimezone(UTC) - EPOCH).total_seconds())
    seconds = timestamp or 0
    if not 0 <= seconds < 1 << 32:
        raise VhdError(
            f"A VHD's time of creation is between 2000 and 2136, not {seconds} s after 2000."
        )
    return seconds
