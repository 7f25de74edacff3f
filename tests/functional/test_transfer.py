# SPDX-License-Identifier: Apache-2.0
"""Images between regions and projects; disks of any format on the way in."""

import hashlib
import re
import subprocess
from collections import Counter

import fixtures

from devcloud.faults import Rule
from rackspace_imagetasks import ImageTasks
from rackspace_imagetasks.shared_read import SharedRead
from rackspace_imagetasks.units import MIB
from tests.functional import diskcase, processcase


class TransferCase(processcase.ProcessTestCase):
    def transfer(self, *words, **how):
        return self.task("transfer", *words, **how)

    def image(self, image_id, region, cloud="alice"):
        return self.sdk(cloud, region).image.get_image(image_id)

    def refused_unsent(self, *words, **how):
        """Prove that a command is refused before anything is changed."""
        del self.sent[:]
        text = self.refused("transfer", *words, **how)
        self.assertEqual([], self.changes())
        return text


class WholeWayTest(diskcase.DiskCase, TransferCase):
    def test_a_qcow2_with_a_filesystem_arrives_unchanged(self):
        """qcow2 -> image in DFW -> image in ORD -> file; the client writes that file alone."""
        self.require_programs("qemu-img", "sfdisk", "mkfs.ext4")
        raw = self.partitioned()
        qcow2 = self.tmp / "disk.qcow2"
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, qcow2], check=True)
        name = f"image-{self.mark}"
        settings = ("--property", "os_distro=debian", "--tag", "gold", "--min-disk", "20")
        self.without_writing("import", "--file", qcow2, "--name", name, "--wait", *settings)
        self.without_writing("transfer", name, "--to-region", "ORD")

        (image,) = self.images(name, "ORD")
        self.assertEqual(("active", 20, ["gold"]), (image.status, image.min_disk, image.tags))
        self.assertEqual("debian", image.os_distro)
        saved = self.tmp / "saved.vhd"
        self.task("export", name, "--wait", "--file", saved, region="ORD")
        self.assert_same_disk(qcow2, "qcow2", saved, "vpc")


class AgainTest(TransferCase):
    def test_again(self):
        """The image is there already: no task, no copy, and nothing is left behind."""
        row = self.imported()
        first = self.transfer(row["Image"], "--to-region", "ORD").rows[0]
        del self.sent[:]
        again = self.transfer(row["Image"], "--to-region", "ORD").rows[0]
        self.assertEqual(("transferred", "already there"), (first["Status"], again["Status"]))
        self.assertEqual(first["Target Image"], again["Target Image"])
        self.assertEqual([], self.changes())

    def test_there_and_back(self):
        """A copy goes back to nowhere: its origin is there."""
        row = self.imported()
        copy = self.transfer(row["Image"], "--to-region", "ORD").rows[0]["Target Image"]
        back = self.transfer(copy, "--to-region", "DFW", region="ORD").rows[0]
        self.assertEqual(("already there", row["Image"]), (back["Status"], back["Target Image"]))

    def test_a_snapshot_is_another_image(self):
        """What a snapshot inherited from a transferred image does not pass it off as that."""
        row = self.imported()
        self.transfer(row["Image"], "--to-region", "ORD")
        inherited = {
            key: value
            for key, value in self.image(row["Image"], "DFW").properties.items()
            if key.startswith("image_task_")
        }
        self.assertEqual(4, len(inherited))
        snapshot = self.task(
            *("import", self.corpus("go-vhd-xapi.vhd"), "--name", f"snap-{self.mark}", "--wait"),
            *(word for pair in inherited.items() for word in ("--property", "=".join(pair))),
        ).rows[0]["Image"]
        moved = self.transfer(snapshot, "--to-region", "ORD").rows[0]
        self.assertEqual("transferred", moved["Status"])
        self.assertNotEqual(
            inherited["image_task_source"],
            self.image(moved["Target Image"], "ORD").properties["image_task_source"],
        )

    def test_a_strangers_public_image_does_not_count(self):
        """Whoever may publish an image with our property keeps no image of ours away."""
        row = self.imported()
        self.transfer(row["Image"], "--to-region", "ORD")
        (copy,) = self.images(f"image-{self.mark}", "ORD")
        marks = {k: v for k, v in copy.properties.items() if k.startswith("image_task_")}
        self.sdk(region="ORD").image.delete_image(copy)
        stranger = self.imported(cloud="bob", region="ORD")["Image"]
        marks["image_task_marked"] = stranger
        admin = self.sdk("admin", "ORD").image
        admin.update_image(stranger, visibility="public", **marks)
        row = self.transfer(row["Image"], "--to-region", "ORD").rows[0]
        self.assertEqual("transferred", row["Status"])
        self.assertNotEqual(stranger, row["Target Image"])

    def test_objects_are_kept_on_request(self):
        """--keep-objects keeps both, from a clean-up too; without it, both go."""
        row = self.imported()["Image"]
        self.transfer(row, "--to-region", "ORD", "--keep-objects")
        places = (("DFW", processcase.EXPORTS), ("ORD", processcase.STAGED))
        for region, container in places:
            self.assertIn(f"{row}.vhd", self.objects(container, region))
            words = ("clean", "--container", container, "--older-than", 0)
            unneeded = [each["Object"] for each in self.task(*words, region=region).rows]
            self.assertNotIn(f"{row}.vhd", unneeded)
        self.transfer(row, "--to-region", "ORD")
        self.assertEqual([], self.staged_by_transfers(row))

    def test_the_providers_properties_are_not_sent(self):
        """com.rackspace__ properties are the provider's to set; all others travel."""
        row = self.imported()
        properties = {"com.rackspace__1__options": "0", "com.rackspace__1__x": "y", "mine": "1"}
        self.sdk("admin").image.update_image(row["Image"], **properties)
        moved = self.transfer(row["Image"], "--to-region", "ORD").rows[0]["Target Image"]
        arrived = self.image(moved, "ORD").properties
        self.assertEqual("1", arrived["mine"])
        self.assertEqual([], [key for key in arrived if key.startswith("com.rackspace__")])


