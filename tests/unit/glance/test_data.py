# SPDX-License-Identifier: Apache-2.0
"""Images that are created with data: the requests, the faults, and what they leave."""

import hashlib
import threading

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    Cancelled,
    IntegrityError,
    NotFound,
    QuotaExceeded,
    ServiceError,
    SourceChanged,
)
from rackspace_imagetasks.glance.data import ImageUnusable, NewImage
from tests.unit.glance.dataservice import MARK, PLACE, DataCase, refused
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, noise

CONTENT = noise(9 * MIB + 7)
NEW = NewImage("temporary", "qcow2", MARK)


def left(status, **values):
    """Lose the connection, and leave the image in a state."""

    def act(handler):
        with handler.service.lock:
            for image in handler.service.images.values():
                image.update(status=status, **values)
        return faults.reset(MIB)(handler)

    return act


def inspected(handler):
    """Refuse the data after all of them, as Glance does."""
    content = handler.read_body()
    (image,) = handler.service.images.values()
    handler.service.store(image, content, status="queued")
    handler.refuse(415, "Image content did not match 'qcow2'")
    return True


class CreateTest(DataCase):
    def test_new(self):
        """A new image is private and has its formats, its name, and its mark."""
        image = self.data.create(NEW)
        self.assertEqual(("temporary", "queued", "private"),
                         (image.name, image.status, image.visibility))  # fmt: skip
        self.assertEqual(("qcow2", "bare"), (image.disk_format, image.container_format))
        self.assertEqual(MARK, image.properties)

    def test_waiting_image_is_used(self):
        """An image that an earlier run created, and gave no data, is used."""
        first = self.data.create(NEW)
        self.assertEqual(first.id, self.data.create(NEW).id)
        self.assertEqual(1, self.count("POST"))

    def test_other_images_are_not_used(self):
        """An image that has a hash, another format, state, mark or owner, or failed, is not."""
        usable = {"name": "x", "disk_format": "qcow2", "container_format": "bare"}
        for values in (
            {**MARK, "checksum": "1"},
            {**MARK, "os_hash_value": "1"},
            {**MARK, "disk_format": "raw"},
            {**MARK, "status": "saving"},
            {**MARK, "owner": "other"},
            {**MARK, "os_glance_failed_import": "fs"},
            {"image_task_source": "there/2"},
        ):
            made = self.service.add(**(usable | values))
            self.assertNotEqual(made["id"], self.data.create(NEW).id, values)
            self.service.images.clear()
        made = self.service.add(**usable, **MARK, os_glance_failed_import="")
        self.assertEqual(made["id"], self.data.create(NEW).id)

    def test_response_is_lost(self):
        """Where it is uncertain whether an image was created, no second one is."""
        self.fault(faults.reset_after_body(), "POST")
        image = self.data.create(NEW)
        self.assertEqual(([1], [image.id]), (self.fired(), list(self.service.images)))
        self.assertEqual(1, self.count("POST"))

    def test_no_effect(self):
        """A request that certainly or apparently had no effect is repeated."""
        self.fault(faults.status(503), "POST", times=2)
        self.fault(faults.reset(), "POST")
        self.data.create(NEW)
        self.assertEqual(([2, 1], 1), (self.fired(), len(self.service.images)))

    def test_last_attempt(self):
        """An image that the last attempt created is found."""
        self.fault(faults.status(503), "POST", times=7)
        self.fault(faults.reset_after_body(), "POST")
        self.assertIn(self.data.create(NEW).id, self.service.images)
        self.assertEqual([7, 1], self.fired())

    def test_refused(self):
        """A refusal is final, and its message has the cloud, the region and the reason."""
        for status, kind in ((403, AccessDenied), (413, QuotaExceeded), (400, ServiceError)):
            self.fault(refused(status, "too bad"), "POST")
            text = str(self.assertRaises(kind, self.data.create, NEW))
            self.assertIn(PLACE, text)
            self.assertIn("(too bad)", text)
        self.assertEqual(([1, 1, 1], 3), (self.fired(), self.count("POST")))


class UploadCase(DataCase):
    def upload(self, source=None, **options):
        source = source or BytesSource(CONTENT)
        return self.data.create_from(NEW, source, self.transfer(**options))

    def assert_stored(self):
        """Check that there is exactly one image, active and with the content."""
        ((image_id, image),) = self.service.images.items()
        self.assertEqual("active", image["status"])
        self.assertEqual(CONTENT, self.service.contents[image_id])

    def assert_fails(self, kind, source=None):
        """Check that the upload fails, and return the message."""
        return str(self.assertRaises(kind, self.upload, source))


