# SPDX-License-Identifier: Apache-2.0
from rackspace_imagetasks.exceptions import AccessDenied, IntegrityError, Refused, ServiceError
from rackspace_imagetasks.objects.deletion import delete, is_half_deleted, is_kept, mark_as_kept
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.osc.hints import WORDINGS
from tests.unit.objects import faults
from tests.unit.objects.base import NAME, SwiftCase, noise

PIECES = [noise(10, 1), noise(10, 2), noise(5, 3)]


class TestDelete(SwiftCase):
    def test_kinds(self):
        """An object of any kind is deleted with its segments, and nothing else is."""
        self.swift.put("images", "ab", b"other")
        self.swift.put("images_segments", "ab/slo/1/2/3/00000000", b"other")
        for put in (self.swift.put_slo, self.swift.put_dlo):
            put("images", "a", PIECES)
            delete(self.store, NAME)
            self.assertEqual(["ab"], self.swift.names("images"))
            self.assertEqual(["ab/slo/1/2/3/00000000"], self.swift.names("images_segments"))
        self.swift.put("images", "a", b"plain")
        delete(self.store, NAME)
        self.assertEqual(["ab"], self.swift.names("images"))

    def test_gone(self):
        """An object that does not exist causes no request to delete it."""
        delete(self.store, NAME)
        self.assertEqual([], self.swift.requests("DELETE"))

    def test_dlo_of_everything(self):
        """A DLO is not deleted by its prefix if other objects share it."""
        for manifest in ("images/", "images/a", "images/a-", "backups/", "", "/", "/a"):
            self.swift.put_dlo("images", "a", PIECES)
            self.swift.put("images", "a-notes", b"mine")
            self.swift.put("images", "a", b"", X_Object_Manifest=manifest)
            self.swift.put("backups", "00000001", b"mine")
            before = self.swift.names("images")
            error = self.assertRaises((Refused, IntegrityError), delete, self.store, NAME)
            command = "`openstack object delete images <object>`"
            worded = error.messages[0].worded(WORDINGS)
            self.assertEqual(isinstance(error, Refused), command in worded)
            self.assertEqual(before, self.swift.names("images"))
            self.assertEqual(["00000001"], self.swift.names("backups"))

    def test_slo_in_part(self):
        """Segments that the service could not delete are reported."""
        self.swift.put_slo("images", "a", PIECES)
        for report, said in (
            (b'{"Response Status": "400 Bad Request", "Errors": [["/c/s", "403 No"]]}', "403 No"),
            (b'{"Response Status": "200 OK", "Errors": [["/c/s", "403 No"]]}', "403 No"),
            (b'{"Errors": [["/c/s", "403 No"]]}', "403 No"),
            (b'{"Response Status": "401 Unauthorized", "Errors": []}', "401 Unauthorized"),
        ):
            self.swift.fault(faults.status(200, report), "DELETE", "images/a")
            error = self.assertRaises(ServiceError, delete, self.store, NAME)
            self.assertIn(said, str(error))

    def test_dlo_in_part(self):
        """A half-deleted export is recognized, and a second call deletes the rest."""
        self.swift.put_dlo("images", "a", PIECES)
        self.swift.fault(faults.status(403), "DELETE", "a-00002")
        self.assertRaises(AccessDenied, delete, self.store, NAME)
        self.assertEqual(["a", "a-00002", "a-00003"], self.swift.names("images"))
        info = self.store.head_object(NAME)
        self.assertTrue(is_half_deleted(info))
        self.assertFalse(is_kept(info))
        delete(self.store, NAME)
        self.assertEqual([], self.swift.names("images"))


class TestKept(SwiftCase):
    def is_kept(self, name):
        return is_kept(self.store.head_object(ObjectName("images", name)))

    def test_export(self):
        """Exports of the service never expire: only a mark shows that a user keeps one."""
        self.swift.put_dlo("images", "a", PIECES)
        self.assertFalse(self.is_kept("a"))
        mark_as_kept(self.store, NAME)
        self.assertTrue(self.is_kept("a"))
        self.assertEqual(b"".join(PIECES), self.swift.read("images", "a"))
        mark_as_kept(self.store, ObjectName("images", "none"))

    def test_upload(self):
        """An upload that expires is not kept."""
        self.swift.put("images", "a", b"x", X_Delete_At="9999999999")
        self.swift.put("images", "b", b"x")
        self.assertEqual((False, True), (self.is_kept("a"), self.is_kept("b")))
