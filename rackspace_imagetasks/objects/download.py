# SPDX-License-Identifier: Apache-2.0
"""Fetch an object into a file: parallel segments, each with its MD5, resumed without a journal."""

import contextlib
import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.exceptions import IntegrityError, TargetError
from rackspace_imagetasks.objects.manifest import Layout, StoredSegment, read_layout
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.objects.sparse import ZEROS, SparseFile
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.workers import in_parallel, supervise
from rackspace_imagetasks.partfile import part_file
from rackspace_imagetasks.progress import SILENT, Phase, Progress
from rackspace_imagetasks.text import format_size, printable

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_ATTEMPTS = 3


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

    Until then it is `FILE.part`, which stays after any failure; running it again fetches only the
    segments in it whose MD5 is not right. Blocks of zeros become holes.

    :param threads: how many segments travel at once.
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

    def work(abort: threading.Event) -> Downloaded:
        fetching = store.until(abort)
        with part_file(path, overwrite=overwrite, keep=True) as part:
            layout = read_layout(fetching, container, name)
            file = SparseFile(part)
            _require_space(Path(path), layout.info.size - file.allocated)
            job = _Download(
                fetching, layout, file, threads, RateLimit.of(limit_rate), progress, abort
            )
            reused = job.run()
            if validate is not None:
                with FileSource(part.path) as source:
                    validate(source)
            fetching.pause.check()  # nothing gets its name after an interrupt
        size = layout.info.size
        return Downloaded(
            Path(path), size, layout.info.etag, len(layout.segments), size - reused, reused
        )

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
    """Give a segment in chunks, the last one only when the MD5 is right.

    :raises IntegrityError: when it is not; a PUT of these chunks then stays incomplete.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    held_back = b""
    for chunk in store.get_range(segment.container, segment.name, 0, segment.length, segment.md5):
        if held_back:
            yield held_back
        md5.update(chunk)
        held_back = chunk
    if md5.hexdigest() != segment.md5:
        raise altered(segment, md5.hexdigest())
    yield held_back


def altered(segment: StoredSegment, md5: str) -> IntegrityError:
    """Give the error for a segment whose content is not what its MD5 says."""
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

    def run(self) -> int:
        """Fetch what is not there yet, and give the bytes that were."""
        segments = self.layout.segments
        if len(segments) == 1:
            return self._fetch_one(segments[0])
        left_by_earlier_run = self.file.size > 0
        self.file.resize(self.layout.info.size)
        right = self._present(segments) if left_by_earlier_run else set()
        missing = [segment for segment in segments if segment not in right]
        with self._phase("Fetching", sum(segment.length for segment in missing)) as phase:
            meter = Meter(phase, self.store.pause, self.limit)
            in_parallel(
                lambda segment: self._fetch(segment, meter), missing, self.threads, self.abort
            )
        return sum(segment.length for segment in right)

    def _fetch_one(self, segment: StoredSegment) -> int:
        """Fetch a plain object, in order: what is in the file is its beginning, or worthless."""
        start = min(self.file.size, segment.length)
        md5 = hashlib.md5(usedforsecurity=False)
        if start:
            with self._phase("Checking", start) as phase:
                self._hash(0, start, md5, Meter(phase, self.store.pause, RateLimit(None)))
        with self._phase("Fetching", segment.length - start) as phase:
            meter = Meter(phase, self.store.pause, self.limit)
            reused = self._fetch(segment, meter, start, md5)
        self.file.resize(segment.length)
        return reused

    def _fetch(
        self, segment: StoredSegment, meter: Meter, start: int = 0, md5: "Hash | None" = None
    ) -> int:
        """Fetch a segment from byte `start` on until its MD5 is right; give the bytes reused.

        :param md5: the hash of what is before `start`.
        """
        for _ in range(_ATTEMPTS):
            md5 = md5 or hashlib.md5(usedforsecurity=False)
            position = start
            for chunk in self.store.get_range(
                segment.container, segment.name, start, segment.length - start, segment.md5
            ):
                md5.update(chunk)
                self.file.write_at(segment.offset + position, chunk)
                position += len(chunk)
                meter.let_pass(len(chunk))
            found = md5.hexdigest()
            if found == segment.md5:
                return start
            meter.take_back(position - start)
            start, md5 = 0, None
        raise altered(segment, found)

    def _present(self, segments: list[StoredSegment]) -> set[StoredSegment]:
        """Give the segments whose MD5 is right in the file already."""
        with self._phase("Checking", self.layout.info.size) as phase:
            meter = Meter(phase, self.store.pause, RateLimit(None))

            def right(segment: StoredSegment) -> bool:
                if not self.file.has_data(segment.offset, segment.length):
                    meter.let_pass(segment.length)
                    return _md5_of_zeros(segment.length) == segment.md5
                md5 = hashlib.md5(usedforsecurity=False)
                self._hash(segment.offset, segment.length, md5, meter)
                return md5.hexdigest() == segment.md5

            found = in_parallel(right, segments, self.threads, self.abort)
        return {segment for segment, is_right in zip(segments, found, strict=True) if is_right}

    def _hash(self, offset: int, length: int, md5: "Hash", meter: Meter) -> None:
        for chunk in self.file.read_chunks(offset, length):
            md5.update(chunk)
            meter.let_pass(len(chunk))

    def _phase(self, verb: str, total: int) -> contextlib.AbstractContextManager[Phase]:
        return self.progress.phase(f"{verb} {printable(self.layout.info.name)}", total)


@functools.cache
def _md5_of_zeros(length: int) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    for start in range(0, length, len(ZEROS)):
        md5.update(ZEROS[: length - start])
    return md5.hexdigest()
