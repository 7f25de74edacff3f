# SPDX-License-Identifier: Apache-2.0
"""Judging a VHD as the service and XenServer would, in one pass and with a few small reads.

Time and memory follow the file's own size, never a count that the file claims. Nothing that a file
names, such as its parent disk, is opened.
"""

from collections.abc import Iterator, Sequence

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.formats.vhd.checks.dynamic import DynamicFindings, check_dynamic
from rackspace_imagetasks.formats.vhd.checks.footer import (
    footer_fields,
    footer_places,
    missing_footer,
)
from rackspace_imagetasks.formats.vhd.footers import Footers
from rackspace_imagetasks.formats.vhd.report import (
    LEAVE_ZEROS_OUT,
    PHYSICAL_SIZE,
    VIRTUAL_SIZE,
    Finding,
    Report,
    VhdFacts,
    flaw,
    service_rank,
)
from rackspace_imagetasks.formats.vhd.structures import Footer
from rackspace_imagetasks.formats.vhd.window import Window
from rackspace_imagetasks.text import format_size

# Findings with which a disk still grows: they are about limits, or harmless.
_NO_BAR_TO_GROWTH = {"virtual-size", "physical-size", "footer-short", "blocks-beyond-size"}


def check(
    source: ByteSource,
    *,
    max_virtual_size: int | None = None,
    max_physical_size: int | None = None,
) -> Report:
    """Judge a VHD, whatever bytes it has.

    At most four reads are made: both ends, the dynamic header where it is elsewhere, and the BAT
    with the batmap. Sector bitmaps and data are not read.

    :param max_virtual_size: the largest disk allowed, in bytes; None allows any.
    :param max_physical_size: the largest file allowed, in bytes; None allows any.
    :raises SourceError: when the source cannot be read.
    """
    window = Window(source)
    footers = Footers.find(window)
    findings = list(_physical_size(window.size, max_physical_size))
    footer = footers.footer
    if footer is None:
        findings.append(missing_footer(window, footers))
        return Report(source.name, None, _ordered(findings))  # of another format, perhaps
    findings += footer_places(window, footers, footer)
    findings += footer_fields(footer, window.size)
    findings += _virtual_size(footer, max_virtual_size)
    dynamic = DynamicFindings()
    if footer.has_header:
        dynamic = check_dynamic(window, footers, footer)
    findings += dynamic.findings
    unread = (*dynamic.unread, *(("sector bitmaps",) if footer.has_header else ()), "disk content")
    ordered = _ordered(findings)
    # Nobody converts what is in doubt, or has a disk over the limit.
    if any(found.doubtful or found.code == VIRTUAL_SIZE for found in ordered):
        ordered = tuple(found.without_conversion() for found in ordered)
    return Report(source.name, _facts(footer, window.size, dynamic, ordered), ordered, unread)


def _ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=service_rank))


def _physical_size(size: int, limit: int | None) -> Iterator[Finding]:
    if limit is not None and size > limit:
        detail = f"The file has {size} bytes, over the limit of {limit} ({format_size(limit)})."
        yield flaw("physical-size", detail, "file length", LEAVE_ZEROS_OUT, code=PHYSICAL_SIZE)


def _virtual_size(footer: Footer, limit: int | None) -> Iterator[Finding]:
    size = footer.current_size
    if limit is not None and size > limit:
        detail = f"The disk has {size} bytes, over the limit of {limit} ({format_size(limit)})."
        remedy = "Shrink the disk before you make an image of it."
        yield flaw("virtual-size", detail, "footer offset 48", remedy, code=VIRTUAL_SIZE)


def _facts(
    footer: Footer, file_size: int, dynamic: DynamicFindings, findings: Sequence[Finding]
) -> VhdFacts:
    bars = [found.detail for found in findings if found.check not in _NO_BAR_TO_GROWTH]
    reason = f"It was created by '{footer.creator}' {footer.creator_release} and nothing is wrong."
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
        grows=not bars,
        grows_reason=bars[0] if bars else reason,
    )


__all__ = ["check"]
