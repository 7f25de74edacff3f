# SPDX-License-Identifier: Apache-2.0
"""Finding the footer: at the end of a file, where it belongs, and its copy at offset 0."""

from dataclasses import dataclass
from typing import Self

from rackspace_imagetasks.exceptions import VhdError
from rackspace_imagetasks.formats.vhd._structures import (
    FOOTER_SIZE,
    POISONED_COOKIE,
    SHORT_FOOTER_SIZE,
    DiskType,
    Footer,
)
from rackspace_imagetasks.formats.window import Window
from rackspace_imagetasks.units import SECTOR

_SEARCHED = 64 << 10  # bytes at the end of a file that are searched for a displaced footer


@dataclass(frozen=True, kw_only=True)
class Footers:
    """The footers at both ends of a file.

    :ivar head: the bytes where the copy belongs, at most 512.
    :ivar tail: the bytes where the footer belongs, at most 512.
    :ivar last: the footer at the end, if it is valid.
    :ivar copy: the copy at offset 0, if it is valid; a fixed disk has none.
    :ivar data_end: the offset before which all data ends: the footer's, or the end of the file.
    :ivar trailing: the number of bytes after the footer; more than 0 only if it was displaced.
    :ivar stray: the offset of a valid footer near the end that does not match the file.
    """

    head: bytes
    tail: bytes
    last: Footer | None
    copy: Footer | None
    data_end: int
    trailing: int = 0
    stray: int | None = None

    @classmethod
    def find(cls, window: Window) -> Self:
        """Read both ends of the file.

        :raises SourceError: when the source cannot be read.
        """
        head = window.head[:FOOTER_SIZE]
        tail = window.tail[-_footer_size(window) :]
        last, copy = _valid(tail), _valid(head)
        if copy and copy.disk_type == DiskType.FIXED:
            copy = None
        trailing, stray = 0, None
        if last is None:
            last, trailing, stray = _displaced(window, copy)
        has_footer = last is not None or tail.startswith((Footer.COOKIE, POISONED_COOKIE))
        return cls(
            head=head,
            tail=tail,
            last=last,
            copy=copy,
            data_end=window.size - trailing - (len(tail) if has_footer else 0),
            trailing=trailing,
            stray=stray,
        )

    @property
    def footer(self) -> Footer | None:
        """The footer that counts: the one at the end, or else the copy."""
        return self.last or self.copy

    @property
    def poisoned(self) -> bool:
        """Whether XenServer has marked the disk as destroyed."""
        return self.tail.startswith(POISONED_COOKIE)

    @property
    def any_cookie(self) -> bool:
        """Whether either end has a footer's cookie, valid or not."""
        return self.tail.startswith(Footer.COOKIE) or self.head.startswith(Footer.COOKIE)

    @property
    def is_short(self) -> bool:
        """Whether the footer has 511 bytes, as Virtual PC wrote it before 2004."""
        return len(self.tail) == SHORT_FOOTER_SIZE


def _footer_size(window: Window) -> int:
    short = window.size % SECTOR == SHORT_FOOTER_SIZE
    cookies = (Footer.COOKIE, POISONED_COOKIE)
    if short and window.tail[-SHORT_FOOTER_SIZE:].startswith(cookies):
        return SHORT_FOOTER_SIZE
    return FOOTER_SIZE


def _valid(content: bytes) -> Footer | None:
    try:
        return Footer.parse(content)
    except VhdError:
        return None


def _displaced(window: Window, copy: Footer | None) -> tuple[Footer | None, int, int | None]:
    """Find a footer to which something was appended.

    Returns the footer, if the file's own data confirms it, and the number of bytes after it; or
    the offset of a valid footer that nothing confirms.
    """
    start = max(0, window.size - _SEARCHED)
    tail = window.read(start, _SEARCHED)
    stray = None
    place = tail.rfind(Footer.COOKIE)
    while place >= 0:
        offset = start + place
        footer = _valid(tail[place : place + FOOTER_SIZE])
        if footer and 0 < offset <= window.size - FOOTER_SIZE:
            ends_fixed_disk = (footer.disk_type, footer.current_size) == (DiskType.FIXED, offset)
            if ends_fixed_disk or footer == copy:
                return footer, window.size - offset - FOOTER_SIZE, None
            stray = offset
        place = tail.rfind(Footer.COOKIE, 0, place)
    return None, 0, stray
