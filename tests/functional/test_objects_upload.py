# SPDX-License-Identifier: Apache-2.0
"""Uploads to a real Swift with faults: what arrives, is requested, remains and is reported."""

import json
import time

from devcloud.faults import Rule
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.exceptions import IntegrityError, NotFound, ServiceError
from rackspace_imagetasks.objects.upload import upload
from tests.functional import objectcase
from tests.functional.objectcase import MIB, noise

SEGMENTS = 9
SILENCE = 15.0  # seconds


class UploadCase(objectcase.ObjectCase):
    def setUp(self):
        super().setUp()
        self.path = self.tmp / "disk"
        self.path.write_bytes(noise(SEGMENTS * MIB))

    def upload(self, threads=8, **options):
        """Upload the file, which must arrive complete."""
        done = self.try_upload(threads=threads, **options)
        self.assertEqual(self.path.read_bytes(), self.content("disk"))
        self.assertEqual((["disk"], SEGMENTS), self.held())
        return done

    def try_upload(self, threads=8, read_timeout=60.0, sleep=time.sleep, cleanup=False):
        store = self.store(read_timeout=read_timeout, sleep=sleep)
        transfer = self.transfer(sleep, threads=threads, cleanup=cleanup)
        with FileSource(self.path) as source:
            return upload(store, source, self.object("disk"), transfer, segment_size=MIB)

    def fault(self, method, segment, **effect):
        return self.inject(Rule(method, f"^/v1/[^/]*/{self.place}.*{segment:08d}$", **effect))


class SegmentTest(UploadCase):
    def test_passing_answers(self):
        """After each transient status, only that segment is sent again."""
        statuses = (408, 429, 498, 499, 500, 502, 503, 504)
        for segment, status in enumerate(statuses):
            self.fault("PUT", segment, status=status, headers={"Retry-After": "1"})
        waits = []
        self.upload(sleep=waits.append)
        for segment, status in enumerate(statuses):
            self.assertEqual([status, 201], self.statuses("PUT", f"/{segment:08d}"))
        self.assertEqual([201], self.statuses("PUT", f"/{SEGMENTS - 1:08d}"))
        self.assertGreaterEqual(sum(waits), len(statuses))

    def test_broken_connections(self):
        """After a connection breaks before, within or after a body, the segment is sent again."""
        effects = ({"drop": "before"}, {"drop": "upload", "offset": 500_000}, {"drop": "answer"})
        for segment, effect in enumerate(effects):
            self.fault("PUT", segment, **effect)
        done = self.upload()
        self.assertEqual(SEGMENTS * MIB, done.sent_bytes)
        for segment, status in enumerate((0, 499, 0)):  # 499: the body broke off, says Swift
            self.assertEqual([status, 201], self.statuses("PUT", f"/{segment:08d}"))

    def test_stalled(self):
        """A request that stalls in the middle of a body times out and is sent again.

        How often each segment is asked for is not counted: on a slow machine so short a time-out
        also ends requests that nobody stalled.
        """
        stalled = self.fault("PUT", 3, stall=SILENCE, offset=500_000)
        done = self.upload(read_timeout=1.5)
        self.assertEqual(SEGMENTS * MIB, done.sent_bytes)
        self.assertEqual([1], stalled.fired())
        again = self.requests("PUT", "/00000003", status=201)
        self.assertTrue([request for request in again if request.seconds < SILENCE])

    def test_damaged(self):
        """A segment that is stored with another MD5 is sent again."""
        self.fault("PUT", 2, status=201, headers={"Etag": "0" * 32})
        self.upload()
        self.assertEqual([201, 201], self.statuses("PUT", "/00000002"))

    def test_damaged_for_good(self):
        """A segment that arrives damaged three times is named and deleted."""
        self.fault("PUT", 2, status=201, headers={"Etag": "0" * 32}, times=None)
        error = self.assertRaises(IntegrityError, self.try_upload, threads=1)
        self.assertIn("00000002' arrived damaged 3 times", str(error))
        self.assertEqual(([], 2), self.held())

    def test_given_up(self):
        """After the last retry, the response is reported; the next run sends what is missing."""
        self.fault("PUT", 5, status=503, body="busy", times=8)
        error = self.assertRaises(
            ServiceError, self.try_upload, threads=1, sleep=lambda _seconds: None
        )
        self.assertRegex(str(error), "service.* returned 503 Service Unavailable .busy")
        self.assertEqual([503] * 8, self.statuses("PUT", "/00000005"))
        self.assertEqual(([], 5), self.held())
        self.begin()
        done = self.upload()
        self.assertEqual(5 * MIB, done.reused_bytes)
        self.assertEqual(
            (SEGMENTS - 5) * MIB, sum(r.received for r in self.requests("PUT", "/slo/"))
        )

    def test_cleanup(self):
        """With `cleanup`, a failed upload leaves no segments."""
        self.fault("PUT", 5, status=400, times=None)
        self.assertRaises(ServiceError, self.try_upload, threads=1, cleanup=True)
        self.assertEqual(([], 0), self.held())


