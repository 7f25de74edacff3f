# SPDX-License-Identifier: Apache-2.0
"""qcow2 files as QEMU and OpenStack's own inspection of images see them."""

import io
import json
import random
from pathlib import Path

import fixtures
from oslo_utils.imageutils import format_inspector
from oslotest import base

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.formats.qcow2.layout import VirtualQcow2
from rackspace_imagetasks.formats.vhd import VirtualVhd, open_disk
from rackspace_imagetasks.formats.writer import write_file, write_stream
from tests.unit.formats.qcow2.reader import CLUSTER
from tests.unit.formats.qcow2.test_layout import L2_SPAN, TIB, Disk, FullDisk
from tests.unit.formats.vhd.builder import BLOCK, GIB, MIB, dynamic
from tests.unit.formats.vhd.oracles import require, run


class QemuTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        require("qemu-img")
        self.folder = Path(self.useFixture(fixtures.TempDir()).path)
        self.qcow2 = self.folder / "disk.qcow2"

    def check(self):
        """Have qemu-img check the file, and return its report."""
        report = json.loads(run("qemu-img", "check", "-f", "qcow2", "--output=json", self.qcow2))
        for fault in ("check-errors", "leaks", "corruptions"):
            self.assertFalse(report.get(fault), report)
        self.assertEqual(self.qcow2.stat().st_size, report["image-end-offset"])
        return report

    def assert_holds(self, disk):
        """Check that the file is a valid image of this disk for qemu-img and for Glance."""
        write_file(VirtualQcow2(disk), self.qcow2, overwrite=True)
        raw = self.folder / "expected.raw"
        write_file(disk, raw, overwrite=True)
        report = self.check()
        run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", self.qcow2, raw)
        self.inspect(-(-disk.size // 512) * 512)
        return report

    def inspect(self, size):
        """Check that OpenStack's inspection finds a safe qcow2 disk of this size."""
        found = format_inspector.detect_file_format(str(self.qcow2))
        self.assertEqual(("qcow2", size), (str(found), found.virtual_size))
        found.safety_check()

    def write_tables(self, qcow2):
        """Write everything but the data, which is a hole and reads as zeros."""
        tables = qcow2.size - qcow2.clusters_allocated * CLUSTER
        with self.qcow2.open("wb") as file:
            for at in range(0, tables, MIB):
                file.write(qcow2.read_at(at, min(MIB, tables - at)))
            file.truncate(qcow2.size)

    def raw(self, size, *places):
        """Make a sparse raw disk with noise in some places."""
        path = self.folder / "disk.raw"
        noise = random.Random(size)
        with path.open("wb") as file:
            file.truncate(size)
            for at in places:
                file.seek(at)
                file.write(noise.randbytes(min(100_000, size - at)))
        source = FileSource(path)
        self.addCleanup(source.close)
        return source

    def test_sparse_disk(self):
        """A sparse disk is read as it was, and stores only clusters with data."""
        report = self.assert_holds(self.raw(900 * MIB, 0, 77 * MIB + 3, L2_SPAN - 50_000))
        self.assertLess(report["allocated-clusters"], 20)

    def test_sizes(self):
        """Disks of one sector or less, and those that end within a cluster, are complete."""
        for size in (1, 512, CLUSTER - 512, CLUSTER, CLUSTER + 1, 3 * MIB + 511):
            with self.subTest(size):
                self.assert_holds(self.raw(size, 0, max(0, size - 1000)))

    def test_no_data_and_all_data(self):
        """A disk without any data, and one that is full of it, are valid."""
        self.assertNotIn("allocated-clusters", self.assert_holds(self.raw(64 * MIB)))
        full = self.raw(4 * MIB, *range(0, 4 * MIB, 100_000))
        self.assertEqual(64, self.assert_holds(full)["allocated-clusters"])

    def test_vhd_in_another_order(self):
        """The disk of a VHD whose blocks are in another order is read as it was."""
        image = dynamic(11 * MIB, (5, 2, 3, 0))
        noise = random.Random(1)
        for place in range(4):
            image.put((7 + place * 4104) * 512 + 512, noise.randbytes(MIB + place))
        report = self.assert_holds(open_disk(image))
        self.assertEqual((3 * BLOCK + MIB) // CLUSTER, report["allocated-clusters"])
        self.assertGreater(report["fragmented-clusters"], 0)

    def test_through_a_vhd_and_back(self):
        """A raw disk viewed as VHD, and its disk as qcow2, is the raw disk."""
        self.assert_holds(open_disk(VirtualVhd(self.raw(20 * MIB, 0, 7 * MIB, 15 * MIB))))

    def test_stream(self):
        """A file written in order to a stream is the same, and is inspected on its way."""
        qcow2 = VirtualQcow2(self.raw(30 * MIB, MIB, 20 * MIB))
        write_file(qcow2, self.qcow2)
        stream = io.BytesIO()
        write_stream(qcow2, stream)
        self.assertEqual(self.qcow2.read_bytes(), stream.getvalue())
        stream.seek(0)
        wrapper = format_inspector.InspectWrapper(stream, expected_format="qcow2")
        while wrapper.read(CLUSTER):
            pass
        wrapper.close()
        self.assertEqual("qcow2", str(wrapper.format))

    def test_file_is_sparse(self):
        """Clusters of stored zeros are holes of a written file."""
        write_file(VirtualQcow2(FullDisk(300 * MIB)), self.qcow2)
        self.assertGreater(self.qcow2.stat().st_size, 300 * MIB)
        self.assertLess(self.qcow2.stat().st_blocks * 512, 2 * MIB)
        self.check()

    def test_terabyte_with_scattered_data(self):
        """A sparse disk of 1 TiB with data at the borders of its L2 tables is valid."""
        starts = (0, L2_SPAN - CLUSTER, L2_SPAN, TIB // 2, TIB - L2_SPAN, TIB - CLUSTER)
        disk = Disk(TIB, *((start, CLUSTER) for start in starts))
        write_file(VirtualQcow2(disk), self.qcow2)
        self.assertEqual(len(starts), self.check()["allocated-clusters"])
        self.inspect(TIB)
        shown = run("qemu-img", "map", "-f", "qcow2", "--output=json", self.qcow2)
        data = [(part["start"], part["length"]) for part in json.loads(shown) if part["data"]]
        self.assertEqual(
            [(0, CLUSTER), (L2_SPAN - CLUSTER, 2 * CLUSTER), *((at, CLUSTER) for at in starts[3:])],
            data,
        )

    def test_several_refcount_blocks(self):
        """A full disk of 5 GiB, whose file needs three refcount blocks, is valid."""
        qcow2 = VirtualQcow2(FullDisk(5 * GIB))
        self.write_tables(qcow2)
        self.assertEqual(5 * GIB // CLUSTER, self.check()["allocated-clusters"])

    def test_largest_disk(self):
        """QEMU opens the largest disk that is not refused."""
        largest = 2 * 1024 * TIB
        self.write_tables(VirtualQcow2(Disk(largest, (largest - CLUSTER, CLUSTER))))
        info = json.loads(run("qemu-img", "info", "-f", "qcow2", "--output=json", self.qcow2))
        self.assertEqual(largest, info["virtual-size"])
