# SPDX-License-Identifier: Apache-2.0
"""A file in another format than the one in which a cloud stores the disk."""

import contextlib
import dataclasses
import functools
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
from rackspace_imagetasks.objects.views import View, find_view, stream_view, write_view
from rackspace_imagetasks.ordered import OrderedSource
from rackspace_imagetasks.sources import DiskSource, open_disk_of


@dataclasses.dataclass(frozen=True)
class MadeFile:
    """The disk in a source as a file or a stream, in one of `arrivals.DISK_FORMATS`.

    :ivar open_source: opens the source; it is called when the file can be written.
    :ivar own: the format of the source; None to detect it.
    :ivar validate: called with the source before anything is written; what it raises is raised.
    """

    open_source: Callable[[], OrderedSource]
    target: Target
    form: str
    transfer: DataTransfer
    own: str | None = None
    validate: Callable[[ByteSource], None] | None = None

    def find(self) -> Downloaded | None:
        """Return the result of an earlier run if the file has exactly the disk in this format.

        The source is received up to the first difference.

        :raises IntegrityError, SourceError, VhdError: as `write`, if there is a file at all.
        """
        if not isinstance(self.target, str | os.PathLike):
            return None
        opened = functools.partial(self._opened, is_quiet=True)
        return find_view(opened, self.target, self.transfer)

    def write(self, *, overwrite: bool = False) -> Downloaded:
        """Write the disk.

        :raises Refused: if the disk cannot be written to a stream in this format.
        :raises IntegrityError, SourceError, VhdError: if the source has no disk that can be read.
        """
        if isinstance(self.target, str | os.PathLike):
            return write_view(self._opened, Path(self.target), self.transfer, overwrite=overwrite)
        return stream_view(self._opened, self.target, self.transfer)

    @contextlib.contextmanager
    def _opened(self, *, is_quiet: bool = False) -> Iterator[View]:
        with contextlib.closing(self.open_source()) as source:
            with source.apart():
                if self.validate:
                    self.validate(source)
                disk = open_disk_of(source, format=self.own)
            with disk:
                for notice in () if is_quiet else disk.notices:
                    self.transfer.progress.message(notice)
                if not isinstance(self.target, str | os.PathLike):
                    _require_order(disk, self.form)
                with source.apart():
                    file = view_as(self.form, disk)
                yield View(source, file)


def made_size(source: ByteSource, form: str, own: str | None = None) -> int:
    """Return the size of the file that is made of a source, which is closed.

    :raises SourceError, VhdError: if the source has no disk that can be read.
    """
    with contextlib.closing(source), open_disk_of(source, format=own) as disk:
        return view_as(form, disk).size


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
