# SPDX-License-Identifier: Apache-2.0
import threading

import fixtures
from oslotest import base

from rackspace_imagetasks.exceptions import (
    Cancelled,
    IntegrityError,
    QuotaExceeded,
    Refused,
    ServiceError,
)
from rackspace_imagetasks.objects._manifest import StoredSegment
from rackspace_imagetasks.objects.copy import copy, group_segments
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import MAX_PUT
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.shared_read import ONLY_READER, SharedRead
from rackspace_imagetasks.threads import in_parallel
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, NAME, Ledger, SwiftCase, noise
from tests.unit.objects.swift import Swift

PIECES = [noise(MIB, 1), noise(MIB, 2), noise(MIB, 3), noise(17, 4)]
CONTENT = b"".join(PIECES)


class TestCopy(SwiftCase):
    def setUp(self):
        super().setUp()
        self.other = Swift()
        self.addCleanup(self.other.close)

    def copy(self, *, target=None, expire_after=None, reader=ONLY_READER, **running):
        target = ObjectStore((target or self.other).adapter(), sleep=self.waits.append)
        return copy(
            self.store,
            ObjectName("exports", "a"),
            target,
            ObjectName("imports", "b c"),
            self.transfer(**running),
            expire_after=expire_after,
            reader=reader,
        )

    def assert_right(self, content=CONTENT, swift=None):
        self.assertEqual(content, (swift or self.other).read("imports", "b c"))

    def segment_puts(self):
        return len(self.other.requests("PUT", "imports_segments/b c/"))

    def test_slo_and_dlo(self):
        """An object of any kind becomes an SLO with segments of the same sizes."""
        for put in (self.swift.put_slo, self.swift.put_dlo):
            put("exports", "a", PIECES)
            ledger = Ledger()
            done = self.copy(expire_after=3600, progress=ledger)
            self.assert_right()
            self.assertEqual(
                (4, len(CONTENT), 0), (done.segments, done.sent_bytes, done.reused_bytes)
            )
            self.assertEqual([len(CONTENT)], list(ledger.sums.values()))
            for stored in self.other.containers["imports_segments"].values():
                self.assertEqual("3600", stored.headers["X-Delete-After"])
            self.other.containers.clear()

    def test_several_targets(self):
        """Segments are read once for two copies, of which one has some, and needs one again."""
        self.swift.put_slo("exports", "a", PIECES)
        third = Swift()
        self.addCleanup(third.close)
        self.copy()
        for name in self.other.names("imports_segments")[2:]:
            del self.other.containers["imports_segments"][name]
        self.swift.log.clear()
        shared = SharedRead([False, False], width=2)
        self.addCleanup(shared.close)
        self.other.fault(faults.status(503), "PUT", "00000002")
        self.other.log.clear()

        def copy_to(number):
            swift, reader = (self.other, third)[number], shared.readers[number]
            self.copy(target=swift, reader=reader, threads=2)
            reader.end()

        in_parallel(copy_to, range(2), 2, threading.Event())
        for swift in (self.other, third):
            self.assert_right(swift=swift)
        self.assertEqual(3, self.segment_puts())
        self.assertEqual(0, self.other.faults[0].times)
        read = [request.target[-8:] for request in self.swift.requests("GET", "exports_segments")]
        self.assertEqual(["00000000", "00000001", "00000002", "00000002", "00000003"], sorted(read))
        self.assertEqual([1, 0], [reader.alone for reader in shared.readers])

    def test_plain(self):
        """A plain object, also an empty one, takes one PUT, and none if it exists."""
        for content in (CONTENT, b""):
            self.swift.put("exports", "a", content)
            first = self.copy()
            self.assertEqual((0, len(content)), (first.segments, first.sent_bytes))
            self.assert_right(content)
            done = self.copy()
            stored = self.other.containers["imports"]["b c"]
            self.assertEqual([stored.etag] * 2, [first.etag, done.etag])
            self.assertEqual((0, len(content)), (done.sent_bytes, done.reused_bytes))
            self.assertEqual(1, len(self.other.requests("PUT", "imports/b c")))
            self.other.log.clear()

    def test_resume(self):
        """After a failure, only the missing segments are read and written."""
        names = self.swift.put_slo("exports", "a", PIECES)
        self.other.fault(faults.status(507), "PUT", "00000002")
        self.assertRaises(QuotaExceeded, self.copy, threads=1)
        self.assertNotIn("imports", [n for n, o in self.other.containers.items() if o])
        self.swift.log.clear()
        done = self.copy()
        self.assert_right()
        self.assertEqual((2 * MIB, MIB + 17), (done.reused_bytes, done.sent_bytes))
        read = {entry.name for entry in self.swift.requests("GET", "exports_segments")}
        self.assertEqual(set(names[2:]), read)

    def test_complete(self):
        """Only the manifest of a complete copy is written again."""
        self.swift.put_slo("exports", "a", PIECES)
        self.copy()
        self.swift.log.clear()
        done = self.copy()
        self.assertEqual((0, len(CONTENT)), (done.sent_bytes, done.reused_bytes))
        self.assertEqual([], self.swift.requests("GET", "exports_segments"))
        self.assertEqual(4, self.segment_puts())
        self.assert_right()

    def test_source_breaks(self):
        """After the source breaks off, reading resumes at that byte, within the same PUT."""
        names = self.swift.put_slo("exports", "a", PIECES)
        self.swift.fault(faults.cut(600_000), "GET", names[1])
        self.swift.fault(faults.status(503), "GET", names[2])
        self.copy()
        self.assert_right()
        self.assertEqual(4, self.segment_puts())

    def test_target_breaks(self):
        """After the target breaks off, the segment is sent again from its start."""
        self.swift.put_slo("exports", "a", PIECES)
        for action in (faults.reset(300_000), faults.status(503), faults.damaged_etag()):
            self.other.fault(action, "PUT", "00000001")
        self.copy()
        self.assert_right()
        self.assertEqual(7, self.segment_puts())

    def corrupt(self, name, times):
        """Change the first byte of an object in the next responses of the source."""
        self.swift.fault(faults.altered(lambda body: b"X" + body[1:]), "GET", name, times)

    def test_corrupt_on_the_way(self):
        """A segment that arrives corrupt from the source is read and sent again from its start."""
        names = self.swift.put_slo("exports", "a", PIECES)
        self.corrupt(names[1], times=2)
        ledger = Ledger()
        done = self.copy(progress=ledger)
        self.assert_right()
        self.assertEqual(len(CONTENT), done.sent_bytes)
        self.assertEqual(3, len(self.swift.requests("GET", names[1])))
        self.assertEqual(4 + 2, self.segment_puts())
        self.assertEqual([len(CONTENT)], list(ledger.sums.values()))

    def test_corrupt_in_a_group(self):
        """Segments that are joined are all sent again if one of them arrives corrupt."""
        self.useFixture(fixtures.MonkeyPatch("rackspace_imagetasks.objects.copy.MAX_SEGMENTS", 3))
        names = self.swift.put_slo("exports", "a", PIECES)
        self.corrupt(names[1], times=1)
        self.assertEqual(2, self.copy().segments)
        self.assert_right()
        self.assertEqual([2, 2], [len(self.swift.requests("GET", name)) for name in names[:2]])
        self.assertEqual(2 + 1, self.segment_puts())

    def test_plain_corrupt_on_the_way(self):
        """A plain object that arrives corrupt from the source is read and sent again."""
        self.swift.put("exports", "a", CONTENT)
        self.corrupt("exports/a", times=2)
        self.copy()
        self.assert_right()
        self.assertEqual(3, len(self.other.requests("PUT", "imports/b c")))

    def test_corrupt(self):
        """A segment that is corrupt at the source is named, and is not kept at the target."""
        names = self.swift.put_slo("exports", "a", PIECES)
        self.corrupt(names[1], times=99)
        error = self.assertRaises(IntegrityError, self.copy, threads=1)
        self.assertIn(names[1], str(error))
        self.assertEqual(3, len(self.swift.requests("GET", names[1])))
        self.assertEqual(1, len(self.other.names("imports_segments")))
        self.assertEqual([], self.other.names("imports"))

    def test_source_down(self):
        """A source that stays unavailable ends the copy with its error."""
        names = self.swift.put_slo("exports", "a", PIECES)
        self.swift.fault(faults.status(503), "GET", names[1], times=99)
        error = self.assertRaises(ServiceError, self.copy)
        self.assertIn("exports_segments", str(error))

    def test_stop(self):
        """Setting `stop` ends a copy whose source is stalled."""
        names = self.swift.put_slo("exports", "a", PIECES)
        stop = threading.Event()
        self.swift.fault(faults.first(lambda handler: stop.set()), "GET", names[0])
        self.swift.fault(faults.stall(), "GET", "exports_segments", times=99)
        self.assertRaises(Cancelled, self.copy, stop=stop)


