# SPDX-License-Identifier: Apache-2.0
"""Faults during an upload: the outcome and what remains."""

import os

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    IntegrityError,
    NotFound,
    QuotaExceeded,
    ServiceError,
    SourceChanged,
)
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, Ledger, SwiftCase, noise

CONTENT = noise(4 * MIB + 5)
SECOND = "00000001"


class FaultCase(SwiftCase):
    def upload(self, source=None, **options):
        options.setdefault("segment_size", MIB)
        source = source or BytesSource(CONTENT)
        return super().upload(source, **options)

    def fault_segment(self, action, times=1):
        self.swift.fault(action, "PUT", SECOND, times)

    def segment_puts(self):
        return len(self.swift.requests("PUT", "images_segments/a/"))

    def assert_nothing_named(self):
        """Check that the object does not exist."""
        self.assertEqual([], self.swift.names("images"))


class TestPassingFaults(FaultCase):
    def assert_survives(self, resent=1):
        ledger = Ledger()
        done = self.upload(progress=ledger)
        self.assertEqual(CONTENT, self.swift.read("images", "a"))
        self.assertEqual(5 + resent, self.segment_puts())
        self.assertEqual(len(CONTENT), done.sent_bytes)
        self.assertEqual([len(CONTENT)], list(ledger.sums.values()))

    def test_statuses(self):
        """After each transient status, the whole segment is sent again, after a wait."""
        for status in (408, 429, 498, 499, 500, 502, 503, 504):
            self.fault_segment(faults.status(status))
            self.assert_survives()
            self.assertGreater(sum(self.waits), 0.2)
            self.swift.containers.clear()
            self.swift.log.clear()
            self.waits.clear()

    def test_retry_after(self):
        """Retry-After is respected."""
        self.fault_segment(faults.status(429, Retry_After="20"))
        self.assert_survives()
        self.assertAlmostEqual(20, sum(self.waits))

    def test_reset(self):
        """After a reset before, within or after the body, only that segment is sent again."""
        for action in (faults.reset(), faults.reset(300_000), faults.reset_after_body()):
            self.fault_segment(action)
            self.assert_survives()
            self.swift.containers.clear()
            self.swift.log.clear()

    def test_stalled(self):
        """A request to a server that stalls times out and is sent again."""
        self.store = self.new_store(read_timeout=0.2, connect_timeout=0.2)
        self.fault_segment(faults.stall())
        self.upload()
        self.assertEqual(CONTENT, self.swift.read("images", "a"))
        # On a slow machine so short a time-out also ends requests that nobody stalled.
        self.assertGreater(self.segment_puts(), 5)

    def test_early_status(self):
        """A status sent before the body is read is not treated as a broken connection."""
        self.fault_segment(faults.early_status(503))
        self.assert_survives()

    def test_token_expires(self):
        """A 401 renews the token once for all threads; the segment is sent again from its start."""
        for refuse in (faults.status(401), faults.early_status(401)):

            def expire(handler, refuse=refuse):
                handler.swift.tokens = {"token-2"}
                return refuse(handler)

            self.swift.tokens = {"token-1"}
            self.store = self.new_store()
            self.fault_segment(expire)
            self.upload()
            self.assertEqual(CONTENT, self.swift.read("images", "a"))
            tokens = {entry.headers["X-Auth-Token"] for entry in self.swift.log}
            self.assertEqual({"token-1", "token-2"}, tokens)
            self.swift.containers.clear()
            self.swift.log.clear()

    def test_token_expires_unsaid(self):
        """A token is renewed even if its refusal is lost with the connection."""

        def refuse(handler):
            handler.swift.tokens = {"token-2"}
            if handler.headers["X-Auth-Token"] == "token-2":
                return False
            return faults.reset()(handler)

        self.fault_segment(refuse, times=99)
        self.upload(threads=1)
        self.assertEqual(CONTENT, self.swift.read("images", "a"))
        self.assertEqual(6, self.segment_puts())

    def test_etag_differs(self):
        """A segment that arrived damaged is sent again."""
        self.fault_segment(faults.damaged_etag())
        self.assert_survives()

    def test_manifest(self):
        """A manifest is written again after 503, 409 and 400."""
        for status in (503, 409, 400):
            self.swift.fault(faults.status(status), "PUT", "images/a")
            self.assert_survives(resent=0)
            self.assertGreater(sum(self.waits), 0.2)
            self.waits.clear()
            self.swift.containers.clear()
            self.swift.log.clear()

    def test_manifest_is_put_again_alone(self):
        """After a 409, or a 400 with an outdated listing, no segment is sent again."""
        for status in (409, 400):
            segments = [f"a/slo/memory/{len(CONTENT)}/{MIB}/0000000{n}" for n in range(5)]
            self.swift.unlisted.update(segments)
            self.swift.fault(faults.status(status), "PUT", "images/a")
            self.assertEqual(len(CONTENT), self.upload().sent_bytes)
            self.assertEqual(5, self.segment_puts())
            self.swift.containers.clear()
            self.swift.log.clear()

    def test_segment_vanishes_before_manifest(self):
        """Only the segment that is gone when the manifest is written is sent again."""

        def vanish(handler):
            objects = handler.swift.containers["images_segments"]
            del objects[next(name for name in objects if name.endswith(SECOND))]

        self.swift.fault(faults.first(vanish), "PUT", "images/a")
        self.upload()
        self.assertEqual(CONTENT, self.swift.read("images", "a"))
        self.assertEqual(6, self.segment_puts())

    def test_head_lags(self):
        """The final check is repeated if the object is not visible at once."""
        self.swift.fault(faults.status(404), "HEAD", "images/a", times=2)
        self.assert_survives(resent=0)
        self.assertGreater(sum(self.waits), 0.7)  # of two times


