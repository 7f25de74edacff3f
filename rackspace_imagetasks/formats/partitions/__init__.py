# SPDX-License-Identifier: Apache-2.0
"""Partition tables: MBR with logical partitions, and GPT.

Everything in them is untrusted: what is read is bounded, whatever the tables contain.
"""

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.formats.partitions._gpt import Gpt, read_gpt
from rackspace_imagetasks.formats.partitions._mbr import Mbr
from rackspace_imagetasks.formats.partitions._table import (
    Partition,
    Region,
    Sectors,
    Table,
    TableKind,
    regions_of,
)
from rackspace_imagetasks.units import SECTOR

__all__ = ["LARGE_SECTOR", "Partition", "Region", "Table", "TableKind", "read_table"]

LARGE_SECTOR = 4096
"""The sector size of "4K native" disks, which some GPTs are made for."""


def read_table(disk: ByteSource) -> Table | None:
    """Return the partition table of a disk, or None if it has none.

    A disk with a valid GPT is described by that alone: the MBR in front of it only protects it.
    The backup of a GPT is read if the GPT itself is damaged.

    :raises SourceError: when the disk cannot be read.
    """
    sectors = Sectors(disk)
    mbr = Mbr(sectors)
    for sector_size in (SECTOR, LARGE_SECTOR):
        primary = read_gpt(sectors, sector_size, 1)
        if primary and primary.is_valid:
            return _gpt_table(mbr, primary, sector_size)
        backup = _backup(sectors, sector_size) if primary or mbr.is_protective else None
        if backup:
            note = "The GPT at the beginning of the disk is damaged; its backup was read."
            return _gpt_table(mbr, backup, sector_size, note)
        if primary:
            note = "The list of partitions in the GPT is damaged, and so is its backup."
            return _gpt_table(mbr, primary, sector_size, note)
    partitions, missing = mbr.partitions()
    if not partitions:
        return None
    regions = (*regions_of(partitions), *missing)
    return Table(TableKind.MBR, SECTOR, partitions, regions, mbr.boot_code)


def _backup(sectors: Sectors, sector_size: int) -> Gpt | None:
    """Return the valid backup of a GPT in the last sector of the disk."""
    last = sectors.size // sector_size - 1
    backup = read_gpt(sectors, sector_size, last) if last > 1 else None
    return backup if backup and backup.is_valid else None


def _gpt_table(mbr: Mbr, gpt: Gpt, sector_size: int, *notes: str) -> Table:
    kind = TableKind.HYBRID if mbr.is_protective and mbr.has_partitions else TableKind.GPT
    return Table(kind, sector_size, gpt.partitions, gpt.regions, mbr.boot_code, notes)
