# SPDX-License-Identifier: Apache-2.0
"""The plugin and the development cloud, which share no code, reach the same verdict on each VHD.

Both were written from the same description of the format. A rule that one of them overlooks or
misreads appears here as a difference.
"""

import os
import random

from oslotest import base

from devcloud.cloudimages import vhd as devcloud
from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.formats.vhd import check
from tests.agreement.mutants import BASES, mutant
from tests.unit.formats.vhd import mutants as readable
from tests.unit.formats.vhd.cases import CASES, LIMIT
from tests.unit.formats.vhd.test_corpus import KNOWN, load

MUTANTS = int(os.environ.get("RACKSPACE_IMAGETASKS_AGREEMENT_MUTANTS", "3000"))
_LIMITS = devcloud.Limits(virtual=LIMIT, physical=LIMIT)


def by_plugin(source):
    """Return the failure code by the plugin, and the size of the disk in a valid file."""
    report = check(source, max_virtual_size=LIMIT, max_physical_size=LIMIT)
    return report.code, None if report.code else report.facts.virtual_size


def by_devcloud(source):
    """Return the failure code by the development cloud, and the size of the disk."""
    try:
        return None, devcloud.virtual_size(_reader(source), source.size, _LIMITS)
    except devcloud.Refused as refusal:
        return refusal.code, None


def _reader(source):
    """Return a function that fails where a range request would: at the end, or for no bytes."""

    def read(offset, length):
        assert 0 <= offset < source.size and length > 0, (offset, length, source.size)
        return source.read_at(offset, min(length, source.size - offset))

    return read


class AgreementTest(base.BaseTestCase):
    def agreed_code(self, source, about):
        """Assert that both results are the same, and return the failure code."""
        result = by_plugin(source)
        self.assertEqual(result, by_devcloud(source), about)
        return result[0]

    def test_cases(self):
        """Both agree on the adversarial cases of the plugin."""
        for case in CASES:
            with self.subTest(case.name):
                self.agreed_code(case.build(), case.why)

    def test_corpus(self):
        """Both agree on the files by other programs."""
        for known in KNOWN:
            with self.subTest(known.name):
                self.agreed_code(BytesSource(load(known.name)), known.why)

    def test_mutants(self):
        """Both agree after random changes, which lead to every code that small files can have."""
        noise = random.Random(13)
        seen = set()
        for _ in range(MUTANTS):
            image = mutant(noise)
            seen.add(self.agreed_code(image, image.changes))
        self.assertEqual({None, 111, 396, 413, 523, 614, 721}, seen)

    def test_readable_mutants(self):
        """Both agree after random changes that leave many files valid."""
        noise = random.Random(4)
        for _ in range(MUTANTS // 10):
            image = readable.mutant(noise)
            self.agreed_code(image, image.changes)

    def test_unchanged(self):
        """The VHDs that are changed at random are valid before the change."""
        for name, build in BASES.items():
            expected = 721 if name == "differencing" else None
            self.assertEqual(expected, self.agreed_code(build(), name), name)
