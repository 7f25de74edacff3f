# SPDX-License-Identifier: Apache-2.0
"""Transfers to and from a standard cloud that meet a fault, and then run again."""

import contextlib
import os
import re
import subprocess

import fixtures
import requests

from devcloud import operations
from devcloud.faults import Rule
from tests.functional.test_arrival_methods import BOB, FLEX, MIB, SMALL, VIA_OBJECT
from tests.functional.test_conversions import ConversionCase

DFW = {"cloud": "alice", "region": "DFW"}
_KEY = {"x-account-meta-temp-url-key": "key-of-the-tests"}


class FaultCase(ConversionCase):
    """Transfers between two projects of flex, with segments of 1 MiB.

    The target's account has a key: one that a run sets is in the way of other processes' tests.
    """

    source, target = BOB, FLEX

    def setUp(self):
        super().setUp()
        self.swift(**FLEX).post_account(_KEY)
        self.settings("flex", segment_size="1 MiB")

    def image(self, form="qcow2", data=None, **values):
        """Create an image at the source, by default of the disk in a format."""
        self.image_id = self.sdk(**self.source).image.create_image(
            name=self.name,
            allow_duplicates=True,
            data=data or self.disk(form).read_bytes(),
            **{"disk_format": form, "container_format": "bare", **values},
        ).id  # fmt: skip

    def words(self, *more):
        place = ("--to-cloud", self.target["cloud"], "--to-region", self.target["region"])
        return "transfer", self.image_id, *place, *more

    def fails(self, *more, at):
        """Check that the transfer fails, and names the cloud and region; return what it says."""
        said = self.refused(*self.words(*more), **self.source)
        self.assertIn(f"region '{at['region']}' of cloud '{at['cloud']}'", said)
        return said

    def finishes(self, *more):
        """Check that the transfer succeeds, and that the disk is there once, and nothing else."""
        self.task(*self.words(*more), **self.source)
        image = self.the_image(**self.target)
        self.assertEqual(("active", self.name), (image.status, image.name))
        form = {"vhd": "vpc"}.get(image.disk_format, image.disk_format)
        stored = self.tmp / "arrived"
        with contextlib.suppress(FileNotFoundError):
            stored.unlink()
        self.stored(image.id, **self.target).rename(stored)
        self.assert_same_disk(self.tmp / "disk.raw", "raw", stored, form)
        self.assertEqual([image.id], self.left())

    def left(self):
        """Return the images and the staged objects of this test at the target."""
        images = self.sdk(**self.target).image.images()
        left = [each.id for each in images if self.name in (each.name or "")]
        swift = self.swift(**self.target)
        for container in swift.get_account(prefix="image-transfers-", full_listing=True)[1]:
            found = swift.get_container(container["name"], full_listing=True)[1]
            left += [each["name"] for each in found if self.image_id in each["name"]]
        return [each for each in left if "/in-use/" not in each]

    def before(self, method, path, act, *, when=lambda: True, skip=0):
        """Act once, before a request of the command is sent.

        :param when: returns whether it is time to act.
        :param skip: number of matching requests to pass first.
        :returns: the URL of that request, when there has been one.
        """
        matching, acted = [], []
        send = requests.Session.send

        def acting(session, request, **options):
            if not acted and request.method == method and re.search(path, request.url) and when():
                matching.append(request.url)
                if len(matching) > skip:
                    acted.append(request.url)
                    act(request.url)
            return send(session, request, **options)

        self.useFixture(fixtures.MonkeyPatch("requests.Session.send", acting))
        return acted

    def create(self, form, path, *options):
        """Create an empty disk of 1 MiB in a format."""
        subprocess.run(["qemu-img", "create", "-q", "-f", form, *options, path, "1M"], check=True)

    def glance(self, *rules):
        return self.inject(*rules, region="SJC3", service="glance")

    def deactivate(self, _url):
        self.sdk("flex-admin", "SJC3").image.deactivate_image(self.image_id)

    def reactivate(self):
        self.sdk("flex-admin", "SJC3").image.reactivate_image(self.image_id)

    def delete_source(self, _url):
        self.sdk(**self.source).image.delete_image(self.image_id)

    def delete_target(self, url):
        self.sdk(**self.target).image.delete_image(re.search(r"images/([^/]*)", url)[1])

    def flip(self, offset):
        """Invert a byte of the image in the store of the source; a second time restores it."""
        path = operations.image_file(self.root, self.source["region"], self.image_id)
        with path.open("r+b") as file:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 0xFF]))


