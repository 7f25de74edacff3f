# SPDX-License-Identifier: Apache-2.0
"""`image disk inspect` of objects and images: by a few ranges, whatever their size."""

from devcloud import faults
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.formats.writer import write_file
from rackspace_imagetasks.sources import open_source
from tests.functional import objectcase
from tests.unit.guest import inspecteddisks as disks

GIB = 1 << 30


class InspectTest(objectcase.ObjectCase):
    def disk(self, size=160 * disks.MIB):
        """Return a disk with a Debian system."""
        root = disks.ext4(self.tmp / "root", disks.debian())
        code = disks.grub_code()
        script = "label: dos\n,48M,83,*\n"
        return disks.partitioned(
            self.tmp / "disk.raw", script, {1: root}, size=size, boot_code=code
        )

    def inspect(self, *words, **how):
        del self.sent[:]
        words = ("image", "disk", "inspect", *words, "-f", "json")
        return self.openstack(*words, **how).rows

    def test_object(self):
        """A VHD of 40 GiB is looked into with few requests, and none that changes anything."""
        path = self.tmp / "disk.vhd"
        with open_source(self.disk(40 * GIB)) as source:
            write_file(vhd.VirtualVhd(source), path)
        self.store().put_object(self.object("disk.vhd"), path.read_bytes())
        found = self.inspect(f"{self.place}/disk.vhd")
        self.assertEqual("Ready for Rackspace", found["verdict"])
        self.assertEqual("vhd-dynamic", found["format"])
        self.assertEqual("partition 1", found["systems"][0]["place"]["volume"])
        self.assertEqual([], self.changes())
        ranges = self.requests("GET", "/disk.vhd", status=206)
        self.assertLessEqual(len(self.sent), 60, self.sent)
        self.assertLessEqual(sum(request.sent for request in ranges), 4 * disks.MIB)

    def test_image(self):
        """An image of a cloud without tasks is looked into, and judged for its own cloud."""
        image = self.sdk("flex", "SJC3").image.create_image(
            f"image-{self.mark}", filename=str(self.disk()), disk_format="raw",
            container_format="bare", wait=True,
        )  # fmt: skip
        self.addCleanup(self.sdk("flex", "SJC3").image.delete_image, image.id)
        found = self.inspect("--image", image.name, cloud="flex", region="SJC3")
        self.assertTrue(found["is_ready"])
        self.assertEqual("debian", found["systems"][0]["id"])
        self.assertEqual([], self.changes())

    def test_image_with_tasks(self):
        """Where images leave by tasks, the error says how to get one."""
        image = self.sdk().image.create_image(
            f"image-{self.mark}", disk_format="vhd", container_format="ovf"
        )
        self.addCleanup(self.sdk().image.delete_image, image.id)
        said = self.openstack("image", "disk", "inspect", "--image", image.name, status=1).stderr
        self.assertIn("openstack image task export", said)

    def test_a_service_that_fails(self):
        """An error of the service is its own error, not one of the disk."""
        path = self.tmp / "disk.vhd"
        with open_source(self.disk()) as source:
            write_file(vhd.VirtualVhd(source), path)
        self.store().put_object(self.object("disk.vhd"), path.read_bytes())
        fault = self.inject(faults.Rule(method="GET", path="/disk.vhd$", status=403))
        said = self.openstack("image", "disk", "inspect", f"{self.place}/disk.vhd", status=1).stderr
        self.assertNotEqual([0], fault.fired())
        self.assertIn("403", said)
