# SPDX-License-Identifier: Apache-2.0
import json
from urllib.parse import quote

import fixtures

from rackspace_imagetasks.exceptions import AccessDenied, IntegrityError, Refused, ServiceError
from rackspace_imagetasks.http.answers import read_short
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

    def report(self, *errors, status="502 Bad Gateway"):
        """Have the next deletion of the SLO with its segments fail as Swift reports it."""
        body = json.dumps({"Response Status": status, "Errors": errors}).encode()

        def act(handler):
            handler.swift.containers["images"].pop("a")  # Swift deletes the manifest even so
            return faults.status(200, body)(handler)

        self.swift.fault(act, "DELETE", "images/a")

    def test_transient_failures_of_segments(self):
        """Segments that could not be deleted for a transient reason are deleted by name."""
        names = self.swift.put_slo("images", "a", PIECES)
        paths = [quote(f"/images_segments/{name}") for name in names]
        self.report(
            [paths[0], "503 Service Unavailable"],
            [paths[1], "408 Request Timeout"],
            [paths[2], "429 Too Many Requests"],
        )
        self.swift.fault(faults.status(503), "DELETE", names[0])
        delete(self.store, NAME)
        self.assertEqual([0, 0], [fault.times for fault in self.swift.faults])
        self.assertEqual([], self.swift.names("images_segments"))
        self.assertEqual([], self.swift.names("images"))
        deleted = [request.name for request in self.swift.requests("DELETE", "images_segments/")]
        self.assertEqual(sorted([*names, names[0]]), sorted(deleted))

    def test_transient_failure_of_the_whole(self):
        """A deletion that fails as a whole for a transient reason is requested again."""
        self.swift.put_slo("images", "a", PIECES)
        report = b'{"Response Status": "503 Service Unavailable", "Errors": []}'
        self.swift.fault(faults.status(200, report), "DELETE", "images/a", times=2)
        delete(self.store, NAME)
        self.assertEqual([0], [fault.times for fault in self.swift.faults])
        self.assertEqual(([], []), tuple(map(self.swift.names, ("images", "images_segments"))))

    def test_transient_failures_that_last(self):
        """The deletion is incomplete after as many attempts as any request has."""
        names = self.swift.put_slo("images", "a", PIECES)
        report = {"Errors": [[f"/images_segments/{names[0]}", "503 Busy"]]}
        fault = faults.status(200, json.dumps(report).encode())
        self.swift.fault(fault, "DELETE", "images/a", times=99)
        store = self.new_store(retries=2)
        error = self.assertRaises(ServiceError, delete, store, NAME)
        self.assertIn("503 Busy", str(error))
        self.assertEqual([96], [each.times for each in self.swift.faults])

    def test_only_segments_of_the_object_are_deleted_by_name(self):
        """Objects that the manifest does not name are never deleted, whatever the report says."""
        self.swift.put("backups", "mine", b"mine")
        for errors in (
            [["/backups/mine", "503 Busy"]],
            [["/backups", "503 Busy"]],
            [["", "503 Busy"]],
            [["503"]],
            ["503 Busy"],
            {"/backups/mine": "503"},
        ):
            self.swift.put_slo("images", "a", PIECES)
            fault = faults.status(200, json.dumps({"Errors": errors}).encode())
            self.swift.fault(fault, "DELETE", "images/a")
            self.assertRaises(ServiceError, delete, self.store, NAME)
        self.assertEqual({0}, {fault.times for fault in self.swift.faults})
        self.assertEqual(["mine"], self.swift.names("backups"))
        self.assertEqual([], self.swift.requests("DELETE", "backups"))

    def test_time_for_many_segments(self):
        """The time allowed for the answer grows with the number of segments."""
        timeouts = []

        def read(*about, timeout, **limits):
            timeouts.append(timeout)
            return read_short(*about, timeout=timeout, **limits)

        self.useFixture(fixtures.MockPatch("rackspace_imagetasks.http.client.read_short", read))
        self.swift.put_slo("images", "a", PIECES * 200)
        delete(self.store, NAME)
        self.assertEqual(["HEAD", "GET", "DELETE"], [entry.method for entry in self.swift.log])
        self.assertEqual([300.0, 300.0, 900.0], timeouts)

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
