# SPDX-License-Identifier: Apache-2.0
"""The checks that Ansible has for collections.

`ansible-test` runs each in a virtual environment, which it makes with pip from the package index.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fixtures
from oslotest import base

CHECKOUT = Path(__file__).parents[2]
COLLECTION = "ansible_collections/rackspace/imagetasks"
PROGRAMS = Path(sys.executable).parent
# Not action-plugin-docs and others for what the collection does not have; pslint needs PowerShell.
CHECKS = ("ansible-doc", "ignores", "import", "pep8", "pylint", "runtime-metadata", "shebang",
          "use-argspec-type-path", "validate-modules", "yamllint")  # fmt: skip
# ansible-test downloads this program to install pip in a virtual environment; Python can, too.
BOOTSTRAP = "import ensurepip\nensurepip.bootstrap()\n"


class SanityTest(base.BaseTestCase):
    def test_sanity(self):
        """The checks that need no container pass."""
        folder = Path(self.useFixture(fixtures.TempDir()).path)
        unwanted = shutil.ignore_patterns("__pycache__", "output")
        shutil.copytree(CHECKOUT / COLLECTION, folder / COLLECTION, ignore=unwanted)
        cache = folder / ".ansible/test/cache"
        cache.mkdir(parents=True)
        for name in ("get_pip_24_2.py", "get_pip_23_1_2.py"):
            (cache / name).write_text(BOOTSTRAP)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        words = [word for check in CHECKS for word in ("--test", check)]
        done = subprocess.run(
            [PROGRAMS / "ansible-test", "sanity", "--color", "no", "--python", version, *words],
            cwd=folder / COLLECTION,
            env=os.environ | {"HOME": str(folder), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"},
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        for check in CHECKS:
            self.assertIn(f'Running sanity test "{check}"', done.stdout + done.stderr)