class TestFinalFaults(FaultCase):
    def test_quota(self):
        """413 and 507 end the upload at once; the segments are kept for the next run."""
        for status in (413, 507):
            for action in (faults.status(status), faults.early_status(status)):
                self.fault_segment(action)
                error = self.assertRaises(QuotaExceeded, self.upload, threads=1)
                self.assertIn(str(status), str(error))
                self.assertIn("quota", str(error))
                self.assertEqual(1, len(self.swift.names("images_segments")))
                self.assert_nothing_named()
                self.assertEqual(2, self.segment_puts())
                self.swift.containers.clear()
                self.swift.log.clear()
        self.assertEqual([], self.waits)

    def test_quota_then_resume(self):
        """After a full account, the next run sends only the missing segments."""
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, threads=1)
        done = self.upload()
        self.assertEqual((MIB, len(CONTENT) - MIB), (done.reused_bytes, done.sent_bytes))
        self.assertEqual(CONTENT, self.swift.read("images", "a"))

    def test_forbidden(self):
        """403 is final."""
        self.fault_segment(faults.status(403))
        self.assertRaises(AccessDenied, self.upload)
        self.assert_nothing_named()

    def test_token_refused_for_good(self):
        """A second 401 with a new token is final."""
        self.swift.tokens = set()
        self.assertRaises(AccessDenied, self.upload)
        self.assertEqual(2, len(self.swift.log))

    def test_container_deleted(self):
        """A container that is deleted meanwhile is named."""

        def delete(handler):
            del handler.swift.containers["images_segments"]

        self.swift.fault(faults.first(delete), "PUT", SECOND)
        error = self.assertRaises(NotFound, self.upload)
        self.assertIn("images_segments", str(error))
        self.assert_nothing_named()

    def test_container_deleted_unsaid(self):
        """A container that is deleted meanwhile is named even if the response is lost."""

        def delete(handler):
            handler.swift.containers.pop("images_segments", None)
            return faults.reset()(handler)

        self.fault_segment(delete, times=99)
        error = self.assertRaises(NotFound, self.upload)
        self.assertIn("images_segments", str(error))

    def test_service_down(self):
        """After the last retry, the last response is reported."""
        self.store = self.new_store(retries=3)
        self.fault_segment(faults.status(503), times=99)
        error = self.assertRaises(ServiceError, self.upload)
        self.assertEqual(503, error.status)
        self.assertEqual(4, len(self.swift.requests("PUT", SECOND)))
        self.assert_nothing_named()

    def test_network_down(self):
        """A connection that always breaks is reported as such."""
        self.store = self.new_store(retries=2)
        self.fault_segment(faults.reset(), times=99)
        error = self.assertRaises(ServiceError, self.upload)
        self.assertRegex(str(error), "reset by peer|closed connection")

    def test_always_damaged(self):
        """A segment that always arrives damaged is deleted."""
        self.fault_segment(faults.damaged_etag(), times=99)
        error = self.assertRaises(IntegrityError, self.upload, threads=1)
        self.assertIn(SECOND, str(error))
        self.assertEqual(1, len(self.swift.names("images_segments")))
        self.assert_nothing_named()

    def test_manifest_refused(self):
        """A manifest that is always refused is reported with the reason of the service."""
        reason = b"Errors:\na/slo, Etag Mismatch"
        self.swift.fault(faults.status(400, reason), "PUT", "images/a", times=99)
        error = self.assertRaises(ServiceError, self.upload)
        self.assertIn("Etag Mismatch", str(error))
        self.assertEqual(3, len(self.swift.requests("PUT", "images/a")))
        self.assertEqual(5, self.segment_puts())

    def test_cleanup(self):
        """With `cleanup`, a failed upload deletes its own segments and no others."""
        self.swift.put("images_segments", "b/slo/1/2/3/00000000", b"other")
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, cleanup=True)
        self.assertEqual(["b/slo/1/2/3/00000000"], self.swift.names("images_segments"))

    def test_cleanup_keeps_what_a_manifest_names(self):
        """`cleanup` keeps the segments of a complete object, which a task may be reading."""
        self.upload()
        self.swift.fault(faults.status(403), "PUT", "images/a", times=9)
        self.assertRaises(AccessDenied, self.upload, cleanup=True)
        self.assertEqual(CONTENT, self.swift.read("images", "a"))
        self.swift.unlisted.update(self.swift.names("images_segments"))  # so all are sent again
        self.assertRaises(AccessDenied, self.upload, cleanup=True)
        self.assertEqual(CONTENT, self.swift.read("images", "a"))

    def test_cleanup_keeps_an_earlier_runs_segments(self):
        """`cleanup` keeps the segments of an earlier run."""
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, threads=1)
        (left,) = self.swift.names("images_segments")
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, cleanup=True)
        self.assertEqual([left], self.swift.names("images_segments"))

    def test_cleanup_of_what_is_not_listed(self):
        """`cleanup` also deletes segments that are not listed yet."""
        self.swift.unlisted.update(f"a/slo/memory/{len(CONTENT)}/{MIB}/0000000{n}" for n in "02")
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, cleanup=True, threads=1)
        self.assertEqual([], self.swift.names("images_segments"))

    def test_cleanup_of_nothing(self):
        """Without a container of segments, `cleanup` does not hide the error."""
        self.swift.fault(faults.status(403), "PUT", "images")
        self.assertRaises(AccessDenied, self.upload, cleanup=True)

    def test_cleanup_fails(self):
        """A failing cleanup is reported, and the error of the upload is raised."""
        self.fault_segment(faults.status(507))
        self.swift.fault(faults.status(403), "DELETE", "images_segments", times=99)
        ledger = Ledger()
        self.assertRaises(QuotaExceeded, self.upload, cleanup=True, progress=ledger)
        (message,) = ledger.messages
        self.assertIn("403", message)

    def test_not_what_was_sent(self):
        """The final check detects an object that was replaced meanwhile."""
        other = faults.first(lambda handler: handler.swift.put("images", "a", b"other"))
        self.swift.fault(other, "HEAD", "images/a")
        error = self.assertRaises(IntegrityError, self.upload)
        self.assertIn("5 bytes", str(error))


