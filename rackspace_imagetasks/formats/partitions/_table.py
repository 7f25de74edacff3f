# SPDX-License-Identifier: Apache-2.0
"""What a partition table says, in bytes."""

import dataclasses
import enum
from collections.abc import Iterable
from typing import NamedTuple

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.formats.partitions._types import BIOS_BOOT, EFI_SYSTEM

_HEAD = 24 << 10
"""The MBR and a GPT with 128 partitions, also one for sectors of 4096 bytes, are in these bytes."""


class TableKind(enum.StrEnum):
    """The kinds of partition tables; a hybrid is a GPT whose MBR has some of its partitions."""

    MBR = "MBR"
    GPT = "GPT"
    HYBRID = "hybrid"


class Partition(NamedTuple):
    """A partition.

    :ivar start: in bytes, as is the size.
    :ivar type: as in `0x83` in an MBR, a UUID in a GPT.
    :ivar type_name: what the type is for, or the type itself if it is not known.
    :ivar uuid: what `PARTUUID=` in fstab refers to.
    :ivar title: the name in a GPT; untrusted.
    :ivar is_active: whether a BIOS is to boot from it.
    """

    number: int
    start: int
    size: int
    type: str
    type_name: str
    uuid: str
    title: str = ""
    is_active: bool = False

    @property
    def name(self) -> str:
        """The partition's name in a sentence."""
        return f"partition {self.number}"

    @property
    def is_efi_system(self) -> bool:
        """Whether UEFI looks for boot loaders in it."""
        return self.type in EFI_SYSTEM

    @property
    def is_bios_boot(self) -> bool:
        """Whether it is for the part of GRUB that does not fit into the MBR."""
        return self.type == BIOS_BOOT


class Region(NamedTuple):
    """A part of a disk that a partition table refers to.

    :ivar name: for a sentence, such as `partition 2`.
    :ivar end: the offset after its last byte.
    """

    name: str
    end: int


@dataclasses.dataclass(frozen=True)
class Table:
    """The partition table of a disk.

    :ivar sector_size: that for which the table was made, in bytes.
    :ivar regions: what must be within the disk, partitions first.
    :ivar boot_code: whose code is in the MBR, such as `GRUB`; `unknown`, or empty without code.
    :ivar notes: what makes the table doubtful.
    """

    kind: TableKind
    sector_size: int
    partitions: tuple[Partition, ...]
    regions: tuple[Region, ...]
    boot_code: str = ""
    notes: tuple[str, ...] = ()


def regions_of(partitions: Iterable[Partition]) -> tuple[Region, ...]:
    """Return the regions of partitions."""
    return tuple(Region(each.name, each.start + each.size) for each in partitions)


class Sectors:
    """The bytes of a disk, of which the first are read once."""

    def __init__(self, disk: ByteSource) -> None:
        self.size = disk.size
        self._disk = disk
        self._head = disk.read_at(0, min(disk.size, _HEAD))

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes, or none if the disk ends before."""
        if offset + length > self.size:
            return b""
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        return self._disk.read_at(offset, length)
