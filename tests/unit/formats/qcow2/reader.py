# SPDX-License-Identifier: Apache-2.0
"""qcow2 files read after QEMU's docs/interop/qcow2.rst, knowing nothing of the library's writer."""

import struct

CLUSTER = 65536
OFFSET = 0x00FF_FFFF_FFFF_FE00
COPIED = 1 << 63


class Qcow2:
    """A qcow2 file of version 3, read through a byte source."""

    def __init__(self, source):
        self.source = source
        header = source.read_at(0, 512)
        (
            magic, version, backing, backing_size, bits, self.size, crypt, self.l1_entries,
            self.l1_at, self.refcounts_at, self.refcount_clusters, snapshots, snapshots_at,
            incompatible, compatible, autoclear, order, header_length,
        ) = struct.unpack(">4sIQIIQIIQQIIQQQQII", header[:104])  # fmt: skip
        assert (magic, version, bits, order) == (b"QFI\xfb", 3, 16, 4)
        assert header_length == 104
        assert not any(header[104:])  # the end of the header extensions
        assert not (backing or backing_size or crypt or snapshots or snapshots_at)
        assert not (incompatible or compatible or autoclear)
        assert self.l1_entries == -(-self.size // (CLUSTER * CLUSTER // 8))
        l1 = self.table(self.l1_at, self.l1_entries)
        self.l2_at = {number: entry & OFFSET for number, entry in enumerate(l1) if entry}
        assert all(entry & COPIED for entry in l1 if entry)

    def table(self, offset, entries, code="Q"):
        """Read a table of numbers."""
        size = struct.calcsize(f">{entries}{code}")
        return struct.unpack(f">{entries}{code}", self.source.read_at(offset, size))

    def place_of(self, cluster):
        """Return where a cluster of the disk is in the file, or None if it is not stored."""
        table, number = divmod(cluster, CLUSTER // 8)
        if table not in self.l2_at:
            return None
        (entry,) = self.table(self.l2_at[table] + 8 * number, 1)
        assert not entry or entry & COPIED
        return entry & OFFSET or None

    def places(self):
        """Return where all stored clusters of the disk are: {cluster: offset}."""
        return {
            table * CLUSTER // 8 + number: entry & OFFSET
            for table, at in self.l2_at.items()
            for number, entry in enumerate(self.table(at, CLUSTER // 8))
            if entry
        }

    def disk(self):
        """Read the whole disk."""
        content = bytearray(-(-self.size // CLUSTER) * CLUSTER)
        for cluster, place in self.places().items():
            at = cluster * CLUSTER
            content[at : at + CLUSTER] = self.source.read_at(place, CLUSTER)
        assert not any(content[self.size :])
        return bytes(content[: self.size])

    def refcounts(self):
        """Return the reference counts of the file's clusters, up to the last that is not 0."""
        entries = self.table(self.refcounts_at, self.refcount_clusters * CLUSTER // 8)
        counts = []
        for entry in filter(None, entries):
            counts += self.table(entry, CLUSTER // 2, "H")
        while counts and not counts[-1]:
            counts.pop()
        return counts

    def clusters_in_use(self):
        """Return the numbers of the file's clusters to which something refers, once for each."""
        table_clusters = -(-self.l1_entries * 8 // CLUSTER)
        blocks = self.table(self.refcounts_at, self.refcount_clusters * CLUSTER // 8)
        offsets = [
            0,
            *(self.refcounts_at + n * CLUSTER for n in range(self.refcount_clusters)),
            *filter(None, blocks),
            *(self.l1_at + n * CLUSTER for n in range(table_clusters)),
            *self.l2_at.values(),
            *self.places().values(),
        ]
        assert not any(offset % CLUSTER for offset in offsets)
        return sorted(offset // CLUSTER for offset in offsets)
