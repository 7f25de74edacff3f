# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import threading
import tracemalloc

import fixtures
import requests_mock
from oslotest import base

from rackspace_imagetasks.exceptions import AccessDenied, NotFound, QuotaExceeded, ServiceError
from rackspace_imagetasks.glance.images import ImageClient
from rackspace_imagetasks.glance.tasks import TaskClient
from rackspace_imagetasks.http._errors import innermost
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.profile import RACKSPACE
from tests.unit.glance.service import IMAGE, ImageService
from tests.unit.objects import faults
from tests.unit.objects.base import SwiftCase
from tests.unit.objects.swift import ACCOUNT

SERVICE = "object-store service in region 'DFW'"
BOMB = 200 * 1024**2


class ImageServiceCase(base.BaseTestCase):
    """A test against an image service, with waits that take no time."""

    def setUp(self):
        super().setUp()
        self.service = ImageService()
        self.addCleanup(self.service.close)
        self.waits = []
        self.messages = []

    def client(self, **options):
        return self.service.client(
            self.waits.append, notify=lambda message: self.messages.append(str(message)), **options
        )

    def assert_fired(self):
        self.assertEqual([0], sorted({fault.times for fault in self.service.faults}))


class TestTimeouts(ImageServiceCase):
    """A GET that times out three times and then is answered."""

    def setUp(self):
        super().setUp()
        self.service.fault(faults.stall(), "GET", times=3)
        client = self.client(timeout=0.2)
        self.images = ImageClient(client)
        self.tasks = TaskClient(client, RACKSPACE, threading.Event())

    def test_lookup_by_id(self):
        """Looking an image up by its ID survives it."""
        self.assertEqual("web", self.images.find(IMAGE["id"]).name)
        self.assert_fired()

    def test_lookup_by_name(self):
        """Looking an image up by its name survives it."""
        self.assertEqual(IMAGE["id"], self.images.find("web").id)
        self.assert_fired()

    def test_polling(self):
        """Waiting for a task survives it."""
        self.assertEqual("success", self.tasks.wait("task-1").status)
        self.assert_fired()

    def test_listing(self):
        """The search for an earlier task survives it."""
        found = self.tasks.find("export", lambda given: "image_uuid" in given, running=False)
        self.assertEqual("task-1", found.id)
        self.assert_fired()


class TestAnswers(ImageServiceCase):
    def read(self, **options):
        return self.client(**options).request("GET", f"images/{IMAGE['id']}", "read image 'web'")

    def answer(self, body, status=200, **headers):
        self.service.fault(faults.status(status, body, **headers), "GET", times=9)

    def test_compressed(self):
        """An answer that is compressed without being asked for is read all the same."""
        self.answer(gzip.compress(json.dumps(IMAGE).encode()), Content_Encoding="gzip")
        self.assertEqual(IMAGE, self.read().json_object())
        (request,) = self.service.log
        self.assertEqual("identity", request.headers["Accept-Encoding"])

    def test_compressed_in_another_way(self):
        """An encoding that cannot be read, or is broken, is an error that says so."""
        for encoding, body in (("br", b"x"), ("gzip", b"x"), ("gzip", gzip.compress(b"1234")[:-9])):
            self.service.faults.clear()
            self.answer(body, Content_Encoding=encoding)
            error = self.assertRaises(ServiceError, self.read)
            self.assertIn(
                "read image 'web': the response of the image service in region 'DFW'", str(error)
            )

    def test_too_long(self):
        """An answer is read up to a limit, and what it decompresses to costs little memory."""
        packed = gzip.compress(b" " * BOMB)
        for status in (200, 404):
            for body, headers in ((b" " * (17 << 20), {}), (packed, {"Content_Encoding": "gzip"})):
                self.service.faults.clear()
                self.answer(body, status, **headers)
                tracemalloc.start()
                self.addCleanup(tracemalloc.stop)
                error = self.assertRaises(ServiceError, self.read)
                self.assertIn("is longer than 16 MiB", str(error))
                self.assertLess(tracemalloc.get_traced_memory()[1], BOMB / 4)
                tracemalloc.stop()

    def test_trickle(self):
        """An answer whose bytes come one by one is given up, and requested again."""
        sent = []
        self.service.fault(faults.trickle(0.05, sent), "GET")
        self.assertEqual(IMAGE, self.read(answer_timeout=0.3).json_object())
        self.assertTrue(0 < len(sent) < len(json.dumps(IMAGE)) / 2, sent)
        self.assertEqual(2, len(self.service.log))

    def test_what_a_refusal_says(self):
        """The reason is found in JSON, one step below, and in plain text, but not in a page."""
        for body, kind, said in (
            (b'{"message": "No."}', "application/json", "400 Bad Request (No)."),
            (b'{"badRequest": {"message": "No."}}', "application/json", "400 Bad Request (No)."),
            (b"No\x1b way.", "text/plain", "400 Bad Request (No\ufffd way)."),
            (b"<html>No", "text/html", "400 Bad Request."),
            (b"[" * 9999, "application/json", "400 Bad Request (["),
        ):
            self.service.faults.clear()
            self.answer(body, 400, Content_Type=kind)
            error = self.assertRaises(ServiceError, self.read)
            self.assertIn(f"the image service in region 'DFW' returned {said}", str(error))
            self.assertEqual(400, error.status)

    def test_words_of_a_service(self):
        """413 means something else here than in an object store; 403 does for tasks."""
        self.answer(b"", 413)
        error = self.assertRaises(QuotaExceeded, self.read)
        self.assertIn("a limit of the image service is reached", str(error))
        self.service.faults.clear()
        self.answer(b"", 403)
        error = self.assertRaises(AccessDenied, self.read)
        self.assertNotIn("admin role", str(error))
        tasks = TaskClient(self.client(), RACKSPACE, threading.Event())
        error = self.assertRaises(AccessDenied, tasks.get, "task-1")
        self.assertIn("admin role", str(error))


