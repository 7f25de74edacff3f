# SPDX-License-Identifier: Apache-2.0
"""Uploads to a real Swift that misbehaves: what arrives, what was asked, what is left and said."""

import json
import time

from devcloud.faults import Rule
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.exceptions import IntegrityError, NotFound, ServiceError
from rackspace_imagetasks.objects.upload import upload
from tests.functional import objectcase
from tests.functional.objectcase import MIB, noise

SEGMENTS = 8
SILENCE = 15.0  # seconds


class UploadCase(objectcase.ObjectCase):
    def setUp(self):
        super().setUp()
        self.path = self.tmp / "disk"
        self.path.write_bytes(noise(SEGMENTS * MIB))

    def upload(self, threads=8, **options):
        """Send the file by the engine; it must arrive whole."""
        done = self.try_upload(threads=threads, **options)
        self.assertEqual(self.path.read_bytes(), self.content("disk"))
        self.assertEqual((["disk"], SEGMENTS), self.held())
        return done

    def try_upload(self, threads=8, read_timeout=60.0, sleep=None, **options):
        store = self.store(read_timeout=read_timeout, **({"sleep": sleep} if sleep else {}))
        with FileSource(self.path) as source:
            return upload(
                store, source, self.place, "disk", segment_size=MIB, threads=threads, **options
            )

    def fault(self, method, segment, **effect):
        return self.inject(Rule(method, f"^/v1/[^/]*/{self.place}.*{segment:08d}$", **effect))


