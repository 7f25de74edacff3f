# SPDX-License-Identifier: Apache-2.0
"""Checks of the header, the BAT and the batmap of a dynamic disk, in the order of their reading."""

from dataclasses import dataclass, field

from rackspace_imagetasks.formats.vhd._file import VhdFile
from rackspace_imagetasks.formats.vhd._structures import (
    FOOTER_SIZE,
    HEADER_SIZE,
    UNALLOCATED,
    DynamicHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd._tables import is_block_size, table_size
from rackspace_imagetasks.formats.vhd.checks._batmap import absent_batmap, batmap_findings
from rackspace_imagetasks.formats.vhd.checks._blocks import Region, beyond_findings, block_findings
from rackspace_imagetasks.formats.vhd.checks._header import header_fields, header_identity
from rackspace_imagetasks.formats.vhd.report import Finding
from rackspace_imagetasks.units import divide_up

_BAT = "BAT (so no block was checked)"


@dataclass
class DynamicFindings:
    """The findings and facts of the header, the BAT and the batmap."""

    findings: list[Finding] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    block_size: int | None = None
    blocks_total: int | None = None
    blocks_allocated: int | None = None


def check_dynamic(file: VhdFile, footer: Footer) -> DynamicFindings:
    """Check the header, the BAT and the batmap, as far as each of them locates the next."""
    result = DynamicFindings()
    result.findings += header_identity(file.header_content, f"offset {footer.data_offset}")
    header = file.header
    if header is None:
        result.unread += ["dynamic header", _BAT]
        return result
    result.findings += header_fields(header, footer, file.footers.data_end)
    if is_block_size(header.block_size):
        result.block_size = header.block_size
        result.blocks_total = divide_up(footer.current_size, header.block_size)
    if result.block_size and file.table_is_complete:
        _check_tables(file, footer, header, result)
    else:
        result.unread.append(_BAT)
    return result


def _check_tables(
    file: VhdFile, footer: Footer, header: DynamicHeader, result: DynamicFindings
) -> None:
    table, offset = file.table, header.table_offset
    batmap_offset = offset + table_size(len(table))
    regions = [
        Region("the copy of the footer", 0, FOOTER_SIZE),
        Region("the dynamic header", footer.data_offset, footer.data_offset + HEADER_SIZE),
        Region("the BAT", offset, batmap_offset),
    ]
    batmap = file.batmap
    if batmap:
        result.findings += batmap_findings(batmap, batmap_offset, footer, table)
        regions.append(Region("the batmap", batmap_offset, batmap_offset + batmap.size))
    elif footer.by_xenserver:
        result.findings.append(absent_batmap(footer, batmap_offset))
    result.findings += block_findings(
        table, header.block_size, regions, file.footers.data_end, file.size
    )
    result.findings += beyond_findings(table, result.blocks_total or 0)
    result.blocks_allocated = len(table) - table.count(UNALLOCATED)
