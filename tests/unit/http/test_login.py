# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import threading
import tracemalloc

from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import generic, v3
from keystoneauth1.session import Session

from rackspace_imagetasks.exceptions import AccessDenied, Cancelled, ServiceError
from tests.unit.glance import service
from tests.unit.http.test_client import BOMB, ImageServiceCase
from tests.unit.http.test_notices import Clock, SlowConnections
from tests.unit.objects import faults

LOGIN = "v3/auth/tokens"
CREDENTIALS = {"username": "u", "password": "p", "project_id": "acme"}
CREDENTIALS |= {"user_domain_id": "default"}


class Handler(service.Handler):
    def serve(self) -> None:
        self.read_body()
        root = self.service.url
        if self.target == LOGIN:
            endpoint = {"interface": "public", "region": "DFW", "region_id": "DFW", "url": root}
            catalog = [{"type": "image", "name": "glance", "id": "1", "endpoints": [endpoint]}]
            token = {"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": catalog}
            token |= {"methods": ["password"], "issued_at": "2000-01-01T00:00:00.000000Z"}
            token |= {"user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}}
            token |= {"project": {**token["user"], "id": "acme"}}
            headers = {"X-Subject-Token": "token-1", "Content-Type": "application/json"}
            self.answer(201, headers, json.dumps({"token": token}).encode())
        elif not self.target:
            links = [{"rel": "self", "href": f"{root}/v3/"}]
            versions = [{"id": "v3.14", "status": "stable", "links": links}]
            self.answer(300, {}, json.dumps({"versions": {"values": versions}}).encode())
        else:
            super().serve()


class Cloud(service.ImageService):
    """An image service, and the identity service with its catalog."""

    handler = Handler

    plugin = staticmethod(lambda url: v3.Password(f"{url}/v3", **CREDENTIALS))

    def adapter(self) -> Adapter:
        session = Session(auth=self.plugin(self.url))
        session.session.trust_env = False
        return Adapter(session, service_type="image", region_name="DFW")


class LoginCase(ImageServiceCase):
    """A login whose requests fail before the request that needs it."""

    def setUp(self):
        super().setUp()
        self.service.close()
        self.service = Cloud()
        self.addCleanup(self.service.close)

    def read(self, **options):
        return self.client(**options).request("GET", "images", "list the images")

    def assert_logins(self, count):
        self.assert_fired()
        self.assertEqual(count, len(self.service.requests("POST", LOGIN)))


class TestFaults(LoginCase):
    def test_transient_statuses(self):
        """They are retried."""
        for code in (429, 500, 503):
            self.service.fault(faults.status(code), "POST")
        self.read()
        self.assert_logins(4)

    def test_broken_connection(self):
        """So is a connection that breaks."""
        self.service.fault(faults.reset(), "POST")
        self.service.fault(faults.cut(5), "POST")
        self.read()
        self.assert_logins(3)

    def test_stall(self):
        """So is one without a response, for which keystoneauth would wait without end."""
        self.service.fault(faults.stall(), "POST")
        self.read(timeout=0.3)
        self.assert_logins(2)

    def test_trickle(self):
        """So is one whose response arrives too slowly."""
        sent = []
        self.service.fault(faults.trickle(0.05, sent), "POST")
        self.read(answer_timeout=0.3)
        self.assert_logins(2)
        self.assertTrue(0 < len(sent) < 100, len(sent))

    def test_discovery(self):
        """So is the look at the versions of the identity service, in which nothing is refused."""
        self.service.plugin = lambda url: generic.Password(url, **CREDENTIALS)
        self.service.fault(faults.status(503), "GET")
        self.service.fault(faults.reset(), "GET")
        self.read()
        self.assert_logins(1)

    def test_a_task_is_created_after_a_failed_login(self):
        """A request that is not idempotent is sent, once, after a login that broke."""
        self.service.fault(faults.reset(), "POST", LOGIN)
        self.service.fault(faults.status(201, b"{}"), "POST", "v2/tasks")
        self.client().send_once("tasks", "create a task", b"{}", {})
        self.assert_logins(2)
        self.assertEqual(1, len(self.service.requests("POST", "v2/tasks")))

    def test_last_failure(self):
        """The failure names the identity service."""
        self.service.fault(faults.status(500), "POST", times=8)
        error = self.assertRaises(ServiceError, self.read)
        expected = "Cannot list the images: the identity service for region 'DFW' returned 500"
        self.assertEqual(f"{expected} Internal Server Error.", str(error))
        self.assert_logins(8)

    def test_lasting_failures(self):
        """Refused credentials, and a response that is no token, are not tried again."""
        for code, expected in ((401, AccessDenied), (400, AccessDenied), (404, ServiceError)):
            self.service.fault(faults.status(code), "POST")
            self.assertRaises(expected, self.read)
        self.service.fault(faults.status(201, b"[]"), "POST")
        error = self.assertRaises(ServiceError, self.read)
        self.assertIn("Cannot list the images: the login for region 'DFW' failed: ", str(error))
        self.assert_logins(4)

    def test_size(self):
        """A response is read up to a limit, compressed or not."""
        packed = gzip.compress(b" " * BOMB)
        for body, headers in ((b" " * (17 << 20), {}), (packed, {"Content_Encoding": "gzip"})):
            self.service.fault(faults.status(201, body, **headers), "POST")
            tracemalloc.start()
            self.addCleanup(tracemalloc.stop)
            error = self.assertRaises(ServiceError, self.read)
            self.assertIn("the response of the identity service is longer than 16 MiB", str(error))
            self.assertLess(tracemalloc.get_traced_memory()[1], BOMB / 4)
            tracemalloc.stop()
        self.assert_logins(2)


class TestWaits(LoginCase):
    def test_retry_after(self):
        """A long delay is announced, and capped."""
        self.service.fault(faults.status(503, Retry_After="86400"), "POST")
        self.read()
        (message,) = self.messages
        self.assertIn(
            "the identity service for region 'DFW' returned 503 Service Unavailable. The", message
        )
        self.assertIn("asks for a delay of 86400 s. Retrying in 300 s.", message)
        self.assertEqual(300, sum(self.waits))
        self.assert_logins(2)

    def test_silence(self):
        """A login that takes long is reported, and not the request that needs it."""
        clock = self.useFixture(Clock())
        self.service.fault(faults.first(lambda _handler: clock.advance(21)), "POST")
        self.read()
        expected = "Still waiting for a response from the identity service to log in (21 s)."
        self.assertEqual([expected], self.messages)
        self.assert_logins(1)

    def test_connecting(self):
        """The endpoint of a login is named if there is no connection to it soon."""
        self.assert_connecting(lambda client: client)

    def test_connecting_in_a_thread(self):
        """So it is in a client that can be cancelled, in which a thread of its own logs in."""
        self.assert_connecting(lambda client: client.until(threading.Event()))

    def assert_connecting(self, prepare):
        connections = self.useFixture(SlowConnections(self.useFixture(Clock()), 3))
        prepare(self.client()).request("GET", "images", "list the images")
        expected = f"Connecting to {self.service.url} (the identity service)..."
        self.assertEqual([expected], self.messages)
        self.assertEqual(1, connections.count)
        self.assertEqual(1, len(self.service.requests("POST", LOGIN)))

    def test_cancelled(self):
        """A login ends when the work is cancelled, and another one is possible."""
        abort = threading.Event()

        def stall(handler):
            abort.set()
            return faults.stall()(handler)

        self.service.fault(stall, "POST")
        client = self.client(timeout=60)
        cancelled = client.until(abort)
        self.assertRaises(Cancelled, cancelled.request, "GET", "images", "list the images")
        client.request("GET", "images", "list the images")
        self.assert_logins(2)
