# SPDX-License-Identifier: Apache-2.0
"""Images whose data the service downloads by itself."""

import logging
import threading
import traceback

import fixtures

from rackspace_imagetasks.exceptions import (
    AccessDenied,
    Cancelled,
    NotFound,
    QuotaExceeded,
    ServiceError,
)
from rackspace_imagetasks.glance.data import NewImage
from rackspace_imagetasks.glance.web_download import DownloadFailed, WebDownload, import_methods
from rackspace_imagetasks.objects.tempurl import SecretUrl
from tests.unit.glance.dataservice import MARK, PLACE, DataCase, refused
from tests.unit.objects import faults

ADDRESS = "http://objects.test/v1/AUTH_a/c/o?temp_url_sig=s3cret&temp_url_expires=9"
URL = SecretUrl(ADDRESS)
IMPORTING = {"status": "importing", "os_glance_importing_to_stores": "fs"}
ACTIVE = {"status": "active", "os_glance_importing_to_stores": "", "os_glance_failed_import": ""}
FAILED = {
    "status": "queued", "os_glance_importing_to_stores": "", "os_glance_failed_import": "fs",
}  # fmt: skip
TASK_FAILED = {"id": "1", "status": "failure", "message": "Task failed due to Internal Error"}


class MethodsTest(DataCase):
    def test_listed(self):
        """The methods are those that the service lists."""
        found = import_methods(self.data.client)
        self.assertEqual({"glance-direct", "web-download"}, found)

    def test_old_service(self):
        """A service that does not know the request has no methods."""
        self.fault(faults.status(404), "GET", "info/import")
        self.assertEqual(frozenset(), import_methods(self.data.client))
        self.assertEqual([1], self.fired())

    def test_wrong_shape(self):
        """A response of another shape is an error."""
        self.service.methods = "web-download"
        self.assertRaises(ServiceError, import_methods, self.data.client)


