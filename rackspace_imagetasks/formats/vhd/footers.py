# SPDX-License-Identifier: Apache-2.0
"""Finding the footer: at a file's end, where it belongs, and its copy at offset 0."""

from dataclasses import dataclass
from typing import Self

from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd.structures import (
    FOOTER_SIZE,
    POISONED_COOKIE,
    SHORT_FOOTER_SIZE,
    DiskType,
    Footer,
)
from rackspace_imagetasks.formats.vhd.window import Window
from rackspace_imagetasks.units import SECTOR


@dataclass(frozen=True, kw_only=True)
class Footers:
    """What the two ends of a file hold.

    :ivar head: the bytes where the copy belongs, at most 512.
    :ivar tail: the bytes where the footer belongs, at most 512.
    :ivar last: the footer, where it is at the end and valid.
    :ivar copy: the copy at offset 0, where it is valid; a fixed disk has none.
    :ivar data_end: the offset before which all data ends: the footer's, or the end of the file.
    :ivar trailing: bytes after the footer; more than 0 only where `last` was found before them.
    """

    head: bytes
    tail: bytes
    last: Footer | None
    copy: Footer | None
    data_end: int
    trailing: int = 0

    @classmethod
    def find(cls, window: Window) -> Self:
        """Look at both ends of the file.

        :raises SourceError: when the source cannot be read.
        """
        head = window.head[:FOOTER_SIZE]
        tail = window.tail[-_footer_size(window) :]
        last, copy = _valid(tail), _valid(head)
        if copy and copy.disk_type == DiskType.FIXED:
            copy = None
        trailing = 0
        if last is None:
            last, trailing = _before_trailing_bytes(window, copy)
        has_footer = last is not None or tail.startswith((Footer.COOKIE, POISONED_COOKIE))
        data_end = window.size - trailing - (len(tail) if has_footer else 0)
        return cls(head=head, tail=tail, last=last, copy=copy, data_end=data_end, trailing=trailing)

    @property
    def footer(self) -> Footer | None:
        """The footer that counts: the last one, or in its absence the copy."""
        return self.last or self.copy

    @property
    def poisoned(self) -> bool:
        """Whether XenServer has marked the disk as killed."""
        return self.tail.startswith(POISONED_COOKIE)


def _footer_size(window: Window) -> int:
    short = window.size % SECTOR == SHORT_FOOTER_SIZE
    if short and window.tail[-SHORT_FOOTER_SIZE:].startswith(Footer.COOKIE):
        return SHORT_FOOTER_SIZE
    return FOOTER_SIZE


def _valid(content: bytes) -> Footer | None:
    try:
        return Footer.parse(content)
    except VhdError:
        return None


def _before_trailing_bytes(window: Window, copy: Footer | None) -> tuple[Footer | None, int]:
    """Find a footer that something was appended to; the file's own data must confirm it."""
    tail, base = window.tail, max(0, window.size - len(window.tail))
    place = tail.rfind(Footer.COOKIE)
    while place >= 0:
        footer = _valid(tail[place : place + FOOTER_SIZE])
        ends_fixed_disk = footer and (footer.disk_type, footer.current_size) == (
            DiskType.FIXED,
            base + place,
        )
        is_copied = footer and base + place > 0 and footer == copy
        if ends_fixed_disk or is_copied:
            return footer, len(tail) - place - FOOTER_SIZE
        place = tail.rfind(Footer.COOKIE, 0, place)
    return None, 0