class TimeoutTest(TransferCase):
    def test_a_task_that_takes_too_long(self):
        """The row says that the transfer is in progress; the second run finishes it."""
        row, name = self.imported(), f"image-{self.mark}"
        words, task = (row["Image"], "--to-region", "ORD"), f"/import/.*{row['Image']}"
        failing = self.inject(Rule("TASK", task, body="no"), region="ORD", service="glance")
        self.openstack("image", "task", "transfer", *words, status=1)  # exports the image
        self.assertEqual([1], failing.fired())
        injected = self.inject(Rule("TASK", task, delay=3), region="ORD", service="glance")
        outcome = self.transfer(*words, "--timeout", "1", status=1)
        self.assertEqual("in progress", outcome.rows[0]["Status"])
        self.assertIn(f"Timed out while importing image '{name}'", outcome.stderr)
        self.assertEqual([1], injected.fired())
        again = self.transfer(*words).rows[0]
        self.assertEqual("transferred", again["Status"])
        self.assertEqual(1, len(self.images(name, "ORD")))


class SeveralTargetsTest(TransferCase):
    targets = ("--to", "ORD", "--to", "cloud:bob", "--to", "cloud:flex")

    def test_a_failure_at_one_target(self):
        """The others arrive, each with its row; the same command then makes the missing copy."""
        row = self.imported()
        failing = self.inject(
            Rule("TASK", f"/import/.*{row['Image']}", body="no"), region="ORD", service="glance"
        )
        outcome = self.transfer(row["Image"], *self.targets, status=1)
        self.assertEqual([1], failing.fired())
        self.assertIn(f"{row['Image']} to ORD: ", outcome.stderr)
        self.assertNotIn(" to cloud:", outcome.stderr)
        places = [("alice", "ORD"), ("bob", "DFW"), ("flex", "SJC3")]
        self.assertEqual(places, [(each["Cloud"], each["Region"]) for each in outcome.rows])
        statuses = [each["Status"] for each in outcome.rows]
        self.assertEqual(["failed", "transferred", "transferred"], statuses)
        again = self.transfer(row["Image"], *self.targets).rows
        statuses = [each["Status"] for each in again]
        self.assertEqual(["transferred", "already there", "already there"], statuses)
        for each, (cloud, region) in zip(again, places, strict=True):
            copy = self.image(each["Target Image"], region, cloud)
            self.assertEqual("active", copy.status)
        self.assertEqual(
            [each["Target Image"] for each in outcome.rows[1:]],
            [each["Target Image"] for each in again[1:]],
        )

    def test_one_target_by_two_names(self):
        """The same project and region is refused, however it is named."""
        row = self.imported()
        text = self.refused_unsent(row["Image"], "--to", "ORD", "--to", "cloud:alice/ORD")
        self.assertIn("Targets 'ORD' and 'cloud:alice/ORD' are the same project and region", text)

    def test_one_target(self):
        """A target that is named by --to is the one of --to-region."""
        row = self.imported()
        first = self.transfer(row["Image"], "--to", "ORD").rows[0]
        again = self.transfer(row["Image"], "--to-region", "ORD").rows[0]
        self.assertEqual(("transferred", "already there"), (first["Status"], again["Status"]))


