# SPDX-License-Identifier: Apache-2.0
"""Images of a cloud without image tasks, saved in their own format and in another one."""

import io
import tempfile
import types
from pathlib import Path

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import IntegrityError, Refused, TargetError
from rackspace_imagetasks.formats.qcow2.layout import VirtualQcow2
from rackspace_imagetasks.formats.vhd import VirtualVhd, open_disk
from rackspace_imagetasks.glance.data_source import ImageDataSource
from rackspace_imagetasks.jobs.image_saves import plan_image_save
from rackspace_imagetasks.jobs.options import SaveOptions
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.progress import SILENT
from tests.unit.formats.qcow2.reader import Qcow2
from tests.unit.glance.dataservice import PLACE, DataCase
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, noise

DISK = noise(510) + b"\x55\xaa" + noise(3 * MIB - 512, 2) + bytes(MIB)


def written(view):
    return view.read_at(0, view.size)


class ImageSaveCase(DataCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)
        self.cloud = types.SimpleNamespace(
            region="SJC3",
            progress=SILENT,
            image_data=self.data,
            image_source=lambda image: ImageDataSource(self.data.client, image),
            data_transfer=lambda options: DataTransfer(options, SILENT, None),
        )

    def new(self, content, form, **values):
        image = self.stored(content)
        self.service.images[image["id"]] |= {
            "disk_format": form, "container_format": "bare", **values
        }  # fmt: skip
        self.image_id = image["id"]

    def plan(self, target, **options):
        target = self.dir / target if isinstance(target, str) else target
        image = self.data.images.get(self.image_id)
        return plan_image_save(self.cloud, image, SaveOptions(target=target, **options))

    def save(self, target, **options):
        return self.plan(target, **options).run()

    def read(self, name):
        return (self.dir / name).read_bytes()


class OwnFormatTest(ImageSaveCase):
    def test_identical(self):
        """The file has exactly the data of the image, whatever its format."""
        for form, content in (
            ("raw", DISK),
            ("qcow2", written(VirtualQcow2(BytesSource(DISK)))),
            ("vhd", written(VirtualVhd(BytesSource(DISK)))),
            ("iso", noise(4096)),
            ("vmdk", b"KDMV" + bytes(508)),
        ):
            self.new(content, form)
            for name in (f"a.{form}", "a"):
                done = self.save(name, overwrite=True, validate=form != "vmdk")
                self.assertEqual(content, self.read(name))
                self.assertEqual(("saved", len(content)), (done.status, done.size))
                self.assertEqual((str(self.dir / name), None), (done.location, done.task_id))

    def test_again(self):
        """A second run recognises the file, and fetches nothing; other content is in the way."""
        self.new(DISK, "raw")
        self.save("a.raw")
        before = self.count("GET", "/file")
        self.assertEqual("already saved", self.save("a.raw").status)
        self.assertEqual(before, self.count("GET", "/file"))
        (self.dir / "a.raw").write_bytes(b"other")
        self.assertRaises(TargetError, self.plan, "a.raw")

    def test_directory(self):
        """In a directory, the file is called after the ID of the image and its format."""
        self.new(DISK, "raw")
        self.assertEqual(str(self.dir / f"{self.image_id}.raw"), self.save("").location)
        self.assertEqual(
            str(self.dir / f"{self.image_id}.qcow2"), self.save("", disk_format="qcow2").location
        )

    def test_format_that_lies(self):
        """Data in another format than the image says are saved only without validation."""
        for form, content in (("raw", written(VirtualQcow2(BytesSource(DISK)))), ("qcow2", DISK)):
            self.new(content, form)
            error = self.assertRaises(IntegrityError, self.save, f"a.{form}")
            self.assertIn(f"not a disk in its format '{form}'", str(error))
            self.assertFalse((self.dir / f"a.{form}").exists())
            self.save(f"a.{form}", validate=False)
            self.assertEqual(content, self.read(f"a.{form}"))

    def test_without_ranges(self):
        """A service that returns no parts gives one stream, which is resumed by reading again."""
        self.service.ranges = "refused"
        self.new(DISK, "raw")
        self.fault(faults.cut(MIB), "GET", "/file", times=2)
        self.save("a.raw")
        self.assertEqual(DISK, self.read("a.raw"))
        self.assertEqual([2], self.fired())

    def test_stream(self):
        """The data are written to a stream, whether or not there are ranges."""
        for ranges in ("honoured", "refused"):
            self.service.ranges = ranges
            self.new(DISK, "raw")
            out = io.BytesIO()
            self.assertEqual("-", self.save(out).location)
            self.assertEqual(DISK, out.getvalue())


