# SPDX-License-Identifier: Apache-2.0
"""Finding the blocks of a disk that are not all zero."""

from array import array

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.formats.vhd._structures import BLOCK_SIZE
from rackspace_imagetasks.progress import SILENT, PhaseKind, PhaseTitle, Progress
from rackspace_imagetasks.units import divide_up

# Small, because most blocks with data have some at their beginning.
_PIECE = 64 << 10
_ZEROS = bytes(_PIECE)


def blocks_with_data(disk: ByteSource, progress: Progress = SILENT) -> "array[int]":
    """Return the numbers of the blocks that are not all zero, ascending.

    Each block is read only up to its first data.

    :raises SourceError: when the disk cannot be read.
    """
    blocks = array("I")
    with progress.phase(PhaseTitle(PhaseKind.SCAN, "Scanning"), disk.size) as phase:
        scanned = 0
        for start, length in disk.data_extents():
            end = start + length
            first = max(start // BLOCK_SIZE, blocks[-1] + 1 if blocks else 0)
            for block in range(first, divide_up(end, BLOCK_SIZE)):
                stop = min(end, (block + 1) * BLOCK_SIZE)
                if _holds_data(disk, max(start, block * BLOCK_SIZE), stop):
                    blocks.append(block)
                phase.advance(stop - scanned)
                scanned = stop
        phase.advance(disk.size - scanned)
    return blocks


def allocated_blocks(disk: ByteSource) -> "array[int]":
    """Return the numbers of the blocks that the disk's extents touch, ascending.

    :raises SourceError: when the disk cannot be read.
    """
    blocks = array("I")
    for start, length in disk.data_extents():
        first = max(start // BLOCK_SIZE, blocks[-1] + 1 if blocks else 0)
        blocks.extend(range(first, divide_up(start + length, BLOCK_SIZE)))
    return blocks


def _holds_data(disk: ByteSource, start: int, end: int) -> bool:
    return any(
        not _ZEROS.startswith(disk.read_at(offset, min(_PIECE, end - offset)))
        for offset in range(start, end, _PIECE)
    )