class SharedExportTest(TransferCase):
    """Several targets get the image from one export, of which each segment is read once."""

    def setUp(self):
        super().setUp()
        words = ("--file", self.disk(20), "--name", f"image-{self.mark}", "--wait")
        self.image_id = self.task("import", *words).rows[0]["Image"]
        self.reads = []

        def shared_read(*arguments):
            self.reads.append(SharedRead(*arguments, buffer=3 * MIB))
            return self.reads[-1]

        name = "rackspace_imagetasks.jobs.transfer_batch.SharedRead"
        self.useFixture(fixtures.MonkeyPatch(name, shared_read))
        self.requests = self.log()

    def segments_read(self):
        """Return how often each segment of the export was read."""
        export = re.compile(rf"{processcase.EXPORTS}/{self.image_id}\.vhd-[0-9]+$")
        paths = [each.path for each in self.requests() if each.method == "GET"]
        return Counter(path for path in paths if export.search(path))

    def exports(self):
        """Return how many tasks have exported the image."""
        tasks = ImageTasks(self.sdk()).cloud.tasks.with_inputs("export")
        return len([1 for task in tasks if task.input["image_uuid"] == self.image_id])

    def segments(self):
        """Return the names of the segments of the export."""
        names = self.objects(processcase.EXPORTS)
        return [name for name in names if name.startswith(f"{self.image_id}.vhd-")]

    def test_one_is_slow_and_one_fails(self):
        """Two copies arrive; the same command then makes the third one from the same export."""
        targets = ("--to", "ORD", "--to", "cloud:bob", "--to", "cloud:flex")
        bob = f"{self.image_id}.vhd/slo/.*/0000000"
        self.inject(Rule("PUT", self.image_id, bytes_per_second=4 * MIB, times=None), region="ORD")
        failing = self.inject(
            Rule("PUT", f"{bob}5", status=413),
            Rule("PUT", bob, bytes_per_second=40 * MIB, times=None),
        )
        outcome = self.transfer(self.image_id, *targets, status=1)
        statuses = [each["Status"] for each in outcome.rows]
        self.assertEqual(["transferred", "failed", "transferred"], statuses)
        self.assertEqual([1, 5], failing.fired())
        segments = self.segments()
        self.assertGreater(len(segments), 8, "the cloud's segments are too large for this test")
        self.assertEqual({1}, set(self.segments_read().values()))
        self.assertEqual(len(segments), len(self.segments_read()))
        (read,) = self.reads
        self.assertEqual([0, 0, 0], [reader.alone for reader in read.readers])
        self.assertLessEqual(read.peak, 3 * MIB)
        self.assertGreater(read.peak, MIB)

        self.requests = self.log()
        again = self.transfer(self.image_id, *targets).rows
        statuses = [each["Status"] for each in again]
        self.assertEqual(["already there", "transferred", "already there"], statuses)
        self.assertEqual(1, self.exports())
        self.assertEqual(len(segments) - 5, len(self.segments_read()))
        self.assertEqual({1}, set(self.segments_read().values()))
        self.assertEqual([], self.staged_by_transfers(self.image_id))
        disks = {
            self.saved(each["Target Image"], cloud, region)
            for each, (cloud, region) in zip(
                again, (("alice", "ORD"), ("bob", "DFW")), strict=False
            )
        }
        self.assertEqual(1, len(disks))

    def saved(self, image_id, cloud, region):
        """Return the hash of the disk of an image, which the cloud exports as a VHD."""
        raw = self.tmp / "saved.raw"
        words = ("--wait", "--file", raw, "--overwrite", "--disk-format", "raw")
        self.task("export", image_id, *words, cloud=cloud, region=region)
        return hashlib.sha256(raw.read_bytes()).hexdigest()

    def test_segments_in_parallel(self):
        """Copies of objects take several segments at a time, and each is read once."""
        rows = self.transfer(self.image_id, "--to", "ORD", "--to", "cloud:bob").rows
        self.assertEqual(["transferred"] * 2, [each["Status"] for each in rows])
        self.assertEqual({1}, set(self.segments_read().values()))
        self.assertEqual(1, self.exports())
        self.assertEqual([], self.staged_by_transfers(self.image_id))