class UploadTest(UploadCase):
    def test_request(self):
        """One request has the data and their size, and the result is read back."""
        image = self.upload()
        self.assert_stored()
        self.assertEqual((len(CONTENT), "active"), (image.size, image.status))
        (put,) = self.service.requests("PUT")
        self.assertEqual(str(len(CONTENT)), put.headers["Content-Length"])
        self.assertEqual(str(len(CONTENT)), put.headers["x-openstack-image-size"])
        self.assertEqual("application/octet-stream", put.headers["Content-Type"])
        self.assertEqual({"Uploading memory": len(CONTENT)}, self.ledger.sums)

    def test_hashes(self):
        """The hashes are computed while the data are sent."""
        sent = self.data.upload(self.data.create(NEW).id, BytesSource(CONTENT), self.transfer())
        self.assertEqual(hashlib.md5(CONTENT).hexdigest(), sent.md5)
        self.assertEqual(hashlib.sha512(CONTENT).hexdigest(), sent.sha512)

    def test_empty(self):
        """Data of no bytes have a length."""
        self.upload(BytesSource(b""))
        (put,) = self.service.requests("PUT")
        self.assertEqual("0", put.headers["Content-Length"])

    def test_broken(self):
        """After a break anywhere, all data are sent again to the same image."""
        for action in (faults.reset(), faults.reset(MIB), faults.status(503)):
            self.fault(action, "PUT")
        self.upload()
        self.assert_stored()
        self.assertEqual([1, 1, 1], self.fired())
        self.assertEqual((4, 1), (self.count("PUT"), self.count("POST")))
        self.assertEqual([len(CONTENT)], list(self.ledger.sums.values()))
        self.assertGreater(sum(self.waits), 1.5)

    def test_response_is_lost(self):
        """Data that have arrived are not sent again."""
        self.fault(faults.reset_after_body(), "PUT")
        self.upload()
        self.assert_stored()
        self.assertEqual(([1], 1), (self.fired(), self.count("PUT")))

    def test_break_is_noticed_late(self):
        """The upload is repeated as soon as the service notices that the connection broke."""
        self.fault(left("saving"), "PUT")
        self.service.changes = [{}, {}, {"status": "queued"}]
        self.upload()
        self.assert_stored()
        self.assertEqual(([1], 1), (self.fired(), self.count("POST")))

    def test_service_was_killed(self):
        """An image that remains `saving` is deleted, and another one is created."""
        self.fault(left("saving"), "PUT")
        self.upload()
        self.assert_stored()
        self.assertEqual(([1], 2, 1),
                         (self.fired(), self.count("POST"), self.count("DELETE")))  # fmt: skip

    def test_refusal_is_lost(self):
        """An image with the hash of refused data is deleted, and the reason is then heard."""
        self.fault(left("queued", checksum="1"), "PUT")
        self.fault(inspected, "PUT")
        self.assertIn("did not match 'qcow2'", self.assert_fails(ServiceError))
        self.assertEqual(([1, 1], {}), (self.fired(), self.service.images))

    def test_always_unusable(self):
        """After the third image, the state of the image is reported."""
        self.fault(left("killed"), "PUT", times=9)
        self.assertIn("its status is 'killed'", self.assert_fails(ImageUnusable))
        self.assertEqual(([3], {}), (self.fired(), self.service.images))

    def test_unusable_and_undeletable(self):
        """An image that cannot be deleted is named, even though another one succeeds."""
        self.fault(left("saving"), "PUT")
        self.fault(faults.status(403), "DELETE")
        self.upload()
        self.assertEqual([1, 1], self.fired())
        self.assertIn(f"0001' in {PLACE} is incomplete and could not be deleted",
                      "".join(map(str, self.ledger.messages)))  # fmt: skip

    def test_token_expires(self):
        """A token that is refused during an upload is renewed."""

        def expire(handler):
            handler.service.tokens = {"token-2"}
            return False

        self.fault(expire, "PUT")
        self.upload()
        self.assert_stored()
        self.assertEqual(([1], 2), (self.fired(), self.count("PUT")))

    def test_stalled(self):
        """A service that stops reading is given up in time, and the data are sent again."""
        self.data = self.client(timeout=0.3)
        self.fault(faults.stall(), "PUT")
        self.upload()
        self.assert_stored()
        self.assertEqual([1], self.fired())


