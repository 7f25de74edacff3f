# SPDX-License-Identifier: Apache-2.0
"""Fetch an object into a file: parallel segments, each with its MD5, resumed without a journal."""

import contextlib
import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

from rackspace_imagetasks.bytesource import ByteSource, Extent, FileSource
from rackspace_imagetasks.exceptions import IntegrityError, TargetError
from rackspace_imagetasks.objects.body import CHUNK
from rackspace_imagetasks.objects.manifest import Layout, StoredSegment, read_layout
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.objects.sparse import ZEROS, SparseFile
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.tally import Tally
from rackspace_imagetasks.objects.workers import InOrder, in_parallel, supervise
from rackspace_imagetasks.partfile import part_file
from rackspace_imagetasks.progress import SILENT, Phase, Progress
from rackspace_imagetasks.text import format_size, printable
from rackspace_imagetasks.units import MIB

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

PIECE = 64 * MIB
"""What of a plain object travels at once, in bytes; an object of no more goes as one."""
_ATTEMPTS = 3

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Downloaded:
    """What a download did.

    :ivar path: the file, or None for a stream.
    :ivar size: its bytes.
    :ivar fetched_bytes: bytes that this run fetched.
    :ivar reused_bytes: bytes that an earlier run had left in `FILE.part`.
    """

    path: Path | None
    size: int
    etag: str
    segments: int
    fetched_bytes: int
    reused_bytes: int


def download(
    store: ObjectStore,
    container: str,
    name: str,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    threads: int = 4,
    limit_rate: int | RateLimit | None = None,
    progress: Progress = SILENT,
    stop: threading.Event | None = None,
    validate: Callable[[ByteSource], None] | None = None,
) -> Downloaded:
    """Fetch `container/name` into `path`, which gets its name once everything is right.

    Until then it is `FILE.part`, which stays after any failure; running it again fetches only what
    is not in it yet, or not with the right MD5. Blocks of zeros become holes.

    :param threads: how many segments, or ranges of a large plain object, travel at once.
    :param limit_rate: bytes a second, over all threads; or a `RateLimit` that several share.
    :param stop: set it from another thread to end within a second.
    :param validate: called with the complete file before it gets its name; what it raises is
        raised, and the file stays `FILE.part`.
    :raises NotFound: when there is no such object.
    :raises TargetError: when the file exists or cannot be written, or the disk is too small.
    :raises IntegrityError: when a segment is missing, extra, altered or short.
    :raises TransferError: when the service refuses or the network gives up.
    :raises Cancelled: after `stop`.
    """
    tally = Tally()

    def work(abort: threading.Event) -> Downloaded:
        fetching = store.until(abort)
        # Nothing gets its name after an interrupt.
        with part_file(path, overwrite=overwrite, keep=True, confirm=fetching.pause.check) as part:
            layout = read_layout(fetching, container, name)
            file = SparseFile(part)
            _require_space(Path(path), layout.info.size - file.allocated)
            tally.total = layout.info.size
            limit = RateLimit.of(limit_rate)
            job = _Download(fetching, layout, file, threads, limit, progress, abort, tally)
            reused = job.run()
            if validate is not None:
                with FileSource(part.path) as source:
                    validate(source)
        size = layout.info.size
        return Downloaded(
            Path(path), size, layout.info.etag, len(layout.segments), size - reused, reused
        )

    with tally.told():
        return supervise(work, stop)


def download_stream(
    store: ObjectStore,
    container: str,
    name: str,
    out: BinaryIO,
    *,
    limit_rate: int | RateLimit | None = None,
    progress: Progress = SILENT,
    stop: threading.Event | None = None,
) -> Downloaded:
    """Write `container/name` to `out`, in order, each segment's MD5 compared at its end.

    What is written cannot be taken back: use the output only after this returns; it is flushed.

    :param limit_rate: bytes a second; or a `RateLimit` that several share.
    :raises IntegrityError: when a segment is missing, extra, altered or short.
    :raises TargetError: when `out` takes no more.
    """

    def work(abort: threading.Event) -> Downloaded:
        fetching = store.until(abort)
        layout = read_layout(fetching, container, name)
        limit = RateLimit.of(limit_rate)
        with progress.phase(f"Fetching {printable(name)}", layout.info.size) as phase:
            meter = Meter(phase, fetching.pause, limit)
            for segment in layout.segments:
                for chunk in checked_chunks(fetching, segment):
                    with _output_errors():
                        out.write(chunk)
                    meter.let_pass(len(chunk))
        with _output_errors():
            out.flush()
        size = layout.info.size
        return Downloaded(None, size, layout.info.etag, len(layout.segments), size, 0)

    return supervise(work, stop)


