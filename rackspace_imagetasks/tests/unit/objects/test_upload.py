# SPDX-License-Identifier: Apache-2.0
from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.tests.unit.objects.base import MIB, Ledger, SwiftCase, noise


class TestUpload(SwiftCase):
    def test_small(self):
        """What fits one segment is one PUT, and no segment container is made."""
        done = upload(self.store, BytesSource(b"tiny"), "images", "a")
        self.assertEqual(b"tiny", self.swift.read("images", "a"))
        self.assertEqual(["images"], list(self.swift.containers))
        self.assertEqual(
            (4, 0, 4, 0), (done.size, done.segments, done.sent_bytes, done.reused_bytes)
        )

    def test_small_again(self):
        """What is there already is not sent again; what differs is."""
        upload(self.store, BytesSource(b"tiny"), "images", "a")
        again = upload(self.store, BytesSource(b"tiny"), "images", "a", expire_after=60)
        self.assertEqual((0, 4), (again.sent_bytes, again.reused_bytes))
        upload(self.store, BytesSource(b"TINY"), "images", "a")
        self.assertEqual(b"TINY", self.swift.read("images", "a"))
        self.assertEqual(2, len(self.swift.requests("PUT", "/a")))

    def test_empty(self):
        """An empty source becomes an empty object."""
        done = upload(self.store, BytesSource(b""), "images", "a")
        self.assertEqual((b"", 0), (self.swift.read("images", "a"), done.size))

    def test_segments(self):
        """A longer file becomes segments under swiftclient's names, and a manifest."""
        content = noise(5 * MIB + 17)
        with FileSource(self.file(content)) as source:
            ledger = Ledger()
            done = upload(
                self.store,
                source,
                "images",
                "a b/é%",
                segment_size=MIB,
                expire_after=3600,
                progress=ledger,
            )
            prefix = f"a b/é%/slo/{source.identity}/{len(content)}/{MIB}/"
        self.assertEqual(content, self.swift.read("images", "a b/é%"))
        self.assertEqual(
            [f"{prefix}{i:08d}" for i in range(6)], self.swift.names("images_segments")
        )
        self.assertEqual((6, len(content), 0), (done.segments, done.sent_bytes, done.reused_bytes))
        self.assertEqual([len(content)], list(ledger.sums.values()))
        for put in self.swift.requests("PUT", "/"):
            if put.name:
                self.assertEqual("3600", put.headers["X-Delete-After"])

    def test_names(self):
        """A name is one object's, whatever it looks like."""
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
            upload(self.store, BytesSource(name.encode()), "con tainer?", name)
            self.assertEqual(name.encode(), self.swift.read("con tainer?", name))
            self.assertEqual(
                name.encode(),
                ObjectSource(self.store, "con tainer?", name).read_at(0, len(name.encode())),
            )

    def test_source(self):
        """An object reads as what was sent, at any place."""
        content = noise(3 * MIB)
        upload(self.store, BytesSource(content), "images", "a", segment_size=MIB)
        source = ObjectSource(self.store, "images", "a")
        self.assertEqual(len(content), source.size)
        self.assertEqual(content[MIB - 5 : 2 * MIB + 5], source.read_at(MIB - 5, MIB + 10))
        source.verify_unchanged()
