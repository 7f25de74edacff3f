# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.osc.locations import Location
from rackspace_imagetasks.osc.usage import UsageError


class LocationTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        root = self.useFixture(fixtures.TempDir()).path
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(root)

    def test_files(self):
        """No slash, or a path that begins like one, is a file, there or not."""
        for text in ("disk.vhd", "./images/disk.vhd", "../disk.vhd", "/srv/disk.vhd"):
            location = Location.parse(text)
            self.assertEqual(text, location.path)
            self.assertEqual("disk", location.image_name)

    def test_objects(self):
        """Container, then the object's whole name with its slashes."""
        location = Location.parse("images/2026/disk.vhd")
        self.assertEqual(("images", "2026/disk.vhd"), location.object)
        self.assertEqual("disk", location.image_name)

    def test_what_may_be_both(self):
        """A file that is there is meant, even if an object could have its name."""
        Path("images").mkdir()
        Path("images/disk.vhd").touch()
        location = Location.parse("images/disk.vhd")
        self.assertEqual(("images/disk.vhd", True), (location.path, location.may_be_object))
        self.assertEqual(("images", "disk.vhd"), Location.of_object("images/disk.vhd").object)
        for text in ("./images/disk.vhd", "disk.vhd", "images/other.vhd"):
            self.assertFalse(Location.parse(text).may_be_object)

    def test_no_object(self):
        """A name that no object can have is refused where an object is asked for."""
        for text in ("disk.vhd", "/disk.vhd", ""):
            error = self.assertRaises(UsageError, Location.of_object, text)
            self.assertIn("expected '<container>/<object>'", str(error))

    def test_what_cannot_be_looked_for(self):
        """A name that is too long for a file may still be an object's."""
        self.assertEqual("x" * 600, Location.parse(f"images/{'x' * 600}").object.name)

    def test_two_ways_to_name_a_file(self):
        """The same file, however it is named, has one key."""
        self.assertEqual(Location.parse("d.vhd").key, Location.parse("./d.vhd").key)
        self.assertNotEqual(Location.parse("d.vhd").key, Location.parse("c/d.vhd").key)

    def test_a_slash_after_a_file(self):
        """It is not the file, which has a row of its own, and not an object either."""
        Path("disk.vhd").touch()
        location = Location.parse("disk.vhd/")
        self.assertEqual(("disk.vhd/", False), (location.path, location.may_be_object))
        self.assertNotEqual(Location.parse("disk.vhd").key, location.key)

    def test_a_loop_of_links(self):
        """A symbolic link to itself has a key, as any other name of a file."""
        Path("loop").symlink_to("loop")
        self.assertNotEqual(Location.parse("loop").key, Location.parse("other").key)

    def test_a_container_alone(self):
        """A container is no image."""
        self.assertIn(
            "add the name of an object", str(self.assertRaises(UsageError, Location.parse, "a/"))
        )
