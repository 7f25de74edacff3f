# SPDX-License-Identifier: Apache-2.0
"""Finding the footer of a VHD, which may have been displaced from the end of the file."""

from collections.abc import Iterator
from dataclasses import dataclass

from devcloud.cloudimages.vhddynamic import Read
from devcloud.cloudimages.vhdfooter import COOKIE, FIXED, SECTOR, Footer

_SEARCHED = 64 << 10  # bytes at the end in which a footer is found that is not the last 512
_SHORT = 511  # bytes of the footer that Virtual PC wrote before 2004
_DESTROYED = b"v_poison"  # what XenServer writes over the cookie of a disk that it has deleted


@dataclass(frozen=True)
class Location:
    """A valid footer that belongs to the file.

    :ivar end: the offset of the footer if the file ends with it; None if the file is damaged, with
        bytes after the footer, or with only the copy of the footer at its beginning.
    """

    footer: Footer
    end: int | None


def locate(read: Read, size: int) -> Location | None:
    """Return the footer of a file of `size` bytes, or None if the file is not a VHD."""
    if size < _SHORT:
        return None
    end = _end(read, size)
    tail = read(end, size - end).ljust(SECTOR, b"\0")
    if tail.startswith(_DESTROYED):
        return None
    if footer := Footer.parse(tail):
        return Location(footer, end)
    copy = _copy(read)
    footer = _displaced(read, size, copy) or copy
    return Location(footer, None) if footer else None


def _end(read: Read, size: int) -> int:
    """Return where the footer begins, which has 511 bytes only if a cookie is there."""
    short = size - _SHORT
    if size % SECTOR == _SHORT and read(short, len(COOKIE)) in (COOKIE, _DESTROYED):
        return short
    return max(0, size - SECTOR)


def _copy(read: Read) -> Footer | None:
    """Return the copy at the beginning of the file, which a fixed disk does not have."""
    footer = Footer.parse(read(0, SECTOR))
    return None if footer and footer.disk_type == FIXED else footer


def _displaced(read: Read, size: int, copy: Footer | None) -> Footer | None:
    """Return the last footer with bytes after it that the rest of the file confirms.

    A disk may contain the footer of another VHD. The footer of this file is at the end of the data
    of a fixed disk, or equal to the copy at the beginning.
    """
    for offset, footer in _footers(read, max(1, size - _SEARCHED), size):
        if footer == copy or (footer.disk_type == FIXED and footer.current_size == offset):
            return footer
    return None


def _footers(read: Read, start: int, end: int) -> Iterator[tuple[int, Footer]]:
    """Yield the valid footers in a part of the file with their offsets, the last one first."""
    data = read(start, end - start)
    at = data.rfind(COOKIE)
    while at >= 0:
        if footer := Footer.parse(data[at : at + SECTOR]):
            yield start + at, footer
        at = data.rfind(COOKIE, 0, at)
