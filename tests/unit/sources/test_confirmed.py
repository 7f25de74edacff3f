# SPDX-License-Identifier: Apache-2.0
"""A VHD in Swift is called invalid only if another read finds the same."""

import types

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import IntegrityError, Refused, SourceError
from rackspace_imagetasks.formats.vhd import VirtualVhd
from rackspace_imagetasks.jobs import import_checks, saves
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.profile import RACKSPACE
from rackspace_imagetasks.sources.confirmed import check_vhd, confirmed
from tests.unit.objects import base
from tests.unit.objects.faults import altered

CLOUD = types.SimpleNamespace(profile=RACKSPACE)


def flipped(content, place=20):
    """Return content with one byte changed."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


class ConfirmedTest(base.SwiftCase):
    def setUp(self):
        super().setUp()
        view = VirtualVhd(BytesSource(bytes(510) + b"\x55\xaa" + b"disk" * (2**21 // 4 - 128)))
        self.vhd = view.read_at(0, view.size)

    def object(self, content=None):
        """Upload a VHD, and return it as a source."""
        self.upload(BytesSource(content or self.vhd))
        return ObjectSource(self.store, base.NAME)

    def flip(self, *places):
        """Alter a byte of the next answers; return the bodies that were altered."""
        fired = []

        def change(body, place):
            fired.append(place)
            return flipped(body, place)

        for place in places:
            self.swift.fault(altered(lambda body, place=place: change(body, place)), "GET", "a")
        return fired

    def test_a_byte_that_is_altered_on_its_way(self):
        """Every check of an object reads again what seems damaged, and finds it valid."""
        for check in (
            lambda source: self.assertEqual((), check_vhd(source).errors),
            lambda source: self.assertEqual((), import_checks.check(CLOUD, source).errors),
            lambda source: import_checks._check_object(CLOUD, source)[1].enforce(),
            saves.require_vhd,
        ):
            source = self.object()
            fired = self.flip(40)
            check(source)
            self.assertEqual([40], fired)

    def test_a_damaged_object(self):
        """Damage that is in the object is found in every check."""
        damaged = flipped(flipped(self.vhd), len(self.vhd) - 512 + 20)
        source = self.object(damaged)
        self.assertTrue(check_vhd(source).errors)
        self.assertTrue(import_checks.check(CLOUD, source).errors)
        verdict = import_checks._check_object(CLOUD, source)[1]
        self.assertRaises(Refused, verdict.enforce)
        self.assertRaises(IntegrityError, saves.require_vhd, source)

    def test_damage_beside_an_altered_byte(self):
        """A third read decides between two different findings."""
        source = self.object(flipped(self.vhd, 40))
        expected = check_vhd(source)
        self.assertTrue(expected.errors)
        fired = self.flip(16)
        self.assertEqual(expected, check_vhd(source))
        self.assertEqual([16], fired)

    def test_data_that_changes_between_reads(self):
        """Three different findings say nothing about the VHD, but about its reads."""
        results = iter((1, 2, 3))
        source = BytesSource(b"", name="images/a")
        error = self.assertRaises(
            SourceError, confirmed, source, lambda _: next(results), lambda _: False
        )
        self.assertIn("'images/a' changes between reads", str(error))
