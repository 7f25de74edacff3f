# SPDX-License-Identifier: Apache-2.0
"""Writing a byte source to a sparse file or to a stream."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from rackspace_imagetasks.bytesource import ByteSource, Extent
from rackspace_imagetasks.exceptions import TargetError
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.partfile import PartFile, output_errors, part_file
from rackspace_imagetasks.progress import SILENT, Phase, PhaseKind, PhaseTitle, Progress

_PIECE = 256 << 10  # a copy of it stays in the cache until it is written
_STRETCH = 16 << 20
_THREADS = 2  # one copies while the other waits for the kernel
_ZEROS = bytes(_PIECE)
# How an incomplete file begins: it is no disk image, and the next run recognises it.
_INCOMPLETE = b"incomplete: written by a program that has not ended, or was killed\n"


def write_file(
    source: ByteSource,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> None:
    """Write all of a source, such as a `VirtualVhd` or the disk in a VHD, to a sparse file.

    The file gets its name once it is complete; after an error no file remains. It is not flushed
    to the storage device.

    :raises TargetError: when the file exists and `overwrite` is false, or cannot be written.
    :raises SourceError: when the source cannot be read, or changed while it was being read.
    """
    with (
        part_file(path, overwrite=overwrite, mark=_INCOMPLETE, sync=False) as part,
        progress.phase(PhaseTitle(PhaseKind.WRITE, "Writing"), source.size) as phase,
    ):
        part.write_at(0, _INCOMPLETE)
        part.resize(source.size)
        _in_threads(lambda stretch: _copy(source, part, stretch, phase), _stretches(source, phase))
        source.verify_unchanged()
        part.write_at(0, source.read_at(0, min(len(_INCOMPLETE), source.size)))


def write_stream(source: ByteSource, output: BinaryIO, *, progress: Progress = SILENT) -> None:
    """Write all of a source to a stream, in order; use the output only after this returns.

    :raises TargetError: when the output cannot be written.
    :raises SourceError: when the source cannot be read, or changed while it was being read.
    """
    with progress.phase(PhaseTitle(PhaseKind.WRITE, "Writing"), source.size) as phase:
        for offset in range(0, source.size, _PIECE):
            piece = source.read_at(offset, min(_PIECE, source.size - offset))
            with output_errors():
                output.write(piece)
            phase.advance(len(piece))
        source.verify_unchanged()
        with output_errors():
            output.flush()


def _stretches(source: ByteSource, phase: Phase) -> Iterator[Extent]:
    """Yield the data in parts that end at multiples of `_STRETCH`; count the rest as done."""
    end = 0
    for start, length in source.data_extents():
        phase.advance(start - end)
        end = start + length
        for begin in range(start - start % _STRETCH, end, _STRETCH):
            first = max(start, begin)
            yield Extent(first, min(end, begin + _STRETCH) - first)
    phase.advance(source.size - end)


def _copy(source: ByteSource, part: PartFile, stretch: Extent, phase: Phase) -> None:
    end = stretch.offset + stretch.length
    for offset in range(stretch.offset, end, _PIECE):
        piece = source.read_at(offset, min(_PIECE, end - offset))
        if not _ZEROS.startswith(piece):
            part.reserve(offset, len(piece))
            kept = max(len(_INCOMPLETE) - offset, 0)
            part.write_at(offset + kept, memoryview(piece)[kept:])
        phase.advance(len(piece))


def _in_threads(work: Callable[[Extent], None], stretches: Iterable[Extent]) -> None:
    """Run `work` for each stretch; after an error or an interrupt, start no other one."""
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for _done in _started(pool, work, stretches):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _started(
    pool: ThreadPoolExecutor, work: Callable[[Extent], None], stretches: Iterable[Extent]
) -> Iterator[None]:
    try:
        return pool.map(work, stretches)
    except RuntimeError as error:  # of a thread that cannot be started
        message = Message(f"Cannot write the file: {error}.", Hint.FREE_MEMORY)
        raise TargetError(message) from error
