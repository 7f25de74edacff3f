# SPDX-License-Identifier: Apache-2.0
"""Arrival in a standard cloud: directly, or by an object that the Image service downloads."""

import contextlib
import os
import re
import signal
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from devcloud.faults import Rule
from tests.functional.test_conversions import BOB, FLEX, ConversionCase

MIB = 1 << 20
_KEYS = ("x-account-meta-temp-url-key", "x-account-meta-temp-url-key-2")
SMALL = {"cloud": "flex-small", "region": "SJC3"}
VIA_OBJECT = ("--method", "web-download")


class MethodCase(ConversionCase):
    """Imports into flex, with segments of 1 MiB: an upload of several requests.

    The account has a key: one that a run sets is in the way of the other processes' tests.
    """

    place = FLEX
    key = "key-of-the-tests"

    def setUp(self):
        super().setUp()
        self.swift(**self.place).post_account({_KEYS[0]: self.key})
        self.staging = f"staging-{self.mark}"
        self.change()
        self.image_disk = self.disk("qcow2")
        self.received = self.log("SJC3")

    def change(self, **settings):
        """Change the settings of the cloud in clouds.yaml."""
        settings = {"segment_size": "1 MiB", "import_container": self.staging, **settings}
        self.settings(self.place["cloud"], **settings)

    def arrive(self, *words, **how):
        """Import the disk; give the outcome, with what the command says."""
        return self.task(
            "import", self.image_disk, "--name", self.name, *words, **self.place, **how
        )

    def assert_arrived(self):
        """Check that there is one image, complete, with the disk, and nothing staged."""
        image = self.the_image(**self.place)
        self.assertEqual(("active", self.name), (image.status, image.name))
        self.assert_same_disk(
            self.tmp / "disk.raw", "raw", self.stored(image.id, **self.place), "qcow2"
        )
        self.assertEqual([], self.left())

    def left(self):
        """Give the staged objects and segments of this test, without markers that expire."""
        swift = self.swift(**self.place)
        names = []
        for container in (self.staging, f"{self.staging}_segments"):
            with contextlib.suppress(Exception):
                found = swift.get_container(container, full_listing=True)[1]
                names += [each["name"] for each in found if self.name in each["name"]]
        return [name for name in names if "/in-use/" not in name]

    def segments_sent(self, name=None):
        """Give the segments of an object that were stored, in the order of completion."""
        return [
            each.path
            for each in self.received()
            if each.method == "PUT" and "_segments/" in each.path and each.status == 201
            and (name or self.name) in each.path
        ]  # fmt: skip

    def pull(self, **fault):
        """Give the rule for a GET of the staged object by its temporary URL."""
        return Rule("GET", f"/{self.staging}/{self.name}", query="temp_url_sig", **fault)


class SameImageTest(MethodCase):
    def test_both_methods(self):
        """Both methods store the same bytes, and leave nothing behind."""
        hashes = set()
        for method in ("direct", "web-download"):
            row = self.arrive("--method", method, "--new-copy").rows[0]
            hashes.add(self.sdk(**self.place).image.get_image(row["Image"]).hash_value)
            self.assertEqual(method == "web-download", bool(self.segments_sent()))
            self.assert_arrived()
            self.sdk(**self.place).image.delete_image(row["Image"])
        self.assertEqual(1, len(hashes))

    def test_transfer(self):
        """A disk that is read in order from another cloud is read once, and its image is right."""
        self.task("import", self.image_disk, "--name", self.name, "--wait")
        exported = self.log("DFW")
        row = self.task("transfer", self.name, "--to-cloud", "flex", *VIA_OBJECT).rows[0]
        stored = self.stored(row["Target Image"])
        self.assert_same_disk(self.tmp / "disk.raw", "raw", stored, "qcow2")
        segment = re.compile(rf"/{row['Image']}\.vhd-\d{{5}}$")
        segments = [each for each in exported() if segment.search(each.path)]
        read = [each.path for each in segments if each.range.startswith("bytes=0-")]
        self.assertGreater(len(read), 2)
        self.assertEqual(sorted(set(read)), sorted(read))
        sent = self.segments_sent(row["Image"])
        self.assertGreater(len(sent), 4)
        self.assertEqual(sorted(set(sent)), sorted(sent))

    def test_choice(self):
        """By default, the size decides: here it is above the limit in clouds.yaml, or below."""
        self.arrive()
        self.assertEqual([], self.segments_sent())
        self.change(web_download_above="1 MiB")
        self.sdk(**self.place).image.delete_image(self.the_image(**self.place).id)
        self.arrive()
        self.assertGreater(len(self.segments_sent()), 4)
        self.assert_arrived()


