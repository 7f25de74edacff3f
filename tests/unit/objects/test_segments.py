# SPDX-License-Identifier: Apache-2.0
import hypothesis
from hypothesis import strategies
from oslotest import base

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.objects.segments import MAX_PUT, plan_segments, segment_size_for

MIB, GIB = 1024**2, 1024**3


class TestPlan(base.BaseTestCase):
    def test_size_of_segments(self):
        """128 MiB, and whole MiB above what 1000 of those hold."""
        self.assertEqual(128 * MIB, segment_size_for(0))
        self.assertEqual(128 * MIB, segment_size_for(125 * GIB))
        self.assertEqual(129 * MIB, segment_size_for(125 * GIB + 1))
        self.assertEqual(5 * GIB, segment_size_for(5000 * GIB))

    def test_too_large(self):
        """What 1000 segments of 5 GiB do not hold is refused."""
        self.assertRaises(Refused, segment_size_for, 5000 * GIB + 1)

    @hypothesis.given(
        strategies.integers(0, 5000 * GIB),
        strategies.none() | strategies.integers(1, 20 * GIB),
    )
    @hypothesis.settings(deadline=None, derandomize=True, database=None)
    def test_plan_covers(self, size, wanted):
        """Whatever the wish, at most 1000 segments within 5 GiB cover each byte once, in order."""
        plan = plan_segments("p/", size, segment_size_for(size, wanted))
        self.assertLessEqual(len(plan), 1000)
        end = 0
        for segment in plan:
            self.assertEqual(end, segment.offset)
            self.assertTrue(0 < segment.length <= MAX_PUT)
            end += segment.length
        self.assertEqual(size, end)
        self.assertEqual([s.name for s in plan], sorted({s.name for s in plan}))
