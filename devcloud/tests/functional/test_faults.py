# SPDX-License-Identifier: Apache-2.0
import hashlib
import time
from pathlib import Path

import fixtures
import requests

from devcloud import operations
from devcloud.accesslog import AccessLog
from devcloud.faults import Rule, inject
from devcloud.tests import vhdfiles
from devcloud.tests.functional import base

CONTENT = bytes(range(256)) * 4096


class TestSwiftFaults(base.CloudCase):
    """Faults in a running Swift, as seen by a client without retries."""

    def setUp(self):
        super().setUp()
        self.path = f"/{self.container()}/object"
        self.url = self.alice.object_store.get_endpoint() + self.path
        self.http = requests.Session()
        self.addCleanup(self.http.close)
        self.http.headers["X-Auth-Token"] = self.alice.auth_token

    def inject(self, method, **effect):
        return inject(self.root, "DFW", Rule(method, self.path, **effect))

    def put(self, content=CONTENT):
        return self.http.put(self.url, data=content, timeout=10)

    def get(self):
        return self.http.get(self.url, timeout=10)

    def test_status(self):
        """The injected responses come first, then those of Swift; all are logged."""
        log = AccessLog(self.root, "DFW")
        mark = log.mark()
        with self.inject("PUT", status=503, headers={"Retry-After": "1"}, times=2) as injected:
            answers = [self.put(b"abc") for _ in range(3)]
        self.assertEqual([503, 503, 201], [answer.status_code for answer in answers])
        self.assertEqual("1", answers[0].headers["Retry-After"])
        self.assertEqual([2], injected.fired())
        logged = [r for r in log.since(mark) if r.path.endswith(self.path)]
        self.assertEqual([503, 503, 201], [request.status for request in logged])
        self.assertEqual(3, logged[-1].received)

    def test_dropped(self):
        """The connection is closed before, during and after an upload."""
        for effect, stored in (
            ({"drop": "before"}, False),
            ({"drop": "upload", "offset": 100_000}, False),
            ({"drop": "answer"}, True),
        ):
            with self.inject("PUT", **effect):
                self.assertRaises(requests.ConnectionError, self.put)
            self.assertEqual(stored, self.get().ok)

    def test_download_cut(self):
        """A download is cut off, and the client notices the missing bytes."""
        self.put()
        with self.inject("GET", drop="download", offset=300_000):
            self.assertRaises(requests.exceptions.ChunkedEncodingError, self.get)

    def test_download_corrupted(self):
        """One byte is wrong, which only a checksum shows."""
        self.put()
        with self.inject("GET", corrupt=True, offset=300_000):
            answer = self.get()
        self.assertEqual(len(CONTENT), len(answer.content))
        self.assertNotEqual(answer.headers["ETag"], hashlib.md5(answer.content).hexdigest())
        self.assertEqual(CONTENT, self.get().content)

    def test_download_truncated(self):
        """A shortened response is complete by the rules of HTTP."""
        self.put()
        with self.inject("GET", truncate=1000):
            self.assertEqual(CONTENT[:1000], self.get().content)

    def test_stalled(self):
        """A transfer stalls until the client times out, and does not delay others."""
        self.put()
        with self.inject("GET", stall=30, offset=1000):
            broken = (requests.ConnectionError, requests.Timeout)
            self.assertRaises(broken, self.http.get, self.url, timeout=(3, 0.2))
            self.assertEqual(CONTENT, self.get().content)

    def test_slowed(self):
        """A transfer is limited to a rate."""
        started = time.monotonic()
        with self.inject("PUT", bytes_per_second=4 << 20):
            self.put()
        self.assertGreater(time.monotonic() - started, 0.2)


class TestGlanceFaults(base.CloudCase):
    def test_refused_task(self):
        """The API of Glance can fail too."""
        rule = Rule("POST", "/v2/tasks", status=413, body="over limit")
        with inject(self.root, "ORD", rule, service="glance"):
            other = self.connect("alice", "ORD")
            answer = self.post("export", other, image_uuid="x", receiving_swift_container="y")
        self.assertEqual((413, "over limit"), (answer.status_code, answer.text))

    def test_task_fails(self):
        """A task can be delayed, and fail with any message."""
        go = Path(self.useFixture(fixtures.TempDir()).path) / "go"
        rule = Rule("TASK", "/import/faulty/x", until=str(go), body="Error 999: unheard of")
        given = {"import_from": "faulty/x", "image_properties": {"name": "x"}}
        with inject(self.root, "DFW", rule, service="glance") as injected:
            task = self.post("import", **given).json()
            where = f"/tasks/{task['id']}"
            while (status := self.alice.image.get(where).json()["status"]) == "pending":
                time.sleep(0.05)
            self.assertEqual("processing", status)
            go.touch()
            self.assert_failed("Error 999: unheard of", self.end_of(task))
        self.assertEqual([1], injected.fired())


class TestDisk(base.CloudCase):
    def account(self):
        return self.alice.object_store.get_endpoint().rpartition("/")[2]

    def test_segment_altered_on_disk(self):
        """An object that is altered on disk is downloaded altered, with the old checksum."""
        location = self.upload(CONTENT)
        container, name = location.split("/")
        file = operations.object_file(self.root, "DFW", self.account(), container, name)
        with file.open("r+b") as opened:
            opened.write(b"\xff")
        answer = self.alice.object_store.get(f"/{location}")
        self.assertEqual(b"\xff" + CONTENT[1:], answer.content)
        self.assertEqual(hashlib.md5(CONTENT).hexdigest(), answer.headers["ETag"])
        self.assertEqual(404, self.alice.object_store.get(f"/{location}").status_code)

    def test_account_counts(self):
        """The size of an account is updated from its containers."""
        self.upload(vhdfiles.fixed())
        deadline = time.monotonic() + 10
        while not int(self.alice.object_store.head("").headers["X-Account-Bytes-Used"]):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)