def checked_chunks(store: ObjectStore, segment: StoredSegment) -> Iterator[bytes]:
    """Yield a segment in chunks, the last one only when the MD5 is right.

    :raises IntegrityError: when it is not; a PUT of these chunks then stays incomplete.
    """
    md5 = _md5()
    held_back = b""
    for chunk in store.get_range(segment.container, segment.name, 0, segment.length, segment.md5):
        if held_back:
            yield held_back
        md5.update(chunk)
        held_back = chunk
    if md5.hexdigest() != segment.md5:
        raise _altered(segment, md5.hexdigest())
    yield held_back


def _altered(segment: StoredSegment, md5: str) -> IntegrityError:
    """Return the error for a segment whose content is not what its MD5 says."""
    return IntegrityError(
        f"The segment {segment.shown} is altered: its MD5 is {md5} instead of"
        f" {printable(segment.md5, 40)}."
    )


@contextlib.contextmanager
def _output_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(f"Cannot write the output: {error.strerror}.") from error


def _require_space(path: Path, needed: int) -> None:
    """Compare the file system's free bytes with those still to write, holes not counted."""
    free = os.statvfs(path.parent)
    available = free.f_bavail * free.f_frsize
    if needed > available:
        raise TargetError(
            f"'{printable(path.parent)}' has {format_size(available)} free, but"
            f" {format_size(needed)} are to be written; make room or name another place."
        )


class _Begun(NamedTuple):
    """What an earlier run left of a segment: its first `length` bytes, and their MD5."""

    length: int = 0
    md5: "Hash | None" = None


