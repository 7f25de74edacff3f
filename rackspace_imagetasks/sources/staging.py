# SPDX-License-Identifier: Apache-2.0
"""What to send for a local file: the VHD that it is, or a VHD made of its disk on the way."""

import contextlib
import os

from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.profile import ProviderProfile
from rackspace_imagetasks.progress import Progress
from rackspace_imagetasks.sources import open_source
from rackspace_imagetasks.sources.convert import view_as_vhd
from rackspace_imagetasks.sources.detect import looks_like_raw

_ONLY_VHDS = "the service takes VHDs only"


def open_for_import(
    path: str | os.PathLike[str],
    profile: ProviderProfile,
    progress: Progress,
    *,
    convert: bool = True,
    source_format: str | None = None,
) -> ByteSource:
    """Open a local disk image as the VHD to send; no temporary file is written.

    A VHD as XenServer writes it is sent as it is. Any other disk, a VHD that would not grow and a
    fixed one among them, is laid out as such a VHD while it is read, and the user is told why.

    :param convert: False sends the file's own bytes, whatever they are.
    :param source_format: one of `sources.FORMATS`; None to find out.
    :raises Refused: when the disk breaks a limit, or nothing says that the file is a disk.
    :raises SourceError: when the file is not a disk that can be read.
    """
    if not convert and source_format:
        raise Refused("--no-convert sends the file as it is; leave --source-format out.")
    if source_format in (None, "vhd"):
        file = FileSource(path)
        reason = _reason_to_convert(vhd.check(file)) if convert else None
        if reason is None:
            return file
        file.close()
    else:
        reason = _ONLY_VHDS
    with contextlib.ExitStack() as on_error:
        disk = on_error.enter_context(open_source(path, format=source_format))
        if disk.format == "raw" and source_format is None and not looks_like_raw(disk):
            raise Refused(
                f"'{disk.name}' is not a disk image of a known format, and has neither a boot"
                " sector nor a file system; if it is a raw disk, say --source-format raw."
            )
        view = view_as_vhd(
            disk,
            max_virtual_size=profile.max_virtual_size,
            max_physical_size=profile.max_physical_size,
            progress=progress,
        )
        on_error.pop_all()  # from here on, the view closes the disk
    progress.message(
        f"'{disk.name}', a {disk.description}, goes as a dynamic VHD that grows: {reason}."
    )
    return view


def _reason_to_convert(report: vhd.Report) -> str | None:
    """Say why the file should not be sent as it is; None if it should, or cannot be mended."""
    facts = report.facts
    if facts is None:
        return _ONLY_VHDS
    if report.errors:
        return None
    if facts.kind == "fixed":
        return "a fixed VHD has all its zeros in it"
    return None if facts.grows else "the disk of this VHD would not grow to a server's size"
