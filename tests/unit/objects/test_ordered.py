# SPDX-License-Identifier: Apache-2.0
import threading

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import NotFound, SourceChanged
from rackspace_imagetasks.objects._verified import SegmentCorrupt
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.ordered import OrderedObject
from rackspace_imagetasks.shared_read import SharedRead
from rackspace_imagetasks.threads import in_parallel
from tests.unit.objects.base import MIB, NAME, SwiftCase, noise
from tests.unit.objects.faults import altered

_SEGMENT = 3 * MIB


class OrderedTest(SwiftCase):
    def setUp(self):
        super().setUp()
        self.content = noise(10 * MIB + 5)
        self.upload(BytesSource(self.content), segment_size=_SEGMENT)

    def open(self, name=NAME):
        source = OrderedObject(self.store, name)
        self.addCleanup(source.close)
        self.swift.log.clear()
        return source

    def test_in_order(self):
        """Reads with gaps, and reads a little back, need one request for each segment."""
        source = self.open()
        for offset in range(0, source.size - 200_000, 200_000):
            self.assertEqual(self.content[offset : offset + 5], source.read_at(offset, 5))
            expected = self.content[offset + 1000 : offset + 190_000]
            self.assertEqual(expected, source.read_at(offset + 1000, 189_000))
            self.assertEqual(self.content[offset : offset + 512], source.read_at(offset, 512))
        source.verify_unchanged()
        self.assertEqual(4, len(self.swift.requests("GET")))

    def test_ends_first(self):
        """A small read of the end is a request of its own, and does not disturb the order."""
        far = noise(80 * MIB, 2)
        self.upload(BytesSource(far), ObjectName("images", "far"), segment_size=40 * MIB)
        source = self.open(ObjectName("images", "far"))
        self.assertEqual(far[-512:], source.read_at(source.size - 512, 512))
        self.assertEqual(far[: 9 * MIB], source.read_at(0, 9 * MIB))
        self.assertEqual(2, len(self.swift.requests("GET")))
        source.verify_unchanged()
        self.assertEqual(
            4, len(self.swift.requests("GET")), "the rest of both segments is verified"
        )

    def test_started_again(self):
        """Everything can be read again, as after an upload that broke."""
        source = self.open()
        for _ in range(2):
            for offset in range(0, 10 * MIB, MIB):
                self.assertEqual(self.content[offset : offset + MIB], source.read_at(offset, MIB))
        self.assertGreater(len(self.swift.requests("GET")), 4)

    def test_corrupt_segment(self):
        """A segment with another MD5 is an error before its last byte is read."""
        source = self.open()
        self.swift.fault(altered(lambda body: body[:-1] + b"?"), "GET", "00000000")
        self.assertEqual(self.content[: 2 * MIB], source.read_at(0, 2 * MIB))
        self.assertRaises(SegmentCorrupt, source.read_at, 2 * MIB, 2 * MIB)
        self.assertEqual(0, self.swift.faults[0].times)
        self.assertEqual(self.content[:MIB], source.read_at(0, MIB), "it can be read again")
        source.verify_unchanged()

    def test_replaced(self):
        """An object that is replaced while it is read is an error."""
        source = self.open()
        source.verify_unchanged()
        self.upload(BytesSource(noise(10 * MIB, 3)), segment_size=_SEGMENT)
        self.assertRaises(SourceChanged, source.verify_unchanged)

    def test_several_targets(self):
        """What two read in order is requested once; a part of which one is wrong, again by each."""
        shared = SharedRead([True, True], width=1)
        self.addCleanup(shared.close)
        self.swift.fault(altered(lambda body: body[:-1] + b"?"), "GET", "00000001")

        def read(reader):
            source = OrderedObject(self.store, NAME, reader)
            self.addCleanup(source.close)
            source.read_at(0, _SEGMENT)
            self.assertRaises(SegmentCorrupt, source.read_at, _SEGMENT, _SEGMENT)
            read = [source.read_at(at, MIB) for at in range(_SEGMENT, 10 * MIB, MIB)]
            source.verify_unchanged()
            return b"".join(read)

        self.swift.log.clear()
        found = in_parallel(read, shared.readers, 2, threading.Event())
        self.assertEqual([self.content[_SEGMENT : 10 * MIB]] * 2, found)
        self.assertEqual(0, self.swift.faults[0].times)
        asked = sorted(name for name in self.asked() if name != str(NAME))
        self.assertEqual(["00000000", *["00000001"] * 3, "00000002", "00000003"], asked)

    def test_absent(self):
        """An object that does not exist is an error."""
        self.assertRaises(NotFound, self.open, ObjectName("images", "none"))

    def asked(self):
        """Return the ends of the names of the objects that were requested, in order."""
        return [request.target[-8:] for request in self.swift.requests("GET")]

    def test_apart(self):
        """Reads of tables, however long, are requests of their own and do not begin the stream."""
        source = self.open()
        with source.apart():
            for offset in (9 * MIB, 0, MIB):
                expected = self.content[offset : offset + MIB]
                self.assertEqual(expected, source.read_at(offset, MIB))
        self.assertEqual((["images/a"] * 3, 0), (self.asked(), source.position))
        self.assertEqual(self.content[: 2 * MIB], source.read_at(0, 2 * MIB))
        source.verify_unchanged()
        self.assertEqual("00000000", self.asked()[3])
        self.assertEqual(1, self.asked().count("00000003"), "the last segment is verified")

    def test_trusted(self):
        """Parts that an earlier run has verified are not received in order, nor verified again."""
        source = self.open()
        with source.apart():
            self.assertEqual(self.content[:MIB], source.read_at(0, MIB))
        source.trust(4 * MIB)
        self.assertEqual(set(), source.unverified)
        for offset in range(4 * MIB, 10 * MIB, MIB):
            self.assertEqual(self.content[offset : offset + MIB], source.read_at(offset, MIB))
            self.assertEqual(offset + MIB, source.position)
        source.verify_unchanged()
        self.assertEqual(set(), source.unverified)
        self.assertEqual(["images/a", "00000001", "00000002", "00000003"], self.asked())

    def test_trusted_but_used(self):
        """A trusted part of which bytes are used nevertheless is verified in the end."""
        source = self.open()
        source.trust(7 * MIB)
        self.swift.fault(altered(lambda body: b"?" + body[1:]), "GET", "00000001")
        self.assertEqual(self.content[4 * MIB : 5 * MIB], source.read_at(4 * MIB, MIB))
        self.assertEqual({1}, source.unverified)
        self.assertRaises(SegmentCorrupt, source.verify_unchanged)
        source.verify_unchanged()
        self.assertEqual(set(), source.unverified)
        self.assertEqual(["images/a", "00000001", "00000001"], self.asked())

    def test_all_trusted(self):
        """If an earlier run has verified everything, only the version is looked up."""
        source = self.open()
        source.trust(source.size)
        source.verify_unchanged()
        self.assertEqual([], self.asked())
