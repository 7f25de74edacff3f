# SPDX-License-Identifier: Apache-2.0
"""The data of an image, read in parts or in order, from services with and without ranges."""

import hashlib
import threading
from unittest import mock

from rackspace_imagetasks import ordered as ordered_module
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    Cancelled,
    IntegrityError,
    NotFound,
    ServiceError,
    SourceChanged,
    SourceError,
)
from rackspace_imagetasks.glance.ordered import OrderedImage
from rackspace_imagetasks.threads import in_parallel
from tests.unit.glance.dataservice import PLACE, DataCase, refused
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, noise

CONTENT = noise(2 * MIB + 7)


class SourceCase(DataCase):
    def setUp(self):
        super().setUp()
        self.image = self.stored(CONTENT)

    def fault_get(self, action, times=1):
        self.fault(action, "GET", "/file", times)

    def read_into(self, received, source):
        """Add what a source yields, also if it fails."""
        received.extend(source.chunks())

    def content(self):
        return b"".join(self.source(self.image).chunks())


class ReadTest(SourceCase):
    def test_parts(self):
        """Each part is one request, from any thread."""
        source = self.source(self.image)
        offsets = [0, 5, MIB, 2 * MIB]
        parts = in_parallel(lambda at: source.read_at(at, 7), offsets, 4, threading.Event())
        self.assertEqual([CONTENT[at : at + 7] for at in offsets], parts)
        self.assertEqual((len(CONTENT), "web"), (source.size, source.name))
        self.assertEqual(1 + 4, self.count("GET", "/file"))
        self.assertEqual(b"", source.read_at(0, 0))

    def test_outside(self):
        """Nothing is requested beyond the end."""
        source = self.source(self.image)
        self.assertRaises(SourceError, source.read_at, len(CONTENT), 1)
        self.assertEqual(0, self.count("GET", "/file"))

    def test_break(self):
        """A part that breaks resumes at the byte that was reached."""
        source = self.source(self.image)
        self.assertTrue(source.supports_ranges)
        self.fault_get(faults.reset())
        self.fault_get(faults.cut(300_000))
        self.fault_get(faults.status(503))
        self.assertEqual(CONTENT[5:-5], source.read_at(5, len(CONTENT) - 10))
        self.assertEqual([1, 1, 1], self.fired())
        ranges = [get.headers["Range"] for get in self.service.requests("GET", "/file")]
        self.assertEqual(f"bytes={5 + 300_000}-{len(CONTENT) - 6}", ranges[-1])

    def test_stalled(self):
        """A stalled response is given up in time, and requested again."""
        source = self.source(self.image, timeout=0.3)
        self.assertTrue(source.supports_ranges)
        self.fault_get(faults.stall())
        self.assertEqual(CONTENT[:9], source.read_at(0, 9))
        self.assertEqual([1], self.fired())

    def test_always_broken(self):
        """A connection that breaks without progress is reported, with the offset."""
        source = self.source(self.image)
        self.assertTrue(source.supports_ranges)
        self.fault_get(faults.cut(1), times=99)
        error = self.assertRaises(ServiceError, source.read_at, 0, 100)
        self.assertIn(f"{PLACE} broke 8 times at byte 8", str(error))
        self.assertIn(PLACE, str(error))
        self.assertEqual([8], self.fired())

    def test_cancelled(self):
        """A source that is cancelled sends no request."""
        stop = threading.Event()
        source = self.source(self.image).until(stop)
        stop.set()
        self.assertRaises(Cancelled, source.read_at, 0, 1)
        self.assertEqual(0, self.count("GET", "/file"))

    def test_no_ranges(self):
        """A service that ignores or refuses ranges is recognized by one request."""
        for kind in ("ignored", "refused"):
            self.service.ranges = kind
            source = self.source(self.image)
            self.assertFalse(source.supports_ranges)
            self.assertFalse(source.supports_ranges)
            error = self.assertRaises(SourceError, source.read_at, 0, 1)
            self.assertIn("only be read from the start", str(error))
        self.assertEqual(2, self.count("GET", "/file"))

    def test_other_range(self):
        """A part that is not the requested one is not used."""

        def shifted(handler):
            handler.answer(206, {"Content-Range": f"bytes 1-2/{len(CONTENT)}"}, b"xx")
            return True

        source = self.source(self.image)
        self.assertTrue(source.supports_ranges)
        self.fault_get(shifted)
        error = self.assertRaises(IntegrityError, source.read_at, 0, 2)
        self.assertIn(f"{PLACE} returned bytes 1-2/", str(error))
        self.assertEqual([1], self.fired())

    def test_range_is_ignored_once(self):
        """The whole data, in place of a part, are not taken for the part."""

        def whole(handler):
            handler.answer(200, {}, CONTENT)
            return True

        source = self.source(self.image)
        self.assertTrue(source.supports_ranges)
        self.fault_get(whole)
        self.assertEqual(CONTENT[MIB : MIB + 9], source.read_at(MIB, 9))
        self.assertEqual([1], self.fired())