class SourceTest(FaultCase):
    def test_deactivated_while_it_is_read(self):
        """The stream breaks, and cannot go on; the image can be transferred when it is active."""
        self.image()
        data = f"/{self.image_id}/file"
        broken = self.glance(Rule("GET", data, drop="download", offset=MIB))
        acted = self.before("GET", data, self.deactivate, when=lambda: broken.fired() == [1])
        said = self.fails(at=self.source)
        self.assertEqual(([1], 1), (broken.fired(), len(acted)))
        self.assertRegex(
            said, "the image service in region .* returned 403 Forbidden .The requested"
        )
        self.assertEqual([], self.left())
        self.reactivate()
        self.finishes()

    def test_deactivated_during_the_upload(self):
        """What was read may not be all that belongs together; the segments serve the next run."""
        self.image()
        acted = self.before("PUT", f"_segments/{self.image_id}", self.deactivate, skip=2)
        said = self.fails(*VIA_OBJECT, at=self.source)
        self.assertEqual(1, len(acted))
        self.assertIn("became 'deactivated' while it was being read.", said)
        self.assertRegex(said, "What was uploaded remains in container 'image-transfers-[^ ]*' in")
        sent = self.left()
        self.assertGreater(len(sent), 3)
        self.assertEqual([], [each for each in sent if "_segments" not in each and "/" not in each])
        self.reactivate()
        log = self.log("SJC3")
        self.finishes(*VIA_OBJECT)
        again = [each.path for each in log() if each.method == "PUT"]
        self.assertEqual([], [path for path in again if path.endswith(tuple(sent))])

    def test_deleted(self):
        """An image that was deleted meanwhile does not arrive."""
        self.image()
        acted = self.before("PUT", "/file$", self.delete_source)
        self.assertIn("was deleted while it was being read", self.fails(at=self.source))
        self.assertEqual(1, len(acted))
        self.assertEqual([], self.left())

    def test_data_that_differs_from_its_hash(self):
        """Damaged data does not become an image, by any method; the mended image does."""
        self.image("raw")
        for words in ((), VIA_OBJECT):
            self.flip(40 * MIB)
            said = self.fails(*words, at=self.source)
            self.assertRegex(said, "are corrupt: their SHA512 is .*, expected")
            self.assertEqual([], [each for each in self.left() if "/slo/" not in each])
            self.flip(40 * MIB)
            self.finishes(*words)
            self.sdk(**self.target).image.delete_image(self.the_image(**self.target))

    def test_disk_format_that_lies(self):
        """A raw image that begins like another format is not read as that."""
        self.image(data=self.disk("qcow2").read_bytes(), disk_format="raw")
        said = self.fails(at=self.source)
        self.assertIn("has the disk format 'raw', but its data is in the format 'qcow2'.", said)
        self.assertEqual([], self.left())

    def test_images_that_cannot_be_read(self):
        """Images in other containers and formats, encrypted and signed ones are refused."""
        for values, reason in (
            ({"container_format": "ovf"}, "has the container format 'ovf'"),
            ({"container_format": "docker"}, "has the container format 'docker'"),
            ({"container_format": "ami", "disk_format": "ami"}, "has the container format 'ami'"),
            ({"container_format": "ovf", "disk_format": "iso"}, "has the disk format 'iso'"),
            ({"container_format": "ovf", "disk_format": "ploop"}, "has the disk format 'ploop'"),
            ({"cinder_encryption_key_id": "x"}, "is encrypted (property 'cinder_encryption_key_id"),
            ({"os_encrypt_format": "x"}, "is encrypted (property 'os_encrypt_format')"),
            ({"img_signature": "x"}, "is signed (property 'img_signature')"),
        ):
            self.image("raw", data=bytes(512), **values)
            del self.sent[:]
            self.assertIn(reason, self.refused(*self.words(), **self.source))
            self.assertEqual([], self.changes())

    def test_encrypted_disk(self):
        """A disk that is encrypted inside arrives unchanged, with a warning."""
        raw = self.tmp / "disk.raw"
        options = ("--object", "secret,id=key,data=secret", "-o", "key-secret=key,iter-time=10")
        self.create("luks", raw, *options)
        self.image("raw", data=raw.read_bytes())
        said = self.task(*self.words("--disk-format", "raw"), **self.source).stderr
        self.assertIn("is encrypted with LUKS as a whole", said)
        arrived = self.stored(self.the_image(**self.target).id, **self.target)
        self.assertEqual(raw.read_bytes(), arrived.read_bytes())

    def test_internal_snapshots(self):
        """The snapshots in a qcow2 are not in its copy, nor in a file of another format."""
        path = self.tmp / "disk.qcow2"
        self.create("qcow2", path)
        subprocess.run(["qemu-img", "snapshot", "-c", "one", path], check=True)
        self.image("qcow2", data=path.read_bytes())
        lost = "contains internal snapshots (1), which are left out"
        self.assertIn(lost, self.task(*self.words(), **self.source).stderr)
        saved = ("--wait", "--file", self.tmp / "disk.raw")
        self.assertIn(lost, self.task("export", self.name, *saved, **self.source).stderr)

    def test_no_right_to_the_data(self):
        """A project that may see but not download an image is told so."""
        self.image()
        rule = self.glance(Rule("GET", f"/{self.image_id}/file", status=403, times=None))
        said = self.fails(at=self.source)
        self.assertIn("or your role does not allow downloads", said)
        self.assertEqual((1, []), (rule.fired()[0], self.left()))
        rule.remove()
        self.finishes()


