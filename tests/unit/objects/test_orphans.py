# SPDX-License-Identifier: Apache-2.0
import json
from datetime import timedelta

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import QuotaExceeded
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.orphans import delete_orphan, find_orphans, written_since
from tests.unit.objects import faults, swift
from tests.unit.objects.base import MIB, SwiftCase, noise

STAGED = ("staged", "staged-1", "staged-2", "staged-broken")
PIECES = [noise(10, 1), noise(10, 2), noise(5, 3)]


class TestOrphans(SwiftCase):
    def found(self):
        return find_orphans(self.store, "images", lambda name: name in STAGED, self.swift.now)

    def broken_upload(self):
        self.swift.fault(faults.status(507), "PUT", "00000002")
        content, name = BytesSource(noise(4 * MIB)), ObjectName("images", "staged-broken")
        self.assertRaises(QuotaExceeded, self.upload, content, name, segment_size=MIB, threads=1)

    def test_orphans(self):
        """Segments that no manifest names are found and deleted; those in use are kept."""
        self.swift.put_slo("images", "staged", PIECES)
        self.swift.put("images_segments", "staged/slo/9/2/3/00000000", b"of an earlier version")
        self.swift.put("images_segments", "notes.txt", b"no segment")
        self.swift.put("images_segments", "mine/slo/9/2/3/00000000", b"of a user's own upload")
        self.broken_upload()
        found = [each for each in self.found() if each.kind == "segment"]
        self.assertEqual({"staged", "staged-broken"}, {each.owner.name for each in found})
        self.assertEqual(2 * MIB + 21, sum(orphan.size for orphan in found))
        for orphan in found:
            delete_orphan(self.store, orphan)
        self.assertEqual(b"".join(PIECES), self.swift.read("images", "staged"))
        kept = self.swift.names("images_segments")
        self.assertIn("notes.txt", kept)
        self.assertIn("mine/slo/9/2/3/00000000", kept)
        self.assertEqual(["staged"], [each.object.name for each in self.found()])

    def test_staged(self):
        """Staged objects are found by their names, and deleted with their segments."""
        self.swift.put_slo("images", "staged-1", PIECES)
        self.swift.put("images", "mine", b"kept")
        found = self.found()
        self.assertEqual(["staged-1"], [orphan.object.name for orphan in found])
        delete_orphan(self.store, found[0])
        self.assertEqual(
            (["mine"], []), (self.swift.names("images"), self.swift.names("images_segments"))
        )

    def test_export_without_manifest(self):
        """Segments of an export without a manifest are found, and no others."""
        for owner in ("staged-1", "staged-2", "mine"):
            self.swift.put("images", f"{owner}-00001", b"exported")
        self.swift.put("images", "staged-2", b"", X_Object_Manifest="images/staged-2-")
        found = [(each.object.name, each.kind) for each in self.found()]
        self.assertEqual([("staged-2", "object"), ("staged-1-00001", "segment")], found)

    def test_a_slow_upload_is_one(self):
        """All segments of an upload have the age of the newest."""
        self.swift.put("images_segments", "x", b"")
        listing = [
            {"name": f"staged/slo/1/9/3/{n:08d}", "last_modified": f"2026-01-0{day}T00:00:00",
             "bytes": 3, "hash": "x", "content_type": "x"}
            for n, day in enumerate((1, 3, 2))
        ]  # fmt: skip
        answer = json.dumps(listing).encode()
        self.swift.fault(faults.status(200, answer), "GET", "images_segments")
        days = [each.last_modified.day for each in self.found()]
        self.assertEqual([3, 3, 3], days)

    def test_last_write(self):
        """The last write of anything that belongs to an object counts for all of it."""
        self.swift.put_slo("images", "staged", PIECES)
        self.swift.put("images_segments", "staged/slo/9/2/3/00000000", b"of an earlier version")
        self.swift.put("images", "staged-1-00001", b"exported")
        for container, name in (
            ("images", "staged"),
            ("images_segments", "staged/slo/1/2/3/00000001"),
            ("images", f"staged/in-use/{'a' * 32}"),
            ("images", f"staged-1/in-use/{'b' * 32}"),
        ):
            self.swift.now += timedelta(minutes=1)
            stored = self.swift.containers[container].get(name) or swift.Stored(b"", {})
            self.swift.containers[container][name] = stored
            stored.modified = self.swift.now
            owner = name.partition("/")[0]
            found = {each.last_write for each in self.found() if each.owner.name == owner}
            self.assertEqual({self.swift.now}, found, name)
        names = {each.object.name for each in self.found()}
        expected = {"staged", "staged/slo/9/2/3/00000000", "staged-1-00001"}
        self.assertEqual(expected, names)

    def test_unknown_time(self):
        """An object whose time the service does not give is as old as the listing."""
        entry = {"name": "staged", "last_modified": "?", "bytes": 3, "hash": "x"}
        self.swift.put("images", "x", b"")
        self.swift.fault(faults.status(200, json.dumps([entry]).encode()), "GET", "images")
        self.assertEqual([self.swift.now], [each.last_write for each in self.found()])

    def test_the_patterns_of_a_container(self):
        """Segments of exports are beside the manifest, others in their own container."""
        self.swift.put("images", "staged/slo/1/2/3/00000000", b"a user's own")
        self.swift.put("images_segments", "staged-00001", b"a user's own")
        self.swift.put("images_segments", "staged", b"a user's own")
        self.assertEqual([], self.found())

    def test_written_since(self):
        """A later write of anything that belongs to an object's owner is noticed."""
        self.broken_upload()
        orphan = self.found()[0]
        self.assertFalse(written_since(self.store, orphan))
        self.swift.now += timedelta(minutes=1)
        for container, name, counts in (
            ("images", f"staged-broken-2/in-use/{'a' * 32}", False),
            ("images_segments", "staged-broken-2/slo/1/2/3/00000007", False),
            ("images", f"staged-broken/in-use/{'a' * 32}", True),
            ("images_segments", "staged-broken/slo/1/2/3/00000007", True),
        ):
            self.store.create_container(container)
            self.store.put_object(ObjectName(container, name), b"")
            self.assertEqual(counts, written_since(self.store, orphan), name)
            self.store.delete_object(ObjectName(container, name))

    def test_nothing_there(self):
        """Without containers, there are no orphans."""
        self.assertEqual([], self.found())

    def test_taken_up_again(self):
        """An orphan that a resumed upload needs by now is kept."""
        self.broken_upload()
        self.swift.put("images", "staged-1", b"x")
        self.swift.put("images", "staged-2-00001", b"exported")
        found = self.found()
        content = BytesSource(noise(4 * MIB))
        self.upload(content, ObjectName("images", "staged-broken"), segment_size=MIB)
        written = "Fri, 02 Jan 2026 00:00:00 GMT"  # the listing says: on the first
        self.swift.put("images", "staged-1", b"y", Last_Modified=written)
        self.swift.put("images", "staged-2", b"", X_Object_Manifest="images/staged-2-")
        self.assertEqual({"object", "segment"}, {each.kind for each in found})
        self.assertEqual({False}, {delete_orphan(self.store, each) for each in found})
        self.assertEqual([], self.swift.requests("DELETE"))
