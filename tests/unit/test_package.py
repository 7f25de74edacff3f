# SPDX-License-Identifier: Apache-2.0
import ast
from pathlib import Path

from oslotest import base

import rackspace_imagetasks

CHECKOUT = Path(rackspace_imagetasks.__file__).parents[1]


class PackageTest(base.BaseTestCase):
    def test_public_names(self):
        """Each public name is loaded from the module that defines it."""
        for name in rackspace_imagetasks.__all__:
            self.assertTrue(hasattr(rackspace_imagetasks, name), name)
        self.assertEqual(sorted(rackspace_imagetasks.__all__), dir(rackspace_imagetasks))

    def test_unknown_name(self):
        """An unknown name raises AttributeError, so that hasattr() works."""
        self.assertFalse(hasattr(rackspace_imagetasks, "Nope"))


class BoundaryTest(base.BaseTestCase):
    """The repository holds two programs, and each uses the other only from outside."""

    def imported(self, *folders):
        """Return the top-level names that the modules of these folders import."""
        names = set()
        paths = [path for folder in folders for path in (CHECKOUT / folder).rglob("*.py")]
        self.assertTrue(paths, folders)
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names.add(node.module or "")
        return {name.partition(".")[0] for name in names}

    def test_plugin_and_devcloud_are_independent(self):
        """The plugin and the development cloud, with its tests, share no code."""
        self.assertNotIn("devcloud", self.imported("rackspace_imagetasks", "examples"))
        devcloud = self.imported("devcloud")
        self.assertFalse(devcloud & {"rackspace_imagetasks", "tests", "benchmarks"})

    def test_unit_tests_need_no_devcloud(self):
        """Only tests that run against the development cloud use its tools."""
        self.assertNotIn("devcloud", self.imported("tests/unit", "tests/wheel"))

    def test_plugin_imports_no_tests(self):
        """The plugin works without the parts of the repository that are not installed."""
        self.assertFalse(self.imported("rackspace_imagetasks") & {"tests", "benchmarks"})

    def test_only_the_commands_know_the_client(self):
        """Below `osc` nothing imports osc_lib, cliff or argparse: programs need none of them."""
        for path in (CHECKOUT / "rackspace_imagetasks").iterdir():
            if path.is_dir() and path.name not in ("osc", "__pycache__"):
                names = self.imported(f"rackspace_imagetasks/{path.name}")
                self.assertFalse(names & {"osc_lib", "cliff", "argparse"}, path)
