# SPDX-License-Identifier: Apache-2.0
"""Checks of what a dynamic disk has beside its footer, in the order in which it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd.checks.batmap import absent_batmap, batmap_findings
from rackspace_imagetasks.formats.vhd.checks.blocks import Region, beyond_findings, block_findings
from rackspace_imagetasks.formats.vhd.checks.header import header_fields, header_identity
from rackspace_imagetasks.formats.vhd.footers import Footers
from rackspace_imagetasks.formats.vhd.report import Finding
from rackspace_imagetasks.formats.vhd.structures import (
    BATMAP_HEADER_SIZE,
    FOOTER_SIZE,
    HEADER_SIZE,
    UNALLOCATED,
    BatmapHeader,
    DynamicHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd.tables import (
    MAX_TABLE_ENTRIES,
    is_block_size,
    map_sectors,
    parse_table,
    table_size,
)
from rackspace_imagetasks.formats.vhd.window import Window
from rackspace_imagetasks.units import SECTOR, divide_up

_BAT = "BAT (so no block was checked)"


@dataclass
class DynamicFindings:
    """What was found of the header, the BAT and the batmap."""

    findings: list[Finding] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    block_size: int | None = None
    blocks_total: int | None = None
    blocks_allocated: int | None = None


def check_dynamic(window: Window, footers: Footers, footer: Footer) -> DynamicFindings:
    """Check the header, the BAT and the batmap, as far as each leads to the next."""
    result = DynamicFindings()
    header = _check_header(window, footers, footer, result)
    if header is None:
        result.unread += ["dynamic header", _BAT]
    elif not _table_is_readable(header, footers):
        result.unread.append(_BAT)
    else:
        _check_tables(window, footers, footer, header, result)
    return result


def _check_header(
    window: Window, footers: Footers, footer: Footer, result: DynamicFindings
) -> DynamicHeader | None:
    offset = footer.data_offset
    where = f"offset {offset}"
    content = window.read(offset, max(0, min(HEADER_SIZE, footers.data_end - offset)))
    result.findings += header_identity(content, where)
    if len(content) < HEADER_SIZE or not content.startswith(DynamicHeader.COOKIE):
        return None
    header = DynamicHeader.unpack(content)
    result.findings += header_fields(header, footer, footers.data_end)
    if is_block_size(header.block_size):
        result.block_size = header.block_size
        result.blocks_total = divide_up(footer.current_size, header.block_size)
    return header


def _table_is_readable(header: DynamicHeader, footers: Footers) -> bool:
    return (
        is_block_size(header.block_size)
        and header.max_table_entries <= MAX_TABLE_ENTRIES
        and header.table_offset + table_size(header.max_table_entries) <= footers.data_end
    )


def _check_tables(
    window: Window,
    footers: Footers,
    footer: Footer,
    header: DynamicHeader,
    result: DynamicFindings,
) -> None:
    entries = header.max_table_entries
    offset, size = header.table_offset, table_size(entries)
    behind = BATMAP_HEADER_SIZE + map_sectors(entries) * SECTOR if footer.by_xenserver else 0
    content = window.read(offset, min(size + behind, footers.data_end - offset))
    table = parse_table(content, entries)
    regions = [
        Region("the footer's copy", 0, FOOTER_SIZE),
        Region("the dynamic header", footer.data_offset, footer.data_offset + HEADER_SIZE),
        Region("the BAT", offset, offset + size),
    ]
    if footer.by_xenserver:
        regions += _check_batmap(content[size:], offset + size, footer, table, result)
    result.findings += block_findings(
        table, header.block_size, regions, footers.data_end, window.size
    )
    result.findings += beyond_findings(table, result.blocks_total or 0)
    result.blocks_allocated = entries - table.count(UNALLOCATED)


def _check_batmap(
    content: bytes,
    offset: int,
    footer: Footer,
    table: Sequence[int],
    result: DynamicFindings,
) -> list[Region]:
    """Check the batmap in `content`, which begins at `offset`; give the region that it takes."""
    try:
        header = BatmapHeader.parse(content[:BATMAP_HEADER_SIZE])
    except VhdError:
        result.findings.append(absent_batmap(footer, offset))
        return []
    batmap = content[BATMAP_HEADER_SIZE:]
    result.findings += batmap_findings(header, offset, footer, table, batmap)
    return [Region("the batmap", offset, offset + len(content))]
