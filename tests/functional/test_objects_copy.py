# SPDX-License-Identifier: Apache-2.0
"""Copies from a real Swift whose segments arrive corrupt."""

from devcloud.faults import Rule
from rackspace_imagetasks.exceptions import IntegrityError
from rackspace_imagetasks.objects.copy import copy
from rackspace_imagetasks.objects.names import ObjectName
from tests.functional import objectcase
from tests.functional.objectcase import MIB, noise

PIECES = [noise(MIB, seed) for seed in range(4)]


class CopyTest(objectcase.ObjectCase):
    def setUp(self):
        super().setUp()
        self.put_slo("disk", PIECES)
        self.target = ObjectName(self.new_place(), "copy")
        self.begin()

    def copy(self):
        store = self.store()
        return copy(store, self.object("disk"), store, self.target, self.transfer(threads=1))

    def corrupt(self, times):
        """Change a byte in the middle of a segment in the next responses."""
        path = f"/{self.place}_segments/disk/00000002$"
        return self.inject(Rule("GET", path, corrupt=True, offset=300_000, times=times))

    def segments(self):
        return self.names(f"{self.target.container}_segments")

    def test_corrupt_on_the_way(self):
        """A segment that arrives corrupt twice is read again, and the copy is right."""
        fault = self.corrupt(times=2)
        done = self.copy()
        self.assertEqual([2], fault.fired())
        self.assertEqual(3, len(self.requests("GET", "/disk/00000002")))
        self.assertEqual((4, 4 * MIB), (done.segments, done.sent_bytes))
        self.assertEqual(b"".join(PIECES), self.swift().get_object(*self.target)[1])

    def test_corrupt_for_good(self):
        """A segment that arrives corrupt three times is named, and neither it nor a copy exists."""
        fault = self.corrupt(times=3)
        error = self.assertRaises(IntegrityError, self.copy)
        self.assertEqual([3], fault.fired())
        self.assertIn("disk/00000002' is corrupt", str(error))
        self.assertEqual(([], 2), (self.names(self.target.container), len(self.segments())))
        self.assertEqual(2 * MIB, self.copy().reused_bytes)
