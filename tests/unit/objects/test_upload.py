# SPDX-License-Identifier: Apache-2.0
import hashlib

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.exceptions import NotFound, SourceChanged, SourceError
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.source import ObjectSource
from tests.unit.objects.base import MIB, NAME, Ledger, SwiftCase, noise


class TestUpload(SwiftCase):
    def test_small(self):
        """A source that fits into one segment takes one PUT and no container of segments."""
        done = self.upload(BytesSource(b"tiny"))
        self.assertEqual(b"tiny", self.swift.read("images", "a"))
        self.assertEqual(["images"], list(self.swift.containers))
        self.assertEqual(
            (4, 0, 4, 0), (done.size, done.segments, done.sent_bytes, done.reused_bytes)
        )
        self.assertEqual(hashlib.md5(b"tiny").hexdigest(), done.etag)

    def test_small_again(self):
        """Content that exists is not sent again; different content is."""
        self.upload(BytesSource(b"tiny"))
        again = self.upload(BytesSource(b"tiny"), expire_after=60)
        self.assertEqual((0, 0, 4), (again.segments, again.sent_bytes, again.reused_bytes))
        self.upload(BytesSource(b"TINY"))
        self.assertEqual(b"TINY", self.swift.read("images", "a"))
        self.assertEqual(2, len(self.swift.requests("PUT", "/a")))

    def test_whole_in_chunks(self):
        """One PUT transfers all bytes, whatever the chunk size."""
        for size in (MIB - 1, MIB, MIB + 1, 3 * MIB + 5):
            ledger = Ledger()
            content = noise(size)
            self.upload(BytesSource(content), progress=ledger)
            self.assertEqual(content, self.swift.read("images", "a"))
            self.assertEqual(size, ledger.sums["Uploading memory"])
        self.assertEqual(["images"], list(self.swift.containers))

    def test_empty(self):
        """An empty source becomes an empty object."""
        done = self.upload(BytesSource(b""))
        self.assertEqual((b"", 0), (self.swift.read("images", "a"), done.size))

    def test_segments(self):
        """A larger file becomes segments, named as by python-swiftclient, and a manifest."""
        content = noise(5 * MIB + 17)
        with FileSource(self.file(content)) as source:
            ledger = Ledger()
            done = self.upload(
                source,
                ObjectName("images", "a b/é%"),
                segment_size=MIB,
                expire_after=3600,
                progress=ledger,
            )
            prefix = f"a b/é%/slo/{source.identity}/{len(content)}/{MIB}/"
        self.assertEqual(content, self.swift.read("images", "a b/é%"))
        self.assertEqual(
            [f"{prefix}{i:08d}" for i in range(6)], self.swift.names("images_segments")
        )
        self.assertEqual(self.swift.containers["images"]["a b/é%"].etag, done.etag)
        self.assertEqual((6, len(content), 0), (done.segments, done.sent_bytes, done.reused_bytes))
        self.assertEqual([len(content)], list(ledger.sums.values()))
        for put in self.swift.requests("PUT", "/"):
            if put.name:
                self.assertEqual("3600", put.headers["X-Delete-After"])

    def test_a_container_that_exists(self):
        """It is not created; if it was deleted meanwhile, the upload fails."""
        source = BytesSource(b"tiny")
        self.assertRaises(NotFound, self.upload, source, has_container=True)
        self.assertEqual([], list(self.swift.containers))
        self.store.create_container("images")
        self.upload(source, has_container=True)
        self.assertEqual(b"tiny", self.swift.read("images", "a"))
        puts = [put.name for put in self.swift.requests("PUT", "")]
        self.assertEqual(1, puts.count(""), puts)

    def test_names(self):
        """Any name is the name of exactly one object."""
        for name in (
            "..",
            "a/../b",
            "//a",
            "a//b",
            "./.",
            "50% off?x=1#y",
            "\u00fcber \U0001f600",
            "a\nb",
            "...",
            "a/...",
        ):
            place, content = ObjectName("con tainer?", name), name.encode()
            self.upload(BytesSource(content), place)
            self.assertEqual(content, self.swift.read(*place))
            self.assertEqual(content, ObjectSource(self.store, place).read_at(0, len(content)))

    def test_source(self):
        """An object as a byte source returns what was sent, at any offset."""
        content = noise(3 * MIB)
        self.upload(BytesSource(content), segment_size=MIB)
        source = ObjectSource(self.store, NAME)
        self.assertEqual(len(content), source.size)
        self.assertEqual(content[MIB - 5 : 2 * MIB + 5], source.read_at(MIB - 5, MIB + 10))
        self.assertEqual([(0, len(content))], list(source.data_extents()))
        source.verify_unchanged()
        for offset, length in ((len(content), 1), (-1, 2), (0, -1)):
            self.assertRaises(SourceError, source.read_at, offset, length)

    def test_source_that_changes(self):
        """A replaced or deleted object is detected by its ETag."""
        for change in (
            lambda: self.swift.put("images", "a", b"12"),
            lambda: self.swift.put("images", "a", b"other"),
            self.swift.containers.clear,
        ):
            self.swift.put("images", "a", b"first")
            source = ObjectSource(self.store, NAME)
            self.assertEqual(hashlib.md5(b"first").hexdigest(), source.identity)
            source.verify_unchanged()
            change()
            self.assertRaises(SourceChanged, source.verify_unchanged)
