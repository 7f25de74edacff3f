# SPDX-License-Identifier: Apache-2.0
"""Whether the log of XFS contains changes that are not in the file system yet."""

import struct
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems.base import Damaged, Volume
from rackspace_imagetasks.guest.filesystems.xfs._superblock import Superblock
from rackspace_imagetasks.units import SECTOR

_RECORD = struct.Struct(">4sIII24xI276xI")  # "Log Record"
_MAGIC = b"\xfe\xed\xba\xbe"
_HEADER_DATA = 32 << 10  # of a record, for which one sector of its header suffices
_VERSION_2 = 2
_UNMOUNT = 0x20
_MAX_RECORD = 1024
"""The most sectors that are searched for the last record, which has at most 256 KiB."""
_PIECE = 64


class _Record(NamedTuple):
    magic: bytes
    cycle: int
    version: int
    length: int
    operations: int
    size: int

    @property
    def header_sectors(self) -> int:
        if self.version & _VERSION_2 and self.size > _HEADER_DATA:
            return -(-self.size // _HEADER_DATA)
        return 1


class Log:
    """The sectors of a log, which is written in circles; all have the number of the circle."""

    def __init__(self, volume: Volume, superblock: Superblock) -> None:
        self._volume = volume
        self._start = superblock.block_offset(superblock.log_start)
        self._sectors = superblock.log_blocks * superblock.block_size // SECTOR
        if not self._sectors:
            raise Damaged("The log of XFS is empty.")

    def is_clean(self) -> bool:
        """Return whether the last record says that the file system was unmounted, and only that.

        It is what Linux does before it mounts one (`xlog_check_unmount_rec`).

        :raises Damaged: if there is no record where the log ends.
        """
        if not self._cycle(0):
            return True  # overwritten with zeros by a repair
        head = self._head()
        at, record = self._last_record(head)
        data = at + record.header_sectors
        end = data + -(-record.length // SECTOR)
        if record.operations != 1 or end % self._sectors != head % self._sectors:
            return False
        flags = self._read(data % self._sectors, 1)[9]
        return bool(flags & _UNMOUNT)

    def _head(self) -> int:
        """Return the number of the sector that will be written next."""
        first, low, high = self._cycle(0), 0, self._sectors
        while low + 1 < high:
            middle = (low + high) // 2
            if self._cycle(middle) == first:
                low = middle
            else:
                high = middle
        return high

    def _last_record(self, head: int) -> tuple[int, _Record]:
        end = head
        while head - end < min(_MAX_RECORD, self._sectors):
            # A record may begin at the end of the log and continue at its beginning.
            position = end % self._sectors or self._sectors
            count = min(_PIECE, position)
            content = self._read(position - count, count)
            for index in reversed(range(count)):
                if content.startswith(_MAGIC, index * SECTOR):
                    found = _Record(*_RECORD.unpack_from(content, index * SECTOR))
                    return position - count + index, found
            end -= count
        raise Damaged("The log of XFS has no record at its end.")

    def _cycle(self, sector: int) -> int:
        """Return the number of the circle in which a sector was written."""
        content = self._read(sector, 1)
        (cycle,) = struct.unpack_from(">I", content, 4 if content.startswith(_MAGIC) else 0)
        return int(cycle)

    def _read(self, sector: int, count: int) -> bytes:
        return self._volume.read(self._start + sector * SECTOR, count * SECTOR)