class TargetTest(FaultCase):
    def delete_target_when(self, rule):
        """Delete the image at the target before it is looked at, once a rule has been applied."""
        path = f"/images/(?!{self.image_id})[^/?]+$"
        return self.before("GET", path, self.delete_target, when=lambda: rule.fired() == [1])

    def test_image_deleted_before_its_data(self):
        """An image that was deleted under the run is reported; the next run creates another."""
        self.image()
        acted = self.before("PUT", "/file$", self.delete_target)
        said = self.fails(at=self.target)
        self.assertEqual(1, len(acted))
        self.assertIn("404 Not Found", said)
        self.assertIn("; the image was deleted in the meantime.", said)
        self.assertEqual([], self.left())
        self.finishes()

    def test_image_deleted_during_the_upload(self):
        """The upload breaks, and there is no image any more to which it could be sent again."""
        self.image()
        broken = self.glance(Rule("PUT", "/file$", image=self.name, drop="upload", offset=MIB))
        acted = self.delete_target_when(broken)
        self.assertIn("was deleted during the upload", self.fails(at=self.target))
        self.assertEqual(([1], 1), (broken.fired(), len(acted)))
        self.assertEqual([], self.left())
        self.finishes()

    def test_image_deleted_during_the_import(self):
        """What is staged serves the next run, which sends nothing again."""
        self.image()
        slow = self.inject(
            Rule("GET", f"/{self.image_id}", query="temp_url_sig", stall=4.0, offset=MIB),
            region="SJC3",
        )
        acted = self.delete_target_when(slow)
        said = self.fails(*VIA_OBJECT, at=self.target)
        self.assertEqual(([1], 1), (slow.fired(), len(acted)))
        self.assertIn("was deleted during the import", said)
        self.assertIn("What was uploaded remains in container 'image-transfers-", said)
        log = self.log("SJC3")
        self.finishes(*VIA_OBJECT)
        self.assertEqual([], [each for each in log() if (each.method, each.status) == ("PUT", 201)
                              and f"_segments/{self.image_id}" in each.path])  # fmt: skip

    def test_no_right_to_create_images(self):
        """A target whose role allows neither tasks nor images is reported."""
        self.image()
        self.target = {"cloud": "flex-reader", "region": "SJC3"}
        said = self.fails(at=self.target)
        place = "region 'SJC3' of cloud 'flex-reader'"
        self.assertIn(f"Cannot create an image: the image service in {place} returned 403", said)

    def test_no_right_to_the_data(self):
        """An image whose data the project may not write is deleted."""
        self.image()
        rule = self.glance(Rule("PUT", "/file$", image=self.name, status=403))
        said = self.fails(at=self.target)
        self.assertIn("403 Forbidden; your role does not allow it.", said)
        self.assertEqual(([1], []), (rule.fired(), self.left()))
        self.finishes()

    def test_quota(self):
        """A quota that is too small is noticed before the data is sent."""
        self.image()
        self.target = SMALL
        self.swift(**SMALL).post_account(_KEY)
        said = self.fails("--disk-format", "raw", at=self.target)
        self.assertIn("413", said)
        self.assertIn("the image storage or your quota is full", said)
        self.assertEqual([], self.left())
        self.finishes()  # as qcow2, it is smaller
        self.sdk(**SMALL).image.delete_image(self.the_image(**SMALL))

    def test_full_object_store(self):
        """What fits is kept for the next run, which sends only the rest."""
        self.image()
        segments = f"_segments/{self.image_id}"
        full = self.inject(Rule("PUT", segments, status=507, skip=2, times=None), region="SJC3")
        said = self.fails(*VIA_OBJECT, at=self.target)
        self.assertGreaterEqual(full.fired()[0], 1)
        self.assertIn("the account or container is full", said)
        sent = self.left()
        self.assertEqual(2, len(sent), sent)
        full.remove()
        log = self.log("SJC3")
        self.finishes(*VIA_OBJECT)
        again = [each.path for each in log() if each.method == "PUT"]
        self.assertEqual([], [path for path in again if path.endswith(tuple(sent))])

    def test_full_object_store_with_the_choice(self):
        """By default the data takes the other way, and what was staged is deleted."""
        self.image()
        self.settings("flex", segment_size="1 MiB", web_download_above="1 MiB")
        segments = f"_segments/{self.image_id}"
        full = self.inject(Rule("PUT", segments, status=413, skip=2, times=None), region="SJC3")
        self.finishes()
        self.assertGreaterEqual(full.fired()[0], 1)

    def test_blocked_download(self):
        """A URL that the service may not fetch is not shown; the other method still works."""
        self.image()
        endpoint = self.sdk(**self.target).object_store.get_endpoint()
        other = endpoint.replace("127.0.0.1", "localhost")  # only the former is allowed
        self.entry("flex", object_store_endpoint_override=other)
        said = self.fails(*VIA_OBJECT, at=self.target)
        self.assertIn("400 Bad Request (URI for web-download does not pass filtering", said)
        self.assertNotIn("temp_url", said)
        self.assertNotIn("localhost", said)
        self.assertIn("What was uploaded remains in container", said)
        images = [each for each in self.left() if ".qcow2" not in each]
        self.assertEqual([], images)
        self.settings("flex", segment_size="1 MiB", web_download_above="1 MiB")
        self.finishes()

    def test_download_that_times_out(self):
        """The service has no time limit of its own; the image that it filled is deleted."""
        self.image()
        self.settings("flex", segment_size="1 MiB", web_download_timeout=1)
        slow = self.inject(
            Rule("GET", f"/{self.image_id}", query="temp_url_sig", stall=5.0, offset=MIB),
            region="SJC3",
        )
        said = self.fails(*VIA_OBJECT, at=self.target)
        self.assertEqual([1], slow.fired())
        self.assertIn("it was not complete after 1 s", said)
        self.assertEqual([], [each for each in self.left() if ".qcow2" not in each])
        self.settings("flex", segment_size="1 MiB")
        self.finishes(*VIA_OBJECT)

    def test_image_with_the_same_name(self):
        """Somebody else's image of the same name, even an incomplete one, is left alone."""
        self.image()
        service = self.sdk(**self.target).image
        others = [
            service.create_image(
                name=name, allow_duplicates=True, disk_format="raw", container_format="bare",
                data=data,
            ).id
            for name, data in ((self.name, bytes(512)), (f"{self.name} (incomplete)", None))
        ]  # fmt: skip
        row = self.task(*self.words(), **self.source).rows[0]
        self.assertEqual({*others, row["Target Image"]}, set(self.left()))
        for each in others:
            service.delete_image(each)
        self.finishes()

    def test_data_that_the_inspection_refuses(self):
        """The service refuses a raw disk that looks like qcow2 with a backing file."""
        disk = self.tmp / "backed.raw"
        self.create("qcow2", disk, "-u", "-F", "raw", "-b", "/etc/passwd")
        os.truncate(disk, MIB)
        self.image_id = "no image"
        said = self.refused(
            *("import", disk, "--name", self.name, "--disk-format", "raw"),
            *("--source-format", "raw", "--allow-truncated"),
            **self.target,
        )
        self.assertIn("415 Unsupported Media Type", said)
        self.assertIn("the service inspected the data", said)
        self.assertIn("region 'SJC3' of cloud 'flex'", said)
        self.assertEqual([], self.left())


