# SPDX-License-Identifier: Apache-2.0
"""LVM: the physical volumes of a disk, and their logical volumes as byte sources.

    physical = [found for part in parts if (found := physical_volume(part))]
    for volume in logical_volumes(physical):
        ...

After lvm2, lib/format_text/layout.h and doc/example.conf's text format. Linear and striped volumes
can be read; all others are named.
"""

from rackspace_imagetasks.guest.lvm._logical import LogicalVolume, logical_volumes
from rackspace_imagetasks.guest.lvm._physical import PhysicalVolume, physical_volume

__all__ = ["LogicalVolume", "PhysicalVolume", "logical_volumes", "physical_volume"]
