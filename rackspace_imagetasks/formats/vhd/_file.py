# SPDX-License-Identifier: Apache-2.0
"""A file read as a VHD: each of its structures is read and parsed once, however it is used."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd._footers import Footers
from rackspace_imagetasks.formats.vhd._structures import (
    BATMAP_HEADER_SIZE,
    HEADER_SIZE,
    BatmapHeader,
    DynamicHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd._tables import (
    MAX_TABLE_ENTRIES,
    map_checksum,
    map_sectors,
    parse_table,
    table_size,
)
from rackspace_imagetasks.formats.window import Window
from rackspace_imagetasks.units import SECTOR

if TYPE_CHECKING:
    from array import array

_HEADER_PLACE = 512  # where all known programs put the dynamic header


@dataclass(frozen=True)
class Batmap:
    """The batmap right after the BAT: for each block, whether all of it is written.

    :ivar size: the bytes of its header and map, as far as the file has them.
    """

    header: BatmapHeader
    content: bytes
    size: int

    def is_valid(self, entries: int, current_size: int) -> bool:
        """Return whether it is complete for so many blocks and its checksum is right."""
        is_complete = len(self.content) >= map_sectors(entries) * SECTOR
        return is_complete and self.header.map_checksum == map_checksum(self.content, current_size)


class VhdFile:
    """The structures of a VHD, or of a file that may be one.

    At most five parts of the file are read, each once: both ends, more of the end if there is no
    footer, the dynamic header if it is elsewhere, and the BAT with the batmap. What is read of the
    BAT never depends on an unchecked count alone.

    :raises SourceError: when the file cannot be read.
    """

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.name = source.name
        self.window = Window(source)
        self.footers = Footers.find(self.window)

    @classmethod
    def of(cls, source: "ByteSource | VhdFile") -> "VhdFile":
        """Return the file itself, or read a source as one."""
        return source if isinstance(source, VhdFile) else cls(source)

    @property
    def size(self) -> int:
        """The file's size in bytes."""
        return self.window.size

    @property
    def footer(self) -> Footer | None:
        """The footer that counts, if there is a valid one."""
        return self.footers.footer

    @property
    def has_orphaned_header(self) -> bool:
        """Whether there is a dynamic header in its usual place, but no valid footer."""
        head = self.window.head
        return self.footer is None and head.startswith(DynamicHeader.COOKIE, _HEADER_PLACE)

    @property
    def is_vhd(self) -> bool:
        """Whether it is a VHD, if only a damaged one, and not a raw disk."""
        footers = self.footers
        return (
            self.footer is not None
            or footers.poisoned
            or footers.any_cookie
            or footers.stray is not None
            or self.has_orphaned_header
        )

    @functools.cached_property
    def header_content(self) -> bytes:
        """The bytes of the dynamic header, as far as they precede the footer."""
        assert self.footer
        offset = self.footer.data_offset
        length = max(0, min(HEADER_SIZE, self.footers.data_end - offset))
        return self.window.read(offset, length)

    @functools.cached_property
    def header(self) -> DynamicHeader | None:
        """The dynamic header, if it is complete and has the cookie."""
        content = self.header_content
        if len(content) < HEADER_SIZE or not content.startswith(DynamicHeader.COOKIE):
            return None
        return DynamicHeader.unpack(content)

    @property
    def table_is_complete(self) -> bool:
        """Whether the file has the whole BAT, of a number of entries that a VHD can have."""
        header = self.header
        return (
            header is not None
            and header.max_table_entries <= MAX_TABLE_ENTRIES
            and header.table_offset + table_size(header.max_table_entries) <= self.footers.data_end
        )

    @functools.cached_property
    def _tables(self) -> bytes:
        """The bytes from the BAT to the end of the batmap, as far as the file has them."""
        assert self.header and self.footer
        entries = min(self.header.max_table_entries, MAX_TABLE_ENTRIES)
        length = table_size(entries)
        if self.footer.by_xenserver:
            length += BATMAP_HEADER_SIZE + map_sectors(entries) * SECTOR
        offset = self.header.table_offset
        return self.window.read(offset, max(0, min(length, self.footers.data_end - offset)))

    @functools.cached_property
    def table(self) -> "array[int]":
        """The entries of the BAT that are in the file: the sector of each block's bitmap."""
        assert self.header
        entries = min(self.header.max_table_entries, MAX_TABLE_ENTRIES, len(self._tables) // 4)
        return parse_table(self._tables, entries)

    @functools.cached_property
    def batmap(self) -> Batmap | None:
        """The batmap of a disk by XenServer with a complete BAT, if there is one."""
        if not (self.footer and self.footer.by_xenserver and self.table_is_complete):
            return None
        content = self._tables[table_size(len(self.table)) :]
        try:
            header = BatmapHeader.parse(content[:BATMAP_HEADER_SIZE])
        except VhdError:
            return None
        return Batmap(header, content[BATMAP_HEADER_SIZE:], len(content))

    @property
    def full_blocks(self) -> bytes | None:
        """The bits of a valid batmap: XenServer does not read the bitmap of a block in it."""
        batmap, footer = self.batmap, self.footer
        if batmap and footer and batmap.is_valid(len(self.table), footer.current_size):
            return batmap.content
        return None
