# SPDX-License-Identifier: Apache-2.0
import socket
import threading

import fixtures
from oslotest import base
from urllib3.util import connection

from rackspace_imagetasks.exceptions import AccessDenied, ServiceError
from rackspace_imagetasks.http import _waits as waits
from rackspace_imagetasks.http._request import WatchedBody
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.notices import Notices
from rackspace_imagetasks.objects._body import Body
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.progress import SilentPhase
from rackspace_imagetasks.threads import in_parallel
from tests.unit.http.test_client import ImageServiceCase
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, NAME, SwiftCase, noise
from tests.unit.objects.swift import ACCOUNT
from tests.unit.sockets import adapter_for

SERVICE = "object-store service in region 'DFW'"
NO_LIMIT = RateLimit(None)


class Clock(fixtures.Fixture):
    """A clock for the waits that are reported, which tests advance.

    :ivar for_data: set while a thread waits for data.
    """

    now = 0.0

    def _setUp(self):  # noqa: N802
        self.for_data = threading.Event()
        self.waits = waits.Waits(lambda: self.now)
        add = self.waits._add

        def note(wait):
            add(wait)
            if wait._missing.startswith("data"):
                self.for_data.set()

        self.waits._add = note
        self.useFixture(fixtures.MonkeyPatch("rackspace_imagetasks.http.notices.WAITS", self.waits))

    def advance(self, seconds):
        """Let time pass, and what takes long be reported."""
        self.now += seconds
        self.waits.check()


class SlowConnections(fixtures.Fixture):
    """Connections that take seconds on a clock, and fail if an error is given.

    :ivar seconds: how many the next one takes.
    :ivar count: how many were tried.
    """

    def __init__(self, clock, seconds, error=None):
        self._clock = clock
        self.seconds = seconds
        self._error = error
        self._connect = connection.create_connection
        self.count = 0

    def _setUp(self):  # noqa: N802
        path = "urllib3.util.connection.create_connection"
        self.useFixture(fixtures.MonkeyPatch(path, self._slow))

    def _slow(self, *args, **options):
        self.count += 1
        self._clock.advance(self.seconds)
        if self._error:
            raise self._error
        return self._connect(*args, **options)