@dataclass
class _Download:
    """One download in progress."""

    store: ObjectStore
    layout: Layout
    file: SparseFile
    threads: int
    limit: RateLimit
    progress: Progress
    abort: threading.Event
    tally: Tally

    def run(self) -> int:
        """Fetch what is not there yet, and give the bytes that were."""
        segments, size = self.layout.segments, self.layout.info.size
        if len(segments) == 1 and size > PIECE and self.threads > 1:
            reused = self._fetch_plain(segments[0])
        else:
            reused = self._fetch_segments(segments)
        self.file.resize(size)
        return reused

    def _fetch_segments(self, segments: list[StoredSegment]) -> int:
        """Fetch the segments, or the rest of each; give the bytes reused."""
        begun = self._begun(segments)
        there = sum(each.length for each in begun)
        self.tally.keep(there)
        if len(segments) > 1:  # a single one is written in order, so the file's end shows how far
            self.file.resize(self.layout.info.size)
        missing = [(s, b) for s, b in zip(segments, begun, strict=True) if b.length < s.length]
        with self._phase("Fetching", self.layout.info.size - there) as phase:
            meter = self._meter(phase, self.limit)
            lost = self._each(lambda each: self._fetch(*each, meter), missing)
        return there - sum(lost)

    def _fetch(self, segment: StoredSegment, begun: _Begun, meter: Meter) -> int:
        """Fetch the rest of a segment until its MD5 is right; give the bytes that were not."""
        lost = 0
        for _ in range(_ATTEMPTS):
            md5, position = begun.md5 or _md5(), begun.length
            for chunk in self.store.get_range(
                segment.container, segment.name, position, segment.length - position, segment.md5
            ):
                md5.update(chunk)
                self._write(segment.offset + position, chunk, meter)
                position += len(chunk)
            found = md5.hexdigest()
            if found == segment.md5:
                return lost
            self._take_back(position, begun.length, meter)
            lost += begun.length
            begun = _Begun()
        raise _altered(segment, found)

    def _fetch_plain(self, whole: StoredSegment) -> int:
        """Fetch a large plain object in several ranges at a time; give the bytes reused."""
        pieces = [
            Extent(start, min(PIECE, whole.length - start))
            for start in range(0, whole.length, PIECE)
        ]
        begun = [self._reached(piece, self._written(piece)) for piece in pieces]
        self.file.resize(whole.length)
        with self._phase("Fetching", whole.length) as phase:
            meter = self._meter(phase, self.limit)
            for _ in range(_ATTEMPTS):
                found = self._fetch_pieces(whole, pieces, begun, meter)
                if found == whole.md5:
                    return sum(begun)
                self._take_back(whole.length, 0, meter)
                begun = [0] * len(pieces)
        raise _altered(whole, found)

    def _fetch_pieces(
        self, whole: StoredSegment, pieces: list[Extent], begun: list[int], meter: Meter
    ) -> str:
        """Fetch the rest of each piece; give the MD5 of the whole, taken behind the writers."""
        md5 = _md5()
        behind = InOrder(lambda index: self._hash(pieces[index], md5))

        def fetch(index: int) -> None:
            (start, length), done = pieces[index], begun[index]
            self.tally.keep(done)
            meter.let_pass(done)
            position, left = start + done, length - done
            for chunk in self.store.get_range(
                whole.container, whole.name, position, left, whole.md5
            ):
                self._write(position, chunk, meter)
                position += len(chunk)
            behind.ready(index)

        self._each(fetch, range(len(pieces)))
        behind.finish()
        return md5.hexdigest()

    def _begun(self, segments: list[StoredSegment]) -> list[_Begun]:
        """See what an earlier run left of each segment."""
        if not self.file.size:
            return [_Begun()] * len(segments)
        with self._phase("Checking", self.layout.info.size) as phase:
            meter = self._meter(phase, RateLimit(None))

            def look_at(segment: StoredSegment) -> _Begun:
                begun = self._look_at(segment)
                meter.let_pass(segment.length)
                return begun

            return self._each(look_at, segments)

    def _look_at(self, segment: StoredSegment) -> _Begun:
        """Return all of a segment if its MD5 is right, and else what may be right of it."""
        extent = Extent(segment.offset, segment.length)
        written = self._written(extent)
        if not written:  # a hole: zeros, or nothing yet
            is_right = _md5_of_zeros(segment.length) == segment.md5
            return _Begun(segment.length) if is_right else _Begun()
        reached = self._reached(extent, written)
        md5 = self._hash(Extent(extent.offset, reached), _md5())
        begun = _Begun(reached, md5.copy())
        self._hash(Extent(extent.offset + reached, written - reached), md5)
        _hash_zeros(segment.length - written, md5)
        if md5.hexdigest() == segment.md5:
            return _Begun(segment.length)
        return begun if reached < segment.length else _Begun()

    def _written(self, extent: Extent) -> int:
        """Return how many bytes of a range, from its start, end with the last that are no hole."""
        return self.file.data_end(*extent)

    def _reached(self, extent: Extent, written: int) -> int:
        """Return how many of the bytes written can be relied on.

        Where data ends at a hole, the file system has rounded up what was written last.
        """
        at_end = written == extent.length or extent.offset + written == self.file.size
        return written if at_end else max(written - CHUNK, 0)

    def _write(self, offset: int, chunk: bytes, meter: Meter) -> None:
        self.file.write_at(offset, chunk)
        self.tally.keep(len(chunk))
        meter.let_pass(len(chunk))

    def _take_back(self, kept: int, begun: int, meter: Meter) -> None:
        """Count `kept` bytes as wrong, all of them fetched but those that were there before."""
        self.tally.keep(-kept)
        meter.take_back(kept - begun)

    def _hash(self, extent: Extent, md5: "Hash") -> "Hash":
        for chunk in self.file.read_chunks(*extent):
            md5.update(chunk)
            self.store.pause.check()
        return md5

    def _each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        return in_parallel(work, items, self.threads, self.abort)

    def _meter(self, phase: Phase, limit: RateLimit) -> Meter:
        return Meter(phase, self.store.pause, limit)

    def _phase(self, verb: str, total: int) -> contextlib.AbstractContextManager[Phase]:
        return self.progress.phase(f"{verb} {printable(self.layout.info.name)}", total)


def _md5() -> "Hash":
    return hashlib.md5(usedforsecurity=False)


def _hash_zeros(length: int, md5: "Hash") -> None:
    for start in range(0, length, len(ZEROS)):
        md5.update(ZEROS[: length - start])


@functools.cache
def _md5_of_zeros(length: int) -> str:
    md5 = _md5()
    _hash_zeros(length, md5)
    return md5.hexdigest()