class TestSourceChanges(FaultCase):
    def change(self, act):
        path = self.file(CONTENT)
        self.swift.fault(faults.first(lambda handler: act(path)), "PUT", SECOND)
        with FileSource(path) as source:
            error = self.assertRaises(SourceChanged, self.upload, source, threads=1)
        self.assertIn(str(path), str(error))
        self.assert_nothing_named()

    def test_written(self):
        """No manifest is written for a file that changes meanwhile."""
        self.change(lambda path: path.write_bytes(noise(len(CONTENT), 2)))

    def test_truncated(self):
        """A file that is truncated ends the upload."""
        self.change(lambda path: os.truncate(path, MIB))

    def test_removed(self):
        """No manifest is written for a file that is deleted."""
        self.change(os.unlink)

    def test_changed_between_runs(self):
        """Segments of an earlier version of the file are not reused."""
        path = self.file(CONTENT)
        self.fault_segment(faults.status(507))
        with FileSource(path) as source:
            self.assertRaises(QuotaExceeded, self.upload, source, threads=1)
        other = noise(len(CONTENT), 2)
        path.write_bytes(other)
        with FileSource(path) as source:
            done = self.upload(source)
        self.assertEqual((other, 0), (self.swift.read("images", "a"), done.reused_bytes))

    def test_changed_behind_its_time(self):
        """A segment with other content under the same identity is replaced."""
        self.upload()
        changed = CONTENT[:MIB] + noise(MIB, 2) + CONTENT[2 * MIB :]
        done = self.upload(BytesSource(changed))
        self.assertEqual(changed, self.swift.read("images", "a"))
        self.assertEqual(MIB, done.sent_bytes)

    def test_whole_file_changed(self):
        """A file that changes during its only PUT is not stored."""
        path = self.file(noise(16 * MIB))  # more than sockets take without a reader
        self.swift.fault(faults.first(lambda h: path.write_bytes(b"other")), "PUT", "images/a")
        with FileSource(path) as source:
            self.assertRaises(SourceChanged, self.upload, source, segment_size=16 * MIB)
        self.assert_nothing_named()