class FailureTest(UploadCase):
    def test_inspection(self):
        """The reason for which data are refused is said, and the image is deleted."""
        self.fault(inspected, "PUT")
        text = self.assert_fails(ServiceError)
        self.assertIn("(Image content did not match 'qcow2')", text)
        self.assertIn(PLACE, text)
        self.assertEqual(([1], 1, {}), (self.fired(), self.count("PUT"), self.service.images))

    def test_inspection_and_undeletable(self):
        """An image that cannot be deleted is named."""
        self.fault(inspected, "PUT")
        self.fault(faults.status(403), "DELETE")
        text = self.assert_fails(ServiceError)
        self.assertIn("did not match", text)
        self.assertRegex(text, "0001' in .* could not be deleted")
        self.assertEqual([1, 1], self.fired())

    def test_refusals(self):
        """Each refusal is final, has its reason, and leaves nothing."""
        for status, kind, words in (
            (403, AccessDenied, "role"),
            (404, NotFound, "was deleted"),
            (410, NotFound, "was deleted"),
            (413, QuotaExceeded, "full"),
            (400, ServiceError, "too bad"),
        ):
            self.fault(refused(status, "too bad"), "PUT")
            text = self.assert_fails(kind)
            self.assertIn("(too bad)", text)
            self.assertIn(words, text)
            self.assertIn(PLACE, text)
            self.assertEqual({}, self.service.images)
        self.assertEqual(([1] * 5, 5), (self.fired(), self.count("PUT")))

    def test_quota_before_the_data(self):
        """A service that does not wait for the data is understood."""
        self.fault(faults.early_status(413), "PUT")
        self.assertIn("413", self.assert_fails(QuotaExceeded))
        self.assertEqual(([1], 1, {}), (self.fired(), self.count("PUT"), self.service.images))

    def test_another_writer(self):
        """An image that somebody else is writing is named, and not deleted."""
        self.fault(refused(409, "Not allowed in status saving"), "PUT")
        self.assertIn("0001", self.assert_fails(ServiceError))
        self.assertEqual(([1], 1), (self.fired(), len(self.service.images)))

    def test_deleted_meanwhile(self):
        """An image that is deleted during the upload is reported as such."""

        def delete(handler):
            handler.service.images.clear()
            return faults.reset(MIB)(handler)

        self.fault(delete, "PUT")
        self.assertIn("was deleted during the upload", self.assert_fails(NotFound))
        self.assertEqual([1], self.fired())

    def test_service_down(self):
        """After the last attempt the failure is reported, and the image is deleted."""
        self.fault(faults.status(503), "PUT", times=99)
        self.assertIn("503", self.assert_fails(ServiceError))
        self.assertEqual(([8], {}), (self.fired(), self.service.images))

    def test_source_changes(self):
        """A source that changes while it is sent never becomes an image."""

        class Changing(BytesSource):
            def verify_unchanged(self):
                raise SourceChanged("it changed")

        self.assertIn("it changed", self.assert_fails(SourceChanged, Changing(CONTENT)))
        self.assertEqual({}, self.service.images)
        self.assertNotIn(204, [put.status for put in self.service.requests("PUT")])

    def test_cancelled(self):
        """A cancelled upload leaves its image to the next run."""
        stop = threading.Event()

        def act(handler):
            stop.set()
            handler.service.released.wait(60)
            return True

        self.fault(act, "PUT")
        self.assertRaises(Cancelled, self.upload, stop=stop)
        self.assertEqual(([1], 1), (self.fired(), len(self.service.images)))
        self.upload()
        self.assert_stored()
        self.assertEqual(1, self.count("POST"))


class VerifyTest(UploadCase):
    def changed(self, **values):
        """Let the service describe the image otherwise after the upload."""

        def act(handler):
            handler.serve()
            (image,) = handler.service.images.values()
            image.update(values)
            return True

        self.fault(act, "PUT")

    def test_truncated(self):
        """An active image that has too few data is deleted."""

        def truncate(handler):
            handler.body = handler.read_body()[: 3 * MIB]
            return False

        self.fault(truncate, "PUT")
        text = self.assert_fails(IntegrityError)
        self.assertIn(f"it has {3 * MIB} bytes, and {len(CONTENT)} were sent", text)
        self.assertEqual(([1], {}), (self.fired(), self.service.images))

    def test_damaged(self):
        """An active image of the right size whose data are not those sent is deleted."""

        def damage(handler):
            handler.body = b"\1" + handler.read_body()[1:]
            return False

        self.fault(damage, "PUT")
        self.assertIn("its MD5 is", self.assert_fails(IntegrityError))
        self.assertEqual(([1], {}), (self.fired(), self.service.images))

    def test_each_hash(self):
        """Each hash that both sides have is compared; one is enough."""
        self.changed(checksum=None, os_hash_value="0" * 128)
        self.assertIn("its SHA512 is 0000", self.assert_fails(IntegrityError))
        self.changed(os_hash_algo="sha256", os_hash_value="0" * 64)
        self.upload()
        self.assertEqual(([1, 1], []), (self.fired(), self.ledger.messages))

    def test_no_hash(self):
        """If only the size can be compared, that is said."""
        self.changed(checksum=None, os_hash_algo="sha256", os_hash_value="0" * 64)
        self.upload()
        self.assertEqual([1], self.fired())
        (message,) = self.ledger.messages
        self.assertIn("only the size was compared", str(message))

    def test_converted(self):
        """An image that the service has converted is not compared, and that is said."""
        image = self.stored(b"other")
        said = []
        sent = self.data.upload(self.data.create(NEW).id, BytesSource(CONTENT), self.transfer())
        self.data.verify(image["id"], sent, said.append, "qcow2")
        self.assertIn("converted", str(said[0]))

    def test_not_active(self):
        """An image that was deactivated meanwhile is reported, and kept."""
        self.changed(status="deactivated")
        self.assertIn("its status is 'deactivated'", self.assert_fails(ServiceError))
        self.assertEqual(([1], 1), (self.fired(), len(self.service.images)))

    def test_undeletable(self):
        """A wrong image that cannot be deleted is named."""
        self.changed(size=1)
        self.fault(faults.status(403), "DELETE")
        self.assertRegex(self.assert_fails(IntegrityError), "0001' in .* could not be deleted")
        self.assertEqual([1, 1], self.fired())