class TestTokens(ImageServiceCase):
    def test_renewal(self):
        """A token that has expired is renewed, for images as well."""
        self.service.tokens = {"token-2"}
        self.assertEqual("web", ImageClient(self.client()).find("web").name)
        self.assertEqual([401, 200], [entry.status for entry in self.service.log])

    def test_a_task_is_created_with_a_new_token(self):
        """A POST that the service refused for its token is sent again."""
        self.service.tokens = {"token-2"}
        created = b'{"id": "task-1", "type": "export", "status": "pending"}'

        def create(handler):
            if handler.headers["X-Auth-Token"] == "token-1":
                return False
            return faults.status(201, created)(handler)

        self.service.fault(create, "POST", times=2)
        tasks = TaskClient(self.client(), RACKSPACE, threading.Event())
        self.assertEqual("task-1", tasks.create("export", {}).id)
        self.assertEqual([401, 201], [entry.status for entry in self.service.log])

    def test_the_endpoint_is_that_of_the_catalog(self):
        """No list of versions, which may point elsewhere, decides where the token goes."""
        self.assertEqual(f"{self.service.url}/v2", self.client().endpoint())
        self.assertEqual([], self.service.log)


class TestFirstErrors(SwiftCase):
    def test_a_failing_cleanup(self):
        """A request that fails while an error is handled fails for its own reason."""
        store = self.new_store(retries=0)
        self.swift.fault(faults.reset(), "DELETE")
        try:
            raise OSError(28, "No space left on device")
        except OSError as first:
            error = self.assertRaises(ServiceError, store.delete_object, ObjectName("c", "a"))
            self.assertNotIn("No space", str(error))
            self.assertRegex(str(error), "reset by peer|closed connection")
            self.assertIs(first, _context_of(error))

    def test_innermost(self):
        """Causes are followed to the first one, but not to what was handled before."""
        handled = ValueError("first")
        inner, outer = OSError("inner"), RuntimeError("outer")
        outer.__cause__, inner.__context__ = inner, handled
        self.assertIs(inner, innermost(outer, handled))
        self.assertIs(handled, innermost(outer, None))


def _context_of(error):
    while error.__context__ is not None:
        error = error.__context__
    return error


