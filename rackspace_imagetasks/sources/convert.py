# SPDX-License-Identifier: Apache-2.0
"""Conversion of any disk to a VHD that XenServer can resize: as a byte source, or to a file."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid4

from rackspace_imagetasks.exceptions import Refused, TargetError
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.formats.writer import write_file, write_stream
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.partfile import require_writable, target_path
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.sources import DiskSource, open_source
from rackspace_imagetasks.sources._detect import looks_like_raw
from rackspace_imagetasks.sources.completeness import require_complete
from rackspace_imagetasks.text import format_sizes


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The result of a conversion.

    :ivar source_format: the format of the source, such as `qcow2` or `vhd-fixed`.
    :ivar source_size: the size of the disk in it, in bytes.
    :ivar file: the name of the new VHD; None if it was written to a stream.
    :ivar facts: the properties of the new VHD.
    """

    source: str
    source_format: str
    source_size: int
    file: str | None
    facts: vhd.VhdFacts


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | BinaryIO,
    *,
    source_format: str | None = None,
    overwrite: bool = False,
    max_virtual_size: int | None = None,
    max_physical_size: int | None = None,
    allow_truncated: bool = False,
    progress: Progress = SILENT,
) -> Conversion:
    """Write the disk in the file `source` to `target`, as a VHD that XenServer can resize.

    A file gets its name when it is complete; after an error no file remains. All limits are
    checked before anything is written.

    :param target: a file, or a binary stream; use its content only after this returns.

    :param source_format: one of `sources.FORMATS`; None to detect it.
    :param overwrite: replace the target if it exists.
    :param max_virtual_size: the largest disk allowed, in bytes; None for no limit.
    :param max_physical_size: the largest file allowed, in bytes; None for no limit.
    :param allow_truncated: convert a disk that is shorter than its partitions or file system.
    :raises Refused: when the VHD would exceed a limit, or the disk is truncated.
    :raises SourceError: when the source is not a readable disk, or changes during the conversion.
    :raises TargetError: when the target exists, is the source, or cannot be written.
    """
    file = target_path(target) if isinstance(target, str | os.PathLike) else None
    if file:
        require_writable(file, overwrite=overwrite)
    with open_source(source, format=source_format) as disk:
        if file:
            _check_apart(source, file)
        if disk.format == "raw" and source_format is None and not looks_like_raw(disk):
            progress.message(
                f"'{disk.name}' is converted as a raw disk, although it has neither a boot sector"
                " nor a file system; check that it is a disk."
            )
        report_content(disk, progress, allow_truncated=allow_truncated)
        view = view_as_vhd(
            disk,
            max_virtual_size=max_virtual_size,
            max_physical_size=max_physical_size,
            uuid=uuid4(),
            timestamp=datetime.now(UTC),
            progress=progress,
        )
        if isinstance(target, str | os.PathLike):
            write_file(view, target, overwrite=overwrite, progress=progress)
        else:
            write_stream(view, target, progress=progress)
        facts = vhd.check(view).facts
        assert facts is not None
        return Conversion(
            source=disk.name,
            source_format=disk.format,
            source_size=disk.size,
            file=str(file) if file else None,
            facts=facts,
        )


def report_content(disk: DiskSource, progress: Progress, *, allow_truncated: bool) -> None:
    """Check that a disk is complete, and report what the user should know about its content.

    :raises Refused: when it is truncated and `allow_truncated` is false.
    """
    for notice in disk.notices + require_complete(disk, allow_truncated=allow_truncated):
        progress.message(notice)


def require_size(disk: DiskSource, max_virtual_size: int) -> None:
    """Check that a disk is not larger than a limit.

    :raises Refused: if it is.
    """
    if disk.size <= max_virtual_size:
        return
    words, limit_words = format_sizes(disk.size, max_virtual_size)
    text = (
        f"The disk in '{disk.name}' has {disk.size} bytes ({words}), over the limit of"
        f" {max_virtual_size} bytes ({limit_words})."
    )
    raise Refused(Message(text, Hint.SHRINK_OR_RAISE_LIMIT))


def view_as_vhd(
    disk: DiskSource,
    *,
    max_virtual_size: int | None = None,
    max_physical_size: int | None = None,
    uuid: UUID | None = None,
    timestamp: datetime | int | None = None,
    scan: bool = True,
    progress: Progress = SILENT,
) -> vhd.VirtualVhd:
    """Return the VHD of a disk as a byte source; its parameters are those of `convert`.

    :param uuid: the VHD's UUID; by default the same for the same disk.
    :param timestamp: the VHD's time of creation; by default the same for the same disk.
    :param scan: leave out allocated blocks that contain only zeros, which reads the disk first.
    :raises Refused: when the VHD would exceed a limit.
    """
    if max_virtual_size is not None:
        require_size(disk, max_virtual_size)  # before a long scan
    view = vhd.VirtualVhd(disk, uuid=uuid, timestamp=timestamp, scan=scan, progress=progress)
    report = vhd.check(view, max_virtual_size=max_virtual_size, max_physical_size=max_physical_size)
    if report.errors:
        raise Refused(*(f"The VHD of '{disk.name}': {each.detail}" for each in report.errors))
    return view


def _check_apart(source: str | os.PathLike[str], target: Path) -> None:
    """Check that neither the target nor its part file is the source."""
    for written in (target, target.with_name(target.name + ".part")):
        if written.exists() and written.samefile(source):
            text = f"Writing '{target}' would overwrite its own source."
            raise TargetError(Message(text, Hint.CHOOSE_FILE))
