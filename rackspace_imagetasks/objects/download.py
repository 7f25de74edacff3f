# SPDX-License-Identifier: Apache-2.0
"""Fetch an object into a file: parallel segments, each with its MD5, resumed without a journal."""

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.exceptions import TargetError
from rackspace_imagetasks.objects.counter import TransferCounter
from rackspace_imagetasks.objects.fetch import Fetch, altered
from rackspace_imagetasks.objects.manifest import StoredSegment, read_layout
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.objects.sparse import SparseFile
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.workers import supervise
from rackspace_imagetasks.partfile import part_file
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.text import format_size, printable


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
    counter = TransferCounter()

    def work(abort: threading.Event) -> Downloaded:
        fetching = store.until(abort)
        # Nothing gets its name after an interrupt.
        with part_file(
            path, overwrite=overwrite, keep=True, confirm=fetching.cancellation.check
        ) as part:
            layout = read_layout(fetching, container, name)
            file = SparseFile(part)
            _require_space(Path(path), layout.info.size - file.allocated)
            counter.total = layout.info.size
            limit = RateLimit.of(limit_rate)
            job = Fetch(fetching, layout, file, threads, limit, progress, abort, counter)
            reused = job.run()
            if validate is not None:
                with FileSource(part.path) as source:
                    validate(source)
        size = layout.info.size
        return Downloaded(
            Path(path), size, layout.info.etag, len(layout.segments), size - reused, reused
        )

    with counter.told():
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
            meter = Meter(phase, fetching.cancellation, limit)
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
