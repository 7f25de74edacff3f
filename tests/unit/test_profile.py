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
        self.assertEqual(3, len(error.messages))
        self.assertIn(f"{WHERE}: image_tasks.max_virtual_size is 'big'", str(error))
        self.assertIn("image_tasks.poll_interval is '-1'", str(error))
        self.assertIn("unknown image_tasks setting 'pol_interval'", str(error))

    def test_misspelled_sizes(self):
        """A size in another spelling is refused with the valid one."""
        error = self.assertRaises(Refused, profile_of, {"segment_size": "160mb"}, "dfw")
        says = f"{WHERE}: image_tasks.segment_size is '160mb', but must be spelled '160MB'."
        self.assertEqual(says, str(error))

    def test_each_wrong_value(self):
        """No size or time of 0, below it or without end, no truth value, no slash in a name."""
        for setting, values in (
            ("segment_size", (0, -1, "0", True, 1.5, None)),
            ("poll_interval", (0, "0", True, None, "nan", "inf", 1e9)),
            ("staging_lifetime", (0, -1, False)),
            ("web_download_above", ("big", 0)),
            ("web_download_timeout", (0, "soon")),
            ("import_container", ("", "a/b", 1)),
        ):
            for value in values:
                error = self.assertRaises(Refused, profile_of, {setting: value}, WHERE)
                self.assertIn(f"image_tasks.{setting} is", str(error))

    def test_the_smallest_values(self):
        """A byte, a fraction of a second, a whole second to live, and a container by its name."""
        profile = profile_of(
            {
                "segment_size": 1,
                "poll_interval": "0.25",
                "staging_lifetime": 0.5,
                "export_container": "mine",
            },
            WHERE,
        )
        self.assertEqual(
            (1, 0.25, 1, "mine"),
            (
                profile.segment_size,
                profile.poll_interval,
                profile.staging_lifetime,
                profile.export_container,
            ),
        )

    def test_unknown_profile(self):
        """A provider that nobody described is named, with those that are known."""
        error = self.assertRaises(Refused, profile_of, {"profile": "acme"}, "dfw")
        self.assertIn(
            "unknown image_tasks.profile 'acme'. Available profiles: flex, glance, rackspace",
            str(error),
        )

    def test_settings_that_are_no_mapping(self):
        """A list where clouds.yaml must have a mapping is a sentence, no traceback."""
        error = self.assertRaises(Refused, profile_of, ["poll_interval"], "dfw")
        self.assertIn("must be a mapping", str(error))

    def test_kind_of_cloud(self):
        """A named profile, or openstacksdk's switch, tells the kind; without them it is unknown."""
        for settings, uses_tasks, name, is_known in (
            ({}, True, "rackspace", True),
            ({"profile": "flex"}, True, "flex", True),
            ({"profile": "glance"}, False, "glance", True),
            ({"profile": "rackspace"}, False, "rackspace", True),
            ({}, False, "rackspace", False),
        ):
            with self.subTest(settings=settings, uses_tasks=uses_tasks):
                profile = profile_of(settings, "dfw", uses_tasks=uses_tasks)
                self.assertEqual(name, profile.name)
                self.assertEqual(is_known, profile.without_tasks is None)

    def test_settings_hold_for_either_kind(self):
        """The settings of a cloud whose kind is unknown apply whatever its kind turns out to be."""
        profile = profile_of({"poll_interval": 7}, "dfw")
        self.assertEqual((7, 7), (profile.poll_interval, profile.without_tasks.poll_interval))
        self.assertFalse(profile.without_tasks.uses_tasks)