class SharedDataTest(diskcase.DiskCase, TransferCase):
    def test_data_are_read_once(self):
        """An image of a cloud without image tasks is read once for an image task and a standard."""
        self.require_programs("qemu-img")
        flex = {"cloud": "flex", "region": "SJC3"}
        disk, name = self.disk(20), f"image-{self.mark}"
        image_id = self.task("import", disk, "--name", name, **flex).rows[0]["Image"]
        size = self.image(image_id, "SJC3", "flex").size
        requests = self.log("SJC3", "glance")
        targets = ("--to", "cloud:flex-bob", "--to", "cloud:alice/ORD")
        rows = self.transfer(image_id, *targets, **flex).rows
        self.assertEqual(["transferred"] * 2, [each["Status"] for each in rows])
        sent = [each.sent for each in requests() if each.path.endswith(f"{image_id}/file")]
        self.assertEqual([size], [count for count in sent if count > MIB])
        saved = self.tmp / "saved.vhd"
        words = ("--wait", "--file", saved)
        self.task("export", rows[1]["Target Image"], *words, region="ORD")
        self.assert_same_disk(disk, "raw", saved, "vpc")


class WhereToTest(TransferCase):
    def test_another_project(self):
        """bob's project gets alice's image: in another region and in the same one."""
        row = self.imported()
        for region in ("ORD", "DFW"):
            where = ("--to-cloud", "bob", "--to-region", region)
            moved = self.transfer(row["Image"], *where).rows[0]
            self.assertEqual("transferred", moved["Status"])
            image = self.image(moved["Target Image"], region, "bob")
            self.assertEqual(self.sdk("bob").current_project_id, image.owner)
        self.transfer(row["Image"], "--to-region", "ORD")
        self.assertEqual(1, len(self.images(f"image-{self.mark}", "ORD")))

    def test_the_same_region(self):
        """It is there already, however it is named."""
        row = self.imported()
        for where in (("--to-region", "DFW"), ("--to-cloud", "alice-apikey")):
            self.assertIn("is already in region 'DFW'", self.refused_unsent(row["Image"], *where))
        self.transfer(row["Image"], "--to-region", "ORD")
        self.assertIn("already", self.refused_unsent(row["Image"], "--to-region", "DFW"))

    def test_nowhere(self):
        """No target, an unknown region, an unknown cloud."""
        row = self.imported()
        self.assertIn("--to-region", self.refused_unsent(row["Image"], status=2))
        text = self.refused_unsent(row["Image"], "--to-region", "XXX")
        self.assertRegex(text, "Region 'XXX' not found in cloud 'alice'.*Available regions: DFW")
        text = self.refused_unsent(row["Image"], "--to-cloud", "nimbus")
        self.assertIn("nimbus", text)

    def test_endpoints_of_regions(self):
        """Each region's own endpoint in clouds.yaml is used for that region."""
        row = self.imported()
        values = [
            {"name": region, "values": {"image_endpoint_override": self.image_endpoint(region)}}
            for region in ("DFW", "ORD")
        ]
        self.entry(regions=values)
        moved = self.transfer(row["Image"], "--to-region", "ORD").rows[0]
        self.assertEqual("transferred", moved["Status"])
        self.assertNotEqual(row["Image"], moved["Target Image"])
        self.assertEqual(1, len(self.images(f"image-{self.mark}", "DFW")))
        self.assertEqual(1, len(self.images(f"image-{self.mark}", "ORD")))

    def test_one_endpoint_for_both_regions(self):
        """It is named, and nothing is copied into the region that the image is in."""
        row = self.imported()
        self.entry(image_endpoint_override=self.image_endpoint("DFW"))
        text = self.refused_unsent(row["Image"], "--to-region", "ORD")
        self.assertIn("Regions 'DFW' and 'ORD' use the same image endpoint", text)

    def image_endpoint(self, region):
        return self.sdk(region=region).image.get_endpoint()

    def test_who_may_not(self):
        """Without the role at the target, or here, nothing is begun."""
        row = self.imported()
        text = self.refused_unsent(row["Image"], "--to-cloud", "carol", "--to-region", "ORD")
        self.assertIn("admin role", text)

    def test_too_large_for_the_target(self):
        """The target's limit decides, and is asked before the export."""
        row = self.imported()
        self.settings("bob", max_virtual_size="39 MiB")
        text = self.refused_unsent(row["Image"], "--to-cloud", "bob", "--to-region", "ORD")
        self.assertTrue(re.search("disk of 40 MiB.*limit of 39 MiB in region", text), text)
        self.sdk().image.update_image(row["Image"], min_disk=41)
        text = self.refused_unsent(row["Image"], "--to-region", "ORD")
        self.assertIn("has a disk of 41 GiB", text)
