# SPDX-License-Identifier: Apache-2.0
import json
import socket
from pathlib import Path

import fixtures
from oslotest import base
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Request, Response

from devcloud.faults import Asked, Rule, inject
from devcloud.middleware import accesslog, faults
from devcloud.middleware.rulebook import RuleBook
from devcloud.tests.unit.test_config import plan

CONTENT = b"0123456789"


@Request.application
def echo(request):
    """Respond with the body of the request, or with CONTENT."""
    return Response(request.get_data() or CONTENT)


class FaultCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.plan = plan(self.useFixture(fixtures.TempDir()).path)
        self.plan.save()
        directory = self.plan.faults_dir("DFW", "swift")
        directory.mkdir(parents=True)
        self.book = RuleBook(directory)

    def inject(self, *rules):
        injection = inject(self.plan.root, "DFW", *rules)
        injected = injection.__enter__()
        self.addCleanup(injection.__exit__, None, None, None)
        return injected


class TestRules(FaultCase):
    def test_times(self):
        """A rule is used up after `times` requests, and its uses are counted."""
        injected = self.inject(Rule("PUT", "/a", times=2), Rule("PUT", "/b", times=None))
        applied = [self.book.apply(Asked("PUT", "/x/a")) is not None for _ in range(3)]
        self.assertEqual([True, True, False], applied)
        self.assertEqual([2, 0], injected.fired())

    def test_skip(self):
        """The first matching requests can be skipped."""
        self.inject(Rule(skip=1, times=1))
        applied = [self.book.apply(Asked("GET", "/")) is not None for _ in range(3)]
        self.assertEqual([False, True, False], applied)

    def test_chance(self):
        """A rule with a chance applies to some of the requests, and leaves the rest to the next."""
        never = Rule(chance=0.0, times=None)
        sometimes, otherwise = Rule(chance=0.5, times=None), Rule(times=None)
        injected = self.inject(never, sometimes, otherwise)
        for _ in range(200):
            self.book.apply(Asked("GET", "/"))
        none, some, rest = injected.fired()
        self.assertEqual((0, 200), (none, some + rest))
        self.assertTrue(some and rest)

    def test_match(self):
        """Method, decoded path and query must all match."""
        rule = Rule("GET", r"/ü b$", r"limit=1")
        self.assertTrue(rule.matches(Asked("GET", "/v1/ü b", "limit=1")))
        self.assertFalse(rule.matches(Asked("HEAD", "/v1/ü b", "limit=1")))
        self.assertFalse(rule.matches(Asked("GET", "/v1/ü b/", "limit=1")))
        self.assertFalse(rule.matches(Asked("GET", "/v1/ü b", "limit=2")))

    def test_match_range(self):
        """A rule can be for requests with a range only."""
        rule = Rule(range="bytes=0-")
        self.assertTrue(rule.matches(Asked("GET", "/", range="bytes=0-99")))
        self.assertFalse(rule.matches(Asked("GET", "/", range="bytes=100-199")))
        self.assertFalse(rule.matches(Asked("GET", "/")))

    def test_removed(self):
        """Rules apply until the end of the block, and leave no file."""
        with inject(self.plan.root, "DFW", Rule(times=None)) as injected:
            self.assertIsNotNone(self.book.apply(Asked("GET", "/")))
        self.assertIsNone(self.book.apply(Asked("GET", "/")))
        self.assertEqual([], list(self.plan.faults_dir("DFW", "swift").iterdir()))
        self.assertEqual([1], injected.fired())

    def test_several_sets(self):
        """The rules of two tests do not interfere with each other."""
        one, two = self.inject(Rule(path="/one")), self.inject(Rule(path="/two"))
        self.book.apply(Asked("GET", "/two"))
        self.assertEqual(([0], [1]), (one.fired(), two.fired()))