class FailureTest(MethodCase):
    def setUp(self):
        super().setUp()
        self.change(web_download_above="1 MiB")

    def test_fallback(self):
        """If the service cannot download the object, the file is sent directly instead."""
        rules = self.inject(self.pull(status=503), region="SJC3")
        said = self.arrive().stderr
        self.assertEqual([1], rules.fired())
        self.assertIn("could not import the data of image", said)
        self.assertRegex(said, "Uploading .* to the Image service directly instead")
        self.assert_arrived()

    def test_no_fallback(self):
        """The method that was asked for is the only one; what is staged serves the next run."""
        rules = self.inject(self.pull(status=503), region="SJC3")
        self.refused(
            *("import", self.image_disk, "--name", self.name, *VIA_OBJECT), **self.place
        )  # fmt: skip
        self.assertEqual([1], rules.fired())
        self.assertEqual([], self.named())
        sent = self.segments_sent()
        self.arrive(*VIA_OBJECT)
        self.assertEqual(sent, self.segments_sent())
        self.assert_arrived()

    def test_source_that_hangs(self):
        """The service has no time limit for a download, so there is one of our own."""
        self.change(web_download_above="1 MiB", web_download_timeout=2)
        rules = self.inject(self.pull(stall=60.0, offset=MIB), region="SJC3")
        said = self.arrive().stderr
        self.assertEqual([1], rules.fired())
        self.assertIn("was not complete after 2 s", said)
        self.assert_arrived()

    def test_no_object_store(self):
        """A cloud without an object store: by default directly, or else refused at once."""
        place = {"cloud": "flex-images", "region": "SJC3"}
        self.settings("flex-images", web_download_above="1 MiB")
        words = ("import", self.image_disk, "--name", self.name)
        del self.sent[:]
        said = self.refused(*words, *VIA_OBJECT, **place)
        self.assertIn("'web-download' is not available in region 'SJC3' of cloud", said)
        self.assertIn("'flex-images': its catalog has no Object Store", said)
        self.assertEqual([], self.changes())
        row = self.task(*words, **place).rows[0]
        stored = self.stored(row["Image"], **place)
        self.assert_same_disk(self.tmp / "disk.raw", "raw", stored, "qcow2")

    def test_cloud_with_tasks(self):
        """A cloud with image tasks has no methods to choose from."""
        del self.sent[:]
        said = self.refused("import", self.image_disk, *VIA_OBJECT)
        self.assertIn("'web-download' is not available in region 'DFW'", said)
        self.assertEqual([], self.changes())

    def named(self):
        """Give the images with this test's name."""
        images = self.sdk(**self.place).image.images()
        return [each.id for each in images if self.name in (each.name or "")]


class KilledTest(MethodCase):
    def words(self, *more):
        return ("image", "task", "import", self.image_disk, "--name", self.name, *VIA_OBJECT, *more)

    def kill(self, rule):
        """Start the import, and kill it when a rule has stalled one of its requests."""
        rules = self.inject(rule, region="SJC3")
        child = self.start(*self.words("--threads", "1"), **self.place)
        self.until(lambda: rules.fired() == [1])
        child.kill()
        child.wait()

    def kill_upload(self, sent):
        """Kill the import when some segments are sent, and the next one is being sent."""
        self.kill(Rule("PUT", f"_segments/{self.name}", skip=sent, stall=60.0))
        self.assertEqual(sent, len(self.segments_sent()))

    def test_during_the_upload(self):
        """The next run sends the segments that are missing, and none twice; there is one image."""
        self.kill_upload(3)
        self.arrive(*VIA_OBJECT)
        sent = self.segments_sent()
        self.assertGreater(len(sent), 5)
        self.assertEqual(sorted(set(sent)), sorted(sent))
        self.assert_arrived()

    def test_during_the_download(self):
        """The next run follows the download that goes on, and sends no segment."""
        self.kill(self.pull(stall=10.0, offset=MIB))
        sent = self.segments_sent()
        image = self.the_image(**self.place)
        self.assertEqual("importing", image.status)
        said = self.arrive(*VIA_OBJECT).stderr
        self.assertIn(f"Verifying image '{image.id}'", said)
        self.assertEqual(image.id, self.the_image(**self.place).id)
        self.assertEqual(sent, self.segments_sent())
        self.assert_arrived()

    def test_clean(self):
        """What a killed upload has left is listed, and deleted on request."""
        self.kill_upload(2)
        words = ("clean", "--older-than", "0", "--container", self.staging)
        statuses = {each["Status"] for each in self.task(*words, **self.place).rows}
        self.assertEqual({"in use"}, statuses)
        later = format_datetime(datetime.now(UTC) + timedelta(minutes=16), usegmt=True)
        rule = Rule("HEAD", f"/{self.staging}$", status=204, headers={"Date": later}, times=None)
        self.inject(rule, region="SJC3")
        listed = [each["Object"] for each in self.task(*words, **self.place).rows]
        self.assertEqual(2, len([name for name in listed if self.name in name]), listed)
        self.task(*words, "--delete", **self.place)
        self.assertEqual([], self.left())