class TestGroups(base.BaseTestCase):
    def test_few(self):
        """Up to 1000 segments are not joined."""
        segments = [StoredSegment(ObjectName("c", str(i)), i, 1, "") for i in range(1000)]
        self.assertEqual([[segment] for segment in segments], group_segments(segments))

    def test_large(self):
        """No group is larger than a PUT may be; what does not fit into 1000 is refused."""
        for lengths in ([MAX_PUT // 2, 1], [MAX_PUT // 2 + 1, 1]):
            segments = [
                StoredSegment(ObjectName("c", str(i)), 0, lengths[i % 2], "") for i in range(1900)
            ]
            for group in group_segments(segments):
                self.assertLessEqual(sum(s.length for s in group), MAX_PUT)
        segments = [StoredSegment(NAME, 0, MAX_PUT, "")] * 1001
        self.assertRaises(Refused, group_segments, segments)
        small = [StoredSegment(NAME, 0, 1, "")] * 1000
        large = small[0]._replace(length=MAX_PUT + 1)
        self.assertRaises(Refused, group_segments, [*small, large])

    def test_many(self):
        """More than 1000 segments are joined, in order, into at most 1000 groups."""
        for count in (1001, 1999, 2001, 12_345):
            for lengths in ([1], [1, 1000], [1000, 1, 1]):
                segments, offset = [], 0
                for index in range(count):
                    length = lengths[index % len(lengths)]
                    segments.append(StoredSegment(ObjectName("c", str(index)), offset, length, ""))
                    offset += length
                groups = group_segments(segments)
                self.assertLessEqual(len(groups), 1000)
                self.assertEqual(segments, [s for group in groups for s in group])
