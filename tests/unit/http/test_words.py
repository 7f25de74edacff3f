# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from rackspace_imagetasks.http.words import said_in


class SaidTest(base.BaseTestCase):
    def test_webob(self):
        """Of an error in WebOb's JSON, the part that is about this request is quoted."""
        for message, said in (
            (r"Type ${X} is not supported.\n<br /><br />\nNot a qcow2.\n\n", "Not a qcow2"),
            (r"Not a qcow2.<br /><br />\n\n\n", "Not a qcow2"),
            (r"<br />", ""),
            ("", ""),
        ):
            content = f'{{"message": "{message}", "code": "415 X", "title": "X"}}'.encode()
            self.assertEqual(said, said_in(content, "application/json"))
