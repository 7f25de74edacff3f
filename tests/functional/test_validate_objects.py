# SPDX-License-Identifier: Apache-2.0
"""`image vhd validate <container>/<object>`: judged by a few ranges, whatever its size."""

from devcloud import faults
from tests.functional import objectcase


class ValidateObjectTest(objectcase.ObjectCase):
    def validate(self, name, **how):
        del self.sent[:]
        words = ("image", "vhd", "validate", f"{self.place}/{name}", "-f", "json")
        return self.openstack(*words, **how)

    def test_a_good_one(self):
        """Six requests, login included; what was not read is said."""
        self.store().put_object(self.object("disk.vhd"), self.vhd().read_bytes())
        outcome = self.validate("disk.vhd")
        self.assertLessEqual(len(self.sent), 6, self.sent)
        self.assertNotIn("error", outcome.stdout)
        self.assertIn("not read: disk content", outcome.stderr)
        ranges = self.requests("GET", "/disk.vhd", status=206)
        self.assertLess(sum(request.sent for request in ranges), 20_000)

    def test_a_bad_one(self):
        """Its code, exit status 1, and still what was not read."""
        content = self.corpus("go-vhd-win8-child.vhd").read_bytes()
        self.store().put_object(self.object("child.vhd"), content)
        outcome = self.validate("child.vhd", status=1)
        self.assertEqual(721, outcome.rows[0]["Code"])
        self.assertIn("not read: ", outcome.stderr)

    def test_a_byte_that_is_altered_on_its_way(self):
        """A flipped byte is read again, by the check alone and by that of an import."""
        self.store().put_object(self.object("disk.vhd"), self.vhd().read_bytes())
        flip = faults.Rule(method="GET", path="/disk.vhd$", corrupt=True, offset=20)
        fault = self.inject(flip)
        outcome = self.validate("disk.vhd")
        self.assertNotIn("error", outcome.stdout)
        self.assertEqual([1], fault.fired())
        fault = self.inject(flip)
        (row,) = self.task("import", f"{self.place}/disk.vhd", "--dry-run").rows
        self.assertEqual("not started", row["Status"])
        self.assertEqual([1], fault.fired())

    def test_none(self):
        """An object that is not there is a row, as a file is."""
        outcome = self.validate("none.vhd", status=1)
        self.assertEqual(("unreadable", None), (outcome.rows[0]["Check"], outcome.rows[0]["Code"]))
