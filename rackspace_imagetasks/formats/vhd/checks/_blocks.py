# SPDX-License-Identifier: Apache-2.0
"""Checks of the BAT: each block is in the file and overlaps nothing else."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple, TypeVar

from rackspace_imagetasks.formats.vhd._structures import UNALLOCATED
from rackspace_imagetasks.formats.vhd._tables import MAX_TABLE_ENTRIES, bitmap_size
from rackspace_imagetasks.formats.vhd.report import Finding, broken, warning
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.units import SECTOR

_MAX_FINDINGS = 5  # of one kind; the others are counted

Wrong = TypeVar("Wrong")


class Region(NamedTuple):
    """A part of the file that is in use: by the header, the BAT, the batmap."""

    name: str
    start: int
    end: int


_Block = tuple[int, int]  # its sector and its number


def block_findings(
    table: Sequence[int],
    block_size: int,
    regions: Sequence[Region],
    data_end: int,
    file_size: int,
) -> Iterator[Finding]:
    """Check the position of each block, in O(n log n) for n entries.

    :param table: at most `MAX_TABLE_ENTRIES` entries.
    :param regions: the parts of the file that no block may overlap.
    :param data_end: the offset before which all blocks end.
    """
    # In the order of the file, and each as one number: 2**20 tuples would need 100 MiB.
    placed = sorted(s * MAX_TABLE_ENTRIES + n for n, s in enumerate(table) if s != UNALLOCATED)
    length = bitmap_size(block_size) + block_size
    beyond = _blocks_beyond(_blocks(reversed(placed)), length, data_end)
    yield from _listed(beyond, lambda block: _beyond(block, length, file_size))
    yield from _listed(_blocks_in(regions, _blocks(placed), length), _in_region)
    yield from _listed(_overlapping(_blocks(placed), length), _overlap)


def _blocks(placed: Iterable[int]) -> Iterator[_Block]:
    return (divmod(each, MAX_TABLE_ENTRIES) for each in placed)


def beyond_findings(table: Sequence[int], needed: int) -> Iterator[Finding]:
    """Check for blocks after the end of a disk of `needed` blocks."""
    count = sum(sector != UNALLOCATED for sector in islice(table, needed, None))
    if count:
        detail = f"{count} blocks are allocated beyond the end of the disk."
        yield warning("blocks-beyond-size", detail, f"BAT entry {needed}")


def _listed(wrong: Iterable[Wrong], describe: Callable[[Wrong], Finding]) -> Iterator[Finding]:
    """Yield findings for the first few, and one that counts the others."""
    remaining = iter(wrong)
    yield from map(describe, islice(remaining, _MAX_FINDINGS))
    another = next(remaining, None)
    if another is not None:
        count = 1 + sum(1 for _ in remaining)
        detail = f"{count} more entries of the BAT have this problem."
        yield broken(describe(another).check, detail, "BAT", Hint.GET_FILE_AGAIN)


def _blocks_beyond(blocks: Iterable[_Block], length: int, data_end: int) -> Iterator[_Block]:
    """Yield the blocks that end after `data_end`, the last one first."""
    for sector, number in blocks:
        if sector * SECTOR + length <= data_end:
            return
        yield sector, number


def _beyond(block: _Block, length: int, file_size: int) -> Finding:
    sector, number = block
    end = sector * SECTOR + length
    where = f"BAT entry {number}"
    if end > file_size:
        detail = (
            f"Block {number}, at sector {sector} ({sector:#010x}), ends at byte {end}, past the end"
            f" of the file at {file_size}."
        )
        return broken("bat-entry-past-end", detail, where, Hint.GET_FILE_AGAIN)
    detail = f"Block {number}, at sector {sector}, overlaps the footer."
    return broken("bat-entry-in-footer", detail, where, Hint.GET_FILE_AGAIN)


def _blocks_in(
    regions: Sequence[Region], blocks: Iterable[_Block], length: int
) -> Iterator[tuple[_Block, Region]]:
    """Yield the blocks that overlap a region, each with the first such region."""
    last = max(region.end for region in regions)
    for block in blocks:
        start = block[0] * SECTOR
        if start >= last:
            return
        for region in regions:
            if start < region.end and region.start < start + length:
                yield block, region
                break


def _in_region(wrong: tuple[_Block, Region]) -> Finding:
    (sector, number), region = wrong
    detail = f"Block {number}, at sector {sector}, overlaps {region.name}."
    return broken("bat-entry-in-metadata", detail, f"BAT entry {number}", Hint.GET_FILE_AGAIN)


def _overlapping(blocks: Iterable[_Block], length: int) -> Iterator[tuple[_Block, _Block]]:
    for one, other in pairwise(blocks):
        if (other[0] - one[0]) * SECTOR < length:
            yield one, other


def _overlap(wrong: tuple[_Block, _Block]) -> Finding:
    (before, first), (sector, second) = wrong
    where = f"BAT entry {second}"
    if sector == before:
        detail = f"Blocks {first} and {second} share sector {sector}."
        return broken("bat-duplicate", detail, where, Hint.GET_FILE_AGAIN)
    detail = f"Block {second}, at sector {sector}, overlaps block {first}, at sector {before}."
    return broken("bat-overlap", detail, where, Hint.GET_FILE_AGAIN)
