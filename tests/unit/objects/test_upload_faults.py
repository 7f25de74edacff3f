# SPDX-License-Identifier: Apache-2.0
"""Each thing that can go wrong on the way up, what becomes of it and what is left."""

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
        """The object itself must not be there."""
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
        """Each passing status is retried with the whole segment, after a wait."""
        for status in (408, 429, 498, 500, 502, 503, 504):
            self.fault_segment(faults.status(status))
            self.assert_survives()
            self.assertGreater(sum(self.waits), 0.2)
            self.swift.containers.clear()
            self.swift.log.clear()
            self.waits.clear()

    def test_retry_after(self):
        """Retry-After is waited for."""
        self.fault_segment(faults.status(429, Retry_After="20"))
        self.assert_survives()
        self.assertAlmostEqual(20, sum(self.waits))

    def test_reset(self):
        """A connection reset before, in or after the body costs that segment once more."""
        for action in (faults.reset(), faults.reset(300_000), faults.reset_after_body()):
            self.fault_segment(action)
            self.assert_survives()
            self.swift.containers.clear()
            self.swift.log.clear()

    def test_stalled(self):
        """A server that falls silent is given up after the time-out, and asked again."""
        self.store = self.new_store(read_timeout=0.2, connect_timeout=0.2)
        self.fault_segment(faults.stall())
        self.upload()
        self.assertEqual(CONTENT, self.swift.read("images", "a"))
        # On a slow machine so short a time-out also ends requests that nobody stalled.
        self.assertGreater(self.segment_puts(), 5)

    def test_early_status(self):
        """A status sent before the body is read is a status, and no broken connection."""
        self.fault_segment(faults.early_status(503))
        self.assert_survives()

    def test_token_expires(self):
        """A 401 renews the token once for all threads; the segment is sent from its start."""
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
        """A token whose refusal gets lost with the connection is renewed all the same."""

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
        """A manifest is put again after a 503, a 409 and a 400."""
        for status in (503, 409, 400):
            self.swift.fault(faults.status(status), "PUT", "images/a")
            self.assert_survives(resent=0)
            self.assertGreater(sum(self.waits), 0.2)
            self.waits.clear()
            self.swift.containers.clear()
            self.swift.log.clear()

    def test_manifest_is_put_again_alone(self):
        """A 409, or a 400 with a listing that lags behind, costs no segment once more."""
        for status in (409, 400):
            segments = [f"a/slo/memory/{len(CONTENT)}/{MIB}/0000000{n}" for n in range(5)]
            self.swift.unlisted.update(segments)
            self.swift.fault(faults.status(status), "PUT", "images/a")
            self.assertEqual(len(CONTENT), self.upload().sent_bytes)
            self.assertEqual(5, self.segment_puts())
            self.swift.containers.clear()
            self.swift.log.clear()

    def test_segment_vanishes_before_manifest(self):
        """A segment that is gone when the manifest names it is sent again, alone."""

        def vanish(handler):
            objects = handler.swift.containers["images_segments"]
            del objects[next(name for name in objects if name.endswith(SECOND))]

        self.swift.fault(faults.first(vanish), "PUT", "images/a")
        self.upload()
        self.assertEqual(CONTENT, self.swift.read("images", "a"))
        self.assertEqual(6, self.segment_puts())

    def test_head_lags(self):
        """The check at the end looks again when the object does not show at once."""
        self.swift.fault(faults.status(404), "HEAD", "images/a", times=2)
        self.assert_survives(resent=0)
        self.assertGreater(sum(self.waits), 0.7)  # of two times