class WebDownloadTest(DataCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        self.image_id = self.data.create(NewImage("temporary", "qcow2", MARK)).id
        self.seen = []

    def download(self, *changes, data=None, timeout=600):
        """Download while the image changes step by step."""
        self.service.changes = list(changes)
        download = WebDownload(data or self.data, clock=lambda: sum(self.waits))
        return download.run(
            self.image_id, URL, timeout, lambda image: self.seen.append(image.status)
        )

    def assert_fails(self, kind, *changes, **options):
        """Check that the download fails without showing the URL, and return the message."""
        error = self.assertRaises(kind, self.download, *changes, **options)
        shown = "".join(traceback.format_exception(error)) + self.log.output + repr(error)
        for secret in ("s3cret", "temp_url", "objects.test"):
            self.assertNotIn(secret, shown)
        return str(error)

    def test_success(self):
        """The image is polled until it is active; at first it is still queued."""
        image = self.download({}, {}, IMPORTING, IMPORTING, ACTIVE)
        self.assertEqual("active", image.status)
        self.assertEqual(["queued"] * 2 + ["importing"] * 2 + ["active"], self.seen)
        method = {"name": "web-download", "uri": ADDRESS}
        self.assertEqual([{"method": method}], self.service.imports)
        self.assertNotIn("s3cret", self.log.output)

    def test_locked(self):
        """An image can be changed once its import has ended, which the service shows by a lock."""
        locked = {**ACTIVE, "os_glance_import_task": "1"}
        unlocked = {**ACTIVE, "os_glance_import_task": None}
        image = self.download(
            {**IMPORTING, **locked, "status": "importing"}, locked, locked, unlocked
        )
        self.assertFalse(image.properties.get("os_glance_import_task"))

    def test_locked_for_ever(self):
        """The lock of a service that was killed is ignored after some time."""
        image = self.download(*[{**ACTIVE, "os_glance_import_task": "1"}] * 2)
        self.assertEqual("active", image.status)
        self.assertGreater(sum(self.waits), 30)

    def test_poll_interval(self):
        """The first requests for the state follow each other faster than the later ones."""
        self.service.changes = [IMPORTING] * 4 + [ACTIVE]
        WebDownload(self.data, poll_interval=0.6).follow(self.image_id, 600)
        self.assertAlmostEqual(0.25 + 0.5 + 0.6 + 0.6, sum(self.waits))

    def test_follow(self):
        """A download that another run has started is followed, and not started again."""
        self.service.changes = [IMPORTING, IMPORTING, ACTIVE]
        image = WebDownload(self.data).follow(self.image_id, 600)
        self.assertEqual("active", image.status)
        self.assertEqual([], self.service.imports)

    def test_follow_failure(self):
        """If that download fails, the image is deleted."""
        self.service.changes = [IMPORTING, FAILED]
        download = WebDownload(self.data)
        self.assertRaises(DownloadFailed, download.follow, self.image_id, 600)
        self.assertEqual({}, self.service.images)

    def test_failure(self):
        """An import that failed is an error, and the image is deleted."""
        self.service.tasks = [TASK_FAILED]
        text = self.assert_fails(DownloadFailed, IMPORTING | {"status": "queued"}, FAILED)
        self.assertIn("Task failed due to Internal Error", text)
        self.assertIn(PLACE, text)
        self.assertEqual({}, self.service.images)

    def test_queued_again(self):
        """An image that is queued again has failed, even if the service does not say so."""
        text = self.assert_fails(DownloadFailed, {}, IMPORTING, FAILED | {
            "os_glance_failed_import": ""
        })  # fmt: skip
        self.assertIn("does not say why", text)
        self.assertEqual({}, self.service.images)

    def test_task_failed(self):
        """A failed task ends the wait for an image that remains `importing`."""
        self.service.tasks = [TASK_FAILED]
        self.assert_fails(DownloadFailed, IMPORTING)
        self.assertEqual(["importing"], self.seen)

    def test_never_begins(self):
        """An import that has not begun after a minute has failed."""
        self.assert_fails(DownloadFailed)
        self.assertGreater(sum(self.waits), 60)
        self.assertLess(sum(self.waits), 70)

    def test_timeout(self):
        """An import that does not end is given up, and the image is deleted."""
        text = self.assert_fails(DownloadFailed, IMPORTING, timeout=20)
        self.assertIn("it was not complete after 20 s", text)
        self.assertLess(sum(self.waits), 23)
        self.assertEqual({}, self.service.images)

    def test_undeletable(self):
        """An image that cannot be deleted is named."""
        self.fault(faults.status(409), "DELETE")
        text = self.assert_fails(DownloadFailed, FAILED)
        self.assertIn("0001' in region", text)
        self.assertIn("could not be deleted", text)
        self.assertEqual([1], self.fired())

    def test_deleted(self):
        """An image that is deleted meanwhile is reported as such."""
        self.fault(refused(404, "No image"), "GET", self.image_id)
        text = self.assert_fails(NotFound, IMPORTING)
        self.assertIn("was deleted during the import", text)
        self.assertEqual([1], self.fired())

    def test_other_status(self):
        """An image in another state cannot become active."""
        self.assertIn("'deactivated'", self.assert_fails(DownloadFailed, {"status": "deactivated"}))

    def test_refused(self):
        """A refusal is final; a URL that it quotes is not shown."""
        for status, kind in ((400, ServiceError), (403, AccessDenied), (413, QuotaExceeded)):
            self.image_id = self.data.create(NewImage("temporary", "qcow2", MARK)).id
            reason = f"URI for web-download does not pass filtering: {ADDRESS}"
            self.fault(refused(status, reason), "POST", "/import")
            text = self.assert_fails(kind)
            self.assertIn("does not pass filtering: the URL)", text)
            self.assertEqual({}, self.service.images)
        self.assertEqual([1, 1, 1], self.fired())

    def test_task_quotes_the_url(self):
        """A URL in a task's message is not shown."""
        self.service.tasks = [TASK_FAILED | {"message": f"Cannot open {ADDRESS}: 401"}]
        self.assertIn("Cannot open the URL", self.assert_fails(DownloadFailed, FAILED))

    def test_response_is_lost(self):
        """If it is uncertain whether the import began, the image tells."""
        self.fault(faults.reset_after_body(), "POST", "/import")
        self.download({}, IMPORTING, ACTIVE)
        self.assertEqual(([1], 1), (self.fired(), len(self.service.imports)))

    def test_polls_fail(self):
        """Polls that fail for some minutes do not end the wait; for ever, they do."""
        self.fault(faults.status(503), "GET", self.image_id, times=30)
        self.download(IMPORTING, ACTIVE)
        self.assertEqual([30], self.fired())
        self.service.images[self.image_id]["status"] = "queued"
        self.fault(faults.status(503), "GET", self.image_id, times=999)
        self.assertIn("503", self.assert_fails(ServiceError))
        self.assertEqual([30, 88], self.fired())

    def test_tasks_are_not_listed(self):
        """A service that does not list an image's tasks is believed what the image says."""
        self.fault(faults.status(404), "GET", "/tasks")
        self.fault(faults.status(403), "GET", "/tasks")
        self.download(IMPORTING, IMPORTING, ACTIVE)
        self.assertEqual([1, 1], self.fired())

    def test_cancelled(self):
        """A cancelled wait leaves the image, which the service completes."""
        stop = threading.Event()

        def cancel(_handler):
            stop.set()
            return False

        self.fault(cancel, "GET", self.image_id)
        self.assert_fails(Cancelled, IMPORTING, data=self.data.until(stop))
        self.assertEqual(([1], [self.image_id]), (self.fired(), list(self.service.images)))