class TestListings(SwiftCase):
    def test_without_end(self):
        """A listing with ever new names ends after a number of pages, and says so."""
        pages = "rackspace_imagetasks.objects.store._MOST_PAGES"
        self.useFixture(fixtures.MonkeyPatch(pages, 20))

        def page(request, _context):
            number = int(request.qs.get("marker", ["-1"])[0]) + 1
            facts = {"bytes": 0, "hash": "", "last_modified": ""}
            return [{"name": f"{number:08d}", **facts}]

        with requests_mock.Mocker() as mocker:
            mocker.get(f"{self.swift.url}{ACCOUNT}/c", json=page)
            error = self.assertRaises(ServiceError, list, self.store.list_objects("c"))
            self.assertEqual(21, mocker.call_count)
        self.assertIn(
            "the response of the object-store service in region 'DFW' is an endless listing",
            str(error),
        )

    def test_names_that_are_none(self):
        """A name that is a number or a list is none."""
        for name in (5, ["a"], None):
            facts = {"bytes": 0, "hash": "", "last_modified": "", "name": name}
            self.swift.fault(faults.status(200, json.dumps([facts]).encode()), "GET")
            error = self.assertRaises(ServiceError, list, self.store.list_objects("c"))
            self.assertIn(
                "list container 'c': the response of the object-store service in region 'DFW'",
                str(error),
            )

    def test_absent(self):
        """404 is 'it does not exist', for each service."""
        error = self.assertRaises(NotFound, list, self.store.list_objects("c"))
        self.assertIn(
            "the object-store service in region 'DFW' returned 404 Not Found; it does not",
            str(error),
        )

    def test_no_place(self):
        """404 to a PUT does not claim that the resource should have existed."""
        error = self.assertRaises(NotFound, self.store.put_object, ObjectName("c", "a"), b"x")
        self.assertIn("404 Not Found; the resource or its container does not exist.", str(error))


class TestObjectAnswers(SwiftCase):
    """The limits of the image service's responses hold for the object store's as well."""

    def names(self, store=None):
        return [entry.name for entry in (store or self.store).list_objects("c")]

    def assert_fired(self, requests):
        self.assertEqual([0], sorted({fault.times for fault in self.swift.faults}))
        self.assertEqual(requests, len(self.swift.requests("GET")))

    def test_too_long(self):
        """A listing is read up to a limit, compressed or not."""
        limit = "rackspace_imagetasks.objects.store._PAGE_SIZE"
        self.useFixture(fixtures.MonkeyPatch(limit, 2 << 20))
        packed = gzip.compress(b" " * BOMB)
        for body, headers in ((b" " * (3 << 20), {}), (packed, {"Content_Encoding": "gzip"})):
            self.swift.fault(faults.status(200, body, **headers), "GET")
            error = self.assertRaises(ServiceError, self.names)
            expected = f"list container 'c': the response of the {SERVICE} is longer than 2 "
            self.assertIn(expected, str(error))
        self.assert_fired(2)

    def test_trickle(self):
        """A listing whose bytes come one by one is given up, and requested again."""
        self.useFixture(fixtures.MonkeyPatch("rackspace_imagetasks.http._pools._PATIENCE", 0.3))
        self.swift.put("c", "a", b"")
        sent = []
        self.swift.fault(faults.trickle(0.05, sent), "GET")
        self.assertEqual(["a"], self.names())
        self.assertTrue(0 < len(sent) < 60, len(sent))
        self.assert_fired(3)

    def test_stall(self):
        """So is one that never comes."""
        self.swift.put("c", "a", b"")
        self.swift.fault(faults.stall(), "GET")
        self.assertEqual(["a"], self.names(self.new_store(read_timeout=0.3)))
        self.assert_fired(3)

    def test_retry_after(self):
        """A long delay that the service asks for is announced, and capped."""
        messages = []
        self.swift.put("c", "a", b"")
        self.swift.fault(faults.status(429, Retry_After="86400"), "GET")
        self.names(self.new_store(notify=lambda message: messages.append(str(message))))
        self.assertEqual(300, sum(self.waits))
        (message,) = messages
        self.assertIn(
            "Cannot list container 'c': the object-store service in region 'DFW' returned 429",
            message,
        )
        self.assertIn("asks for a delay of 86400 s. Retrying in 300 s.", message)
        self.assert_fired(3)

    def test_wrong_shapes(self):
        """A response of another shape is an error that names the service, request and shape."""
        for body, problem in (
            (b'{"objects": 5}', "is not a listing"),
            (b'["x"]', "is not a listing"),
            (b"null", "is not a listing"),
            (b"[" * 99999, "is JSON that is nested too deeply"),
            (b"x", "is not JSON: x"),
        ):
            self.swift.fault(faults.status(200, body), "GET")
            error = self.assertRaises(ServiceError, self.names)
            expected = f"Cannot list container 'c': the response of the {SERVICE} {problem}."
            self.assertEqual(expected, str(error))
        self.assert_fired(5)
