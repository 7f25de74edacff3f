# SPDX-License-Identifier: Apache-2.0
"""The disk inside a VHD, read at random and sparsely, whoever wrote the file."""

from collections.abc import Iterator, Sequence

from rackspace_imagetasks.bytesource import ByteSource, Extent, joined
from rackspace_imagetasks.exceptions import SourceError, VhdError
from rackspace_imagetasks.formats.vhd.footers import Footers
from rackspace_imagetasks.formats.vhd.structures import (
    HEADER_SIZE,
    UNALLOCATED,
    DiskType,
    DynamicHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd.tables import (
    MAX_TABLE_ENTRIES,
    bitmap_size,
    has_bit,
    is_block_size,
    parse_table,
)
from rackspace_imagetasks.formats.vhd.window import Window
from rackspace_imagetasks.units import SECTOR, divide_up


def open_disk(source: ByteSource) -> ByteSource:
    """Return the disk inside a fixed or dynamic VHD.

    Its size is the footer's current size. A damaged footer is replaced by its good copy. A
    differencing disk is refused: what it names as its parent is never opened.

    :raises VhdError: when the file is no such VHD, or its blocks are not all in the file.
    :raises SourceError: when the source cannot be read.
    """
    window = Window(source)
    footers = Footers.find(window)
    footer = footers.footer
    if footers.poisoned:
        raise VhdError(f"'{source.name}' was marked by XenServer as destroyed.")
    if footer is None:
        raise VhdError(f"'{source.name}' is not a VHD: it has no valid footer.")
    if footer.disk_type == DiskType.FIXED:
        return FixedDisk(source, footer, footers.data_end)
    if footer.disk_type == DiskType.DYNAMIC:
        header = _read_header(window, source.name, footer)
        table = _read_table(window, source.name, footer, header, footers.data_end)
        return DynamicDisk(source, footer.current_size, header.block_size, table)
    raise VhdError(
        f"'{source.name}' is a VHD of kind '{footer.kind}', which does not hold a whole disk; give"
        " a fixed or dynamic one."
    )


def _read_header(window: Window, name: str, footer: Footer) -> DynamicHeader:
    content = window.read(footer.data_offset, HEADER_SIZE)
    if len(content) < HEADER_SIZE:
        raise VhdError(f"'{name}' ends before its dynamic header does.")
    try:
        header = DynamicHeader.parse(content)
    except VhdError as error:
        raise VhdError(f"'{name}' cannot be read: {error}") from error
    if not is_block_size(header.block_size):
        raise VhdError(f"'{name}' has blocks of {header.block_size} bytes, no size of a VHD's.")
    return header


def _read_table(
    window: Window, name: str, footer: Footer, header: DynamicHeader, data_end: int
) -> Sequence[int]:
    needed = divide_up(footer.current_size, header.block_size)
    if needed > min(header.max_table_entries, MAX_TABLE_ENTRIES):
        raise VhdError(
            f"'{name}' has a disk of {needed} blocks, but a table of {header.max_table_entries}."
        )
    content = window.read(header.table_offset, needed * 4)
    if len(content) < needed * 4:
        raise VhdError(f"'{name}' ends before its block allocation table does.")
    table = parse_table(content, needed)
    length = bitmap_size(header.block_size) + header.block_size
    for number, sector in enumerate(table):
        if sector != UNALLOCATED and sector * SECTOR + length > data_end:
            raise VhdError(f"'{name}' ends before its block {number}, at sector {sector}, does.")
    return table


class _Disk:
    """What all disks share: they are as their file is."""

    def __init__(self, source: ByteSource, size: int) -> None:
        self._source = source
        self.size = size
        self.name = source.name
        self.identity = f"{source.identity}.disk"

    def verify_unchanged(self) -> None:
        """Check that the file is still the one that was opened."""
        self._source.verify_unchanged()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def _require_inside(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise SourceError(
                f"The disk in '{self.name}' holds no {length} bytes at offset {offset}."
            )


class FixedDisk(_Disk):
    """The disk of a fixed VHD: the file without its footer."""

    def __init__(self, source: ByteSource, footer: Footer, data_end: int) -> None:
        if footer.current_size > data_end:
            raise VhdError(
                f"'{source.name}' holds {data_end} bytes of its disk's {footer.current_size}."
            )
        super().__init__(source, footer.current_size)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`."""
        self._require_inside(offset, length)
        return self._source.read_at(offset, length)

    def data_extents(self) -> Iterator[Extent]:
        """Yield the file's extents up to the end of the disk."""
        for start, length in self._source.data_extents():
            if start >= self.size:
                return
            yield Extent(start, min(length, self.size - start))


class DynamicDisk(_Disk):
    """The disk of a dynamic VHD: a table of blocks, and in each a bitmap of its sectors."""

    def __init__(
        self, source: ByteSource, size: int, block_size: int, table: Sequence[int]
    ) -> None:
        super().__init__(source, size)
        self._block_size = block_size
        self._bitmap_size = bitmap_size(block_size)
        self._table = table
        self._known_whole = bytearray(len(table))  # by block: 1 where every sector is present

    def read_at(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes from `offset`; what is not in the file reads as zeros."""
        self._require_inside(offset, length)
        pieces = []
        while length > 0:
            block, start = divmod(offset, self._block_size)
            amount = min(length, self._block_size - start)
            pieces.append(self._read_in_block(block, start, amount))
            offset, length = offset + amount, length - amount
        return b"".join(pieces)

    def data_extents(self) -> Iterator[Extent]:
        """Return the allocated blocks, adjacent ones as one extent."""
        size = self._block_size
        return joined(
            Extent(block * size, min(size, self.size - block * size))
            for block, sector in enumerate(self._table)
            if sector != UNALLOCATED
        )

    def _read_in_block(self, block: int, start: int, length: int) -> bytes:
        sector = self._table[block]
        if sector == UNALLOCATED:
            return bytes(length)
        data = self._source.read_at(sector * SECTOR + self._bitmap_size + start, length)
        bitmap = self._bitmap(block)
        return data if bitmap is None else _only_present(data, start, bitmap)

    def _bitmap(self, block: int) -> bytes | None:
        """Return a block's bitmap, or None where every sector is present."""
        if self._known_whole[block]:
            return None
        bitmap = self._source.read_at(self._table[block] * SECTOR, self._bitmap_size)
        if not bitmap.startswith(b"\xff" * (self._block_size // SECTOR // 8)):
            return bitmap
        self._known_whole[block] = 1
        return None


def _only_present(data: bytes, start: int, bitmap: bytes) -> bytes:
    """Return `data`, from `start` of a block, with zeros for sectors that the bitmap lacks."""
    kept = bytearray(data)
    for sector in range(start // SECTOR, divide_up(start + len(data), SECTOR)):
        if not has_bit(bitmap, sector):
            begin = max(0, sector * SECTOR - start)
            end = min(len(data), (sector + 1) * SECTOR - start)
            kept[begin:end] = bytes(end - begin)
    return bytes(kept)
