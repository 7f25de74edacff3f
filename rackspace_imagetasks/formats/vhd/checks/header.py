# SPDX-License-Identifier: Apache-2.0
"""Checks of the dynamic header: where the BAT is, and how many blocks of what size there are."""

from collections.abc import Iterator

from rackspace_imagetasks.formats.vhd.report import GET_AGAIN, Finding, broken, flaw
from rackspace_imagetasks.formats.vhd.structures import (
    BLOCK_SIZE,
    FOOTER_SIZE,
    HEADER_SIZE,
    NO_OFFSET,
    VERSION,
    DiskType,
    DynamicHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd.tables import MAX_TABLE_ENTRIES, is_block_size, table_size
from rackspace_imagetasks.units import SECTOR, divide_up


def header_identity(content: bytes, where: str) -> Iterator[Finding]:
    """Check that these bytes are a dynamic header."""
    if len(content) < HEADER_SIZE:
        detail = "The footer or the end of the file comes before the dynamic header's end."
        yield broken("header-past-end", detail, where, GET_AGAIN)
    elif not content.startswith(DynamicHeader.COOKIE):
        detail = "There is no dynamic header ('cxsparse') where the footer says it is."
        yield broken("header-cookie", detail, where, GET_AGAIN)
    elif not DynamicHeader.checksum_matches(content):
        detail = "The checksum of the dynamic header does not match its content."
        yield broken("header-checksum", detail, where, GET_AGAIN)


def header_fields(header: DynamicHeader, footer: Footer, data_end: int) -> Iterator[Finding]:
    """Check each field of a dynamic header, the place of its BAT in the file included."""
    yield from _constant_findings(header, footer)
    yield from _block_size_findings(header)
    yield from _entry_findings(header, footer)
    yield from _table_findings(header, footer, data_end)


def _constant_findings(header: DynamicHeader, footer: Footer) -> Iterator[Finding]:
    if header.data_offset not in (NO_OFFSET, 0xFFFF_FFFF):
        detail = f"A next header is given at offset {header.data_offset}; none is defined."
        yield flaw("header-data-offset", detail, "header offset 8")
    if header.version != VERSION:
        detail = f"The header version is {header.version:#010x}, not {VERSION:#010x}."
        yield flaw("header-version", detail, "header offset 24")
    if any(header.reserved1) or any(header.reserved2):
        where = "header offset 60" if any(header.reserved1) else "header offset 768"
        detail = "The reserved bytes of the dynamic header are not all zero."
        yield flaw("header-reserved", detail, where)
    if footer.disk_type == DiskType.DYNAMIC and header.names_parent:
        detail = "The disk stands alone (dynamic), but its header names a parent disk."
        yield flaw("parent-fields", detail, "header offset 40")


def _block_size_findings(header: DynamicHeader) -> Iterator[Finding]:
    size, where = header.block_size, "header offset 32"
    if not is_block_size(size):
        detail = f"The block size of {size} bytes is not a power of two of at least 4096."
        yield broken("block-size", detail, where)
    elif size != BLOCK_SIZE:
        detail = f"The block size is {size} bytes; XenServer takes only {BLOCK_SIZE} (2 MiB)."
        yield flaw("block-size", detail, where)


def _entry_findings(header: DynamicHeader, footer: Footer) -> Iterator[Finding]:
    entries, where = header.max_table_entries, "header offset 28"
    if entries > MAX_TABLE_ENTRIES:
        detail = f"The BAT claims {entries} entries; no VHD has more than {MAX_TABLE_ENTRIES}."
        yield broken("too-many-entries", detail, where, GET_AGAIN)
    if not is_block_size(header.block_size):
        return
    needed = divide_up(footer.current_size, header.block_size)
    if entries < needed:
        detail = f"The BAT has {entries} entries, but the disk's size takes {needed}."
        yield broken("too-few-entries", detail, where, GET_AGAIN)


def _table_findings(header: DynamicHeader, footer: Footer, data_end: int) -> Iterator[Finding]:
    start, where = header.table_offset, "header offset 16"
    end = start + table_size(header.max_table_entries)
    header_end = footer.data_offset + HEADER_SIZE
    if start % SECTOR:
        detail = f"The BAT's offset {start} is within a sector."
        yield broken("table-unaligned", detail, where, GET_AGAIN)
    if start < FOOTER_SIZE or (start < header_end and footer.data_offset < end):
        detail = f"The BAT at offset {start} overlaps the footer's copy or the dynamic header."
        yield broken("table-overlap", detail, where, GET_AGAIN)
    if end > data_end:
        detail = f"The BAT, from offset {start} to {end}, exceeds the file's {data_end} bytes."
        yield broken("table-past-end", detail, where, GET_AGAIN)
