# SPDX-License-Identifier: Apache-2.0
"""A file in another format than the one in which a cloud stores the disk."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rackspace_imagetasks.bytesource import ByteSource, stored_extents
from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.jobs._file_formats import Target
from rackspace_imagetasks.jobs.arrivals import view_as
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.download import Downloaded
from rackspace_imagetasks.objects.views import View, stream_view, write_view
from rackspace_imagetasks.ordered import OrderedSource
from rackspace_imagetasks.sources import DiskSource, open_disk_of


def make_file(
    open_source: Callable[[], OrderedSource],
    target: Target,
    form: str,
    transfer: DataTransfer,
    *,
    overwrite: bool = False,
    own: str | None = None,
    validate: Callable[[ByteSource], None] | None = None,
) -> Downloaded:
    """Write the disk in a source to a file or a stream, in one of `arrivals.DISK_FORMATS`.

    :param open_source: opens the source; it is called when the file can be written.
    :param own: the format of the source; None to detect it.
    :param validate: called with the source before anything is written; what it raises is raised.
    :raises Refused: if the disk cannot be written to a stream in this format.
    :raises IntegrityError, SourceError, VhdError: if the source has no disk that can be read.
    """

    @contextlib.contextmanager
    def opened() -> Iterator[View]:
        with contextlib.closing(open_source()) as source:
            with source.apart():
                if validate:
                    validate(source)
                disk = open_disk_of(source, format=own)
            with disk:
                for notice in disk.notices:
                    transfer.progress.message(notice)
                if not isinstance(target, str | os.PathLike):
                    _require_order(disk, form)
                with source.apart():
                    file = view_as(form, disk)
                yield View(source, file)

    if isinstance(target, str | os.PathLike):
        return write_view(opened, Path(target), transfer, overwrite=overwrite)
    return stream_view(opened, target, transfer)


def _require_order(disk: DiskSource, form: str) -> None:
    """Check that the disk is stored in the order in which a stream in a format needs it.

    A qcow2 file has the data in the order in which they are stored, whatever that is.
    """
    if form == "qcow2" or list(stored_extents(disk)) == list(disk.data_extents()):
        return
    text = (
        f"The blocks of '{disk.name}' are not stored in the order of the disk, so the disk cannot"
        f" be written to a stream as {form}."
    )
    raise Refused(Message(text, Hint.SAVE_TO_FILE_OR_AS_QCOW2))
