# SPDX-License-Identifier: Apache-2.0
"""The footer of a VHD: its fields, and what XenServer's own check accepts in them."""

import struct
from dataclasses import dataclass
from typing import Self

SECTOR = 512
COOKIE = b"conectix"
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
NO_OFFSET = 0xFFFFFFFFFFFFFFFF
EPOCH = 946684800  # 2000-01-01 UTC, as a Unix time
_FORMAT = ">8sIIQI4sIIQQIII16sBB426s"
_MAX_CLOCK_SKEW = 30 * 60  # seconds that a timestamp may be ahead
# Versions of the creator `tap`: a batmap is required from 1.2, and 1.3 is the last one.
_FIRST_TAP, _FIRST_TAP_WITH_BATMAP, _LAST_TAP = 0x00010000, 0x00010002, 0x00010003


@dataclass(frozen=True)
class Footer:
    """The fields of a footer whose cookie and checksum are valid."""

    cookie: bytes
    features: int
    version: int
    data_offset: int
    timestamp: int
    creator: bytes
    creator_version: int
    creator_system: int
    original_size: int
    current_size: int
    geometry: int  # packed: cylinders << 16 | heads << 8 | sectors per track
    disk_type: int
    checksum: int
    uuid: bytes
    saved_state: int
    hidden: int
    reserved: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self | None:
        """Return the footer in 512 bytes, or None if there is no valid one."""
        if len(data) < SECTOR or not data.startswith(COOKIE):
            return None
        footer = cls(*struct.unpack(_FORMAT, data[:SECTOR]))
        return footer if footer.checksum == checksum(data[:SECTOR], 64) else None

    @property
    def is_tap(self) -> bool:
        """Whether the creator is XenServer."""
        return self.creator.startswith(b"tap")

    @property
    def needs_batmap(self) -> bool:
        """Whether the creator is a XenServer whose dynamic disks always have a batmap."""
        return self.is_tap and self.creator_version >= _FIRST_TAP_WITH_BATMAP

    def is_sound(self, now: float) -> bool:
        """Return whether XenServer accepts the fields.

        :param now: the Unix time.
        """
        return (
            self.features in (2, 3)  # bit 1 is always set; bit 0 marks a temporary disk
            and self.version == 0x00010000
            and self._is_data_offset_sound()
            and self.timestamp <= now - EPOCH + _MAX_CLOCK_SKEW
            and (not self.is_tap or _FIRST_TAP <= self.creator_version <= _LAST_TAP)
            and self.current_size > 0
            and self.current_size % SECTOR == 0
            and self.geometry <= geometry(self.current_size)
            and self.saved_state <= 1
            and self.hidden == 0
            and not any(self.reserved)
        )

    def _is_data_offset_sound(self) -> bool:
        if self.disk_type == FIXED:
            return self.data_offset == NO_OFFSET
        return self.data_offset >= SECTOR and self.data_offset % SECTOR == 0


def checksum(data: bytes, offset: int) -> int:
    """Return the one's complement of the byte sum, without the four bytes at `offset`."""
    return ~(sum(data) - sum(data[offset : offset + 4])) & 0xFFFFFFFF


def geometry(size: int) -> int:
    """Return the packed geometry that the specification gives to a disk of `size` bytes."""
    sectors = min(max(1, -(-size // SECTOR)), 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        per_track, heads = 255, 16
    else:
        per_track = 17
        heads = max(4, -(-(sectors // 17) // 1024))
        if sectors // 17 >= heads * 1024 or heads > 16:
            per_track, heads = 31, 16
            if sectors // 31 >= 16384:
                per_track = 63
    return sectors // per_track // heads << 16 | heads << 8 | per_track
