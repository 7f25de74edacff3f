# SPDX-License-Identifier: Apache-2.0
"""Images into, out of and between clouds of both kinds: with image tasks, and with image data."""

import os
import re
import subprocess

from devcloud.faults import Rule
from tests.functional import diskcase, processcase

MIB = 1 << 20
FLEX = {"cloud": "flex", "region": "SJC3"}
BOB = {"cloud": "flex-bob", "region": "SJC3"}


class ConversionCase(diskcase.DiskCase, processcase.ProcessTestCase):
    """Disks that are compared by QEMU after they went through clouds."""

    def setUp(self):
        super().setUp()
        self.require_programs("qemu-img", "sfdisk", "mkfs.ext4")
        self.name = f"image-{self.mark}"

    def disk(self, form="raw", *options):
        """Make a partitioned disk with a file system in a format."""
        raw = self.partitioned()
        if form == "raw":
            return raw
        path = self.tmp / f"disk.{form}"
        target = {"vhd": "vpc"}.get(form, form)
        subprocess.run(["qemu-img", "convert", "-O", target, *options, raw, path], check=True)
        return path

    def stored(self, image_id, cloud="flex", region="SJC3"):
        """Download the data of an image by openstacksdk."""
        image = self.sdk(cloud, region).image
        path = self.tmp / f"stored-{image_id}"
        path.write_bytes(image.download_image(image_id).content)
        return path

    def the_image(self, cloud="flex", region="SJC3", name=None):
        """Give the only image with this test's name, whatever its status."""
        images = list(self.sdk(cloud, region).image.images())
        found = [each for each in images if (name or self.name) in (each.name or "")]
        self.assertEqual(1, len(found), found)
        return found[0]