class ManifestTest(UploadCase):
    def fault_manifest(self, **effect):
        rule = Rule("PUT", f"/{self.place}/disk$", "multipart-manifest=put", **effect)
        return self.inject(rule)

    def test_passing_answers(self):
        """After 400, 409 and 503, the manifest is sent again without any segment."""
        for status in (400, 409, 503):
            self.fault_manifest(status=status)
        self.upload()
        self.assertEqual([400, 409, 503, 201], self.statuses("PUT", "multipart-manifest"))
        self.assertEqual([201] * SEGMENTS, self.statuses("PUT", "/slo/"))

    def test_a_segment_goes_away(self):
        """If Swift refuses a manifest because a segment was deleted, that one is sent again."""
        self.fault_manifest(status=503)
        deleted = []

        def sleep(_seconds):  # it waits but once, between two tries of the manifest
            if not deleted:
                segments = f"{self.place}_segments"
                deleted.append(self.names(segments)[3])
                self.connection.object_store.delete(f"/{segments}/{deleted[0]}")

        self.upload(sleep=sleep)
        self.assertEqual([503, 400, 201], self.statuses("PUT", "multipart-manifest"))
        self.assertEqual(SEGMENTS + 1, len(self.requests("PUT", "/slo/")))

    def test_the_container_goes_away(self):
        """A missing container is reported."""
        self.fault_manifest(status=404, times=None)
        error = self.assertRaises(NotFound, self.try_upload)
        self.assertIn(f"Cannot write object '{self.place}/disk'", str(error))
        self.assertEqual([404], self.statuses("PUT", "multipart-manifest"))

    def test_the_segments_container_goes_away(self):
        """The 404 of Swift for a segment without a container is final."""
        self.inject(Rule("PUT", f"/{self.place}_segments$", status=201))
        self.connection.object_store.delete(f"/{self.place}_segments").raise_for_status()
        listing = Rule("GET", f"/{self.place}_segments$", status=200, body="[]")
        self.inject(listing)
        self.addCleanup(self.connection.object_store.put, f"/{self.place}_segments")
        error = self.assertRaises(NotFound, self.try_upload, threads=1)
        self.assertIn("the resource or its container does not exist", str(error))
        self.assertEqual([404], self.statuses("PUT", "/slo/"))


class ListingTest(UploadCase):
    def test_it_lags_behind(self):
        """Segments that are not listed, or listed but gone, are sent again."""
        self.upload()
        listed = f"/{self.place}_segments$"
        entries = self.connection.object_store.get(
            f"/{self.place}_segments", params={"format": "json"}
        ).json()
        self.connection.object_store.delete(f"/{self.place}_segments/{entries[6]['name']}")
        self.connection.object_store.delete(f"/{self.place}/disk")
        body = json.dumps(entries[4:])
        self.inject(Rule("GET", listed, "prefix=disk", status=200, body=body))
        self.begin()
        done = self.upload()
        self.assertEqual((5 * MIB, (SEGMENTS - 5) * MIB), (done.sent_bytes, done.reused_bytes))
        for segment in (0, 1, 2, 3, 6):
            self.assertEqual([201], self.statuses("PUT", f"/{segment:08d}"))