class TestFilter(FaultCase):
    def setUp(self):
        super().setUp()
        self.log = Path(self.plan.root) / "access.log"
        self.app = accesslog.AccessLog(faults.Faults(echo, self.book), self.log)
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def send(self, **request):
        environ = EnvironBuilder(**request).get_environ()
        environ["werkzeug.socket"] = self.theirs
        chunks, status, headers = run_wsgi_app(self.app, environ, buffered=True)
        return status, headers, b"".join(chunks)

    def cut(self):
        """Return whether the server has closed the connection."""
        self.ours.setblocking(False)
        try:
            return self.ours.recv(1) == b""
        except BlockingIOError:
            return False

    def logged(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def test_no_rule(self):
        """Without a rule, the filter changes nothing, and the request is logged."""
        status, _headers, body = self.send(path="/ü", method="PUT", data=b"xyz")
        self.assertEqual(("200 OK", b"xyz"), (status, body))
        [line] = self.logged()
        self.assertEqual(("PUT", "/ü", 200, 3, 3), tuple(
            line[key] for key in ("method", "path", "status", "received", "sent")))  # fmt: skip
        self.assertFalse(self.cut())

    def test_range_refused(self):
        """The rule sees the range of a request; a request without one is carried out."""
        self.inject(Rule("GET", range="bytes=", times=None, status=400))
        ranged = self.send(headers={"Range": "bytes=0-3"})
        self.assertEqual(["400 Bad Request", "200 OK"], [ranged[0], self.send()[0]])

    def test_status(self):
        """An injected response has its headers, and the request is not carried out."""
        self.inject(Rule(status=429, headers={"Retry-After": "1"}, body="slow"))
        status, headers, body = self.send(method="PUT", data=b"xyz")
        self.assertEqual(("429 Too Many Requests", b"slow"), (status, body))
        self.assertEqual("1", headers["Retry-After"])
        self.assertEqual((429, 0), (self.logged()[0]["status"], self.logged()[0]["received"]))

    def test_image(self):
        """A rule can be for images with a name, which the service knows; the body is passed on."""

        @Request.application
        def glance(request):
            if request.method == "GET":
                name = {"/v2/images/1": "ours", "/v2/images/2": "theirs"}[request.path]
                return Response(json.dumps({"name": name}))
            return Response(request.get_data())

        app = faults.Faults(glance, self.book)
        injected = self.inject(Rule("PUT", "/file$", image="ours", corrupt=True, times=None))
        bodies = []
        for path in ("/v2/images/1/file", "/v2/images/2/file"):
            environ = EnvironBuilder(path=path, method="PUT", data=b"0").get_environ()
            bodies.append(b"".join(run_wsgi_app(app, environ, buffered=True)[0]))
        self.assertEqual([b"\xcf", b"0"], bodies)
        self.assertEqual([1], injected.fired())

    def test_drop(self):
        """A connection is closed before the request is read or instead of the response."""
        for drop, received in (("before", 0), ("answer", 3)):
            self.inject(Rule(drop=drop))
            self.send(method="PUT", data=b"xyz")
            self.assertTrue(self.cut())
            self.assertEqual((0, received), tuple(
                self.logged()[-1][key] for key in ("status", "received")))  # fmt: skip

    def test_drop_download(self):
        """The response ends at the offset, and the connection is closed."""
        self.inject(Rule(drop="download", offset=4))
        self.assertEqual(b"0123", self.send()[2])
        self.assertTrue(self.cut())

    def test_drop_upload(self):
        """The connection is closed at the offset of an upload; the rest is not read."""
        self.inject(Rule(drop="upload", offset=2))
        self.send(method="PUT", data=b"xyz")
        self.assertTrue(self.cut())
        self.assertEqual(2, self.logged()[0]["received"])

    def test_stall(self):
        """A stalled body is complete in the end, even if it is read in one call."""
        app = faults.Faults(lambda environ, _start: [environ["wsgi.input"].read()], self.book)
        self.inject(Rule(stall=0.001, offset=100))
        environ = EnvironBuilder(method="PUT", data=b"xyz").get_environ()
        self.assertEqual(b"xyz", b"".join(app(environ, None)))

    def test_no_drop_past_the_end(self):
        """A body that ends before the offset is not changed."""
        self.inject(Rule(drop="download", offset=10))
        self.assertEqual(CONTENT, self.send()[2])
        self.assertFalse(self.cut())

    def test_corrupt(self):
        """One byte is inverted, and the length does not change."""
        self.inject(Rule(corrupt=True, offset=3))
        self.assertEqual(b"012\xcc456789", self.send()[2])

    def test_truncate(self):
        """A shortened response has a matching Content-Length."""
        self.inject(Rule(truncate=4))
        _status, headers, body = self.send()
        self.assertEqual(("4", b"0123"), (headers["Content-Length"], body))


class TestAccessLog(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.log = Path(self.useFixture(fixtures.TempDir()).path) / "access.log"

    def test_written_before_the_last_byte(self):
        """When the complete response has arrived, the request is in the log."""
        app = accesslog.AccessLog(echo, self.log)
        response = Client(app).get("/", buffered=False)
        self.assertEqual([CONTENT], [next(iter(response.response))])
        self.assertIn('"sent": 10', self.log.read_text())

    def test_head(self):
        """The response to HEAD has no body, and is logged."""
        Client(accesslog.AccessLog(echo, self.log)).head("/")
        self.assertIn('"sent": 0', self.log.read_text())

    def test_closed(self):
        """The response of the application is closed."""
        closed = []

        class Body(list):
            def close(self):
                closed.append(True)

        def app(environ, start_response):
            start_response("200 OK", [])
            return Body([CONTENT])

        Client(accesslog.AccessLog(app, self.log)).get("/").close()
        self.assertEqual([True], closed)
