# SPDX-License-Identifier: Apache-2.0
"""Validation of a VHD, as the service and XenServer do it, in one pass and with few small reads.

Time and memory depend on the size of the file, never on a count that it contains. A file that a VHD
names, such as its parent disk, is never opened.
"""

from collections.abc import Iterator, Sequence

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.formats.vhd._file import VhdFile
from rackspace_imagetasks.formats.vhd._structures import DiskType, Footer
from rackspace_imagetasks.formats.vhd.checks._dynamic import DynamicFindings, check_dynamic
from rackspace_imagetasks.formats.vhd.checks._footer import (
    footer_fields,
    footer_places,
    missing_footer,
)
from rackspace_imagetasks.formats.vhd.report import (
    PHYSICAL_SIZE,
    VIRTUAL_SIZE,
    Finding,
    Report,
    VhdFacts,
    flaw,
    service_rank,
)
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.text import format_sizes

# Findings about limits do not prevent XenServer from resizing a disk.
_RESIZABLE = {"virtual-size", "physical-size"}


def check(
    source: ByteSource | VhdFile,
    *,
    max_virtual_size: int | None = None,
    max_physical_size: int | None = None,
) -> Report:
    """Validate a VHD.

    The reads are those of `VhdFile`. Sector bitmaps and data are not read.

    :param max_virtual_size: the largest disk allowed, in bytes; None for no limit.
    :param max_physical_size: the largest file allowed, in bytes; None for no limit.
    :raises SourceError: when the source cannot be read.
    """
    file = VhdFile.of(source)
    findings = list(_physical_size(file.size, max_physical_size))
    footer = file.footer
    if footer is None:
        findings.append(missing_footer(file))
        return Report(file.name, None, _ordered(findings))  # of another format, perhaps
    findings += footer_places(file, footer)
    findings += footer_fields(footer, file.size)
    findings += _virtual_size(footer, max_virtual_size)
    dynamic = check_dynamic(file, footer) if footer.has_header else DynamicFindings()
    findings += dynamic.findings
    unread = (*dynamic.unread, *(("sector bitmaps",) if footer.has_header else ()), "disk content")
    ordered = _ordered(findings)
    if any(found.doubtful or found.code == VIRTUAL_SIZE for found in ordered):
        ordered = tuple(found.without_conversion() for found in ordered)
    return Report(file.name, _facts(footer, file.size, dynamic, ordered), ordered, unread)


def _ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=service_rank))


def _physical_size(size: int, limit: int | None) -> Iterator[Finding]:
    if limit is not None and size > limit:
        yield flaw(
            "physical-size",
            _over_limit("file", size, limit),
            "file length",
            Hint.LEAVE_ZEROS_OUT,
            code=PHYSICAL_SIZE,
        )


def _virtual_size(footer: Footer, limit: int | None) -> Iterator[Finding]:
    size = footer.current_size
    if limit is not None and size > limit:
        detail = _over_limit("disk", size, limit)
        where = "footer offset 48"
        yield flaw("virtual-size", detail, where, Hint.SHRINK_DISK, code=VIRTUAL_SIZE)


def _over_limit(what: str, size: int, limit: int) -> str:
    words, limit_words = format_sizes(size, limit)
    return (
        f"The {what} has {size} bytes ({words}), over the limit of {limit} bytes ({limit_words})."
    )


def _facts(
    footer: Footer, file_size: int, dynamic: DynamicFindings, findings: Sequence[Finding]
) -> VhdFacts:
    obstacles = [found.detail for found in findings if found.check not in _RESIZABLE]
    if footer.disk_type == DiskType.FIXED:
        obstacles.append("XenServer cannot resize a fixed VHD.")
    reason = (
        f"The disk was created by '{footer.creator}' {footer.creator_release} and has no problems."
    )
    return VhdFacts(
        kind=footer.kind,
        virtual_size=footer.current_size,
        physical_size=file_size,
        creator=footer.creator,
        creator_version=footer.creator_release,
        uuid=footer.uuid,
        geometry=footer.geometry,
        timestamp=footer.created,
        block_size=dynamic.block_size,
        blocks_total=dynamic.blocks_total,
        blocks_allocated=dynamic.blocks_allocated,
        grows=not obstacles,
        grows_reason=obstacles[0] if obstacles else reason,
    )


__all__ = ["check"]