class OtherFormatTest(ImageSaveCase):
    def test_converted(self):
        """The file has the disk of the image, verified with the hash of the image's data."""
        self.new(DISK, "raw")
        self.save("a.qcow2")
        self.assertEqual(DISK, Qcow2(BytesSource(self.read("a.qcow2"))).disk())
        self.save("a.vhd")
        vhd = open_disk(BytesSource(self.read("a.vhd")))
        self.assertEqual(DISK, vhd.read_at(0, len(DISK)))
        self.new(self.read("a.vhd"), "vhd")
        self.save("a.img")
        self.assertEqual(DISK, self.read("a.img"))

    def test_again(self):
        """A second run recognises the file; one that differs is in the way."""
        self.new(DISK, "raw")
        for name in ("a.qcow2", "a.vhd"):
            self.save(name)
            content = self.read(name)
            self.assertEqual("already saved", self.save(name).status)
            other = content[:-1] + bytes([content[-1] ^ 1])
            (self.dir / name).write_bytes(other)
            self.assertRaises(TargetError, self.save, name)
            self.assertEqual(other, self.read(name))
            self.assertEqual("saved", self.save(name, overwrite=True).status)
            (self.dir / name).write_bytes(content + b"x")
            self.assertRaises(TargetError, self.plan, name)

    def test_again_with_wrong_hash(self):
        """A file that was made of data with another hash is not accepted."""
        self.new(DISK, "raw")
        self.save("a.qcow2")
        self.new(DISK, "raw", os_hash_value="0" * 128)
        self.assertRaises(IntegrityError, self.save, "a.qcow2")

    def test_stream(self):
        """The disk is written to a stream in another format."""
        self.new(DISK, "raw")
        out = io.BytesIO()
        self.save(out, disk_format="qcow2")
        self.assertEqual(DISK, Qcow2(BytesSource(out.getvalue())).disk())

    def test_wrong_hash(self):
        """A disk that was made of data with another hash gets no file's name."""
        self.new(DISK, "raw", os_hash_value="0" * 128)
        self.assertRaises(IntegrityError, self.save, "a.qcow2")
        self.assertFalse((self.dir / "a.qcow2").exists())

    def test_format_that_lies(self):
        """Data in another format than the image says are not converted."""
        self.new(written(VirtualQcow2(BytesSource(DISK))), "raw")
        error = self.assertRaises(IntegrityError, self.save, "a.vhd")
        self.assertIn("not a disk in its format 'raw'", str(error))

    def test_interrupted(self):
        """What an earlier run has left, which no hash covers, is not trusted."""
        self.new(DISK, "raw")
        plan = self.plan("a.qcow2")
        self.fault(faults.altered(lambda body: body[:-1] + b"?"), "GET", "/file", times=99)
        self.assertRaises(IntegrityError, plan.run)
        self.service.faults.clear()
        self.assertTrue((self.dir / "a.qcow2.part").exists())
        plan.run()
        self.assertEqual(DISK, Qcow2(BytesSource(self.read("a.qcow2"))).disk())

    def test_without_ranges(self):
        """A service that returns no parts: it is said before anything is written, with a way."""
        self.service.ranges = "refused"
        self.new(DISK, "raw")
        error = self.assertRaises(Refused, self.plan, "a.qcow2")
        self.assertIn(f"in {PLACE} does not return parts of the data", str(error))
        self.assertIn("Save the image as raw, then convert the file", str(error))
        self.assertEqual([], list(self.dir.iterdir()))


class RefusedTest(ImageSaveCase):
    def test_images(self):
        """An image that is not active has no data, and an encrypted one cannot be converted."""
        self.new(DISK, "raw", status="deactivated")
        self.assertRaises(Refused, self.plan, "a.raw")
        for values in ({"img_signature": "x"}, {"container_format": "ovf"}, {"disk_format": "iso"}):
            self.new(DISK, "raw", **values)
            self.assertRaises(Refused, self.plan, "a.qcow2")

    def test_other_formats(self):
        """A format that is neither the image's nor one that can be written is refused."""
        self.new(DISK, "raw")
        error = self.assertRaises(Refused, self.plan, "a.vmdk")
        self.assertIn("Save the disk as qcow2, then convert", str(error))

    def test_deletion(self):
        """There is no object to delete."""
        self.new(DISK, "raw")
        self.assertRaises(Refused, self.plan, "a.raw", delete_object=True)

    def test_image_of_another_project(self):
        """An image that others share can be saved: reading it is all that is needed."""
        self.new(DISK, "raw", owner="others", visibility="public")
        self.save("a.raw")
        self.assertEqual(DISK, self.read("a.raw"))
