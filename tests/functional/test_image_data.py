# SPDX-License-Identifier: Apache-2.0
"""Image data of an unmodified Glance: uploads, downloads by the service, and reads."""

import os
import threading

from devcloud import operations
from devcloud.faults import Rule
from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import AccessDenied, NotFound, QuotaExceeded, ServiceError
from rackspace_imagetasks.glance.data import NewImage, SentData
from rackspace_imagetasks.glance.web_download import DownloadFailed, import_methods
from rackspace_imagetasks.objects.data_transfer import TransferOptions
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.tempurl import SecretUrl, temporary_url, tempurl_digest
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.profile import RACKSPACE
from tests.functional import cloudcase

MIB = 1024**2
CONTENT = os.urandom(3 * MIB + 5)
REGION = "SJC3"
PLACE = "in region 'SJC3' of cloud 'flex'"


class DataCase(cloudcase.CloudTestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.cloud_of("flex")

    def cloud_of(self, name):
        return Cloud(self.sdk(name, REGION), threading.Event(), RACKSPACE)

    def transfer(self):
        return self.cloud.data_transfer(TransferOptions())

    def new(self, disk_format="raw"):
        return NewImage(f"image-{self.mark}", disk_format, {"image_task_source": self.mark})

    def waiting(self, disk_format="raw"):
        """Return an image that is waiting for data."""
        image = self.cloud.image_data.create(self.new(disk_format))
        self.addCleanup(self.cloud.images.delete, image.id)
        return image

    def uploaded(self, content=CONTENT, cloud=None):
        data = (cloud or self.cloud).image_data
        image = data.create_from(self.new(), BytesSource(content), self.transfer())
        self.addCleanup(self.cloud.images.delete, image.id)
        return image

    def refused(self, kind, content=CONTENT, disk_format="raw", cloud=None):
        """Check that an upload fails and leaves nothing, and return the message."""
        data = (cloud or self.cloud).image_data
        error = self.assertRaises(
            kind,
            data.create_from,
            self.new(disk_format),
            BytesSource(content),
            self.transfer(),
        )
        self.assertEqual([], data.unfinished(self.new().mark))
        return str(error)


class UploadTest(DataCase):
    def test_upload(self):
        """An image is uploaded and verified, and its data are read in parts and in order."""
        image = self.uploaded()
        self.assertEqual(("active", "private"), (image.status, image.visibility))
        self.assertEqual(("sha512", len(CONTENT)), (image.hash_algo, image.size))
        source = self.cloud.image_source(image)
        self.assertTrue(source.supports_ranges)
        self.assertEqual(CONTENT[MIB : MIB + 9], source.read_at(MIB, 9))
        self.assertEqual(CONTENT, b"".join(source.chunks()))
        source.verify_unchanged()

    def test_waiting_image(self):
        """An image that has no data yet is used by the next run."""
        image = self.waiting()
        self.assertEqual([image.id], [each.id for each in self.cloud.image_data.unfinished(
            self.new().mark)])  # fmt: skip
        self.assertEqual(image.id, self.uploaded().id)

    def test_broken(self):
        """After a connection that breaks, or a lost response, there is one complete image."""
        for rule, puts in (({"drop": "upload", "offset": MIB}, 2), ({"drop": "answer"}, 1)):
            image = self.waiting()
            fault = self.inject(
                Rule("PUT", f"/{image.id}/file", **rule), region=REGION, service="glance"
            )
            self.assertEqual(image.id, self.uploaded().id)
            self.assertEqual([1], fault.fired())
            sent = [url for method, url in self.sent if method == "PUT" and image.id in url]
            self.assertEqual(puts, len(sent))
            self.cloud.images.delete(image.id)

    def test_inspection(self):
        """The reason for which Glance refuses data is quoted, and no image remains."""
        text = self.refused(ServiceError, disk_format="qcow2")
        self.assertIn("qcow2", text.partition("(")[2])
        self.assertNotIn("<br", text)
        self.assertIn("in region 'SJC3' of cloud 'flex'", text)

    def test_quota(self):
        """An upload that exceeds the quota is refused before it is sent, and no image remains."""
        small = self.cloud_of("flex-small")
        text = self.refused(QuotaExceeded, bytes(17 * MIB), cloud=small)
        self.assertIn("cloud 'flex-small'", text)

    def test_reader(self):
        """A user without the right to create images is told so."""
        reader = self.cloud_of("flex-reader")
        self.assertIn("cloud 'flex-reader'", self.refused(AccessDenied, cloud=reader))


class ReadTest(DataCase):
    def test_no_ranges(self):
        """Where ranges are refused, all data can be read in order."""
        image = self.uploaded()
        rule = Rule("GET", f"/{image.id}/file", range="bytes=", times=None, status=400)
        fault = self.inject(rule, region=REGION, service="glance")
        source = self.cloud.image_source(image)
        self.assertFalse(source.supports_ranges)
        self.assertEqual(CONTENT, b"".join(source.chunks()))
        self.assertEqual([1], fault.fired())

    def test_broken(self):
        """A download that breaks resumes."""
        image = self.uploaded()
        source = self.cloud.image_source(image)
        self.assertTrue(source.supports_ranges)
        rule = Rule("GET", f"/{image.id}/file", drop="download", offset=MIB)
        fault = self.inject(rule, region=REGION, service="glance")
        self.assertEqual(CONTENT, b"".join(source.chunks()))
        self.assertEqual([1], fault.fired())

    def test_deactivated_and_deleted(self):
        """An image that is deactivated or deleted while it is read is reported as such."""
        image = self.uploaded()
        source = self.cloud.image_source(image)
        self.assertEqual(CONTENT[:9], source.read_at(0, 9))
        self.sdk("flex-admin", REGION).image.deactivate_image(image.id)
        text = str(self.assertRaises(AccessDenied, source.read_at, 0, 9))
        self.assertIn("The requested image has been deactivated", text)
        self.assertIn(PLACE, text)
        self.cloud.images.delete(image.id)
        self.assertRaises(NotFound, source.read_at, 0, 9)


class WebDownloadTest(DataCase):
    def setUp(self):
        super().setUp()
        self.store = self.cloud.objects
        self.object = ObjectName(f"test-{self.mark}", "disk")
        self.written = upload(
            self.store, BytesSource(CONTENT), self.object, self.transfer(), segment_size=MIB
        )
        self.image_id = self.waiting().id

    def download(self, url=None):
        download = self.cloud.web_download(self.transfer())
        if url:
            return download.run(self.image_id, url, 60)
        with temporary_url(self.store, self.object, tempurl_digest(self.store)) as secret:
            return download.run(self.image_id, secret, 60)

    def assert_fails(self, kind, url=None):
        """Check that nothing of a failure remains, and return the message, which has no URL."""
        text = str(self.assertRaises(kind, self.download, url))
        self.assertNotIn("temp_url", text)
        self.assertNotIn("http://", text)
        self.assertEqual([], self.cloud.image_data.unfinished(self.new().mark))
        return text

    def keys(self):
        """Give the key that a run sets; other tests set the first one."""
        headers = self.sdk("flex", REGION).object_store.head("").headers
        return [key for key in headers if "temp-url-key-2" in key.lower()]

    def test_success(self):
        """Glance downloads a segmented object, and no key of the account remains."""
        self.assertIn("web-download", import_methods(self.cloud.image_data.client))
        self.assertEqual("sha512", tempurl_digest(self.store))
        image = self.download()
        sent, said = SentData(len(CONTENT), "", ""), []
        self.cloud.image_data.verify(image.id, sent, said.append)
        self.assertEqual(CONTENT, b"".join(self.cloud.image_source(image).chunks()))
        self.assertEqual([], self.keys())

    def test_pull_breaks(self):
        """A download that breaks is a failure, and the image is deleted."""
        rule = Rule("GET", f"/{self.object}$", drop="download", offset=MIB)
        fault = self.inject(rule, region=REGION)
        self.assertIn("could not import", self.assert_fails(DownloadFailed))
        self.assertEqual(([1], []), (fault.fired(), self.keys()))

    def test_inspection(self):
        """Data that Glance refuses after the download are a failure, and the image is deleted."""
        self.cloud.images.delete(self.image_id)
        self.image_id = self.waiting("qcow2").id
        self.assertIn("could not import", self.assert_fails(DownloadFailed))

    def test_blocked(self):
        """A URL that Glance does not fetch is refused, and not shown."""
        url = SecretUrl("http://127.0.0.1:1/disk?temp_url_sig=secret")
        self.assertIn("the URL", self.assert_fails(ServiceError, url))


class KilledTest(DataCase):
    def setUp(self):
        self.start_cloud()
        super().setUp()

    def test_service_is_killed(self):
        """An image that a killed Glance leaves is deleted, and another one gets the data."""
        killed = []

        class Killer(BytesSource):
            def read_at(self, offset, length):
                if offset == 2 * MIB and not killed:
                    killed.append(offset)
                    operations.kill_server(root, f"glance-{REGION}")
                    operations.restart_dead(root)
                return super().read_at(offset, length)

        root, content = self.root, os.urandom(16 * MIB)
        image = self.cloud.image_data.create_from(self.new(), Killer(content), self.transfer())
        self.addCleanup(self.cloud.images.delete, image.id)
        self.assertEqual([2 * MIB], killed)
        marked = self.cloud.images.select(self.cloud.project_id, self.new().mark)
        self.assertEqual([(image.id, "active")], [(each.id, each.status) for each in marked])
        self.assertEqual(content, b"".join(self.cloud.image_source(image).chunks()))