class SegmentTest(UploadCase):
    def test_passing_answers(self):
        """Each status that may pass is followed by one more PUT of that segment alone."""
        statuses = (408, 429, 498, 500, 502, 503, 504)
        for segment, status in enumerate(statuses):
            self.fault("PUT", segment, status=status, headers={"Retry-After": "1"})
        waits = []
        self.upload(sleep=waits.append)
        for segment, status in enumerate(statuses):
            self.assertEqual([status, 201], self.statuses("PUT", f"/{segment:08d}"))
        self.assertEqual([201], self.statuses("PUT", f"/{SEGMENTS - 1:08d}"))
        self.assertGreaterEqual(sum(waits), len(statuses))

    def test_broken_connections(self):
        """Before, in and after a body, without an answer: sent again, whole."""
        effects = ({"drop": "before"}, {"drop": "upload", "offset": 500_000}, {"drop": "answer"})
        for segment, effect in enumerate(effects):
            self.fault("PUT", segment, **effect)
        done = self.upload()
        self.assertEqual(SEGMENTS * MIB, done.sent_bytes)
        for segment, status in enumerate((0, 499, 0)):  # 499: the body broke off, says Swift
            self.assertEqual([status, 201], self.statuses("PUT", f"/{segment:08d}"))

    def test_stalled(self):
        """A service that falls silent in the middle of a body is given up, and asked again.

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
        """A segment whose MD5 is not what was sent is sent again."""
        self.fault("PUT", 2, status=201, headers={"Etag": "0" * 32})
        self.upload()
        self.assertEqual([201, 201], self.statuses("PUT", "/00000002"))

    def test_damaged_for_good(self):
        """After three times it is said which; no object, and not the damaged segment, is left."""
        self.fault("PUT", 2, status=201, headers={"Etag": "0" * 32}, times=None)
        error = self.assertRaises(IntegrityError, self.try_upload, threads=1)
        self.assertIn("00000002' arrived damaged 3 times", str(error))
        self.assertEqual(([], 2), self.held())

    def test_given_up(self):
        """When nothing helps, the last answer is said; the next run sends only what is missing."""
        self.fault("PUT", 5, status=503, body="busy", times=8)
        error = self.assertRaises(
            ServiceError, self.try_upload, threads=1, sleep=lambda _seconds: None
        )
        self.assertIn("service answered 503 Service Unavailable (busy)", str(error))
        self.assertEqual([503] * 8, self.statuses("PUT", "/00000005"))
        self.assertEqual(([], 5), self.held())
        self.begin()
        done = self.upload()
        self.assertEqual(5 * MIB, done.reused_bytes)
        self.assertEqual(3 * MIB, sum(r.received for r in self.requests("PUT", "/slo/")))

    def test_cleanup(self):
        """With cleanup, a failure leaves nothing."""
        self.fault("PUT", 5, status=400, times=None)
        self.assertRaises(ServiceError, self.try_upload, threads=1, cleanup=True)
        self.assertEqual(([], 0), self.held())


class ManifestTest(UploadCase):
    def fault_manifest(self, **effect):
        rule = Rule("PUT", f"/{self.place}/disk$", "multipart-manifest=put", **effect)
        return self.inject(rule)

    def test_passing_answers(self):
        """400, 409 and 503 to the manifest: sent again, and no segment with it."""
        for status in (400, 409, 503):
            self.fault_manifest(status=status)
        self.upload()
        self.assertEqual([400, 409, 503, 201], self.statuses("PUT", "multipart-manifest"))
        self.assertEqual([201] * SEGMENTS, self.statuses("PUT", "/slo/"))

    def test_a_segment_goes_away(self):
        """Swift refuses a manifest whose segment was deleted; that one is sent again."""
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
        """Without its container, the object has no place: said, and no task."""
        self.fault_manifest(status=404, times=None)
        error = self.assertRaises(NotFound, self.try_upload)
        self.assertIn(f"Cannot write '{self.place}/disk'", str(error))
        self.assertEqual([404], self.statuses("PUT", "multipart-manifest"))

    def test_the_segments_container_goes_away(self):
        """Swift itself answers 404 to a segment without a container; nothing is tried again."""
        self.inject(Rule("PUT", f"/{self.place}_segments$", status=201))
        self.connection.object_store.delete(f"/{self.place}_segments").raise_for_status()
        listing = Rule("GET", f"/{self.place}_segments$", status=200, body="[]")
        self.inject(listing)
        self.addCleanup(self.connection.object_store.put, f"/{self.place}_segments")
        error = self.assertRaises(NotFound, self.try_upload, threads=1)
        self.assertIn("it does not exist", str(error))
        self.assertEqual([404], self.statuses("PUT", "/slo/"))


class ListingTest(UploadCase):
    def test_it_lags_behind(self):
        """What is there but not listed is sent again; what is listed but gone is, too."""
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
        self.assertEqual((5 * MIB, 3 * MIB), (done.sent_bytes, done.reused_bytes))
        for segment in (0, 1, 2, 3, 6):
            self.assertEqual([201], self.statuses("PUT", f"/{segment:08d}"))


class CommandTest(objectcase.ObjectCase):
    def test_faults_on_the_way(self):
        """The command brings a VHD through a bad day, and its object is the file."""
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
        """A full container: 413 is final, said once with what to do, and no task is begun."""
        swift, path = self.swift(), self.vhd(64 * MIB)
        for container, segment_size in ((self.place, 128 * MIB), (f"{self.place}_segments", MIB)):
            quota = {"X-Container-Meta-Quota-Bytes": "100000"}
            swift.post_container(container, quota)
            self.begin()
            self.use_segments(segment_size)
            outcome = self.send(path, status=1)
            self.assertIn("413", outcome.stderr)
            self.assertIn("is full: delete objects or ask for a higher quota", outcome.stderr)
            self.assertEqual("", outcome.stdout)
            refused = self.requests("PUT", status=413)
            self.assertLessEqual(len(refused), 4)
            self.assertEqual(([], 0), self.held())
            swift.post_container(container, {"X-Container-Meta-Quota-Bytes": ""})

    def test_no_room_on_the_servers(self):
        """507 is final, too; what arrived stays, and the same command goes on with it."""
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
        """--cleanup leaves nothing of an upload that failed."""
        self.inject(Rule("PUT", f"/{self.place}_segments/.*00000003$", status=507))
        self.send(self.vhd(), "--threads", 1, "--cleanup", status=1)
        self.assertEqual(([], 0), self.held())

    def test_manifest_refused(self):
        """The answer is said, no task is begun, and the same command sends no segment again."""
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
        """No object is made of two versions, and the exit status says so."""
        path = self.vhd()
        stalled = self.inject(Rule("PUT", f"/{self.place}_segments/.*00000004$", delay=2))
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
        _, stderr = process.communicate(timeout=60)
        self.assertEqual(1, process.returncode)
        self.assertIn(b"changed while it was read; let its writer finish", stderr)
        self.assertNotIn(b"Traceback", stderr)
        self.assertEqual([], self.held()[0])
