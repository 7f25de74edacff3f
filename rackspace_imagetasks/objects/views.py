# SPDX-License-Identifier: Apache-2.0
"""Write a file that is made of what is received, such as the qcow2 file of the disk in a VHD.

The file is a function of its source. It is written in the order in which the source stores its
data, in pieces. A piece is complete when every part of the source before its end is verified; then
it is recorded. Another run continues after the last complete piece that is intact in the file.
"""

import hashlib
import itertools
import os
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rackspace_imagetasks.bytesource import ByteSource, Extent, stored_extents
from rackspace_imagetasks.objects._body import CHUNK
from rackspace_imagetasks.objects._pieces import Entry, PieceRecord
from rackspace_imagetasks.objects._sparse import SparseFile
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.download import Downloaded, require_space
from rackspace_imagetasks.objects.meter import Meter
from rackspace_imagetasks.ordered import OrderedSource
from rackspace_imagetasks.partfile import PartFile, output_errors, part_file
from rackspace_imagetasks.units import MIB

PIECE = 4 * MIB
_READ_MORE = MIB  # how much of the next piece the reader of a format may have read as well


class View(NamedTuple):
    """A file that is not written yet, and the source that it is made of."""

    source: OrderedSource
    file: ByteSource


class _Written(NamedTuple):
    """A piece, with the parts of the source before its end that were not verified by then."""

    entry: Entry
    parts: frozenset[int]


OpenView = Callable[[], AbstractContextManager[View]]


def write_view(
    open_view: OpenView,
    path: str | os.PathLike[str],
    transfer: DataTransfer,
    *,
    overwrite: bool = False,
) -> Downloaded:
    """Write a view into the file `path`, which appears once it is complete and verified.

    Until then the file is `FILE.part`, which remains after a failure. What is not part of the
    view's extents becomes a hole.

    :param open_view: opens the view; it is called when the file can be written.
    :raises TargetError: if the file exists or cannot be written, or there is not enough space.
    :raises IntegrityError: if the source is corrupt.
    :raises TransferError: if the service refuses a request or the network fails.
    :raises Cancelled: when the transfer is cancelled.
    """

    def work() -> Downloaded:
        with (
            part_file(path, overwrite=overwrite, keep=True, confirm=transfer.check) as part,
            open_view() as view,
        ):
            reused = _ViewWriter(view, part, transfer).run()
            return _written(view, Path(path), reused)

    return transfer.run(work)


def find_view(
    open_view: OpenView, path: str | os.PathLike[str], transfer: DataTransfer
) -> Downloaded | None:
    """Return the result of an earlier `write_view` if the file `path` has exactly the view.

    The source is received and verified, up to the first difference.

    :raises IntegrityError, TransferError, Cancelled: as `write_view`, if there is a file at all.
    """
    path = Path(path)
    if not (path.is_file() and os.access(path, os.R_OK)):
        return None

    def work() -> Downloaded | None:
        with open_view() as view, path.open("rb") as file:
            existing = SparseFile(PartFile(path, file.fileno()))
            if existing.size != view.file.size or not _has_view(existing, path, view, transfer):
                return None
            view.file.verify_unchanged()
            return _written(view, path, 0)

    return transfer.run(work)


def stream_view(open_view: OpenView, output: BinaryIO, transfer: DataTransfer) -> Downloaded:
    """Write a view to `output` in order; use the output only after this returns.

    :raises TargetError: if `output` cannot be written.
    :raises IntegrityError, TransferError, Cancelled: as `write_view`.
    """

    def work() -> Downloaded:
        with (
            open_view() as view,
            transfer.downloading(view.source.name, view.file.size) as meter,
        ):
            for _offset, chunk in _chunks(view.file, Extent(0, view.file.size)):
                with output_errors():
                    output.write(chunk)
                meter.advance(len(chunk))
            view.file.verify_unchanged()
            with output_errors():
                output.flush()
            return _written(view, None, 0)

    return transfer.run(work)


