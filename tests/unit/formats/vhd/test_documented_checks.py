# SPDX-License-Identifier: Apache-2.0
import ast
import re
from pathlib import Path

from oslotest import base

from rackspace_imagetasks.formats.vhd import checks

PACKAGE = Path(checks.__file__).parent
PAGE = Path(__file__).parents[4] / "doc" / "source" / "user" / "vhd.rst"
FINDINGS = {"broken", "flaw", "warning"}


def given_names():
    """Yield the name of each check, as the code gives it to a finding."""
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in FINDINGS:
                yield from re.findall(r"'([a-z0-9-]+)'", ast.unparse(node.args[0]))


class DocumentedChecksTest(base.BaseTestCase):
    def test_every_check_is_documented(self):
        """The table of checks in the user guide names each check, and no other."""
        table = PAGE.read_text().partition("``physical-size``")[2].partition("\n\n")[0]
        documented = {"physical-size", *re.findall("``([a-z0-9-]+)``", table)}
        self.assertEqual(set(given_names()), documented)