class TestExpiry(FaultCase):
    def expiries(self, container):
        return {s.headers.get("X-Delete-After") for s in self.swift.containers[container].values()}

    def test_kept_object(self):
        """The segments of an object without expiry expire only until the manifest is written."""
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, threads=1)
        self.assertEqual({str(7 * 24 * 3600)}, self.expiries("images_segments"))
        self.upload()
        self.assertEqual({None}, self.expiries("images_segments") | self.expiries("images"))

    def test_an_object_that_expires(self):
        """An object and its segments, also of an earlier run, expire at the same time."""
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, expire_after=60, threads=1)
        self.upload(expire_after=3600)
        self.assertEqual({"3600"}, self.expiries("images_segments") | self.expiries("images"))


class TestResume(FaultCase):
    def test_complete(self):
        """Nothing of a complete upload is sent again, and its expiry is renewed."""
        self.upload(expire_after=60)
        done = self.upload(expire_after=3600)
        self.assertEqual((0, len(CONTENT)), (done.sent_bytes, done.reused_bytes))
        self.assertEqual(5, self.segment_puts())
        expiries = {s.headers.get("X-Delete-After")
                    for s in self.swift.containers["images_segments"].values()}  # fmt: skip
        self.assertEqual({"3600"}, expiries)

    def test_lagging_listing(self):
        """A segment is sent again if it is not listed yet, or listed but gone."""
        self.upload()
        segment = self.swift.names("images_segments")[1]
        self.swift.unlisted.add(segment)
        self.assertEqual(MIB, self.upload().sent_bytes)
        self.swift.unlisted.clear()
        self.swift.fault(faults.status(404), "POST", segment)
        self.assertEqual(MIB, self.upload().sent_bytes)
        self.assertEqual(CONTENT, self.swift.read("images", "a"))

    def test_short_remote_segment(self):
        """A segment of another size is sent again."""
        self.upload()
        segment = self.swift.names("images_segments")[1]
        self.swift.put("images_segments", segment, b"short")
        self.assertEqual(MIB, self.upload().sent_bytes)
        self.assertEqual(CONTENT, self.swift.read("images", "a"))

    def test_pages(self):
        """All pages of the listing are used."""
        self.swift.page = 2
        self.upload()
        self.assertEqual(0, self.upload().sent_bytes)