class _ViewWriter:
    """Writes one view into `FILE.part`."""

    def __init__(self, view: View, part: PartFile, transfer: DataTransfer) -> None:
        self._view = view
        self._part = part
        self._file = SparseFile(part)
        self._transfer = transfer
        with view.source.apart():  # of some formats, finding the extents reads tables
            self._extents = array("Q", itertools.chain.from_iterable(stored_extents(view.file)))
        key = _key_of(view, self._extents)
        self._record = PieceRecord(self._file, view.file.size, key)

    def run(self) -> int:
        """Write what the file does not contain yet, and return the number of bytes reused."""
        total = sum(self._extents[1::2])
        self._transfer.expect(total)
        count, reused = self._find_complete(total)
        require_space(self._part.path.parent, total - reused)
        self._transfer.keep(reused)
        with self._transfer.downloading(self._view.source.name, total - reused) as meter:
            self._write_pieces(itertools.islice(self._pieces(), count, None), meter)
        self._view.file.verify_unchanged()
        self._file.resize(self._view.file.size)
        return reused

    def _find_complete(self, total: int) -> tuple[int, int]:
        """Return how many pieces, and how many bytes in them, an earlier run has completed."""
        if not self._record.is_present:
            self._record.begin()
            return 0, 0
        count = reused = position = 0
        with self._transfer.checking(total) as meter:
            for entry, piece in zip(self._record.entries(), self._pieces(), strict=False):
                if self._digest(piece) != entry.digest:
                    break
                count, position = count + 1, entry.position
                reused += _length(piece)
                meter.advance(_length(piece))
        self._record.truncate()
        self._view.source.trust(position)
        return count, reused

    def _write_pieces(self, pieces: Iterator[list[Extent]], meter: Meter) -> None:
        """Write pieces, and record each of them once its part of the source is verified.

        Most pieces end within a part that is still being received.
        """
        source, written = self._view.source, deque[_Written]()
        for piece in pieces:
            digest = self._write(piece, meter)
            unverified = source.unverified
            entry = Entry(max(0, source.position - _READ_MORE), digest)
            written.append(_Written(entry, unverified))
            while written and unverified.isdisjoint(written[0].parts):
                self._record.append(written.popleft().entry)

    def _write(self, piece: list[Extent], meter: Meter) -> bytes:
        digest = hashlib.sha256()
        for extent in piece:
            for offset, chunk in _chunks(self._view.file, extent):
                self._file.write_at(offset, chunk)
                digest.update(chunk)
                self._transfer.keep(len(chunk))
                meter.advance(len(chunk))
        return digest.digest()

    def _digest(self, piece: list[Extent]) -> bytes:
        digest = hashlib.sha256()
        for extent in piece:
            for chunk in self._file.read_chunks(*extent):
                digest.update(chunk)
                self._transfer.check()
        return digest.digest()

    def _pieces(self) -> Iterator[list[Extent]]:
        """Yield lists of extents with `PIECE` bytes each; the last one may have fewer."""
        piece: list[Extent] = []
        free = PIECE
        for start, length in zip(self._extents[::2], self._extents[1::2], strict=True):
            offset, end = start, start + length
            while offset < end:
                extent = Extent(offset, min(free, end - offset))
                piece.append(extent)
                offset, free = offset + extent.length, free - extent.length
                if not free:
                    yield piece
                    piece, free = [], PIECE
        if piece:
            yield piece


def _has_view(existing: SparseFile, path: Path, view: View, transfer: DataTransfer) -> bool:
    """Return whether a file of the right size has the bytes of a view, and otherwise only zeros."""
    with view.source.apart():
        extents = list(stored_extents(view.file))
        gaps = list(_gaps(view.file))
    for gap in gaps:
        for start in range(gap.offset, gap.offset + gap.length, CHUNK):
            transfer.check()
            length = min(CHUNK, gap.offset + gap.length - start)
            if not existing.is_zero(start, length):
                return False
    with transfer.comparing(path, _length(extents)) as meter:
        for extent in extents:
            for offset, chunk in _chunks(view.file, extent):
                if existing.read_some(offset, len(chunk)) != chunk:
                    return False
                meter.advance(len(chunk))
    return True


def _gaps(file: ByteSource) -> Iterator[Extent]:
    """Yield what is not part of the extents of a view."""
    end = 0
    for offset, length in (*file.data_extents(), Extent(file.size, 0)):
        if offset > end:
            yield Extent(end, offset - end)
        end = offset + length


def _key_of(view: View, extents: "array[int]") -> bytes:
    """Return what identifies the bytes of a view, their order, and the version of its source."""
    source, file = view
    key = hashlib.sha256(f"{source.etag}\n{source.size}\n{file.identity}\n{file.size}\n".encode())
    key.update(extents)
    return key.digest()


def _chunks(file: ByteSource, extent: Extent) -> Iterator[tuple[int, bytes]]:
    """Yield the bytes of an extent in chunks, each with its offset."""
    end = extent.offset + extent.length
    for offset in range(extent.offset, end, CHUNK):
        yield offset, file.read_at(offset, min(CHUNK, end - offset))


def _length(piece: list[Extent]) -> int:
    return sum(extent.length for extent in piece)


def _written(view: View, path: Path | None, reused: int) -> Downloaded:
    source, file = view
    return Downloaded(path, file.size, source.etag, 0, source.received, reused)
