# SPDX-License-Identifier: Apache-2.0
"""Checks of the batmap, without which XenServer cannot resize its own disks."""

from collections.abc import Iterator, Sequence

from rackspace_imagetasks.formats.vhd._file import Batmap
from rackspace_imagetasks.formats.vhd._structures import (
    BATMAP_HEADER_SIZE,
    BATMAP_VERSION,
    UNALLOCATED,
    BatmapHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd._tables import map_sectors
from rackspace_imagetasks.formats.vhd.report import Finding, flaw, warning
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.units import SECTOR

_FIRST_WITH_BATMAP = 0x0001_0002  # the creator `tap` 1.2


def absent_batmap(footer: Footer, offset: int) -> Finding:
    """Return the finding of a disk by XenServer without a batmap at `offset`."""
    where = f"offset {offset}"
    if footer.creator_version >= _FIRST_WITH_BATMAP:
        detail = f"A disk by 'tap' {footer.creator_release} must have a batmap after its BAT."
        return flaw("batmap-missing", detail, where)
    detail = f"The disk by 'tap' {footer.creator_release} has no batmap: it cannot be resized."
    return warning("no-batmap", detail, where, Hint.CONVERT_VHD)


def batmap_findings(
    batmap: Batmap, offset: int, footer: Footer, table: Sequence[int]
) -> Iterator[Finding]:
    """Check a batmap whose header is at `offset`."""
    yield from _header_findings(batmap.header, offset, len(table))
    where = f"offset {offset + 24}"
    if len(batmap.content) < map_sectors(len(table)) * SECTOR:
        yield flaw("batmap-past-end", "The file ends within the batmap.", where)
        return
    if not batmap.is_valid(len(table), footer.current_size):
        detail = "The checksum of the batmap does not match its content."
        yield flaw("batmap-checksum", detail, where)
    yield from _bit_findings(table, batmap.content, offset)


def _header_findings(header: BatmapHeader, offset: int, entries: int) -> Iterator[Finding]:
    if header.map_offset != offset + BATMAP_HEADER_SIZE:
        detail = f"The offset of the batmap is {header.map_offset}, not the end of its header."
        yield flaw("batmap-offset", detail, f"offset {offset + 8}")
    if header.map_sectors != map_sectors(entries):
        detail = (
            f"The size of the batmap is {header.map_sectors} sectors; for {entries} blocks it must"
            f" be {map_sectors(entries)}."
        )
        yield flaw("batmap-size", detail, f"offset {offset + 16}")
    if header.version != BATMAP_VERSION:
        detail = f"The version of the batmap is {header.version:#010x}, not {BATMAP_VERSION:#010x}."
        yield flaw("batmap-version", detail, f"offset {offset + 20}")
    if any(header.reserved):
        detail = "The reserved bytes of the batmap header are not all zero."
        yield flaw("batmap-reserved", detail, f"offset {offset + 29}")


def _bit_findings(table: Sequence[int], batmap: bytes, offset: int) -> Iterator[Finding]:
    bits = len(batmap) * 8
    allocated = "".join("01"[sector != UNALLOCATED] for sector in table).ljust(bits, "0")
    wrong = int.from_bytes(batmap, "big") & ~int(allocated, 2)
    if wrong:
        detail = (
            f"The batmap marks {wrong.bit_count()} blocks as full that are not allocated; the first"
            f" is block {bits - wrong.bit_length()}."
        )
        yield flaw("batmap-bit", detail, f"offset {offset + BATMAP_HEADER_SIZE}")
