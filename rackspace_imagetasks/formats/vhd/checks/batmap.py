# SPDX-License-Identifier: Apache-2.0
"""Checks of the batmap, without which XenServer's own disks do not grow."""

from collections.abc import Iterator, Sequence

from rackspace_imagetasks.formats.vhd.report import CONVERT, Finding, flaw, warning
from rackspace_imagetasks.formats.vhd.structures import (
    BATMAP_HEADER_SIZE,
    BATMAP_VERSION,
    UNALLOCATED,
    BatmapHeader,
    Footer,
)
from rackspace_imagetasks.formats.vhd.tables import map_checksum, map_sectors
from rackspace_imagetasks.units import SECTOR

_FIRST_WITH_BATMAP = 0x0001_0002  # the creator `tap` 1.2


def absent_batmap(footer: Footer, offset: int) -> Finding:
    """Say what follows from XenServer's disk having no batmap where one belongs."""
    where = f"offset {offset}"
    if footer.creator_version >= _FIRST_WITH_BATMAP:
        detail = f"A disk by 'tap' {footer.creator_release} must have a batmap after its BAT."
        return flaw("batmap-missing", detail, where)
    detail = f"The disk by 'tap' {footer.creator_release} has no batmap: it will not grow."
    return warning("no-batmap", detail, where, CONVERT)


def batmap_findings(
    header: BatmapHeader, offset: int, footer: Footer, table: Sequence[int], batmap: bytes
) -> Iterator[Finding]:
    """Check a batmap whose header is at `offset` and which is right behind it."""
    yield from _header_findings(header, offset, len(table))
    where = f"offset {offset + 24}"
    if len(batmap) < map_sectors(len(table)) * SECTOR:
        yield flaw("batmap-past-end", "The file ends before the batmap does.", where)
        return
    if header.map_checksum != map_checksum(batmap, footer.current_size):
        detail = "The batmap's checksum does not match its content."
        yield flaw("batmap-checksum", detail, where)
    yield from _bit_findings(table, batmap, offset)


def _header_findings(header: BatmapHeader, offset: int, entries: int) -> Iterator[Finding]:
    if header.map_offset != offset + BATMAP_HEADER_SIZE:
        detail = f"The batmap is said to be at {header.map_offset}, not right after its header."
        yield flaw("batmap-offset", detail, f"offset {offset + 8}")
    if header.map_sectors != map_sectors(entries):
        detail = (
            f"The batmap's size is given as {header.map_sectors} sectors; {entries} blocks take"
            f" {map_sectors(entries)}."
        )
        yield flaw("batmap-size", detail, f"offset {offset + 16}")
    if header.version != BATMAP_VERSION:
        detail = f"The batmap's version is {header.version:#010x}, not {BATMAP_VERSION:#010x}."
        yield flaw("batmap-version", detail, f"offset {offset + 20}")
    if any(header.reserved):
        detail = "The reserved bytes of the batmap's header are not all zero."
        yield flaw("batmap-reserved", detail, f"offset {offset + 29}")


def _bit_findings(table: Sequence[int], batmap: bytes, offset: int) -> Iterator[Finding]:
    bits = len(batmap) * 8
    allocated = "".join("01"[sector != UNALLOCATED] for sector in table).ljust(bits, "0")
    wrong = int.from_bytes(batmap, "big") & ~int(allocated, 2)
    if wrong:
        detail = (
            f"The batmap says of {wrong.bit_count()} blocks, block {bits - wrong.bit_length()}"
            " first, that they are wholly written, but they are not allocated."
        )
        yield flaw("batmap-bit", detail, f"offset {offset + BATMAP_HEADER_SIZE}")