class CommandTest(objectcase.ObjectCase):
    def test_faults_on_the_way(self):
        """The command uploads a VHD despite several faults."""
        path = self.vhd()
        effects = (
            {"status": 503, "headers": {"Retry-After": "1"}},
            {"drop": "upload", "offset": 100_000},
            {"status": 201, "headers": {"Etag": "0" * 32}},
            {"drop": "answer"},
        )
        for segment, effect in enumerate(effects):
            self.inject(Rule("PUT", f"/{self.place}_segments/.*{segment:08d}$", **effect))
        self.send(path)
        (name,), segments = self.held()
        self.assertEqual((path.read_bytes(), 5), (self.content(name), segments))
        for segment in range(len(effects)):
            self.assertEqual(2, len(self.requests("PUT", f"/{segment:08d}")))

    def test_quota(self):
        """A quota that is too small is reported with advice before anything is sent."""
        swift, path = self.swift(), self.vhd(64 * MIB)
        for container, segment_size in ((self.place, 128 * MIB), (f"{self.place}_segments", MIB)):
            quota = {"X-Container-Meta-Quota-Bytes": "100000"}
            swift.post_container(container, quota)
            self.begin()
            self.use_segments(segment_size)
            outcome = self.send(path, status=1)
            self.assertIn(f"Container '{container}' in region 'DFW'", outcome.stderr)
            self.assertIn("has a quota of 97.7 KiB and holds 0 bytes", outcome.stderr)
            self.assertIn("ask for a higher quota", outcome.stderr)
            self.assertEqual("", outcome.stdout)
            self.assertEqual([], self.requests("PUT"))
            self.assertEqual(([], 0), self.held())
            swift.post_container(container, {"X-Container-Meta-Quota-Bytes": ""})

    def test_quota_unseen(self):
        """413 is final and reported once with advice; no task is created."""
        self.inject(Rule("PUT", f"/{self.place}_segments/", status=413, times=None))
        outcome = self.send(self.vhd(), status=1)
        self.assertIn("is full: delete objects or ask for a higher quota", outcome.stderr)
        self.assertEqual("", outcome.stdout)
        self.assertLessEqual(len(self.requests("PUT", status=413)), 4)
        self.assertEqual(([], 0), self.held())

    def test_no_room_on_the_servers(self):
        """507 is final; the segments are kept, and the same command resumes."""
        path = self.vhd()
        self.inject(Rule("PUT", f"/{self.place}_segments/.*00000003$", status=507))
        outcome = self.send(path, "--threads", 1, status=1)
        self.assertIn("507 Insufficient Storage", outcome.stderr)
        self.assertEqual([507], self.statuses("PUT", "/00000003"))
        self.assertEqual(([], 3), self.held())
        self.begin()
        self.send(path)
        (name,), _ = self.held()
        self.assertEqual(path.read_bytes(), self.content(name))
        self.assertEqual(MIB + 512, sum(r.received for r in self.requests("PUT", "/slo/")))

    def test_cleanup(self):
        """--cleanup deletes the segments of a failed upload."""
        self.inject(Rule("PUT", f"/{self.place}_segments/.*00000003$", status=507))
        self.send(self.vhd(), "--threads", 1, "--cleanup", status=1)
        self.assertEqual(([], 0), self.held())

    def test_manifest_refused(self):
        """A refused manifest is reported; no task is created, and no segment is sent again."""
        path = self.vhd()
        self.inject(Rule("PUT", f"/{self.place}/", "multipart-manifest=put", status=403))
        outcome = self.send(path, status=1)
        self.assertIn("403 Forbidden; your role does not allow it", outcome.stderr)
        self.assertEqual(([], 5), self.held())
        self.assertFalse([url for method, url in self.changes() if "/tasks" in url])
        self.begin()
        self.send(path)
        self.assertEqual([], self.requests("PUT", "/slo/"))
        self.assertEqual(1, len(self.held()[0]))

    def test_the_file_changes(self):
        """A file that changes meanwhile is not stored, and the command fails."""
        path = self.vhd()
        go = path.with_name("go")
        rule = Rule("PUT", f"/{self.place}_segments/.*00000004$", until=str(go))
        stalled = self.inject(rule)
        process = self.process(
            *("image", "task", "import", "--file", path, "--no-convert"),
            *("--name", self.mark, "--container", self.place),
        )
        self.addCleanup(process.kill)
        while not stalled.fired()[0]:
            self.assertIsNone(process.poll())
            time.sleep(0.05)
        with path.open("r+b") as file:
            file.write(b"x")
        go.touch()
        _, stderr = process.communicate(timeout=60)
        self.assertEqual(1, process.returncode)
        self.assertIn(b"changed while it was being read. Wait until nothing writes", stderr)
        self.assertNotIn(b"Traceback", stderr)
        self.assertEqual([], self.held()[0])