class TestRetries(ImageServiceCase):
    def read(self):
        return self.client().request("GET", "images", "list the images")

    def test_retry_after(self):
        """A long wait is announced, with its reason; a longer one than is kept is named."""
        self.service.fault(faults.status(503, Retry_After="86400"), "GET")
        self.read()
        (message,) = self.messages
        self.assertIn(
            "Cannot list the images: the image service in region 'DFW' returned 503", message
        )
        self.assertIn("asks for a delay of 86400 s. Retrying in 300 s.", message)
        self.assertEqual(300, sum(self.waits))
        self.assert_fired()

    def test_short_waits(self):
        """A fault that passes at once is not worth a message."""
        self.service.fault(faults.status(503), "GET")
        self.service.fault(faults.reset(), "GET")
        self.read()
        self.assert_fired()
        self.assertEqual([], self.messages)

    def test_unreachable(self):
        """A service that cannot be reached is named, with its address, before the first retry."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        store = ObjectStore(
            adapter_for(url + ACCOUNT, "object-store"),
            retries=2,
            sleep=lambda _seconds: said.append(len(self.messages)),
            notify=lambda message: self.messages.append(str(message)),
        )
        said = []
        error = self.assertRaises(ServiceError, store.create_container, "c")
        self.assertIn(
            "the object-store service in region 'DFW' did not respond: Connection refused",
            str(error),
        )
        self.assertEqual(1, said[0])
        self.assertIn(f"The endpoint is {url}{ACCOUNT}.", self.messages[0])
        self.assertIn(f"\nThe endpoint is {url}{ACCOUNT}. Check the network", str(error))

    def test_slow_failures(self):
        """A retry at once is announced if the attempts before it took long."""
        clock = self.useFixture(Clock())
        for seconds in (1, 19):
            self.service.fault(self.slow_failure(clock, seconds), "GET")
            self.read()
        self.assert_fired()
        (message,) = self.messages
        self.assertIn("returned 503 Service Unavailable. Retrying in 1 s.", message)

    def slow_failure(self, clock, seconds):
        def fail(handler):
            clock.advance(seconds)
            return faults.status(503)(handler)

        return fail

    def test_said_once(self):
        """Threads that retry for the same reason say so once in a while."""
        clock = self.useFixture(Clock())
        notices = Notices(lambda message: self.messages.append(str(message)))
        for seconds in (0, 1, 6, 2):
            clock.advance(seconds)
            notices.retrying("It failed.", 1, 0, endpoint="http://h", retry_after=None)
        self.assertEqual(2, len(self.messages))


class TestSilence(ImageServiceCase):
    """A wait for the image service that takes long."""

    def setUp(self):
        super().setUp()
        self.clock = self.useFixture(Clock())

    def read(self, fault):
        self.service.fault(faults.first(fault), "GET")
        self.client().request("GET", "images", "list the images")
        self.assert_fired()

    def test_no_response(self):
        """It is reported with the request, and again as long as it lasts."""
        self.read(lambda _handler: [self.clock.advance(seconds) for seconds in (19, 2, 10, 10)])
        expected = (
            "Still waiting for a response from the image service in region 'DFW' to list the images"
        )
        self.assertEqual([f"{expected} (21 s).", f"{expected} (41 s)."], self.messages)

    def test_response_in_time(self):
        """A response within 20 seconds is not reported, nor one that has arrived."""
        self.read(lambda _handler: self.clock.advance(19))
        self.clock.advance(100)
        self.assertEqual([], self.messages)


class TestConnecting(ImageServiceCase):
    """A connection that takes long."""

    def setUp(self):
        super().setUp()
        self.clock = self.useFixture(Clock())
        self.expected = f"Connecting to {self.service.url} (the image service in region 'DFW')..."

    def slow(self, seconds, error=None):
        return self.useFixture(SlowConnections(self.clock, seconds, error))

    def read(self):
        self.client().request("GET", "images", "list the images")

    def test_endpoint(self):
        """It is reported after 2 seconds, with the scheme, host and port, but not the path."""
        connections = self.slow(2)
        self.read()
        self.assertEqual((1, [self.expected]), (connections.count, self.messages))

    def test_in_time(self):
        """A connection within 2 seconds is not reported, nor is a response that comes later."""
        connections = self.slow(1)
        self.service.fault(faults.first(lambda _handler: self.clock.advance(18)), "GET")
        self.read()
        self.assert_fired()
        self.assertEqual((1, []), (connections.count, self.messages))

    def test_look_for_a_refusal(self):
        """So is the connection for the request that asks why an upload broke."""
        connections = self.slow(0)

        def slow_down(handler):
            connections.seconds = 2
            return faults.reset()(handler)

        self.service.fault(slow_down, "PUT")
        self.service.fault(faults.status(403), "HEAD")
        body = Body(lambda: [b"x"], 1, Meter(SilentPhase(), Cancellation(), NO_LIMIT))
        words = ("PUT", "images", "write an image")
        self.assertRaises(AccessDenied, self.client().request, *words, body=body, probe="images")
        self.assert_fired()
        self.assertEqual((2, [self.expected]), (connections.count, self.messages))

    def test_retries(self):
        """Retries do not repeat it."""
        connections = self.slow(3, TimeoutError("timed out"))
        self.assertRaises(ServiceError, self.read)
        self.assertLess(1, connections.count)
        self.assertEqual(1, self.messages.count(self.expected))
        self.assertEqual(self.expected, self.messages[0])

    def test_secrets(self):
        """A password or a signature in a URL is not told."""
        notices = Notices(lambda message: self.messages.append(str(message)))
        url = "https://user:secret@[::1]:8443/v1/a?temp_url_sig=secret"
        with notices.waiting("data", "service", "read it", lambda: url), waits.connecting():
            self.clock.advance(2)
        self.assertEqual(["Connecting to https://[::1]:8443 (the service)..."], self.messages)


class TestTransfers(SwiftCase):
    """A transfer whose connection is silent."""

    def setUp(self):
        super().setUp()
        self.clock = self.useFixture(Clock())
        self.messages = []
        self.store = self.new_store(notify=lambda message: self.messages.append(str(message)))
        self.store.create_container(NAME.container)

    def assert_reported(self, *messages):
        self.assertEqual(list(messages), self.messages)
        self.assertEqual([0], sorted({fault.times for fault in self.swift.faults}))

    def test_download(self):
        """A download without data is reported."""
        self.store.put_object(NAME, noise(MIB))

        def silent(handler):
            proper = handler.answer

            def answer(code, headers=None, body=b""):
                handler.answer = proper
                proper(code, {**headers, "Content-Length": str(len(body))}, body[:1])
                handler.wfile.flush()
                self.assertTrue(self.clock.for_data.wait(30))
                self.clock.advance(21)
                handler.wfile.write(body[1:])

            handler.answer = answer

        self.swift.fault(faults.first(silent), "GET")
        self.assertEqual(MIB, sum(map(len, self.store.get_range(NAME, 0, MIB))))
        self.assert_reported(
            f"Still waiting for data from the {SERVICE} to read object '{NAME}' (21 s)."
        )

    def test_retries_of_a_download(self):
        """A download that breaks again and again says why it waits."""
        self.store.put_object(NAME, noise(MIB))
        self.swift.fault(faults.cut(0), "GET", times=6)
        self.assertEqual(MIB, sum(map(len, self.store.get_range(NAME, 0, MIB))))
        expected = (
            f"Cannot read object '{NAME}': the connection to the {SERVICE} broke at byte 0."
            " Retrying in "
        )
        self.assertEqual({expected}, {m[: len(expected)] for m in self.messages})
        self.assertEqual([0], sorted({fault.times for fault in self.swift.faults}))

    def test_upload(self):
        """An upload whose own data is missing does not blame the service."""

        def chunks():
            self.clock.advance(21)
            yield b"x"

        self.store.put_object(NAME, Body(chunks, 1, Meter(SilentPhase(), Cancellation(), NO_LIMIT)))
        self.assertEqual(
            [f"Still waiting for data to write object '{NAME}' (21 s)."], self.messages
        )

    def test_response_to_an_upload(self):
        """It blames the service while that takes a chunk, and after the last one."""
        with self.clock.waits.waiting("a", lambda *_told: True) as wait:
            missing = [wait._missing for _chunk in WatchedBody([b"x", b"y"], wait, "a response")]
            self.assertEqual(["a response"] * 3, [*missing, wait._missing])

    def test_waits_that_end(self):
        """Nothing is waited for after a request, even if it failed."""
        self.swift.fault(faults.status(403), "GET")
        self.assertRaises(AccessDenied, list, self.store.list_objects(NAME.container))
        self.assertEqual([], self.clock.waits._waiting)


class TestWaits(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.clock = self.useFixture(Clock())
        self.said = []

    def waiting(self, missing):
        return self.clock.waits.waiting(missing, lambda *told: self.said.append(told) is None)

    def test_inner_wait(self):
        """Only the innermost of the waits of a thread is reported, and the outer one afterwards."""
        with self.waiting("outer"):
            self.clock.advance(15)
            with self.waiting("inner"):
                self.clock.advance(20)
            self.clock.advance(19)
            self.clock.advance(1)
        self.assertEqual([("inner", 20), ("outer", 20)], self.said)

    def test_report_that_fails(self):
        """A report that cannot be shown does not keep others from being reported."""
        with self.clock.waits.waiting("a", lambda *_told: 1 / 0):
            in_parallel(lambda _item: self.report_one(), [1], 1, threading.Event())
        self.assertEqual([("b", 20)], self.said)

    def report_one(self):
        with self.waiting("b"):
            self.clock.advance(20)

    def test_thread(self):
        """Waits are reported without anyone's help."""
        self.useFixture(fixtures.MonkeyPatch("rackspace_imagetasks.http._waits._CHECK_INTERVAL", 0))
        self.useFixture(fixtures.MonkeyPatch("rackspace_imagetasks.http._waits.SILENCE", 0))
        reported = threading.Event()
        with waits.Waits().waiting("a", lambda *_told: reported.set() is None):
            self.assertTrue(reported.wait(30))
