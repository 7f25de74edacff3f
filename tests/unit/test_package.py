# SPDX-License-Identifier: Apache-2.0
import ast
from pathlib import Path

from oslotest import base

import rackspace_imagetasks

CHECKOUT = Path(rackspace_imagetasks.__file__).parents[1]


class PackageTest(base.BaseTestCase):
    def test_every_public_name_is_there(self):
        """Each name that is promised is loaded from its home, and none is missing there."""
        for name in rackspace_imagetasks.__all__:
            self.assertEqual(name, getattr(getattr(rackspace_imagetasks, name), "__name__", name))
        self.assertEqual(sorted(rackspace_imagetasks.__all__), dir(rackspace_imagetasks))

    def test_other_names_are_missing_as_usual(self):
        """A name that is not promised is an AttributeError, so that hasattr() works."""
        self.assertFalse(hasattr(rackspace_imagetasks, "Nope"))


class BoundaryTest(base.BaseTestCase):
    """Two programs are in the repository, and each tests the other only from outside."""

    def imported(self, folder):
        """Return the top names that a package's modules, its tests apart, import."""
        names = set()
        for path in (CHECKOUT / folder).rglob("*.py"):
            if "tests" not in path.parts:
                for node in ast.walk(ast.parse(path.read_text())):
                    names |= _modules(node)
        return {name.partition(".")[0] for name in names}

    def test_neither_imports_the_other(self):
        """The plugin and the development cloud share no code."""
        self.assertNotIn("devcloud", self.imported("rackspace_imagetasks"))
        self.assertNotIn("rackspace_imagetasks", self.imported("devcloud"))

    def test_one_package_sends_requests(self):
        """Every request has the retries, limits and words of the one client."""
        folder = CHECKOUT / "rackspace_imagetasks"
        senders = {
            path.parent.relative_to(folder).as_posix()
            for path in folder.rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            for name in _modules(node)
            if name.partition(".")[0] in ("requests", "urllib3", "httpx")
        }
        self.assertEqual({"http"}, senders)

    def test_the_client_knows_no_service(self):
        """What images and objects are is known by those who send requests about them."""
        for path in (CHECKOUT / "rackspace_imagetasks/http").glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                for name in _modules(node):
                    self.assertNotRegex(name, r"\.(glance|objects|jobs|cloud|osc|formats)\b")

    def test_only_the_commands_know_the_client(self):
        """Below `osc` nothing imports osc_lib, cliff or argparse: programs need none of them."""
        for path in (CHECKOUT / "rackspace_imagetasks").iterdir():
            if path.is_dir() and path.name not in ("osc", "tests"):
                names = self.imported(f"rackspace_imagetasks/{path.name}")
                self.assertFalse(names & {"osc_lib", "cliff", "argparse"}, path)


def _modules(node):
    """Return the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    return {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
