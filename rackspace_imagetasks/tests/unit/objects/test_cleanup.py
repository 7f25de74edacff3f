# SPDX-License-Identifier: Apache-2.0
import json

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import IntegrityError, QuotaExceeded, Refused, ServiceError
from rackspace_imagetasks.objects.cleanup import delete, leftovers, remove
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.tests.unit.objects import faults
from rackspace_imagetasks.tests.unit.objects.base import MIB, SwiftCase, noise

STAGED = ("staged", "staged-1", "staged-2", "staged-broken")
PIECES = [noise(10, 1), noise(10, 2), noise(5, 3)]


class TestDelete(SwiftCase):
    def test_kinds(self):
        """Whatever its kind, an object goes with its segments and nothing else does."""
        self.swift.put("images", "ab", b"other")
        self.swift.put("images_segments", "ab/slo/1/2/3/00000000", b"other")
        for put in (self.swift.put_slo, self.swift.put_dlo):
            put("images", "a", PIECES)
            delete(self.store, "images", "a")
            self.assertEqual(["ab"], self.swift.names("images"))
            self.assertEqual(["ab/slo/1/2/3/00000000"], self.swift.names("images_segments"))
        self.swift.put("images", "a", b"plain")
        delete(self.store, "images", "a")
        self.assertEqual(["ab"], self.swift.names("images"))

    def test_gone(self):
        """What is not there is as good as deleted."""
        delete(self.store, "images", "a")

    def test_dlo_of_everything(self):
        """A DLO whose prefix other objects share is not deleted by its prefix."""
        for manifest in ("images/", "images/a", "backups/", "", "/", "/a"):
            self.swift.put_dlo("images", "a", PIECES)
            self.swift.put("images", "a-notes", b"mine")
            self.swift.put("images", "a", b"", X_Object_Manifest=manifest)
            self.swift.put("backups", "00000001", b"mine")
            before = self.swift.names("images")
            self.assertRaises((Refused, IntegrityError), delete, self.store, "images", "a")
            self.assertEqual(before, self.swift.names("images"))
            self.assertEqual(["00000001"], self.swift.names("backups"))

    def test_slo_in_part(self):
        """Segments that the service could not delete are said."""
        self.swift.put_slo("images", "a", PIECES)
        report = b'{"Response Status": "400 Bad Request", "Errors": [["/c/s", "403 Forbidden"]]}'
        self.swift.fault(faults.status(200, report), "DELETE", "images/a")
        error = self.assertRaises(ServiceError, delete, self.store, "images", "a")
        self.assertIn("403 Forbidden", str(error))


class TestLeftovers(SwiftCase):
    def found(self):
        return leftovers(self.store, "images", lambda name: name in STAGED)

    def broken_upload(self):
        self.swift.fault(faults.status(507), "PUT", "00000002")
        content = BytesSource(noise(4 * MIB))
        self.assertRaises(QuotaExceeded, upload, self.store, content, "images", "staged-broken",
                          segment_size=MIB, threads=1)  # fmt: skip

    def test_orphans(self):
        """Segments that no manifest names are found and removed; those in use stay."""
        self.swift.put_slo("images", "staged", PIECES)
        self.swift.put("images_segments", "staged/slo/9/2/3/00000000", b"of an earlier version")
        self.swift.put("images_segments", "notes.txt", b"no segment")
        self.swift.put("images_segments", "mine/slo/9/2/3/00000000", b"of a user's own upload")
        self.broken_upload()
        found = [each for each in self.found() if each.kind == "segment"]
        self.assertEqual({"staged", "staged-broken"}, {each.owner for each in found})
        self.assertEqual(2 * MIB + 21, sum(leftover.size for leftover in found))
        for leftover in found:
            remove(self.store, leftover)
        self.assertEqual(b"".join(PIECES), self.swift.read("images", "staged"))
        kept = self.swift.names("images_segments")
        self.assertIn("notes.txt", kept)
        self.assertIn("mine/slo/9/2/3/00000000", kept)
        self.assertEqual(["staged"], [each.name for each in self.found()])

    def test_staged(self):
        """Staged objects are found by their names, and go with their segments."""
        self.swift.put_slo("images", "staged-1", PIECES)
        self.swift.put("images", "mine", b"kept")
        found = self.found()
        self.assertEqual(["staged-1"], [leftover.name for leftover in found])
        remove(self.store, found[0])
        self.assertEqual(
            (["mine"], []), (self.swift.names("images"), self.swift.names("images_segments"))
        )

    def test_export_without_manifest(self):
        """Of an export that never got its manifest, the segments are found; of others, none."""
        for owner in ("staged-1", "staged-2", "mine"):
            self.swift.put("images", f"{owner}-00001", b"exported")
        self.swift.put("images", "staged-2", b"", X_Object_Manifest="images/staged-2-")
        found = [(each.name, each.kind) for each in self.found()]
        self.assertEqual([("staged-2", "object"), ("staged-1-00001", "segment")], found)

    def test_a_slow_upload_is_one(self):
        """Segments of one upload are as old as the newest of them."""
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

    def test_nothing_there(self):
        """Without containers there are no leftovers."""
        self.assertEqual([], self.found())
