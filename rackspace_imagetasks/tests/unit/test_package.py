# SPDX-License-Identifier: Apache-2.0
from oslotest import base

import rackspace_imagetasks


class PackageTest(base.BaseTestCase):
    def test_every_public_name_is_there(self):
        """Each name that is promised is loaded from its home, and none is missing there."""
        for name in rackspace_imagetasks.__all__:
            self.assertEqual(name, getattr(getattr(rackspace_imagetasks, name), "__name__", name))
        self.assertEqual(sorted(rackspace_imagetasks.__all__), dir(rackspace_imagetasks))

    def test_other_names_are_missing_as_usual(self):
        """A name that is not promised is an AttributeError, so that hasattr() works."""
        self.assertFalse(hasattr(rackspace_imagetasks, "Nope"))
