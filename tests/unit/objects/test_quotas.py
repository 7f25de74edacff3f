# SPDX-License-Identifier: Apache-2.0
from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import QuotaExceeded
from rackspace_imagetasks.objects.copy import needs_of_copy
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.quotas import find_exceeded, find_exhausted
from rackspace_imagetasks.objects.upload import needs_of_upload
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, NAME, SwiftCase, noise

SEGMENTS = "images_segments"


class QuotasTest(SwiftCase):
    def setUp(self):
        super().setUp()
        self.source = BytesSource(noise(4 * MIB + 1))
        for name in ("images", SEGMENTS):
            self.store.create_container(name)

    def quota(self, place, **headers):
        kind = "Container" if place else "Account"
        self.swift.quotas[place] = {
            f"X-{kind}-{name.replace('_', '-')}": value for name, value in headers.items()
        }

    def exceeded(self, segment_size=MIB, present_size=None):
        needs = needs_of_upload(self.store, self.source, NAME, present_size, segment_size)
        return [m.text for m in find_exceeded(self.store, needs, "DFW")]

    def test_enough(self):
        """A quota that is just enough allows an upload."""
        self.assertEqual([], self.exceeded())
        self.quota("images", Meta_Quota_Count=2, Meta_Quota_Bytes=0)
        self.quota(SEGMENTS, Meta_Quota_Count=5, Meta_Quota_Bytes=4 * MIB + 1)
        self.quota("", Meta_Quota_Bytes=5 * MIB, Bytes_Used=MIB - 1, Quota_Count=7)
        self.assertEqual([], self.exceeded())

    def test_too_little(self):
        """Each quota that does not allow an upload is named with its use and the need."""
        self.quota("images", Meta_Quota_Count=1)
        self.quota(SEGMENTS, Meta_Quota_Count=4, Meta_Quota_Bytes=4 * MIB)
        self.quota("", Meta_Quota_Bytes=5 * MIB, Bytes_Used=MIB, Quota_Count=6)
        one, two, three, four, five = self.exceeded()
        self.assertEqual(
            "Container 'images' in region 'DFW' has a quota of 1 object and holds 0: there is no"
            " room for 2 more.",
            one,
        )
        self.assertEqual(
            "Container 'images_segments' in region 'DFW' has a quota of 4 MiB and holds 0 bytes:"
            " there is room for 4194304 bytes, but 4194305 bytes are needed.",
            two,
        )
        self.assertIn("has a quota of 4 objects and holds 0: there is no room for 5 more.", three)
        self.assertIn("The account in region 'DFW' has a quota of 5 MiB and holds 1 MiB:", four)
        self.assertIn("The account in region 'DFW' has a quota of 6 objects", five)

    def test_one_put(self):
        """An upload without segments needs room in the container of the object."""
        self.quota(SEGMENTS, Meta_Quota_Bytes=0, Meta_Quota_Count=0)
        self.assertEqual([], self.exceeded(8 * MIB))
        self.quota("images", Meta_Quota_Bytes=4 * MIB)
        (text,) = self.exceeded(8 * MIB)
        self.assertIn("Container 'images' in region 'DFW' has a quota of 4 MiB", text)
        self.assertEqual([], self.exceeded(8 * MIB, present_size=self.source.size))

    def test_resumed(self):
        """Segments that an earlier run has sent need no room."""
        self.swift.fault(faults.status(507), "PUT", "00000003")
        self.assertRaises(QuotaExceeded, self.upload, self.source, segment_size=MIB, threads=1)
        self.quota(SEGMENTS, Meta_Quota_Bytes=4 * MIB + 1, Meta_Quota_Count=5)
        self.assertEqual([], self.exceeded())
        self.quota(SEGMENTS, Meta_Quota_Bytes=4 * MIB)
        (text,) = self.exceeded()
        self.assertIn("holds 3 MiB: there is room for 1048576 bytes, but 1048577", text)

    def test_copied(self):
        """A copy needs what is missing of it."""
        other = ObjectName("elsewhere", "a")
        self.upload(self.source, segment_size=MIB)
        self.swift.put("images", "plain", b"four")
        plain = ObjectName("images", "plain")
        self.assertEqual([("elsewhere", 2, 4)], needs_of_copy(self.store, plain, self.store, other))
        needs = needs_of_copy(self.store, NAME, self.store, other)
        self.assertEqual([("elsewhere", 2, 0), ("elsewhere_segments", 5, 4 * MIB + 1)], needs)
        (_, segments) = needs_of_copy(self.store, NAME, self.store, NAME)
        self.assertEqual((SEGMENTS, 5, 4 * MIB + 1), segments)  # another prefix

    def test_not_a_number(self):
        """A quota that is not a non-negative integer is ignored."""
        for value in ("", "-1", "many", "1.5", "1e3", "\u0661"):
            value = value.encode().decode("latin-1")  # noqa: PLW2901
            self.quota("images", Meta_Quota_Bytes=value, Meta_Quota_Count=value)
            self.quota("", Meta_Quota_Bytes=value)
            self.assertEqual([], self.exceeded(8 * MIB), value)

    def test_account_unknown(self):
        """A caller who may not look at the account is not refused for it."""
        self.quota("", Meta_Quota_Bytes=0)
        self.assertEqual(1, len(self.exceeded()))
        self.swift.fault(faults.status(403), "HEAD")
        self.assertEqual([], find_exceeded(self.store, [], "DFW"))
        self.assertEqual((0, 0, None, None), self.store.account_usage())
        self.assertEqual([0], [fault.times for fault in self.swift.faults])

    def test_unknown_size(self):
        """What has no known size is refused by a quota that is used up."""
        self.quota("images", Meta_Quota_Bytes=4, Meta_Quota_Count=2)
        self.swift.put("images", "x", b"abc")
        self.assertEqual([], find_exhausted(self.store, ["images"], "DFW"))
        self.swift.put("images", "y", b"d")
        size, count = (m.text for m in find_exhausted(self.store, ["images"], "DFW"))
        self.assertIn("has a quota of 4 bytes and holds 4 bytes: nothing more can be", size)
        self.assertIn("has a quota of 2 objects and holds 2: nothing more can be", count)
