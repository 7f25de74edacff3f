# SPDX-License-Identifier: Apache-2.0
"""Checks of the dynamic header: the position of the BAT, and the number and size of the blocks."""

from collections.abc import Iterator

from rackspace_imagetasks.formats.vhd._structures import (
    BLOCK_SIZE,
    FOOTER_SIZE,
    HEADER_SIZE,
    NO_OFFSET,
    VERSION,
    DiskType,
    DynamicHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd._tables import MAX_TABLE_ENTRIES, is_block_size, table_size
from rackspace_imagetasks.formats.vhd.report import Finding, broken, flaw, warning
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.units import SECTOR, divide_up


def header_identity(content: bytes, where: str) -> Iterator[Finding]:
    """Check that these bytes are a dynamic header."""
    if len(content) < HEADER_SIZE:
        detail = "The dynamic header extends past the footer or the end of the file."
        yield broken("header-past-end", detail, where, Hint.GET_FILE_AGAIN)
    elif not content.startswith(DynamicHeader.COOKIE):
        detail = "There is no dynamic header ('cxsparse') at the offset that the footer contains."
        yield broken("header-cookie", detail, where, Hint.GET_FILE_AGAIN)
    elif not DynamicHeader.checksum_matches(content):
        detail = "The checksum of the dynamic header does not match its content."
        yield broken("header-checksum", detail, where, Hint.GET_FILE_AGAIN)


def header_fields(header: DynamicHeader, footer: Footer, data_end: int) -> Iterator[Finding]:
    """Check each field of a dynamic header, including the position of the BAT in the file."""
    yield from _constant_findings(header, footer)
    yield from _block_size_findings(header)
    yield from _entry_findings(header, footer)
    yield from _table_findings(header, footer, data_end)


def _constant_findings(header: DynamicHeader, footer: Footer) -> Iterator[Finding]:
    if header.data_offset != NO_OFFSET:
        detail = (
            f"The data offset of the dynamic header is {header.data_offset:#x}; XenServer's tools"
            " accept only 64 one bits."
        )
        yield flaw("header-data-offset", detail, "header offset 8")
    if header.version != VERSION:
        detail = f"The header version is {header.version:#010x}, not {VERSION:#010x}."
        yield flaw("header-version", detail, "header offset 24")
    if any(header.reserved1) or any(header.reserved2):
        where = "header offset 60" if any(header.reserved1) else "header offset 768"
        detail = "The reserved bytes of the dynamic header are not all zero."
        yield flaw("header-reserved", detail, where)
    if footer.disk_type == DiskType.DYNAMIC and header.names_parent:
        detail = "The disk is self-contained (dynamic), but its header names a parent disk."
        yield flaw("parent-fields", detail, "header offset 40")


def _block_size_findings(header: DynamicHeader) -> Iterator[Finding]:
    size, where = header.block_size, "header offset 32"
    if not is_block_size(size):
        detail = f"The block size of {size} bytes is not a power of two of at least 4096."
        yield broken("block-size", detail, where)
    elif size != BLOCK_SIZE:
        detail = f"The block size is {size} bytes; XenServer supports only {BLOCK_SIZE} (2 MiB)."
        yield flaw("block-size", detail, where)


def _entry_findings(header: DynamicHeader, footer: Footer) -> Iterator[Finding]:
    entries, where = header.max_table_entries, "header offset 28"
    if entries > MAX_TABLE_ENTRIES:
        detail = f"The BAT has {entries} entries; a VHD has at most {MAX_TABLE_ENTRIES}."
        yield broken("too-many-entries", detail, where, Hint.GET_FILE_AGAIN)
        return
    if not is_block_size(header.block_size):
        return
    needed = divide_up(footer.current_size, header.block_size)
    if entries < needed:
        detail = f"The BAT has {entries} entries, but the disk has {needed} blocks."
        yield broken("too-few-entries", detail, where, Hint.GET_FILE_AGAIN)
    elif entries > needed:
        detail = (
            f"The BAT has {entries} entries, but the disk has {needed} blocks: XenServer's tools"
            " cannot resize it reliably."
        )
        yield warning("table-larger-than-disk", detail, where, Hint.CONVERT_VHD)


def _table_findings(header: DynamicHeader, footer: Footer, data_end: int) -> Iterator[Finding]:
    start, where = header.table_offset, "header offset 16"
    end = start + table_size(header.max_table_entries)
    header_end = footer.data_offset + HEADER_SIZE
    if start % SECTOR:
        detail = f"The offset of the BAT, {start}, is not a multiple of 512."
        yield broken("table-unaligned", detail, where, Hint.GET_FILE_AGAIN)
    if start < FOOTER_SIZE or (start < header_end and footer.data_offset < end):
        detail = f"The BAT at offset {start} overlaps the copy of the footer or the dynamic header."
        yield broken("table-overlap", detail, where, Hint.GET_FILE_AGAIN)
    if end > data_end:
        detail = f"The BAT, from offset {start} to {end}, ends after the data, at {data_end}."
        yield broken("table-past-end", detail, where, Hint.GET_FILE_AGAIN)
