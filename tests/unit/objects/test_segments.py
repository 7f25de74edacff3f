# SPDX-License-Identifier: Apache-2.0
import hypothesis
from hypothesis import strategies
from oslotest import base

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.objects.segments import MAX_PUT, plan_segments, segment_size_for

MIB, GIB = 1024**2, 1024**3


class TestPlan(base.BaseTestCase):
    def test_size_of_segments(self):
        """A segment has 128 MiB, or more in whole MiB if 1000 of these are not enough."""
        self.assertEqual(128 * MIB, segment_size_for(0))
        self.assertEqual(128 * MIB, segment_size_for(125 * GIB))
        self.assertEqual(129 * MIB, segment_size_for(125 * GIB + 1))
        self.assertEqual(5 * GIB, segment_size_for(5000 * GIB))

    def test_too_large(self):
        """A size that does not fit into 1000 segments of 5 GiB is refused."""
        self.assertRaises(Refused, segment_size_for, 5000 * GIB + 1)

    @hypothesis.given(
        strategies.integers(0, 5000 * GIB),
        strategies.none() | strategies.integers(1, 20 * GIB),
    )
    @hypothesis.settings(deadline=None, derandomize=True, database=None)
    def test_plan_covers(self, size, wanted):
        """For any size, at most 1000 segments of at most 5 GiB cover each byte once, in order."""
        plan = plan_segments("p/", size, segment_size_for(size, wanted))
        self.assertLessEqual(len(plan), 1000)
        end = 0
        for segment in plan:
            self.assertEqual(end, segment.offset)
            self.assertTrue(0 < segment.length <= MAX_PUT)
            end += segment.length
        self.assertEqual(size, end)
        self.assertEqual([s.name for s in plan], sorted({s.name for s in plan}))
