# SPDX-License-Identifier: Apache-2.0
"""The helper that damages disks: what it changes, and that its limits hold."""

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import SourceError
from tests.unit.guest.mutation import (
    Mutant,
    SparseSource,
    mutations,
    read_ranges,
    survive,
)


class MutationTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.disk = BytesSource(bytes(range(256)) * 32)

    def changed(self, mutant):
        """Return the offsets of the bytes that differ."""
        before, after = (source.read_at(0, source.size) for source in (self.disk, mutant))
        return [n for n, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]

    def test_only_the_ranges_change(self):
        """All changes are in the bytes that were read, and nearly all mutants have some."""
        ranges = read_ranges(self.disk, lambda disk: [disk.read_at(40, 8), disk.read_at(700, 99)])
        self.assertEqual([(40, 8), (700, 99)], ranges)
        changes = [self.changed(one) for one in mutations(self.disk, ranges, seed=1, count=200)]
        # A number at an odd place may pass the end of its range.
        inside = {*range(40, 48 + 7), *range(700, 799 + 7)}
        self.assertLessEqual({offset for offsets in changes for offset in offsets}, inside)
        self.assertGreater(len([offsets for offsets in changes if offsets]), 150)

    def test_a_seed_names_its_mutants(self):
        """The same seed gives the same changes, another seed others."""
        first, again, other = (
            [one.patches for one in mutations(self.disk, [(0, 512)], seed=seed, count=20)]
            for seed in (1, 1, 2)
        )
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_repair(self):
        """Most mutants are repaired, some are left as they are."""
        repaired = []
        mutants = list(mutations(self.disk, [(0, 9)], seed=1, count=40, repair=repaired.append))
        self.assertTrue(20 < len(repaired) < len(mutants))

    def test_endless_reading(self):
        """Reading without end fails, by the number of reads and by bytes."""
        for limit in ({"max_reads": 3}, {"max_bytes": 3 * 512}):
            mutant = Mutant(self.disk, **limit)
            for _ in range(3):
                mutant.read_at(0, 512)
            self.assertRaises(AssertionError, mutant.read_at, 0, 512)

    def test_survive(self):
        """Source errors are told; other errors fail, with the changes."""
        mutant = Mutant(self.disk)
        mutant.put(3, b"x")
        self.assertFalse(survive(mutant, lambda disk: disk.read_at(0, 4)))
        self.assertTrue(survive(mutant, lambda disk: disk.read_at(0, disk.size + 1)))
        error = self.assertRaises(ZeroDivisionError, survive, mutant, lambda disk: 1 // 0)
        self.assertEqual(["changes: [(3, b'x')]"], error.__notes__)

    def test_sparse_source(self):
        """A sparse source has its pieces, zeros elsewhere, and an end."""
        disk = SparseSource(1 << 40, {1 << 30: b"abc"})
        self.assertEqual(b"\0bc", bytes([disk.read_at(0, 1)[0]]) + disk.read_at((1 << 30) + 1, 2))
        self.assertEqual(b"\0abc\0", disk.read_at((1 << 30) - 1, 5))
        self.assertRaises(SourceError, disk.read_at, 1 << 40, 1)
