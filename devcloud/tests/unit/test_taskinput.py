# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from devcloud.cloudimages.taskinput import problem

IMPORT = {"import_from": "container/a/b c", "image_properties": {"name": "an image"}}
EXPORT = {"image_uuid": "some", "receiving_swift_container": "exports"}


class TestTaskInput(base.BaseTestCase):
    def test_good(self):
        """The documented input is accepted; an object name can contain slashes."""
        self.assertIsNone(problem("import", IMPORT))
        self.assertIsNone(problem("import", IMPORT | {"import_from_format": "vhd"}))
        self.assertIsNone(problem("export", EXPORT))

    def test_bad_import(self):
        """Each missing or invalid input of an import is named."""
        for change, named in (
            ({"import_from": "container"}, "import_from"),
            ({"import_from": "/object"}, "import_from"),
            ({"import_from": 1}, "import_from"),
            ({"import_from_format": "qcow2"}, "import_from_format"),
            ({"image_properties": {}}, "image_properties"),
            ({"image_properties": {"min_disk": 1}}, "name"),
            ({"image_properties": {"name": ""}}, "name"),
            ({"extra": 1}, "extra"),
        ):
            self.assertIn(named, problem("import", IMPORT | change))

    def test_bad_export(self):
        """A container name must not contain the characters that are documented as invalid."""
        for name in ("a/b", "a?", "a.b"):
            self.assertIn(
                "must not", problem("export", EXPORT | {"receiving_swift_container": name})
            )
        self.assertIn("image_uuid", problem("export", EXPORT | {"image_uuid": ""}))

    def test_not_an_object(self):
        """Input of another JSON type is refused."""
        for given in (None, [], "text"):
            self.assertIsNotNone(problem("import", given))
