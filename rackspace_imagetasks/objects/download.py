# SPDX-License-Identifier: Apache-2.0
"""Download the segments of an object in parallel, verify each MD5, resume without a journal."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.exceptions import TargetError
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects._fetch import Fetch
from rackspace_imagetasks.objects._manifest import Layout, read_layout
from rackspace_imagetasks.objects._pieces import discard_pieces
from rackspace_imagetasks.objects._sparse import SparseFile
from rackspace_imagetasks.objects._verified import verified_chunks
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.names import ObjectName
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
    def of(cls, layout: Layout, path: Path | None = None, reused: int = 0) -> "Downloaded":
        """Return the result of downloading all of an object."""
        size, etag = layout.info.size, layout.info.etag
        return cls(path, size, etag, len(layout.segments), size - reused, reused)


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

    def work() -> Downloaded:
        # A file is not renamed after a cancellation.
        with part_file(path, overwrite=overwrite, keep=True, confirm=transfer.check) as part:
            layout = read_layout(fetching, source)
            transfer.expect(layout.info.size)
            reused = _fill(fetching, layout, part, transfer)
            if validate is not None:
                with FileSource(part.path) as content:
                    validate(content)
        return Downloaded.of(layout, Path(path), reused)

    return transfer.run(work)


def find_download(
    store: ObjectStore, source: ObjectName, path: str | os.PathLike[str], transfer: DataTransfer
) -> Downloaded | None:
    """Return the result of an earlier download if `path` has exactly the object's content.

    The MD5 of each segment is compared with that of its part of the file; nothing is downloaded.

    :raises NotFound, IntegrityError, TransferError: as `download`, if there is a file at all.
    :raises Cancelled: when the transfer is cancelled.
    """
    path = Path(path)
    if not (path.is_file() and os.access(path, os.R_OK)):
        return None
    fetching = transfer.connect(store)

    def work() -> Downloaded | None:
        layout = read_layout(fetching, source)
        with path.open("rb") as file:
            existing = SparseFile(PartFile(path, file.fileno()))
            is_complete = Fetch(fetching, layout, existing, transfer).is_complete()
        return Downloaded.of(layout, path, layout.info.size) if is_complete else None

    return transfer.run(work)


def _fill(store: ObjectStore, layout: Layout, part: PartFile, transfer: DataTransfer) -> int:
    """Fetch what `FILE.part` does not contain, and return the number of bytes reused."""
    file = SparseFile(part)
    discard_pieces(file)
    require_space(part.path.parent, layout.info.size - file.allocated)
    return Fetch(store, layout, file, transfer).run()


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
        with transfer.phase(f"Downloading {source.name}", layout.info.size) as meter:
            for segment in layout.segments:
                for chunk in verified_chunks(fetching, segment):
                    with output_errors():
                        output.write(chunk)
                    meter.advance(len(chunk))
        with output_errors():
            output.flush()
        return Downloaded.of(layout)

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
