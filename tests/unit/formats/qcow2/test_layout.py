# SPDX-License-Identifier: Apache-2.0
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from oslotest import base

from rackspace_imagetasks.bytesource import BaseSource, BytesSource, Extent
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.formats.qcow2.layout import VirtualQcow2
from rackspace_imagetasks.formats.vhd import open_disk
from tests.unit.formats.qcow2.reader import CLUSTER, Qcow2
from tests.unit.formats.vhd.builder import BLOCK, GIB, MIB, dynamic

TIB = 1024 * GIB
L2_SPAN = CLUSTER * CLUSTER // 8  # 512 MiB of the disk
REFCOUNT_SPAN = CLUSTER // 2  # clusters of the file


def whole(source):
    return source.read_at(0, source.size)


class Disk(BaseSource):
    """A disk of which each 8 bytes in its extents are their own offset; it takes no memory."""

    def __init__(self, size, *extents):
        super().__init__("disk", size, "disk")
        self.extents = [Extent(*extent) for extent in extents]
        self.requests = []

    def _read(self, offset, length):
        self.requests.append((offset, length))
        first, end = offset // 8, -(-(offset + length) // 8)
        content = bytearray(b"".join((8 * at).to_bytes(8, "big") for at in range(first, end)))
        for at in range(8 * first, 8 * end):
            if not any(start <= at < start + size for start, size in self.extents):
                content[at - 8 * first] = 0
        return bytes(content[offset - 8 * first :][:length])

    def data_extents(self):
        return iter(sorted(self.extents))


class StoredDisk(Disk):
    """A disk that stores its extents in the order in which they are given."""

    def stored_extents(self):
        return iter(self.extents)


class FullDisk(BaseSource):
    """A disk of zeros that has data everywhere, or in these extents."""

    def __init__(self, size, extents=None):
        super().__init__("full", size, "full")
        self._extents = extents

    def _read(self, _offset, length):
        return bytes(length)

    def data_extents(self):
        return super().data_extents() if self._extents is None else iter(self._extents)