class ToTasksTest(FaultCase):
    """Transfers from flex to a cloud with image tasks."""

    source, target = FLEX, DFW

    def test_full_object_store(self):
        """No task is created for a VHD that is not complete; the next run sends the rest."""
        self.image()
        self.settings("alice", segment_size="2 MiB")
        segments = f"_segments/{self.image_id}"
        full = self.inject(Rule("PUT", segments, status=413, skip=1, times=None))
        said = self.fails(at=self.target)
        self.assertGreaterEqual(full.fired()[0], 1)
        self.assertIn("the account or container is full", said)
        self.assertEqual(1, len(self.left()), self.left())
        full.remove()
        self.finishes()

    def test_data_that_differs_from_its_hash(self):
        """Damaged data is not imported."""
        self.image()
        self.flip(3 * MIB)
        self.assertIn("are corrupt: their SHA512", self.fails(at=self.source))
        self.assertEqual([], [url for method, url in self.changes() if url.endswith("/v2/tasks")])
        self.flip(3 * MIB)
        self.finishes()


class FromTasksTest(FaultCase):
    """Transfers from a cloud with image tasks to flex."""

    source, target = DFW, FLEX

    def setUp(self):
        super().setUp()
        row = self.task("import", self.disk("qcow2"), "--name", self.name, "--wait").rows[0]
        self.image_id = row["Image"]

    def test_deleted(self):
        """An image that was deleted before its export does not arrive."""
        acted = self.before("POST", "/tasks$", self.delete_source)
        self.refused(*self.words())
        self.assertEqual(1, len(acted))
        self.assertEqual([], self.left())

    def test_damaged_export(self):
        """A segment that does not have its MD5 does not become part of an image."""
        segment = f"/{self.image_id}\\.vhd-0*2$"
        damaged = self.inject(Rule("GET", segment, corrupt=True, offset=MIB, times=None))
        said = self.refused(*self.words())
        self.assertGreater(damaged.fired()[0], 0)
        self.assertIn("MD5", said)
        self.assertEqual([], self.left())
        damaged.remove()
        self.finishes()


