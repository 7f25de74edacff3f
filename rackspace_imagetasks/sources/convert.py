# SPDX-License-Identifier: Apache-2.0
"""Any disk as a VHD that the service takes and XenServer grows: as a view, or as a file."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from rackspace_imagetasks.exceptions import Refused, TargetError
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.partfile import require_writable
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.sources import DiskSource, open_source
from rackspace_imagetasks.sources.detect import looks_like_raw
from rackspace_imagetasks.text import format_size, printable


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What became of a disk.

    :ivar source_format: what the disk was read as, such as `qcow2` or `vhd-fixed`.
    :ivar source_size: the bytes of the disk there.
    :ivar file: the name of the new VHD.
    :ivar facts: what the new VHD says of itself.
    """

    source: str
    source_format: str
    source_size: int
    file: str
    facts: vhd.VhdFacts


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    source_format: str | None = None,
    overwrite: bool = False,
    max_virtual_size: int | None = None,
    max_physical_size: int | None = None,
    progress: Progress = SILENT,
) -> Conversion:
    """Write the disk in the file `source` to `target`, as a VHD that XenServer grows.

    The target appears when it is complete; nothing is left of one that is not. All limits are
    checked before the first byte is written.

    :param source_format: one of `sources.FORMATS`; None to find out.
    :param overwrite: replace the target if it exists.
    :param max_virtual_size: the largest disk allowed, in bytes; None allows any.
    :param max_physical_size: the largest file allowed, in bytes; None allows any.
    :raises Refused: when the VHD would break a limit.
    :raises SourceError: when the source is no disk that can be read, or changes meanwhile.
    :raises TargetError: when the target exists, is the source, or cannot be written.
    """
    target = Path(target)
    require_writable(target, overwrite=overwrite)
    with open_source(source, format=source_format) as disk:
        _check_apart(disk, target)
        if disk.format == "raw" and source_format is None and not looks_like_raw(disk):
            progress.message(
                f"'{disk.name}' is read as a raw disk, though it has neither a boot sector nor a"
                " file system; look at what it is."
            )
        view = view_as_vhd(
            disk,
            max_virtual_size=max_virtual_size,
            max_physical_size=max_physical_size,
            uuid=uuid4(),
            timestamp=datetime.now(UTC),
            progress=progress,
        )
        vhd.write_file(view, target, overwrite=overwrite, progress=progress)
        facts = vhd.check(view).facts
        assert facts is not None
        return Conversion(
            source=disk.name,
            source_format=disk.format,
            source_size=disk.size,
            file=printable(target),
            facts=facts,
        )


def view_as_vhd(
    disk: DiskSource,
    *,
    max_virtual_size: int | None = None,
    max_physical_size: int | None = None,
    uuid: UUID | None = None,
    timestamp: datetime | int | None = None,
    progress: Progress = SILENT,
) -> vhd.VirtualVhd:
    """Return the VHD of a disk as a source of bytes; its parameters are those of `convert`.

    :param uuid: the VHD's UUID; by default the same for the same disk.
    :param timestamp: the time of creation to put in; by default the same for the same disk.
    :raises Refused: when the VHD would break a limit.
    """
    if max_virtual_size is not None and disk.size > max_virtual_size:  # before a long scan
        reason = (
            f"'{disk.name}' has a disk of {disk.size} bytes, over the limit of"
            f" {max_virtual_size} ({format_size(max_virtual_size)}); shrink it, or raise"
            " --max-virtual-size if your provider allows more."
        )
        raise Refused(reason)
    view = vhd.VirtualVhd(disk, uuid=uuid, timestamp=timestamp, progress=progress)
    report = vhd.check(view, max_virtual_size=max_virtual_size, max_physical_size=max_physical_size)
    if report.errors:
        raise Refused(*(f"The VHD of '{disk.name}': {found.detail}" for found in report.errors))
    return view


def _check_apart(disk: DiskSource, target: Path) -> None:
    """Check that writing would not destroy the source, under its name or as the part file."""
    for written in (target, target.with_name(target.name + ".part")):
        if written.exists() and written.samefile(disk.file.path):
            raise TargetError(
                f"'{printable(target)}' would be written over its own source; name another file."
            )
