# SPDX-License-Identifier: Apache-2.0
"""The geometry of a disk: cylinders, heads and sectors per track; it rounds the size down."""

from typing import NamedTuple

from rackspace_imagetasks.units import SECTOR, divide_up


class Geometry(NamedTuple):
    """The shape of a disk that the BIOS of a virtual machine reports."""

    cylinders: int
    heads: int
    sectors_per_track: int

    @property
    def packed(self) -> int:
        """The geometry as one number, by which XenServer's tools compare two."""
        return self.cylinders << 16 | self.heads << 8 | self.sectors_per_track

    @property
    def size(self) -> int:
        """The number of bytes that the geometry can address."""
        return self.cylinders * self.heads * self.sectors_per_track * SECTOR


def geometry_of(size: int) -> Geometry:
    """Return the geometry of a disk of `size` bytes (the specification's "CHS Calculation")."""
    sectors = min(max(1, divide_up(size, SECTOR)), 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        heads, per_track = 16, 255
    else:
        per_track = 17
        heads = max(4, divide_up(sectors // per_track, 1024))
        if sectors // per_track >= heads * 1024 or heads > 16:
            heads, per_track = 16, 31
        if sectors // per_track >= heads * 1024:
            heads, per_track = 16, 63
    return Geometry(sectors // per_track // heads, heads, per_track)