class TestFinalFaults(FaultCase):
    def test_quota(self):
        """413 and 507 stop at once and say so; what arrived stays for the next run."""
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
        """The run after a full account sends what is missing only."""
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
        """A 401 that a new token does not help is final after that one."""
        self.swift.tokens = set()
        self.assertRaises(AccessDenied, self.upload)
        self.assertEqual(2, len(self.swift.log))

    def test_container_deleted(self):
        """A container that goes away is named."""

        def delete(handler):
            del handler.swift.containers["images_segments"]

        self.swift.fault(faults.first(delete), "PUT", SECOND)
        error = self.assertRaises(NotFound, self.upload)
        self.assertIn("images_segments", str(error))
        self.assert_nothing_named()

    def test_container_deleted_unsaid(self):
        """A container that goes away is named even when the refusal gets lost."""

        def delete(handler):
            handler.swift.containers.pop("images_segments", None)
            return faults.reset()(handler)

        self.fault_segment(delete, times=99)
        error = self.assertRaises(NotFound, self.upload)
        self.assertIn("images_segments", str(error))

    def test_service_down(self):
        """Retries end, with the last answer."""
        self.store = self.new_store(retries=3)
        self.fault_segment(faults.status(503), times=99)
        error = self.assertRaises(ServiceError, self.upload)
        self.assertEqual(503, error.status)
        self.assertEqual(4, len(self.swift.requests("PUT", SECOND)))
        self.assert_nothing_named()

    def test_network_down(self):
        """A connection that never holds is an error that says so."""
        self.store = self.new_store(retries=2)
        self.fault_segment(faults.reset(), times=99)
        error = self.assertRaises(ServiceError, self.upload)
        self.assertRegex(str(error), "reset by peer|closed connection")

    def test_always_damaged(self):
        """A segment that arrives damaged time and again is not left there."""
        self.fault_segment(faults.damaged_etag(), times=99)
        error = self.assertRaises(IntegrityError, self.upload, threads=1)
        self.assertIn(SECOND, str(error))
        self.assertEqual(1, len(self.swift.names("images_segments")))
        self.assert_nothing_named()

    def test_manifest_refused(self):
        """A manifest that stays refused is an error that says what the service said."""
        reason = b"Errors:\na/slo, Etag Mismatch"
        self.swift.fault(faults.status(400, reason), "PUT", "images/a", times=99)
        error = self.assertRaises(ServiceError, self.upload)
        self.assertIn("Etag Mismatch", str(error))
        self.assertEqual(3, len(self.swift.requests("PUT", "images/a")))
        self.assertEqual(5, self.segment_puts())

    def test_cleanup(self):
        """With cleanup, a failed upload leaves no segment; of others' none is touched."""
        self.swift.put("images_segments", "b/slo/1/2/3/00000000", b"other")
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, cleanup=True)
        self.assertEqual(["b/slo/1/2/3/00000000"], self.swift.names("images_segments"))

    def test_cleanup_keeps_what_a_manifest_names(self):
        """Segments of a complete object, which a task may be reading, outlive a failed run."""
        self.upload()
        self.swift.fault(faults.status(403), "PUT", "images/a", times=9)
        self.assertRaises(AccessDenied, self.upload, cleanup=True)
        self.assertEqual(CONTENT, self.swift.read("images", "a"))
        self.swift.unlisted.update(self.swift.names("images_segments"))  # so all are sent again
        self.assertRaises(AccessDenied, self.upload, cleanup=True)
        self.assertEqual(CONTENT, self.swift.read("images", "a"))

    def test_cleanup_keeps_an_earlier_runs_segments(self):
        """What an earlier run left for a resume is not this run's to delete."""
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, threads=1)
        (left,) = self.swift.names("images_segments")
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, cleanup=True)
        self.assertEqual([left], self.swift.names("images_segments"))

    def test_cleanup_of_what_is_not_listed(self):
        """A listing that lags behind hides no segment from the cleanup."""
        self.swift.unlisted.update(f"a/slo/memory/{len(CONTENT)}/{MIB}/0000000{n}" for n in "02")
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, cleanup=True, threads=1)
        self.assertEqual([], self.swift.names("images_segments"))

    def test_cleanup_of_nothing(self):
        """Where there is no container of segments, cleanup does not hide what went wrong."""
        self.swift.fault(faults.status(403), "PUT", "images")
        self.assertRaises(AccessDenied, self.upload, cleanup=True)

    def test_cleanup_fails(self):
        """A cleanup that fails is told, and the upload's own error is raised."""
        self.fault_segment(faults.status(507))
        self.swift.fault(faults.status(403), "DELETE", "images_segments", times=99)
        ledger = Ledger()
        self.assertRaises(QuotaExceeded, self.upload, cleanup=True, progress=ledger)
        (message,) = ledger.messages
        self.assertIn("403", message)

    def test_not_what_was_sent(self):
        """The HEAD at the end finds an object that someone else replaced."""
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
        """A file that is written to meanwhile is not given a manifest."""
        self.change(lambda path: path.write_bytes(noise(len(CONTENT), 2)))

    def test_truncated(self):
        """A file that becomes shorter ends the upload."""
        self.change(lambda path: os.truncate(path, MIB))

    def test_removed(self):
        """A file that is removed is not given a manifest."""
        self.change(os.unlink)

    def test_changed_between_runs(self):
        """Segments of what the file was before are not mixed with what it is."""
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
        """A segment of another content under the same identity is not trusted but replaced."""
        self.upload()
        changed = CONTENT[:MIB] + noise(MIB, 2) + CONTENT[2 * MIB :]
        done = self.upload(BytesSource(changed))
        self.assertEqual(changed, self.swift.read("images", "a"))
        self.assertEqual(MIB, done.sent_bytes)

    def test_whole_file_changed(self):
        """A file that changed while its one PUT travelled does not get the name."""
        path = self.file(noise(16 * MIB))  # more than sockets take without a reader
        self.swift.fault(faults.first(lambda h: path.write_bytes(b"other")), "PUT", "images/a")
        with FileSource(path) as source:
            self.assertRaises(SourceChanged, self.upload, source, segment_size=16 * MIB)
        self.assert_nothing_named()


class TestExpiry(FaultCase):
    def expiries(self, container):
        return {s.headers.get("X-Delete-After") for s in self.swift.containers[container].values()}

    def test_an_object_that_is_to_stay(self):
        """Its segments expire until the manifest is there, and then no more."""
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, threads=1)
        self.assertEqual({str(7 * 24 * 3600)}, self.expiries("images_segments"))
        self.upload()
        self.assertEqual({None}, self.expiries("images_segments") | self.expiries("images"))

    def test_an_object_that_expires(self):
        """It and its segments, those of an earlier run too, expire at the same time."""
        self.fault_segment(faults.status(507))
        self.assertRaises(QuotaExceeded, self.upload, expire_after=60, threads=1)
        self.upload(expire_after=3600)
        self.assertEqual({"3600"}, self.expiries("images_segments") | self.expiries("images"))


class TestResume(FaultCase):
    def test_complete(self):
        """Of a complete upload nothing is sent again, and its expiry begins anew."""
        self.upload(expire_after=60)
        done = self.upload(expire_after=3600)
        self.assertEqual((0, len(CONTENT)), (done.sent_bytes, done.reused_bytes))
        self.assertEqual(5, self.segment_puts())
        expiries = {s.headers.get("X-Delete-After")
                    for s in self.swift.containers["images_segments"].values()}  # fmt: skip
        self.assertEqual({"3600"}, expiries)

    def test_lagging_listing(self):
        """A segment that is not listed yet is sent again; one that is listed no more, too."""
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
        """All pages of the listing count."""
        self.swift.page = 2
        self.upload()
        self.assertEqual(0, self.upload().sent_bytes)