class StreamTest(SourceCase):
    def test_in_order(self):
        """All data are read with or without ranges."""
        for kind in ("honoured", "ignored", "refused"):
            self.service.ranges = kind
            self.assertEqual(CONTENT, self.content())

    def test_break(self):
        """After breaks, no byte is missing or repeated, and the hash is still verified."""
        for number, kind in enumerate(("honoured", "ignored", "refused")):
            self.service.ranges = kind
            source = self.source(self.image)
            self.assertIsNotNone(source.supports_ranges)
            self.fault_get(faults.cut(MIB + 3))
            self.fault_get(faults.cut(100))
            self.fault_get(faults.reset())
            self.assertEqual(CONTENT, b"".join(source.chunks()))
            self.assertEqual([1, 1, 1] * (number + 1), self.fired())

    def test_corrupt(self):
        """Data that do not match the hash are never yielded completely."""
        wrong = hashlib.sha256(b"other").hexdigest()
        for values, name in (
            ({}, "SHA512"),
            ({"os_hash_algo": "sha256", "os_hash_value": wrong, "checksum": "1"}, "SHA256"),
            ({"os_hash_algo": "unknown", "os_hash_value": "1"}, "MD5"),
            ({"os_hash_algo": None, "os_hash_value": None}, "MD5"),
        ):
            self.service.images[self.image["id"]].update(values)
            source = self.source(self.image)
            self.assertTrue(source.supports_ranges)
            self.fault_get(faults.altered(lambda content: b"\0" + content[1:]))
            received = []
            error = self.assertRaises(IntegrityError, self.read_into, received, source)
            self.assertIn(f"their {name} is", str(error))
            self.assertIn(PLACE, str(error))
            self.assertLess(len(b"".join(received)), len(CONTENT))
        self.assertEqual([1] * 4, self.fired())

    def test_without_hash(self):
        """Data without a hash are as good as their size."""
        self.service.images[self.image["id"]].update(os_hash_value=None, checksum=None)
        self.assertEqual(CONTENT, self.content())

    def test_empty(self):
        """No bytes need no request."""
        self.image = self.stored(b"")
        self.assertEqual(b"", self.content())
        self.assertEqual(0, self.count("GET", "/file"))

    def test_other_size(self):
        """Data of another length than that of the image are not read."""
        self.service.ranges = "refused"
        self.service.contents[self.image["id"]] = CONTENT[:-1]
        error = self.assertRaises(IntegrityError, self.content)
        self.assertIn(f"returned {len(CONTENT) - 1} bytes, expected {len(CONTENT)}", str(error))


class RefusalTest(SourceCase):
    def test_no_data(self):
        """An image without data is reported without a request for them."""
        for values in ({"status": "queued"}, {"size": None}):
            image = self.stored(CONTENT)
            self.service.images[image["id"]].update(values)
            self.assertIn(PLACE, str(self.assertRaises(SourceError, self.source, image)))
        self.assertEqual(0, self.count("GET", "/file"))

    def test_refusals(self):
        """Each refusal is final, says why, and names the image and its place."""
        for status, kind, words in (
            (204, SourceError, "has no data"),
            (403, AccessDenied, "deactivated"),
            (404, NotFound, "was deleted"),
            (410, NotFound, "was deleted"),
            (413, ServiceError, "does not return image data"),
        ):
            self.fault_get(refused(status, "too bad") if status != 204 else faults.status(204))
            text = str(self.assertRaises(kind, self.content))
            self.assertIn(words, text)
            self.assertIn("mage 'web'", text)
            self.assertIn(PLACE, text)
            self.assertEqual(status != 204, "(too bad)" in text)
        self.assertEqual(([1] * 5, 5), (self.fired(), self.count("GET", "/file")))

    def test_deactivated_meanwhile(self):
        """A refusal between two parts is final, too."""
        source = self.source(self.image)
        source.read_at(0, 9)
        self.fault_get(refused(403, "The requested image has been deactivated."))
        self.assertRaises(AccessDenied, source.read_at, 9, 9)
        self.assertEqual([1], self.fired())

    def test_unchanged(self):
        """An image that is deleted, deactivated or has other data is a source that changed."""
        source = self.source(self.image)
        source.verify_unchanged()
        for change, how in (
            ({"status": "deactivated"}, "became 'deactivated'"),
            ({"status": "active", "os_hash_value": "1"}, "changed"),
        ):
            self.service.changes = [change]
            error = self.assertRaises(SourceChanged, source.verify_unchanged)
            self.assertIn(f"{how} while it was being read", str(error))
            self.assertEqual([], self.service.changes)
        self.service.images.clear()
        error = self.assertRaises(SourceChanged, source.verify_unchanged)
        self.assertIn("was deleted", str(error))


class OrderedTest(SourceCase):
    def test_without_ranges(self):
        """Data that come only in one stream are read in order, and again from their start."""
        self.service.ranges = "refused"
        self.assertRaises(SourceError, OrderedImage, self.source(self.image))
        ordered = OrderedImage(self.source(self.image), in_order=True)
        self.addCleanup(ordered.close)
        with mock.patch.object(ordered_module, "_BEHIND", 0):
            for _ in range(2):
                self.assertEqual(CONTENT[:MIB], ordered.read_at(0, MIB))
                self.assertEqual(CONTENT[MIB:-7], ordered.read_at(MIB, MIB))
                self.assertEqual(CONTENT[-7:], ordered.read_at(2 * MIB, 7))
            ordered.verify_unchanged()
        self.assertEqual(4, self.count("GET", "/file"), "two probes, and two streams")
