# SPDX-License-Identifier: Apache-2.0
"""The VHD to upload for a local file: the file itself, or a VHD of its disk that is not written."""

import contextlib
import os

from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.profile import ProviderProfile
from rackspace_imagetasks.progress import Progress
from rackspace_imagetasks.sources._detect import looks_like_raw
from rackspace_imagetasks.sources.completeness import require_complete
from rackspace_imagetasks.sources.convert import report_content, view_as_vhd
from rackspace_imagetasks.sources.disk import DiskSource, open_parsed

_ONLY_VHDS = "the service accepts only VHDs"


def open_for_import(
    path: str | os.PathLike[str],
    profile: ProviderProfile,
    progress: Progress,
    *,
    convert: bool = True,
    source_format: str | None = None,
    allow_truncated: bool = False,
) -> ByteSource:
    """Open a local disk image as the VHD to upload; no temporary file is written.

    A VHD that XenServer can resize is uploaded unchanged. Any other disk, including a fixed VHD and
    one that XenServer cannot resize, is converted while it is read; `progress` reports why.

    :param convert: False uploads the file unchanged, whatever it is.
    :param source_format: one of `sources.FORMATS`; None to detect it.
    :param allow_truncated: accept a disk that is shorter than its partitions or file system.
    :raises Refused: when the disk exceeds a limit or is truncated, or the file cannot be recognised
        as a disk.
    :raises SourceError: when the file is not a disk that can be read.
    """
    if not convert and source_format:
        text = "A source format is only used for conversion, but the file is to be sent unchanged."
        raise Refused(Message(text, Hint.OMIT_FORMAT))
    with contextlib.ExitStack() as on_error:
        file = on_error.enter_context(FileSource(path))
        parsed = vhd.VhdFile(file)
        reason = _reason_to_convert(parsed, source_format) if convert else None
        if reason is None:
            _report_stored(parsed, progress, allow_truncated=allow_truncated)
            on_error.pop_all()
            return file
        disk = on_error.enter_context(open_parsed(file, parsed, source_format))
        require_recognised(disk, source_format)
        report_content(disk, progress, allow_truncated=allow_truncated)
        view = view_as_vhd(
            disk,
            max_virtual_size=profile.max_virtual_size,
            max_physical_size=profile.max_physical_size,
            progress=progress,
        )
        on_error.pop_all()  # from here on, the view closes the disk
    progress.message(
        f"Converting '{disk.name}' ({disk.description}) to a resizable dynamic VHD during upload;"
        f" {reason}."
    )
    return view


def _reason_to_convert(parsed: vhd.VhdFile, source_format: str | None) -> str | None:
    """Return why the file should not be uploaded unchanged.

    None if it should, or if it has errors, which the service reports with a code.
    """
    if source_format not in (None, "vhd"):
        return _ONLY_VHDS
    report = vhd.check(parsed)
    facts = report.facts
    if facts is None:
        return _ONLY_VHDS
    if report.relaid:
        return _without_stop(report.errors[0].detail)
    if report.errors:
        return None
    if facts.kind == "fixed":
        return "XenServer cannot resize a fixed VHD, which also stores all zeros"
    return None if facts.grows else _without_stop(facts.grows_reason)


def _without_stop(sentence: str) -> str:
    """Return a sentence for use within another one."""
    return sentence[0].lower() + sentence[1:].rstrip(".")


def _report_stored(parsed: vhd.VhdFile, progress: Progress, *, allow_truncated: bool) -> None:
    """Check the disk in a VHD that is uploaded unchanged, unless the VHD itself is refused."""
    if parsed.footer is None or vhd.check(parsed).doubts:
        return
    for warning in require_complete(vhd.open_disk(parsed), allow_truncated=allow_truncated):
        progress.message(warning)


def require_recognised(disk: DiskSource, source_format: str | None) -> None:
    """Check that a disk whose format was detected looks like a disk.

    :raises Refused: if it does not.
    """
    if disk.format == "raw" and source_format is None and not looks_like_raw(disk):
        text = (
            f"'{disk.name}' is not a disk image of a known format, and has neither a boot sector"
            " nor a file system."
        )
        raise Refused(Message(text, Hint.SPECIFY_RAW_FORMAT))