class OwnCloudTest(FaultCase):
    """In a cloud of its own, whose services fail for everybody."""

    def setUp(self):
        self.start_cloud()
        super().setUp()

    def restart_when(self, rule):
        """Kill and restart the Image service when a rule has stalled a request."""
        self.until(lambda: rule.fired() == [1])
        rule.remove()
        operations.kill_server(self.root, "glance-SJC3")
        operations.restart_dead(self.root)

    def test_restart(self):
        """A restart in the middle of an upload, and of a download, costs no more than a repeat."""
        self.image()
        stalled = self.glance(Rule("PUT", "/file$", image=self.name, stall=60.0, offset=MIB))
        child = self.start("image", "task", *self.words(), **self.source)
        self.restart_when(stalled)
        _output, said = child.communicate(timeout=120)
        self.assertEqual(0, child.returncode, said)
        self.finishes()

        self.sdk(**self.target).image.delete_image(self.the_image(**self.target))
        self.settings("flex", segment_size="1 MiB", web_download_timeout=20)
        stalled = self.inject(
            Rule("GET", f"/{self.image_id}", query="temp_url_sig", stall=60.0, offset=MIB),
            region="SJC3",
        )
        child = self.start("image", "task", *self.words(*VIA_OBJECT), **self.source)
        self.restart_when(stalled)
        _output, said = child.communicate(timeout=120)
        self.assertEqual(1, child.returncode, said)
        self.assertRegex(said, "could not import .* it was not complete after 20 s")
        self.assertEqual([], [each for each in self.left() if ".qcow2" not in each])
        self.finishes(*VIA_OBJECT)

    def test_refusals(self):
        """No image is left if no URL can be signed, or the storage is full during the upload."""
        self.image()
        rule = self.inject(
            Rule("HEAD", "/v1/AUTH_[0-9a-f]*/?$", status=403, times=None), region="SJC3"
        )
        said = self.fails(*VIA_OBJECT, at=self.target)
        self.assertIn("Cannot read the account's keys", said)
        self.assertGreater(rule.fired()[0], 0)
        self.assertEqual([], [each for each in self.left() if ".qcow2" not in each])
        rule.remove()
        self.finishes(*VIA_OBJECT)

        self.sdk(**self.target).image.delete_image(self.the_image(**self.target))

        with operations.full_disk(self.root, "glance-SJC3", 4 * MIB):
            said = self.fails(at=self.target)
        self.assertIn("413", said)
        self.assertIn("the image storage or your quota is full", said)
        self.assertEqual([], self.left())
        self.finishes()
