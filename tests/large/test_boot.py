# SPDX-License-Identifier: Apache-2.0
"""Disks that are to boot, on the way between clouds and with other hardware."""

import subprocess

from testtools.content import text_content

from devcloud.plan import FLEX_REGION
from tests.functional import diskcase, processcase
from tests.large import bootable


class BootCase(diskcase.DiskCase, processcase.ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.require_programs("qemu-img", *bootable.PROGRAMS)

    def guest_disk(self, guest, name="disk.raw"):
        """Write a raw disk with a guest."""
        unpacked = self.tmp / "packages"
        unpacked.mkdir(exist_ok=True)
        disk = self.tmp / name
        bootable.build(disk, bootable.Packages(unpacked), guest)
        return disk

    def boots(self, disk, disk_format="raw", interface="virtio"):
        """Boot a disk; return whether its own init printed the prompt."""
        console = bootable.boot(disk, disk_format, interface)
        self.addDetail(f"console of {disk.name}, {interface}", text_content(console))
        self.assertIn("Linux version", console, "the boot loader does not start the kernel")
        return bootable.PROMPT in console.splitlines()

    def warnings(self, disk, *words):
        """Return what `image disk inspect` warns of on KVM; the guests have no cloud-init."""
        words = ("image", "disk", "inspect", disk, "--for", "flex", "-f", "json", *words)
        findings = self.openstack(*words).rows["findings"]
        checks = {each["check"] for each in findings if each["severity"] != "info"}
        self.assertIn("first-boot", checks)
        return checks - {"first-boot"}


class TransferredDiskTest(BootCase):
    def test_transfer(self):
        """What Glance stores after a transfer from Rackspace to KVM boots with virtio.

        So the inspection, which has nothing to warn of, is right.
        """
        raw, disk = self.guest_disk(bootable.PORTABLE), self.tmp / "disk.qcow2"
        self.assertEqual(set(), self.warnings(raw) | self.warnings(raw, "--deep"))
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, disk], check=True)
        name = f"image-{self.mark}"
        self.without_writing("import", disk, "--name", name, "--wait")
        self.without_writing("transfer", name, "--to-cloud", "flex")
        (image,) = self.sdk("flex", FLEX_REGION).image.images(name=name)
        self.assertEqual(("active", "qcow2"), (image.status, image.disk_format))
        stored = self.root / FLEX_REGION / "glance/images" / image.id
        self.assertTrue(self.boots(stored, "qcow2"))


class HardwareTest(BootCase):
    """What tells whether a disk boots on KVM, and is warned of: with nothing else, it boots."""

    def test_without_virtio(self):
        """A disk whose initial RAM file system has no virtio driver boots from IDE alone."""
        disk = self.guest_disk(bootable.WITHOUT_VIRTIO)
        self.assertEqual({"virtio-driver"}, self.warnings(disk, "--deep"))
        self.assertTrue(self.boots(disk, interface="ide"))
        self.assertFalse(self.boots(disk))

    def test_xen_only(self):
        """A disk made for Xen alone does not find its root file system with virtio."""
        disk = self.guest_disk(bootable.XEN_ONLY)
        self.assertEqual({"device-name"}, self.warnings(disk))
        self.assertEqual({"device-name", "virtio-driver"}, self.warnings(disk, "--deep"))
        self.assertFalse(self.boots(disk))
