# SPDX-License-Identifier: Apache-2.0
"""The disk inside a VHD, with random and sparse reads, whichever program wrote the file."""

from array import array
from collections.abc import Iterable, Iterator, Sequence

from rackspace_imagetasks.bytesource import BaseSource, ByteSource, Extent, joined
from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd._file import VhdFile
from rackspace_imagetasks.formats.vhd._structures import (
    HEADER_SIZE,
    UNALLOCATED,
    DiskType,
    DynamicHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd._tables import (
    MAX_TABLE_ENTRIES,
    bitmap_size,
    has_bit,
    is_block_size,
)
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.units import SECTOR, divide_up


def open_disk(source: ByteSource | VhdFile) -> "FixedDisk | DynamicDisk":
    """Return the disk inside a fixed or dynamic VHD.

    Its size is the footer's current size. A damaged footer is replaced by its valid copy. A
    differencing disk is refused: the file that it names as its parent is never opened.

    :raises VhdError: when the file is not such a VHD, or is incomplete.
    :raises SourceError: when the source cannot be read.
    """
    file = VhdFile.of(source)
    footer = file.footer
    if file.footers.poisoned:
        raise VhdError(f"XenServer has marked '{file.name}' as destroyed.")
    if footer is None:
        raise VhdError(f"'{file.name}' is not a VHD: it has no valid footer.")
    if footer.disk_type == DiskType.FIXED:
        return FixedDisk(file, footer)
    if footer.disk_type == DiskType.DYNAMIC:
        header = _require_header(file)
        return DynamicDisk(file, footer, header, _require_table(file, footer, header))
    raise VhdError(
        Message(
            f"'{file.name}' is a VHD of type '{footer.kind}', which does not contain a whole disk.",
            Hint.SPECIFY_WHOLE_DISK,
        )
    )


def _require_header(file: VhdFile) -> DynamicHeader:
    content, header = file.header_content, file.header
    if len(content) < HEADER_SIZE:
        raise VhdError(f"'{file.name}' ends within its dynamic header.")
    if header is None:
        raise VhdError(f"'{file.name}' has no dynamic header where its footer refers to.")
    if not DynamicHeader.checksum_matches(content):
        raise VhdError(
            f"The checksum of the dynamic header of '{file.name}' does not match its content."
        )
    if not is_block_size(header.block_size):
        raise VhdError(f"'{file.name}' has an invalid block size of {header.block_size} bytes.")
    return header


def _require_table(file: VhdFile, footer: Footer, header: DynamicHeader) -> Sequence[int]:
    needed = divide_up(footer.current_size, header.block_size)
    if needed > min(header.max_table_entries, MAX_TABLE_ENTRIES):
        raise VhdError(
            f"The disk in '{file.name}' has {needed} blocks, but a table of"
            f" {header.max_table_entries} entries."
        )
    table = file.table[:needed]
    if len(table) < needed:
        raise VhdError(f"'{file.name}' ends within its block allocation table.")
    length = bitmap_size(header.block_size) + header.block_size
    for number, sector in enumerate(table):
        if sector != UNALLOCATED and sector * SECTOR + length > file.footers.data_end:
            raise VhdError(f"'{file.name}' ends within its block {number}, at sector {sector}.")
    return table


class _Disk(BaseSource):
    """A disk that changes and is closed with its file."""

    def __init__(self, source: ByteSource, size: int) -> None:
        super().__init__(source.name, size, f"{source.identity}.disk")
        self._source = source

    def verify_unchanged(self) -> None:
        """Check that the file is still the one that was opened."""
        self._source.verify_unchanged()

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class FixedDisk(_Disk):
    """The disk of a fixed VHD: the file without its footer."""

    kind = "fixed"

    def __init__(self, file: VhdFile, footer: Footer) -> None:
        if footer.current_size > file.footers.data_end:
            raise VhdError(
                f"'{file.name}' has only {file.footers.data_end} bytes of its disk of"
                f" {footer.current_size} bytes."
            )
        super().__init__(file.source, footer.current_size)

    def _read(self, offset: int, length: int) -> bytes:
        return self._source.read_at(offset, length)

    def data_extents(self) -> Iterator[Extent]:
        """Yield the file's extents up to the end of the disk."""
        for start, length in self._source.data_extents():
            if start >= self.size:
                return
            yield Extent(start, min(length, self.size - start))


class DynamicDisk(_Disk):
    """The disk of a dynamic VHD: blocks that the BAT locates, each with a bitmap of its sectors.

    A block whose bitmap contradicts other evidence of what it holds is not read: programs disagree
    on its content.
    """

    kind = "dynamic"

    def __init__(
        self, file: VhdFile, footer: Footer, header: DynamicHeader, table: Sequence[int]
    ) -> None:
        super().__init__(file.source, footer.current_size)
        self._block_size = header.block_size
        self._bitmap_size = bitmap_size(header.block_size)
        self._table = table
        self._by_xenserver = footer.by_xenserver
        self._full_blocks = file.full_blocks
        self._known_full = bytearray(len(table))  # by block: 1 if every sector is present
        # The last other block and its bitmap, in one object that any thread can replace.
        self._last_bitmap = (-1, b"")

    def _read(self, offset: int, length: int) -> bytes:
        pieces = []
        while length > 0:
            block, start = divmod(offset, self._block_size)
            amount = min(length, self._block_size - start)
            pieces.append(self._read_in_block(block, start, amount))
            offset, length = offset + amount, length - amount
        return b"".join(pieces)

    def data_extents(self) -> Iterator[Extent]:
        """Return the allocated blocks, adjacent ones as one extent."""
        return self._extents(self._allocated())

    def stored_extents(self) -> Iterator[Extent]:
        """Return the allocated blocks in the order in which the file contains them."""
        blocks = array("I", self._allocated())
        return self._extents(sorted(blocks, key=self._table.__getitem__))

    def _allocated(self) -> Iterator[int]:
        return (block for block, sector in enumerate(self._table) if sector != UNALLOCATED)

    def _extents(self, blocks: Iterable[int]) -> Iterator[Extent]:
        size = self._block_size
        return joined(Extent(block * size, min(size, self.size - block * size)) for block in blocks)

    def _read_in_block(self, block: int, start: int, length: int) -> bytes:
        sector = self._table[block]
        if sector == UNALLOCATED:
            return bytes(length)
        # The bitmap precedes the data, so a file that arrives in order is read in order.
        bitmap = self._bitmap(block)
        data = self._source.read_at(sector * SECTOR + self._bitmap_size + start, length)
        if bitmap is None:
            return data
        # XenServer's tools clear no bitmap; others ignore the bitmaps of a disk without a parent.
        if not self._by_xenserver and not any(bitmap) and any(data):
            raise self._doubt(block, "no sector of it is marked as present, but it contains data")
        return _only_present(data, start, bitmap)

    def _bitmap(self, block: int) -> bytes | None:
        """Return a block's bitmap, or None if every sector is present."""
        if self._known_full[block]:
            return None
        known, bitmap = self._last_bitmap
        if known == block:
            return bitmap
        bitmap = self._source.read_at(self._table[block] * SECTOR, self._bitmap_size)
        if not bitmap.startswith(b"\xff" * (self._block_size // SECTOR // 8)):
            if self._is_marked_full(block) and not self._is_all_present(block, bitmap):
                raise self._doubt(block, "the batmap marks it as full, but its bitmap does not")
            self._last_bitmap = (block, bitmap)
            return bitmap
        self._known_full[block] = 1
        return None

    def _is_marked_full(self, block: int) -> bool:
        return self._full_blocks is not None and has_bit(self._full_blocks, block)

    def _is_all_present(self, block: int, bitmap: bytes) -> bool:
        """Return whether all sectors of the block that are in the disk are present."""
        sectors = divide_up(min(self._block_size, self.size - block * self._block_size), SECTOR)
        return all(has_bit(bitmap, sector) for sector in range(sectors))

    def _doubt(self, block: int, reason: str) -> VhdError:
        return VhdError(
            Message(
                f"The content of block {block} of '{self.name}' is uncertain: {reason}, so that"
                " some programs read data and others zeros.",
                Hint.GET_FILE_AGAIN,
            )
        )


def _only_present(data: bytes, start: int, bitmap: bytes) -> bytes:
    """Return `data`, from `start` of a block, with zeros for sectors that are not present."""
    kept = bytearray(data)
    for sector in range(start // SECTOR, divide_up(start + len(data), SECTOR)):
        if not has_bit(bitmap, sector):
            begin = max(0, sector * SECTOR - start)
            end = min(len(data), (sector + 1) * SECTOR - start)
            kept[begin:end] = bytes(end - begin)
    return bytes(kept)
