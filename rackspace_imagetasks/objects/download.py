# SPDX-License-Identifier: Apache-2.0
"""Download the segments of an object in parallel, verify each MD5, resume without a journal."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.exceptions import IntegrityError, TargetError
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects._fetch import Fetch
from rackspace_imagetasks.objects._manifest import Layout, read_layout
from rackspace_imagetasks.objects._pieces import discard_pieces
from rackspace_imagetasks.objects._sparse import SparseFile
from rackspace_imagetasks.objects._verified import SegmentCorrupt, verified_chunks
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.origin import Origin, Part
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.partfile import PartFile, output_errors, part_file
from rackspace_imagetasks.text import format_size


@dataclass(frozen=True)
class Downloaded:
    """The result of a download.

    :ivar path: the file, or None for a stream.
    :ivar size: bytes of the object.
    :ivar etag: the ETag of the object.
    :ivar segments: the number of its segments.
    :ivar fetched_bytes: bytes that this run fetched.
    :ivar reused_bytes: bytes that an earlier run had left in `FILE.part`.
    """

    path: Path | None
    size: int
    etag: str
    segments: int
    fetched_bytes: int
    reused_bytes: int

    @classmethod
    def of(cls, origin: Origin, path: Path | None = None, reused: int = 0) -> "Downloaded":
        """Return the result of downloading all of the content."""
        fetched = origin.size - reused
        return cls(path, origin.size, origin.etag, len(origin.parts), fetched, reused)


class _ObjectOrigin:
    """The segments of an object, with their MD5s."""

    algorithm = "md5"
    has_ranges = True

    def __init__(self, store: ObjectStore, layout: Layout) -> None:
        self._store = store
        self._segments = layout.segments
        self.name = layout.info.object.name
        self.size = layout.info.size
        self.etag = layout.info.etag
        self.parts: Sequence[Part] = [
            Part(number, segment.offset, segment.length, segment.md5)
            for number, segment in enumerate(layout.segments)
        ]

    def receive(self, part: Part, start: int, length: int) -> Iterator[bytes]:
        """Yield bytes of a segment."""
        segment = self._segments[part.number]
        return self._store.get_range(segment.object, start, length, segment.md5)

    def corrupt(self, part: Part, digest: str) -> IntegrityError:
        """Return the error of a segment that does not match its MD5."""
        return SegmentCorrupt(self._segments[part.number], digest)


def download(
    store: ObjectStore,
    source: ObjectName,
    path: str | os.PathLike[str],
    transfer: DataTransfer,
    *,
    overwrite: bool = False,
    validate: Callable[[ByteSource], None] | None = None,
) -> Downloaded:
    """Download an object into the file `path`, which appears once it is complete and verified.

    Until then the file is `FILE.part`, which remains after a failure; another download fetches only
    what it does not contain, or contains with a wrong MD5. Blocks of zeros become holes.

    :param validate: called with the complete file before it is renamed; what it raises is raised,
        and the file remains `FILE.part`.
    :raises NotFound: if the object does not exist.
    :raises TargetError: if the file exists or cannot be written, or there is not enough space.
    :raises IntegrityError: if a segment is missing, extra, corrupt or short.
    :raises TransferError: if the service refuses a request or the network fails.
    :raises Cancelled: when the transfer is cancelled.
    """
    fetching = transfer.connect(store)
    return download_from(
        lambda: _ObjectOrigin(fetching, read_layout(fetching, source)),
        path,
        transfer,
        overwrite=overwrite,
        validate=validate,
    )


def download_from(
    find: Callable[[], Origin],
    path: str | os.PathLike[str],
    transfer: DataTransfer,
    *,
    overwrite: bool = False,
    validate: Callable[[ByteSource], None] | None = None,
) -> Downloaded:
    """Download from any origin as `download` does.

    :param find: returns the origin; it is called when the file can be written.
    """

    def work() -> Downloaded:
        # A file is not renamed after a cancellation.
        with part_file(path, overwrite=overwrite, keep=True, confirm=transfer.check) as part:
            origin = find()
            transfer.expect(origin.size)
            reused = _fill(origin, part, transfer)
            if validate is not None:
                with FileSource(part.path) as content:
                    validate(content)
        return Downloaded.of(origin, Path(path), reused)

    return transfer.run(work)


def find_download(
    store: ObjectStore, source: ObjectName, path: str | os.PathLike[str], transfer: DataTransfer
) -> Downloaded | None:
    """Return the result of an earlier download if `path` has exactly the object's content.

    The MD5 of each segment is compared with that of its part of the file; nothing is downloaded.

    :raises NotFound, IntegrityError, TransferError: as `download`, if there is a file at all.
    :raises Cancelled: when the transfer is cancelled.
    """
    fetching = transfer.connect(store)
    return find_download_from(
        lambda: _ObjectOrigin(fetching, read_layout(fetching, source)), path, transfer
    )


def find_download_from(
    find: Callable[[], Origin], path: str | os.PathLike[str], transfer: DataTransfer
) -> Downloaded | None:
    """Return the result of an earlier download from any origin as `find_download` does."""
    path = Path(path)
    if not (path.is_file() and os.access(path, os.R_OK)):
        return None

    def work() -> Downloaded | None:
        origin = find()
        with path.open("rb") as file:
            existing = SparseFile(PartFile(path, file.fileno()))
            is_complete = Fetch(origin, existing, transfer).is_complete()
        return Downloaded.of(origin, path, origin.size) if is_complete else None

    return transfer.run(work)


def _fill(origin: Origin, part: PartFile, transfer: DataTransfer) -> int:
    """Fetch what `FILE.part` does not contain, and return the number of bytes reused."""
    file = SparseFile(part)
    discard_pieces(file)
    if any(each.digest is None for each in origin.parts):
        file.resize(0)  # what an earlier run left cannot be verified
    require_space(part.path.parent, origin.size - file.allocated)
    return Fetch(origin, file, transfer).run()


def download_stream(
    store: ObjectStore, source: ObjectName, output: BinaryIO, transfer: DataTransfer
) -> Downloaded:
    """Write an object to `output` in order, and verify the MD5 of each segment at its end.

    Bytes that are written cannot be taken back: use the output only after this returns, when it is
    complete and flushed.

    :raises NotFound: if the object does not exist.
    :raises IntegrityError: if a segment is missing, extra, corrupt or short.
    :raises TargetError: if `output` cannot be written.
    :raises TransferError: if the service refuses a request or the network fails.
    :raises Cancelled: when the transfer is cancelled.
    """
    fetching = transfer.connect(store)

    def work() -> Downloaded:
        layout = read_layout(fetching, source)
        with transfer.downloading(source.name, layout.info.size) as meter:
            for segment in layout.segments:
                for chunk in verified_chunks(fetching, segment):
                    with output_errors():
                        output.write(chunk)
                    meter.advance(len(chunk))
        with output_errors():
            output.flush()
        return Downloaded.of(_ObjectOrigin(fetching, layout))

    return transfer.run(work)


def require_space(folder: Path, needed: int) -> None:
    """Check that there is space for the bytes to write, not counting holes.

    :raises TargetError: if there is not.
    """
    free = os.statvfs(folder)
    available = free.f_bavail * free.f_frsize
    if needed > available:
        text = (
            f"Not enough space in '{folder}': {format_size(available)} free, but"
            f" {format_size(needed)} needed."
        )
        raise TargetError(Message(text, Hint.FREE_SPACE))