class WholeWayTest(ConversionCase):
    def test_from_tasks_to_data_and_back(self):
        """Rackspace to flex, and back to another region, without a file; the disk is the same."""
        self.without_writing(
            *("import", self.disk("qcow2"), "--name", self.name, "--wait"),
            *("--property", "os_distro=debian", "--tag", "gold", "--min-disk", "20"),
        )
        self.without_writing("transfer", self.name, "--to-cloud", "flex")
        image = self.the_image()
        self.assertEqual(("active", "qcow2", "bare"), _state(image))
        self.assertEqual((20, ["gold"], "debian"), (image.min_disk, image.tags, image.os_distro))
        self.assertEqual("virtio", image.hw_disk_bus)
        checked = subprocess.run(
            ["qemu-img", "check", "-f", "qcow2", self.stored(image.id)],
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertIn("No errors were found", checked.stdout)

        self.without_writing(
            *("transfer", self.name, "--to-cloud", "alice", "--to-region", "ORD"), **FLEX
        )
        saved = self.tmp / "saved.qcow2"
        self.task("export", self.name, "--wait", "--file", saved, region="ORD")
        self.assert_same_disk(self.tmp / "disk.raw", "raw", saved, "qcow2")
        back = self.the_image("alice", "ORD")
        self.assertNotIn("hw_disk_bus", back.properties)
        self.assertEqual("hvm", back.vm_mode)

    def test_between_projects(self):
        """An image of one project becomes an image of another in the same standard cloud."""
        self.task("import", self.disk("vmdk"), "--name", self.name, "--wait", **FLEX)
        row = self.task("transfer", self.name, "--to-cloud", "flex-bob", **FLEX).rows[0]
        self.assertEqual("transferred", row["Status"])
        copy = self.sdk(**_sdk(BOB)).image.get_image(row["Target Image"])
        self.assertEqual(("active", "qcow2", "bare"), _state(copy))
        stored = self.stored(copy.id, **_sdk(BOB))
        self.assert_same_disk(self.tmp / "disk.raw", "raw", stored, "qcow2")

    def test_between_projects_without_ranges(self):
        """A service that returns no parts of data: an image of the same format gets its data."""
        image = self.task("import", self.disk("raw"), "--name", self.name, **FLEX).rows[0]["Image"]
        self.inject(
            Rule("GET", f"/{image}/file$", range=".", status=400, times=None),
            region="SJC3",
            service="glance",
        )
        del self.sent[:]
        for words in (("alice",), ("alice", "--dry-run"), ("flex-bob", "--disk-format", "raw")):
            said = self.refused("transfer", image, "--to-cloud", *words, **FLEX)
            self.assertIn("in region 'SJC3' of cloud 'flex' does not return parts of the", said)
            self.assertIn("--wait --file <file> --disk-format qcow2`, then convert", said)
        self.assertEqual([], self.changes())
        for method in ("direct", "web-download"):
            breaks = self.inject(
                Rule("GET", f"/{image}/file$", drop="download", offset=MIB, times=2),
                Rule("PUT", "/file$", image=self.name, drop="upload", offset=MIB)
                if method == "direct"
                else Rule("PUT", image, drop="upload", offset=MIB),
                region="SJC3",
                service="glance" if method == "direct" else "swift",
            )
            words = ("--to-cloud", "flex-bob", "--method", method)
            row = self.task("transfer", image, *words, **FLEX).rows[0]
            self.assertEqual([2, 1] if method == "direct" else [0, 1], breaks.fired())
            bob = self.sdk(**_sdk(BOB)).image
            copy, origin = bob.get_image(row["Target Image"]), self.the_image()
            self.assertEqual(("active", "qcow2", "bare"), _state(copy))
            self.assertEqual(origin.hash_value, copy.hash_value)
            bob.delete_image(copy.id)


class ImportTest(ConversionCase):
    def test_every_format(self):
        """A disk in any format arrives as qcow2, verified, with its settings."""
        for form in ("qcow2", "vmdk", "vdi", "vhdx", "raw", "vhd"):
            with self.subTest(form):
                name = f"{form}-{self.mark}"
                row = self.task(
                    *("import", self.disk(form), "--name", name, "--property", "team=web"), **FLEX
                ).rows[0]
                self.assertEqual(("success", None), (row["Status"], row["Task"]))
                image = self.the_image(name=name)
                self.assertEqual(("active", "qcow2", "bare"), _state(image))
                self.assertEqual((name, "web"), (image.name, image.properties["team"]))
                self.assert_same_disk(self.tmp / "disk.raw", "raw", self.stored(image.id), "qcow2")

    def test_other_formats_of_the_image(self):
        """The image has the format that is asked for."""
        for form, driver in (("raw", "raw"), ("vhd", "vpc")):
            name = f"{form}-{self.mark}"
            self.task(
                *("import", self.disk("qcow2"), "--name", name, "--disk-format", form), **FLEX
            )
            image = self.the_image(name=name)
            self.assertEqual(("active", form, "bare"), _state(image))
            self.assert_same_disk(self.tmp / "disk.raw", "raw", self.stored(image.id), driver)

    def test_object(self):
        """A disk in an object of the cloud's own object store becomes an image."""
        container = f"test-{self.mark}"
        swift = self.swift(**_sdk(FLEX))
        swift.put_container(container)
        swift.put_object(container, "a.vmdk", self.disk("vmdk").read_bytes())
        row = self.task("import", f"{container}/a.vmdk", "--name", self.name, **FLEX).rows[0]
        stored = self.stored(row["Image"])
        self.assert_same_disk(self.tmp / "disk.raw", "raw", stored, "qcow2")

    def test_again(self):
        """The same file is imported once, and gets new settings, unless another copy is wanted."""
        words = ("import", self.disk("qcow2"), "--name", self.name)
        first = self.task(*words, **FLEX).rows[0]
        del self.sent[:]
        again = self.task(*words, **FLEX)
        self.assertEqual("already imported", again.rows[0]["Status"])
        self.assertEqual(first["Image"], again.rows[0]["Image"])
        self.assertEqual([], self.changes())
        self.task(*words, "--property", "team=web", "--tag", "gold", **FLEX)
        image = self.the_image()
        self.assertEqual(("web", ["gold"]), (image.properties["team"], image.tags))
        other = self.task(*words, "--new-copy", **FLEX).rows[0]
        self.assertNotEqual(first["Image"], other["Image"])

    def test_unknown_format(self):
        """A format that the cloud cannot have is refused, and nothing is sent."""
        for cloud in ({"cloud": "alice", "region": "DFW"}, FLEX):
            del self.sent[:]
            said = self.refused(
                *("task", "import", self.disk("qcow2"), "--disk-format", "vdi")[1:], **cloud
            )
            place = f"region '{cloud['region']}' of cloud '{cloud['cloud']}'"
            self.assertIn(f"Disk format 'vdi' is not available in {place}.", said)
            self.assertEqual([], self.changes())

    def test_limit(self):
        """A limit on the size of disks holds for every cloud that has one."""
        disk = self.disk("qcow2")
        said = self.refused("import", disk, "--max-virtual-size", "1MiB", **FLEX)
        self.assertIn("over the limit of 1048576 bytes (1 MiB).", said)
        self.settings("flex", max_virtual_size="1 MiB")
        self.assertIn("over the limit of", self.refused("import", disk, **FLEX))
        self.assertEqual([], self.changes())
        self.task("import", disk, "--name", self.name, "--wait", "--min-disk", "1")
        said = self.refused("transfer", self.name, "--to-cloud", "flex")
        self.assertIn("over the import limit of 1 MiB in region 'SJC3'", said)

    def test_options_without_effect(self):
        """Where no object is staged for long, none can be kept, and nothing is sent."""
        for words, reason in (
            (("--container", "a"), "the container for uploads cannot be chosen"),
            (("--create-container",), "the container for uploads cannot be chosen"),
            (("--no-convert",), "a disk is always converted to the format of the image"),
            (("--keep-object",), "no object is kept"),
        ):
            said = self.refused("import", "disk.qcow2", *words, **FLEX)
            self.assertIn(f"This cloud has no image tasks, so {reason}.", said)
        said = self.refused("import", "container/object", "--delete-object", **FLEX)
        self.assertIn("This cloud has no image tasks, so an imported object is not deleted.", said)
        self.assertEqual([], self.changes())


class AgainTest(ConversionCase):
    def test_transfer_again(self):
        """A second run finds the copy, changes nothing, and reports it."""
        self.task("import", self.disk("raw"), "--name", self.name, "--wait")
        words = ("transfer", self.name, "--to-cloud", "flex")
        first = self.task(*words).rows[0]
        del self.sent[:]
        again = self.task(*words).rows[0]
        self.assertEqual(("transferred", "already there"), (first["Status"], again["Status"]))
        self.assertEqual(first["Target Image"], again["Target Image"])
        self.assertEqual([], [each for each in self.changes() if each[0] != "DELETE"])
        self.the_image()

    def test_upload_that_breaks(self):
        """A connection that breaks in the middle of the data is made again; there is one image."""
        self.task("import", self.disk("raw"), "--name", self.name, "--wait")
        rules = self.inject(
            Rule("PUT", "/file$", image=self.name, drop="upload", offset=MIB, times=2),
            region="SJC3",
            service="glance",
        )
        self.task("transfer", self.name, "--to-cloud", "flex")
        self.assertEqual([2], rules.fired())
        image = self.the_image()
        self.assert_same_disk(self.tmp / "disk.raw", "raw", self.stored(image.id), "qcow2")

    def test_object_that_a_killed_run_has_left(self):
        """A second run deletes what was staged for an image that is complete."""
        row = self.task("import", self.disk("raw"), "--name", self.name, "--wait").rows[0]
        words = ("transfer", self.name, "--to-cloud", "flex", "--method", "web-download")
        self.task(*words)
        flex, name = self.swift(**_sdk(FLEX)), f"{row['Image']}.qcow2"
        [container] = {
            url.split("/")[-2]
            for method, url in self.sent
            if method == "PUT" and url.endswith(name)
        }
        self.assertEqual([], flex.get_container(container, prefix=row["Image"])[1])
        flex.put_object(container, name, b"left")
        again = self.task(*words).rows[0]
        self.assertEqual("already there", again["Status"])
        self.assertEqual([], flex.get_container(container, prefix=row["Image"])[1])

    def test_incomplete_image_of_an_earlier_run(self):
        """What an earlier run left, waiting for data or not completed, does not remain."""
        row = self.task("import", self.disk("raw"), "--name", self.name, "--wait").rows[0]
        origin = self.origin(row["Image"])
        flex = self.sdk(**_sdk(FLEX)).image
        for data in (None, b"old"):
            flex.create_image(
                name=f"{self.name} (incomplete)",
                allow_duplicates=True,
                disk_format="raw" if data else "qcow2",
                container_format="bare",
                image_task_source=origin,
                data=data,
            )
        self.task("transfer", self.name, "--to-cloud", "flex")
        self.assertEqual("active", self.the_image().status)

    def origin(self, image_id):
        """Give the value by which copies of an image are found."""
        auth_url = self.sdk().config.config["auth"]["auth_url"]
        host = re.match(r"https?://([^/]*)", auth_url)[1]
        return f"{host}/DFW/{image_id}"


class PropertiesTest(ConversionCase):
    def test_chosen_properties(self):
        """A dry run shows what the copy would get; what the user chooses wins, in any transfer."""
        self.task(
            *("import", self.disk("raw"), "--name", self.name, "--wait"),
            *("--property", "vm_mode=hvm", "--property", "team=web"),
        )
        to_flex = ("transfer", self.name, "--to-cloud", "flex")
        chosen = ("--target-property", "hw_disk_bus=scsi", "--target-property", "team=db")
        for words, expected in (
            ((*to_flex, *chosen), {"hw_disk_bus": "scsi", "team": "db", "vm_mode": None}),
            ((*to_flex, "--keep-properties"), {"hw_disk_bus": None, "vm_mode": "hvm"}),
            (("transfer", self.name, "--to-region", "ORD", *chosen), {"team": "db"}),
        ):
            del self.sent[:]
            shown = self.task(*words, "--dry-run").rows[0]["Properties"]
            self.assertEqual(expected, {key: shown.get(key) for key in expected})
            self.assertEqual([], self.changes())
        self.task(*to_flex, *chosen)
        image = self.the_image()
        self.assertEqual(
            ("scsi", "virtio", "db"),
            (image.hw_disk_bus, image.hw_vif_model, image.properties["team"]),
        )
        self.task("transfer", self.name, "--to-region", "ORD", *chosen)
        self.assertEqual("db", self.the_image("alice", "ORD").properties["team"])

    def test_property_that_is_refused(self):
        """A chosen property that the target would refuse is reported before anything is sent."""
        self.task("import", self.disk("raw"), "--name", self.name, "--wait")
        del self.sent[:]
        for target in ("--to-cloud", "flex"), ("--to-region", "ORD"):
            said = self.refused("transfer", self.name, *target, "--target-property", "status=x")
            self.assertIn("'status' is an image attribute, not a property.", said)
        self.assertEqual([], self.changes())


class RefusedTest(ConversionCase):
    def test_images_that_cannot_be_read(self):
        """All reasons are given at once, and nothing is sent."""
        flex = self.sdk(**_sdk(FLEX)).image
        image = flex.create_image(
            name=self.name,
            disk_format="iso",
            container_format="ovf",
            data=os.urandom(512),
            img_signature="x",
        )
        del self.sent[:]
        said = self.refused("transfer", image.id, "--to-cloud", "alice", **FLEX)
        self.assertIn("container format 'ovf'", said)
        self.assertIn("disk format 'iso'", said)
        self.assertIn("signed", said)
        self.assertEqual([], self.changes())

    def test_export(self):
        """Without image tasks there is no export to a container; the message says what there is."""
        row = self.task("import", self.disk("raw"), "--name", self.name, **FLEX).rows[0]
        del self.sent[:]
        said = self.refused("export", row["Image"], "--wait", **FLEX)
        self.assertIn("has no image tasks in region 'SJC3'", said)
        self.assertIn("Save the image to a file with --wait and --file", said)
        self.assertEqual([], self.changes())

    def test_same_place(self):
        """A cloud cannot be the target of itself."""
        row = self.task("import", self.disk("raw"), "--name", self.name, **FLEX).rows[0]
        del self.sent[:]
        said = self.refused("transfer", row["Image"], "--to-cloud", "flex", **FLEX)
        self.assertIn("is already in region 'SJC3'", said)
        self.assertEqual([], self.changes())

    def test_quota(self):
        """A project whose quota is too small: one error, and no image is left."""
        said = self.refused(
            *("import", self.disk("raw"), "--name", self.name, "--disk-format", "raw"),
            cloud="flex-small",
            region="SJC3",
        )
        self.assertIn("quota", said)
        names = [each.name for each in self.sdk("flex-small", "SJC3").image.images()]
        self.assertEqual([], [name for name in names if self.mark in (name or "")])

    def test_reader(self):
        """A user who may not create images is told so."""
        said = self.refused(
            "import", self.disk("raw"), "--name", self.name, cloud="flex-reader", region="SJC3"
        )
        self.assertIn("403", said)


def _state(image):
    return image.status, image.disk_format, image.container_format


def _sdk(place):
    return dict(place)