def patterned(size, seed=b"pattern"):
    return (seed * (size // len(seed) + 1))[:size]


def sliced(content, extents, stored=None):
    """Return a disk in memory that has data in these extents only."""
    kept = bytearray(len(content))
    for start, length in extents:
        kept[start : start + length] = content[start : start + length]
    disk = BytesSource(bytes(kept))
    disk.data_extents = lambda: iter(Extent(*extent) for extent in sorted(extents))
    if stored is not None:
        disk.stored_extents = lambda: iter(Extent(*extent) for extent in stored)
    return disk


@st.composite
def disks(draw):
    """Return a disk with extents anywhere, and their order if the disk tells one."""
    size = draw(st.integers(1, 40 * CLUSTER))
    marks = draw(st.sets(st.integers(0, size), max_size=12))
    if draw(st.booleans()):  # whole clusters, as a format with large blocks has
        marks = {mark - mark % CLUSTER for mark in marks}
    edges = sorted(marks)
    extents = [(low, high - low) for low, high in zip(edges[::2], edges[1::2], strict=False)]
    stored = draw(st.none() | st.permutations(extents))
    return sliced(patterned(size), extents, stored)


class LayoutTest(base.BaseTestCase):
    def check(self, disk):
        """Check the whole file of a disk as qemu-img would, and return it with its reader."""
        qcow2 = VirtualQcow2(disk)
        read = Qcow2(qcow2)
        self.assertEqual(-(-disk.size // 512) * 512, read.size)
        self.assertEqual(read.size, qcow2.disk_size)
        clusters = qcow2.size // CLUSTER
        self.assertEqual(list(range(clusters)), read.clusters_in_use())
        self.assertEqual([1] * clusters, read.refcounts())
        self.assertEqual(len(read.places()), qcow2.clusters_allocated)
        return qcow2, read

    @given(disks(), st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)), max_size=8))
    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    def test_any_disk(self, disk, ranges):
        """The file is valid and holds the disk; read in any piece it is the same."""
        qcow2, read = self.check(disk)
        content = whole(qcow2)
        self.assertEqual(whole(disk).ljust(read.size, b"\0"), read.disk())
        touched = {
            cluster
            for start, length in disk.data_extents()
            for cluster in range(start // CLUSTER, -(-(start + length) // CLUSTER))
        }
        self.assertEqual(touched, set(read.places()))
        for start, length in ranges:
            at = start % qcow2.size
            amount = length % (qcow2.size - at + 1)
            self.assertEqual(content[at : at + amount], qcow2.read_at(at, amount))

    def test_every_byte_is_the_same_in_small_pieces(self):
        """Pieces that end within entries and counts join to the same file."""
        disk = sliced(patterned(5 * CLUSTER), [(0, 100), (3 * CLUSTER, CLUSTER + 1)])
        qcow2, _ = self.check(disk)
        for size in (1021, 4093, CLUSTER + 1):
            offsets = range(0, qcow2.size, size)
            pieces = [qcow2.read_at(at, min(size, qcow2.size - at)) for at in offsets]
            self.assertEqual(whole(qcow2), b"".join(pieces))

    def test_disk_without_data(self):
        """A disk without extents has no L2 table and no data, only four clusters of tables."""
        qcow2, read = self.check(sliced(bytes(9 * MIB), []))
        self.assertEqual((4 * CLUSTER, 0, {}), (qcow2.size, qcow2.clusters_allocated, read.l2_at))

    def test_size_is_rounded_up_to_sectors(self):
        """A disk that ends within a sector is padded with zeros, since QEMU would cut it."""
        for size, rounded in ((1, 512), (512, 512), (CLUSTER + 513, CLUSTER + 1024)):
            qcow2, read = self.check(BytesSource(b"x" * size))
            self.assertEqual(rounded, read.size)
            self.assertEqual(b"x" * size + bytes(rounded - size), read.disk())
            self.assertEqual((4 + 1 - (-size // CLUSTER)) * CLUSTER, qcow2.size)

    def test_no_data_is_read_to_lay_it_out(self):
        """The extents alone decide, and stored zeros are kept."""
        disk = BytesSource(bytes(3 * CLUSTER))
        with mock.patch.object(disk, "_read", side_effect=AssertionError) as read:
            qcow2 = VirtualQcow2(disk)
            Qcow2(qcow2).places()
        read.assert_not_called()
        self.assertEqual(3, qcow2.clusters_allocated)

    def test_the_same_for_every_source(self):
        """Disks with the same data and extents result in the same bytes, whatever holds them."""
        vhd = open_disk(dynamic(12 * MIB, (1, 4)).put(3 * BLOCK, b"content"))
        raw = sliced(whole(vhd), [(2 * MIB, BLOCK), (8 * MIB, BLOCK)])
        self.assertEqual(whole(VirtualQcow2(raw)), whole(VirtualQcow2(vhd)))
        self.assertEqual(whole(VirtualQcow2(raw)), whole(VirtualQcow2(raw)))

    def test_identity(self):
        """The identity is that of the disk, its size and its layout, in allowed characters."""
        same = [VirtualQcow2(sliced(bytes(9 * MIB), [(0, MIB)])).identity for _ in range(2)]
        self.assertEqual(*same)
        self.assertEqual("", "".join(c for c in same[0] if not (c.isalnum() or c in ".-")))
        halves = [(0, MIB), (MIB, MIB)]
        other = [
            BytesSource(bytes(9 * MIB)),
            sliced(bytes(9 * MIB), halves),
            sliced(bytes(9 * MIB), halves, halves[::-1]),
            sliced(bytes(10 * MIB), [(0, MIB)]),
        ]
        identities = {VirtualQcow2(disk).identity for disk in other}
        self.assertEqual(4, len(identities - {same[0]}))

    def test_threads(self):
        """Threads that read at once, in any order, read the same bytes."""
        extents = [(start, CLUSTER) for start in range(0, 64 * CLUSTER, 2 * CLUSTER)]
        qcow2 = VirtualQcow2(sliced(patterned(64 * CLUSTER), extents, extents[::-1]))
        content, piece = whole(qcow2), 10_007
        offsets = [*range(0, qcow2.size, piece)] * 3

        def is_same(at):
            length = min(piece, qcow2.size - at)
            return qcow2.read_at(at, length) == content[at : at + length]

        with ThreadPoolExecutor(8) as pool:
            self.assertTrue(all(pool.map(is_same, reversed(offsets))))

    def test_reads_outside_are_errors(self):
        """A read beyond the end, or before the beginning, is a SourceError."""
        qcow2 = VirtualQcow2(BytesSource(b"x"))
        for offset, length in ((qcow2.size, 1), (-1, 2), (0, -1), (qcow2.size - 1, 2)):
            self.assertRaises(SourceError, qcow2.read_at, offset, length)
        self.assertEqual((b"Q", b""), (qcow2.read_at(0, 1), qcow2.read_at(qcow2.size, 0)))

    def test_it_stands_for_its_disk(self):
        """It has the name of the disk, is checked with it, and is closed with it."""
        disk = BytesSource(b"x", name="web.vhd")
        disk.close, disk.verify_unchanged = mock.Mock(), mock.Mock()
        with VirtualQcow2(disk) as qcow2:
            self.assertEqual("web.vhd", qcow2.name)
            qcow2.verify_unchanged()
        disk.verify_unchanged.assert_called_once_with()
        disk.close.assert_called_once_with()


class StorageOrderTest(base.BaseTestCase):
    def assert_forwards(self, image):
        """Check that a VHD is read forwards, and each byte of its blocks once."""
        with VirtualQcow2(open_disk(image)) as qcow2:
            image.requests.clear()
            for at in range(0, qcow2.size, MIB):
                qcow2.read_at(at, min(MIB, qcow2.size - at))
        ends = [offset + length for offset, length in image.requests]
        self.assertEqual(sorted(image.requests), image.requests)
        for end, (offset, _) in zip(ends, image.requests[1:], strict=False):
            self.assertLessEqual(end, offset)
        return sum(length for _, length in image.requests)

    def test_vhd_in_any_order_is_read_forwards(self):
        """Blocks of a VHD in another order than on the disk are read in the order of the file."""
        for present in ((0, 1, 2), (5, 2, 3, 0), (4, 3, 2, 1, 0)):
            image = dynamic(11 * MIB, present)
            expected = sum(512 + min(BLOCK, 11 * MIB - block * BLOCK) for block in present)
            self.assertEqual(expected, self.assert_forwards(image))

    def test_vhd_with_missing_sectors_is_read_forwards(self):
        """The bitmap of a block that is not full is read once too, before its data."""
        image = dynamic(6 * MIB, (2, 0)).bits(0, b"\0").put(7 * 512, b"\x7f")
        self.assertEqual(2 * (512 + BLOCK), self.assert_forwards(image))

    def test_content_is_that_of_the_disk(self):
        """The order of storage changes the places of the clusters, and nothing on the disk."""
        order = (5, 2, 3, 0)
        image = dynamic(11 * MIB, order)
        for place, block in enumerate(order):
            at = int.from_bytes(image.peek(image.table_at + 4 * block, 4), "big") * 512 + 512
            image.put(at, bytes([place + 1]) * 100).put(at + MIB, b"middle")
        disk = open_disk(image)
        read = Qcow2(VirtualQcow2(disk))
        self.assertEqual(whole(disk), read.disk())
        places = read.places()
        self.assertEqual(
            [(block, MIB // CLUSTER) for block in order],
            [(c * CLUSTER // BLOCK, 16) for c in sorted(places, key=places.get) if not c % 32],
        )

    def test_extents_that_share_clusters(self):
        """If the order would divide a cluster, the data is in the order of the disk."""
        small = [(at, 4096) for at in range(0, 4 * CLUSTER, 8192)]
        disk = sliced(patterned(4 * CLUSTER), small, [*small[1::2], *small[::2]])
        qcow2 = VirtualQcow2(disk)
        self.assertEqual(whole(VirtualQcow2(sliced(whole(disk), small))), whole(qcow2))
        self.assertEqual(whole(disk), Qcow2(qcow2).disk())


class LargeDiskTest(base.BaseTestCase):
    def test_scattered_data(self):
        """Clusters on both sides of every border of a disk of 1 TiB are where they belong."""
        borders = (0, L2_SPAN, 300 * L2_SPAN, TIB // 2, TIB - L2_SPAN)
        clusters = {at // CLUSTER + step for at in borders for step in (-1, 0, 1)} - {-1}
        clusters.add(TIB // CLUSTER - 1)
        extents = [(cluster * CLUSTER, CLUSTER) for cluster in sorted(clusters)]
        for disk in (Disk(TIB, *extents), StoredDisk(TIB, *extents[::-1])):
            qcow2 = VirtualQcow2(disk)
            read = Qcow2(qcow2)
            places = read.places()
            self.assertEqual(clusters, set(places))
            for cluster, place in places.items():
                found = qcow2.read_at(place, CLUSTER)
                self.assertEqual((cluster * CLUSTER).to_bytes(8, "big"), found[:8])
            for near in (5, L2_SPAN // CLUSTER + 2, TIB // CLUSTER // 2 - 2):
                self.assertIsNone(read.place_of(near))
            self.assertEqual([1] * (qcow2.size // CLUSTER), read.refcounts())

    def test_borders_of_the_refcount_blocks(self):
        """The reference counts cover a file that just fills a refcount block, or just does not."""
        for clusters in range(REFCOUNT_SPAN - 12, REFCOUNT_SPAN + 4):
            qcow2 = VirtualQcow2(FullDisk(clusters * CLUSTER))
            total = qcow2.size // CLUSTER
            read = Qcow2(qcow2)
            blocks = [entry for entry in read.table(read.refcounts_at, 8192) if entry]
            self.assertEqual(-(-total // REFCOUNT_SPAN), len(blocks))
            self.assertEqual([1] * total, read.refcounts())
            self.assertEqual(list(range(total)), read.clusters_in_use())

    def test_tables_read_in_small_pieces(self):
        """The beginning of each table, read by one to nine bytes, is the same as read at once."""
        extents = [Extent(0, 3 * GIB), Extent(4 * GIB, CLUSTER)]
        qcow2 = VirtualQcow2(FullDisk(6 * GIB, extents))
        read = Qcow2(qcow2)
        blocks = read.table(read.refcounts_at, 2)
        self.assertTrue(all(blocks))
        for start in (0, read.refcounts_at, *blocks, read.l1_at, *read.l2_at.values()):
            content = qcow2.read_at(start, 72)
            for size in range(1, 10):
                pieces = [qcow2.read_at(at, size) for at in range(start, start + 72, size)]
                self.assertEqual(content, b"".join(pieces)[:72])

    def test_full_disk_of_2_tib(self):
        """A full disk of 2 TiB takes little memory, and its first and last clusters are right."""
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        qcow2 = VirtualQcow2(FullDisk(2 * TIB))
        qcow2.read_at(qcow2.size // 1000 * 1000 - MIB, MIB)
        read = Qcow2(qcow2)
        last = 2 * TIB // CLUSTER - 1
        self.assertEqual(qcow2.size - CLUSTER, read.place_of(last))
        self.assertEqual(qcow2.size - (last + 1) * CLUSTER, read.place_of(0))
        _, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, 4 * MIB)

    def test_limits_of_qemu(self):
        """What QEMU could not open is refused: no disk at all, and one or a file over 2 PiB."""
        limit = 2 * 1024 * TIB
        for size in (0, limit + 1, limit):  # the last one's file would be larger than the limit
            error = self.assertRaises(SourceError, VirtualQcow2, FullDisk(size))
            self.assertIn("a qcow2 file can hold a disk of 1 byte to", str(error))
        qcow2 = VirtualQcow2(FullDisk(limit, [Extent(limit - CLUSTER, CLUSTER)]))
        read = Qcow2(qcow2)
        self.assertEqual(qcow2.size - CLUSTER, read.place_of(limit // CLUSTER - 1))
