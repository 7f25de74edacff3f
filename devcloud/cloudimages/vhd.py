# SPDX-License-Identifier: Apache-2.0
"""The service's own check of a VHD, written from the description of the format alone.

It shares no code with the clients that are tested against it, so that no mistake is made twice.
(Virtual Hard Disk Image Format Specification 1.0, and the observed behavior of XenServer.)
"""

import struct
import time
import uuid
from dataclasses import dataclass

from devcloud.cloudimages import vhddynamic
from devcloud.cloudimages.vhddynamic import Read
from devcloud.cloudimages.vhdfooter import (
    COOKIE,
    DIFFERENCING,
    DYNAMIC,
    EPOCH,
    FIXED,
    SECTOR,
    Footer,
    checksum,
)
from devcloud.cloudimages.vhdlocation import Location, locate

_MEANINGS = {
    111: "the VHD failed validation in an unspecified way",
    396: "not a valid VHD",
    413: "virtual size over 40 GB",
    523: "neither fixed nor dynamic",
    609: "physical size over 40 GB",
    614: "the VHD's UUID is all zeros",
    721: "the VHD has a parent disk; only stand-alone VHDs can be imported",
}


class Refused(Exception):
    """A file that the service does not import.

    :ivar code: the documented failure code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"Error {code}: {_MEANINGS[code]}")
        self.code = code


@dataclass(frozen=True)
class Limits:
    """The largest disk and the largest file that can be imported, in bytes."""

    virtual: int
    physical: int


def virtual_size(read: Read, size: int, limits: Limits) -> int:
    """Return the size in bytes of the disk in a file of `size` bytes.

    :raises Refused: if the service would not import the file.
    """
    if size > limits.physical:
        raise Refused(609)
    location = locate(read, size)
    if location is None:
        raise Refused(396)
    footer = location.footer
    for code, applies in (
        (721, footer.disk_type == DIFFERENCING),
        (523, footer.disk_type not in (FIXED, DYNAMIC)),
        (614, not any(footer.uuid)),
        (413, footer.current_size > limits.virtual),
        (111, not _is_sound(read, location)),
    ):
        if applies:
            raise Refused(code)
    return footer.current_size


def renewed(footer: bytes) -> bytes:
    """Return a footer with a new UUID and timestamp, as in every export of the service."""
    timestamp = struct.pack(">I", int(time.time()) - EPOCH)
    new = footer[:24] + timestamp + footer[28:64] + bytes(4) + uuid.uuid4().bytes + footer[84:]
    return new[:64] + struct.pack(">I", checksum(new, 64)) + new[68:]


def footer_offsets(read: Read, size: int) -> list[int]:
    """Return the offsets of a VHD's footer and of its copy; an empty list if it is no VHD."""
    if size < SECTOR or Footer.parse(read(size - SECTOR, SECTOR)) is None:
        return []
    has_copy = size >= 2 * SECTOR and Footer.parse(read(0, SECTOR)) is not None
    return [0, size - SECTOR] if has_copy else [size - SECTOR]


def _is_sound(read: Read, location: Location) -> bool:
    footer, end = location.footer, location.end
    if end is None or not footer.is_sound(time.time()):
        return False
    head = read(0, SECTOR)
    if footer.disk_type == DYNAMIC:
        return Footer.parse(head) == footer and vhddynamic.is_sound(read, end, footer)
    # A fixed disk that begins like a dynamic one is another disk to other programs.
    return end == footer.current_size and not head.startswith(COOKIE)
