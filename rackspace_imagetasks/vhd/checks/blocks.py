# SPDX-License-Identifier: Apache-2.0
"""Checks of the BAT: each block lies in the file, apart from all else and from each other."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from rackspace_imagetasks.units import SECTOR
from rackspace_imagetasks.vhd.report import Finding, error, warning
from rackspace_imagetasks.vhd.structures import UNALLOCATED
from rackspace_imagetasks.vhd.tables import bitmap_size

_MAX_FINDINGS = 100  # of one table; the rest is counted


class Region(NamedTuple):
    """A stretch of the file that is taken: by the header, the BAT, the batmap."""

    name: str
    start: int
    end: int


_Block = tuple[int, int]  # its sector and its number, so that blocks sort as they lie in the file


def block_findings(
    table: Sequence[int],
    block_size: int,
    regions: Sequence[Region],
    data_end: int,
    file_size: int,
) -> Iterator[Finding]:
    """Check where the BAT places each block, in O(n log n) for n entries.

    :param regions: what no block may overlap.
    :param data_end: the offset before which all blocks end.
    """
    blocks = sorted((s, n) for n, s in enumerate(table) if s != UNALLOCATED)
    length = bitmap_size(block_size) + block_size
    yield from _limited(_boundary_findings(reversed(blocks), length, data_end, file_size))
    yield from _limited(_region_findings(blocks, length, regions))
    yield from _limited(_overlap_findings(blocks, length))


def beyond_findings(table: Sequence[int], needed: int) -> Iterator[Finding]:
    """Warn of blocks after the end of the disk, which `needed` blocks hold."""
    count = sum(sector != UNALLOCATED for sector in islice(table, needed, None))
    if count:
        detail = f"{count} blocks are allocated beyond the end of the disk."
        yield warning("blocks-beyond-size", detail, f"BAT entry {needed}")


def _limited(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Pass on so many findings that a person can read them, then their last one counts the rest."""
    remaining = iter(findings)
    yield from islice(remaining, _MAX_FINDINGS)
    last = next(remaining, None)
    if last:
        count = 1 + sum(1 for _ in remaining)
        yield error(last.check, f"{count} more entries of the BAT are wrong in this way.", "BAT")


def _boundary_findings(
    blocks: Iterable[_Block], length: int, data_end: int, file_size: int
) -> Iterator[Finding]:
    for sector, number in blocks:
        end = sector * SECTOR + length
        if end > file_size:
            detail = (
                f"Block {number} is said to be at sector {sector} ({sector:#010x}) and would end"
                f" at byte {end}, past the file's end at {file_size}."
            )
            yield error("bat-entry-past-end", detail, f"BAT entry {number}")
        elif end > data_end:
            detail = f"Block {number}, at sector {sector}, reaches into the footer."
            yield error("bat-entry-in-footer", detail, f"BAT entry {number}")
        else:
            return


def _region_findings(
    blocks: Iterable[_Block], length: int, regions: Sequence[Region]
) -> Iterator[Finding]:
    last = max(region.end for region in regions)
    for sector, number in blocks:
        start = sector * SECTOR
        if start >= last:
            return
        for region in regions:
            if start < region.end and region.start < start + length:
                detail = f"Block {number}, at sector {sector}, overlaps {region.name}."
                yield error("bat-entry-in-metadata", detail, f"BAT entry {number}")


def _overlap_findings(blocks: Sequence[_Block], length: int) -> Iterator[Finding]:
    for (before, first), (sector, second) in pairwise(blocks):
        if sector == before:
            detail = f"Blocks {first} and {second} share sector {sector}."
            yield error("bat-duplicate", detail, f"BAT entry {second}")
        elif (sector - before) * SECTOR < length:
            detail = (
                f"Block {second}, at sector {sector}, overlaps block {first}, at sector {before}."
            )
            yield error("bat-overlap", detail, f"BAT entry {second}")
