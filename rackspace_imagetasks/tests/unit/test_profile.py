# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.profile import RACKSPACE, profile_of

WHERE = "clouds.yaml, cloud 'dfw'"


class ProfileTest(base.BaseTestCase):
    def test_settings_of_a_cloud_replace_the_providers(self):
        """Sizes may be written in units, times as numbers; the rest stays."""
        profile = profile_of({"max_virtual_size": "160 GiB", "poll_interval": 0.5}, "dfw")
        self.assertEqual(160 * 2**30, profile.max_virtual_size)
        self.assertEqual(0.5, profile.poll_interval)
        self.assertEqual(RACKSPACE.max_physical_size, profile.max_physical_size)

    def test_all_wrong_settings_are_named_at_once(self):
        """Each wrong setting has its sentence, with the place and what is expected."""
        error = self.assertRaises(
            Refused,
            profile_of,
            {"max_virtual_size": "big", "poll_interval": -1, "pol_interval": 3},
            "dfw",
        )
        self.assertEqual(3, len(error.reasons))
        self.assertIn(f"{WHERE}: image_tasks.max_virtual_size cannot be 'big'", str(error))
        self.assertIn("image_tasks.poll_interval cannot be '-1'", str(error))
        self.assertIn("no setting 'pol_interval'", str(error))

    def test_unknown_profile(self):
        """A provider that nobody described is named, with those that are known."""
        error = self.assertRaises(Refused, profile_of, {"profile": "acme"}, "dfw")
        self.assertIn("'acme' is not known; it can be rackspace", str(error))

    def test_settings_that_are_no_mapping(self):
        """A list where clouds.yaml must have a mapping is a sentence, no traceback."""
        error = self.assertRaises(Refused, profile_of, ["poll_interval"], "dfw")
        self.assertIn("must be a mapping", str(error))
