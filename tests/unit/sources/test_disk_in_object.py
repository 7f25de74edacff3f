# SPDX-License-Identifier: Apache-2.0
"""A qcow2 in an object, which QEMU reads by ranged requests of this process over real sockets."""

from rackspace_imagetasks.exceptions import ServiceError, SourceChanged
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.sources import open_disk_of
from tests.unit.formats.vhd import oracles
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, NAME, SwiftCase, noise
from tests.unit.sources import disks

_CONTENT = noise(6 * MIB)


class DiskInObjectTest(SwiftCase):
    def setUp(self):
        super().setUp()
        disks.need_qemu(self)
        raw, qcow2 = self.file(_CONTENT, "disk.raw"), self.dir / "disk.qcow2"
        oracles.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2)
        packed = qcow2.read_bytes()
        self.pieces = [packed[start : start + MIB] for start in range(0, len(packed), MIB)]
        self.swift.put_slo("images", "a", self.pieces)

    def open(self):
        disk = open_disk_of(ObjectSource(self.store, NAME))
        self.addCleanup(disk.close)
        return disk

    def fault(self, action, times):
        self.swift.fault(action, "GET", "images/a", times)
        return self.swift.faults[-1]

    def test_read(self):
        """The whole disk is read with about one request for each MiB, although one breaks."""
        disk = self.open()
        fault = self.fault(faults.cut(1000), 1)
        self.assertTrue(disk.read_at(0, disk.size) == _CONTENT)
        self.assertEqual(0, fault.times)
        self.assertLessEqual(len(self.swift.requests("GET", "images/a")), 6 + 16)
        disk.verify_unchanged()

    def test_service_fails(self):
        """The service's final answer, after all retries, is what the reader gets."""
        disk = self.open()
        fault = self.fault(faults.status(503), 1000)
        error = self.assertRaises(ServiceError, disk.read_at, 4 * MIB, 512)
        self.assertEqual(503, error.status)
        self.assertLess(fault.times, 1000)
        self.swift.faults.clear()
        self.assertEqual(_CONTENT[-512:], disk.read_at(disk.size - 512, 512))

    def test_object_is_replaced(self):
        """A change of the object while QEMU reads it is reported as such."""
        disk = self.open()
        self.swift.put_slo("images", "a", [noise(MIB, 9), *self.pieces[1:]])
        self.assertRaises(SourceChanged, disk.read_at, 4 * MIB, 512)
        self.assertRaises(SourceChanged, disk.verify_unchanged)
