# SPDX-License-Identifier: Apache-2.0
"""Whether a disk is as long as its content: an interrupted copy leaves a shorter one.

A few small reads decide, so that a disk in an object store can be checked too.
"""

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.formats.contents import Content, Role, read_content
from rackspace_imagetasks.formats.partitions import LARGE_SECTOR, Region, read_table
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.text import format_sizes


def require_complete(disk: ByteSource, *, allow_truncated: bool = False) -> tuple[Message, ...]:
    """Check that the partitions of a disk, or else its file system, do not end after the disk.

    A disk that is longer than its content, such as one that was enlarged, is complete.

    :param allow_truncated: return a warning instead of refusing a truncated disk.
    :returns: warnings about the content of the disk.
    :raises Refused: when the disk is truncated.
    :raises SourceError: when the disk cannot be read.
    """
    table = read_table(disk)
    warnings = []
    if table and table.sector_size == LARGE_SECTOR:
        warnings.append(_large_sectors(disk))
    content = None if table else read_content(disk)
    if content and content.role is Role.ENCRYPTED:
        warnings.append(_encrypted(disk, content))
    regions = table.regions if table else _file_system_region(content)
    if truncation := _truncation(disk, regions):
        if not allow_truncated:
            raise Refused(truncation)
        warnings.append(Message(truncation.text))
    return tuple(warnings)


def _file_system_region(content: Content | None) -> tuple[Region, ...]:
    if content is None or content.role is not Role.FILE_SYSTEM or content.size is None:
        return ()
    return (Region(f"its {content.name} file system", content.size),)


def _truncation(disk: ByteSource, regions: tuple[Region, ...]) -> Message | None:
    """Return the message about the first region that ends after the disk, if any does."""
    for region in regions:
        if region.end > disk.size:
            end, size = format_sizes(region.end, disk.size)
            text = (
                f"The disk in '{disk.name}' is truncated: {region.name} ends at byte"
                f" {region.end} ({end}), but the disk has only {disk.size} bytes ({size})."
            )
            return Message(text, Hint.ALLOW_TRUNCATED)
    return None


def _large_sectors(disk: ByteSource) -> Message:
    return Message(
        f"The partition table of '{disk.name}' uses sectors of 4096 bytes. The disks of servers"
        " have sectors of 512 bytes, so servers will not find its partitions."
    )


def _encrypted(disk: ByteSource, content: Content) -> Message:
    return Message(
        f"The disk in '{disk.name}' is encrypted with {content.name} as a whole; servers cannot"
        " boot from it."
    )
