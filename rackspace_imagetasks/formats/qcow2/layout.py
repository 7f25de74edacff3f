# SPDX-License-Identifier: Apache-2.0
"""The qcow2 file of a disk, which is read without being written.

The clusters that may hold data determine every byte around them, and an L2 table can send a
cluster anywhere. The data is therefore in the order in which the disk's own file stores it: if
both are read from the beginning to the end, each part of that file is needed once.
"""

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.formats._virtual import VirtualFile
from rackspace_imagetasks.formats.qcow2._clusters import Clusters
from rackspace_imagetasks.formats.qcow2._metadata import Metadata
from rackspace_imagetasks.formats.qcow2._structures import CLUSTER, MAX_SIZE
from rackspace_imagetasks.text import format_sizes
from rackspace_imagetasks.units import SECTOR, round_up


class VirtualQcow2(VirtualFile):
    """The qcow2 file of a disk, as a byte source; the same disk always results in the same bytes.

    It has version 3, clusters of 64 KiB and no compression. Clusters outside the disk's extents
    are left out; no data is read until the file is. If the source has `stored_extents()`, which
    returns its extents in the order of their storage, the data is in that order.

    :raises SourceError: when the disk is empty, or too large for QEMU.
    """

    def __init__(self, disk: ByteSource) -> None:
        self.disk_size = round_up(disk.size, SECTOR)  #: the disk's size, in whole sectors
        _check_size(disk, self.disk_size)
        self._clusters = Clusters.of(disk)
        self._metadata = Metadata(self.disk_size, self._clusters)
        _check_size(disk, self._metadata.file_size)
        identity = f"{disk.identity}.qcow2-{self.disk_size:x}-{self._clusters.digest}"
        super().__init__(disk, self._metadata.file_size, identity)

    @property
    def clusters_allocated(self) -> int:
        """The number of clusters of 64 KiB that it stores."""
        return len(self._clusters)

    def _piece(self, offset: int, length: int) -> bytes:
        data_at = self._metadata.size
        if offset < data_at:
            return self._metadata.read(offset, length)
        place, within = divmod(offset - data_at, CLUSTER)
        run = self._clusters.at(place)
        available = run.length * CLUSTER - within
        return self._data(run.cluster * CLUSTER + within, min(length, available))


def _check_size(disk: ByteSource, size: int) -> None:
    if not 0 < size <= MAX_SIZE:
        words, limit = format_sizes(disk.size, MAX_SIZE)
        raise SourceError(
            f"The disk '{disk.name}' has {words}; a qcow2 file can hold a disk of 1 byte to {limit}"
            " and be no larger than that itself."
        )
