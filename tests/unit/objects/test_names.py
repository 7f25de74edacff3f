# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.objects.names import ObjectName


class TestObjectName(base.BaseTestCase):
    def test_text(self):
        """A name is read from, and written as, `container/object`; the object may have slashes."""
        name = ObjectName.parse("images/a/b c")
        self.assertEqual(("images", "a/b c"), name)
        self.assertEqual("images/a/b c", str(name))

    def test_incomplete(self):
        """Text without a container or an object is refused, and printed without escapes."""
        for text in ("", "images", "images/", "/a", "images\x1b/"):
            error = self.assertRaises(Refused, ObjectName.parse, text)
            self.assertTrue(str(error).isprintable())

    def test_path(self):
        """The path of a URL keeps the name as it is, whatever its characters."""
        for name, path in (
            (("c d", "a/b?c"), "c%20d/a/b%3Fc"),
            (("c", "../a"), "c/%2E%2E/a"),
            (("c", "a//./b"), "c/a//%2E/b"),
            (("..", "a"), "%2E%2E/a"),
        ):
            self.assertEqual(path, ObjectName(*name).path)
