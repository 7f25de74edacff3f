# SPDX-License-Identifier: Apache-2.0
"""The geometry of a disk: cylinders, heads and sectors per track, which round its size down."""

from typing import NamedTuple

from rackspace_imagetasks.units import SECTOR, divide_up


class Geometry(NamedTuple):
    """What the BIOS of a virtual machine is told of a disk's shape."""

    cylinders: int
    heads: int
    sectors_per_track: int

    @property
    def size(self) -> int:
        """The bytes that the geometry addresses."""
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
