# SPDX-License-Identifier: Apache-2.0
import json
import socket
from pathlib import Path

import fixtures
from oslotest import base
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Request, Response

from devcloud.faults import Rule, inject
from devcloud.middleware import accesslog, faults
from devcloud.middleware.rulebook import RuleBook
from devcloud.tests.unit.test_config import plan

CONTENT = b"0123456789"


@Request.application
def echo(request):
    """Give back what was sent, or something."""
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
        """A rule is used up after its times, and the count says so."""
        injected = self.inject(Rule("PUT", "/a", times=2), Rule("PUT", "/b", times=None))
        taken = [self.book.take("PUT", "/x/a") is not None for _ in range(3)]
        self.assertEqual([True, True, False], taken)
        self.assertEqual([2, 0], injected.fired())

    def test_skip(self):
        """The first matching requests may pass."""
        self.inject(Rule(skip=1, times=1))
        taken = [self.book.take("GET", "/") is not None for _ in range(3)]
        self.assertEqual([False, True, False], taken)

    def test_match(self):
        """Method, decoded path and query must all match."""
        rule = Rule("GET", r"/ü b$", r"limit=1")
        self.assertTrue(rule.matches("GET", "/v1/ü b", "limit=1"))
        self.assertFalse(rule.matches("HEAD", "/v1/ü b", "limit=1"))
        self.assertFalse(rule.matches("GET", "/v1/ü b/", "limit=1"))
        self.assertFalse(rule.matches("GET", "/v1/ü b", "limit=2"))

    def test_taken_back(self):
        """Rules hold for as long as they are injected, and leave no file."""
        with inject(self.plan.root, "DFW", Rule(times=None)) as injected:
            self.assertIsNotNone(self.book.take("GET", "/"))
        self.assertIsNone(self.book.take("GET", "/"))
        self.assertEqual([], list(self.plan.faults_dir("DFW", "swift").iterdir()))
        self.assertEqual([1], injected.fired())

    def test_several_sets(self):
        """Two tests' rules do not disturb each other."""
        one, two = self.inject(Rule(path="/one")), self.inject(Rule(path="/two"))
        self.book.take("GET", "/two")
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
        """Say whether the server's end of the connection is closed."""
        self.ours.setblocking(False)
        try:
            return self.ours.recv(1) == b""
        except BlockingIOError:
            return False

    def logged(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def test_no_rule(self):
        """Without a rule all is as without the filter, and logged."""
        status, _headers, body = self.send(path="/ü", method="PUT", data=b"xyz")
        self.assertEqual(("200 OK", b"xyz"), (status, body))
        [line] = self.logged()
        self.assertEqual(("PUT", "/ü", 200, 3, 3), tuple(
            line[key] for key in ("method", "path", "status", "received", "sent")))  # fmt: skip
        self.assertFalse(self.cut())

    def test_status(self):
        """A chosen answer comes with its headers, and nothing is carried out."""
        self.inject(Rule(status=429, headers={"Retry-After": "1"}, body="slow"))
        status, headers, body = self.send(method="PUT", data=b"xyz")
        self.assertEqual(("429 Too Many Requests", b"slow"), (status, body))
        self.assertEqual("1", headers["Retry-After"])
        self.assertEqual((429, 0), (self.logged()[0]["status"], self.logged()[0]["received"]))

    def test_drop(self):
        """A connection is cut before the work or instead of the answer."""
        for drop, received in (("before", 0), ("answer", 3)):
            self.inject(Rule(drop=drop))
            self.send(method="PUT", data=b"xyz")
            self.assertTrue(self.cut())
            self.assertEqual((0, received), tuple(
                self.logged()[-1][key] for key in ("status", "received")))  # fmt: skip

    def test_drop_download(self):
        """A response ends at the offset, with the connection."""
        self.inject(Rule(drop="download", offset=4))
        self.assertEqual(b"0123", self.send()[2])
        self.assertTrue(self.cut())

    def test_drop_upload(self):
        """An upload loses its connection at the offset; what follows is never read."""
        self.inject(Rule(drop="upload", offset=2))
        self.send(method="PUT", data=b"xyz")
        self.assertTrue(self.cut())
        self.assertEqual(2, self.logged()[0]["received"])

    def test_stall(self):
        """A body that is stalled is whole in the end, also when it is read at once."""
        app = faults.Faults(lambda environ, _start: [environ["wsgi.input"].read()], self.book)
        self.inject(Rule(stall=0.001, offset=100))
        environ = EnvironBuilder(method="PUT", data=b"xyz").get_environ()
        self.assertEqual(b"xyz", b"".join(app(environ, None)))

    def test_no_drop_past_the_end(self):
        """A body that never reaches the offset is left alone."""
        self.inject(Rule(drop="download", offset=10))
        self.assertEqual(CONTENT, self.send()[2])
        self.assertFalse(self.cut())

    def test_corrupt(self):
        """One byte is inverted, the length stays."""
        self.inject(Rule(corrupt=True, offset=3))
        self.assertEqual(b"012\xcc456789", self.send()[2])

    def test_truncate(self):
        """A shorter response is complete by its own length."""
        self.inject(Rule(truncate=4))
        _status, headers, body = self.send()
        self.assertEqual(("4", b"0123"), (headers["Content-Length"], body))


class TestAccessLog(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.log = Path(self.useFixture(fixtures.TempDir()).path) / "access.log"

    def test_written_before_the_last_byte(self):
        """Who has the whole answer finds the request in the log."""
        app = accesslog.AccessLog(echo, self.log)
        response = Client(app).get("/", buffered=False)
        self.assertEqual([CONTENT], [next(iter(response.response))])
        self.assertIn('"sent": 10', self.log.read_text())

    def test_head(self):
        """A HEAD has no body to wait for."""
        Client(accesslog.AccessLog(echo, self.log)).head("/")
        self.assertIn('"sent": 0', self.log.read_text())

    def test_closed(self):
        """The application learns that its response is closed."""
        closed = []

        class Body(list):
            def close(self):
                closed.append(True)

        def app(environ, start_response):
            start_response("200 OK", [])
            return Body([CONTENT])

        Client(accesslog.AccessLog(app, self.log)).get("/").close()
        self.assertEqual([True], closed)