class UnverifiedTest(MethodCase):
    """An image that a run has left with its data, but without its name and its settings."""

    def left_with(self, change):
        """Leave such an image, with changed data; give its ID."""
        service = self.sdk(**self.place).image
        image = service.get_image(self.arrive().rows[0]["Image"])
        data = bytearray(self.stored(image.id, **self.place).read_bytes())
        service.delete_image(image.id)
        data[-1] ^= change
        left = service.create_image(
            name=f"{self.name} (incomplete)",
            disk_format="qcow2",
            container_format="bare",
            image_task_import=image.properties["image_task_import"],
            data=bytes(data),
        )
        return left.id

    def test_right_data(self):
        """An image with the right data is completed, whatever the method; nothing is uploaded."""
        image_id = self.left_with(0)
        del self.sent[:]
        self.assertEqual(image_id, self.arrive().rows[0]["Image"])
        self.assertEqual({"PATCH"}, {method for method, _url in self.changes()})
        self.assert_arrived()

    def test_wrong_data(self):
        """An image of the right size with other data is deleted, and the file is sent."""
        image_id = self.left_with(1)
        said = self.arrive().stderr
        self.assertIn(f"Image '{image_id}' in region 'SJC3' of cloud 'flex' is not what was", said)
        self.assertNotEqual(image_id, self.the_image(**self.place).id)
        self.assert_arrived()


class TwoRunsTest(MethodCase):
    def test_same_import_twice(self):
        """Of two runs that fill the same image, one is refused, and follows the other's download.

        Both have found the image empty when the first request for the download is let through.
        """
        words = ("image", "task", "import", self.image_disk, "--name", self.name, *VIA_OBJECT)
        slow = self.inject(self.pull(stall=5.0, offset=MIB), region="SJC3")
        go = [self.tmp / "first", self.tmp / "second"]
        rules = self.inject(
            *(Rule("POST", "/import$", image=self.name, until=str(each)) for each in go),
            region="SJC3", service="glance",
        )  # fmt: skip
        requests = self.log("SJC3", "glance")
        runs = []
        for fired in ([1, 0], [1, 1]):
            runs.append(self.start(*words, **self.place))
            self.until(lambda fired=fired: rules.fired() == fired)
        go[0].touch()
        self.until(lambda: slow.fired() == [1])
        go[1].touch()
        for run in runs:
            _output, said = run.communicate(timeout=120)
            self.assertEqual(0, run.returncode, said)
        image_id = self.the_image(**self.place).id
        imports = [each.status for each in requests() if f"{image_id}/import" in each.path]
        self.assertEqual([202, 409], imports)
        self.assert_arrived()


class SecretsTest(MethodCase):
    def test_debug_output(self):
        """Neither the temporary URL nor the account's key is in the debug output."""
        child = self.start(
            "-v", "--debug", "image", "task", "import", self.image_disk, "--name", self.name,
            *VIA_OBJECT, **self.place, env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        output, said = child.communicate(timeout=120)
        self.assertEqual(0, child.returncode, said)
        signed = [each for each in self.received() if "temp_url_sig" in each.query]
        self.assertEqual(1, len([each for each in signed if self.name in each.path]))
        secrets = {re.search("temp_url_sig=([^&]*)", each.query)[1] for each in signed}
        for secret in (*secrets, "temp_url", self.key):
            self.assertNotIn(secret, output + said)


class OwnKeyTest(MethodCase):
    """In an account of its own, which has no key."""

    place = BOB
    key = ""

    def test_interrupted_during_the_download(self):
        """An interrupt says how to go on, and removes the key that was set for the URL."""
        account = self.swift(**self.place)
        rules = self.inject(self.pull(stall=10.0, offset=MIB), region="SJC3")
        process = self.start(
            *("image", "task", "import", self.image_disk, "--name", self.name, *VIA_OBJECT),
            **self.place,
        )
        self.until(lambda: rules.fired() == [1])
        self.assertIn(_KEYS[1], account.head_account())
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=60)
        self.assertEqual((130, ""), (process.returncode, output))
        self.assertIn(f"Stopped while creating image '{self.name}' in region 'SJC3'.", said)
        self.assertIn("Finished work is kept; run the same command again to resume.", said)
        self.assertNotIn(_KEYS[1], account.head_account())
        sent = self.segments_sent()
        self.arrive(*VIA_OBJECT)
        self.assertEqual(sent, self.segments_sent())
        self.assert_arrived()


class SharedKeyTest(MethodCase):
    """In another account of its own, which has no key."""

    place = SMALL
    key = ""

    def test_batch(self):
        """Several imports at once share the account's key: none takes it away from another."""
        disks = []
        for number in range(4):
            disks.append(self.tmp / f"{self.name}-{number}.raw")
            disks[-1].write_bytes(os.urandom(510) + b"\x55\xaa" + os.urandom(2 * MIB - 512))
        rules = self.inject(self.pull(delay=2.0, skip=1, times=3), region="SJC3")
        rows = self.task("import", *disks, "--concurrency", "4", *VIA_OBJECT, **self.place).rows
        self.assertEqual(["success"] * 4, [each["Status"] for each in rows])
        self.assertEqual([3], rules.fired())
        self.assertEqual([], self.left())
        for each in rows:
            self.sdk(**self.place).image.delete_image(each["Image"])
