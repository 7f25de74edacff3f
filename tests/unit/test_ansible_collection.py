# SPDX-License-Identifier: Apache-2.0
"""The Ansible collection: what its files import, and that Ansible can read and build it."""

import ast
import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import fixtures
import yaml
from oslotest import base

from ansible_collections.rackspace.imagetasks.plugins.module_utils import image_tasks
from ansible_collections.rackspace.imagetasks.plugins.modules import (
    disk_inspect_info,
    image_transfer,
)
from rackspace_imagetasks import Hint
from rackspace_imagetasks.profile import PROFILES

CHECKOUT = Path(__file__).parents[2]
COLLECTION = CHECKOUT / "ansible_collections/rackspace/imagetasks"
PROGRAMS = Path(sys.executable).parent
MODULES = sorted(path.stem for path in (COLLECTION / "plugins/modules").glob("*.py"))
OWN = "ansible_collections.rackspace.imagetasks.plugins.module_utils."
# What is under a licence that allows its use here; most of Ansible is under the GPL.
ALLOWED = {"ansible.module_utils.basic", "keystoneauth1", "openstack", "rackspace_imagetasks"}


def imported(path):
    """Yield the names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


class CollectionTest(base.BaseTestCase):
    def ansible(self, program, *words):
        home = self.useFixture(fixtures.TempDir()).path
        done = subprocess.run(
            [PROGRAMS / program, *words],
            env=os.environ | {"HOME": home, "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_licence(self):
        """Each file names its licence, and nothing under the GPL is imported."""
        paths = sorted(COLLECTION.rglob("*.py"))
        self.assertGreater(len(paths), len(MODULES))
        for path in paths:
            self.assertIn("# SPDX-License-Identifier: Apache-2.0", path.read_text()[:80])
            for name in imported(path):
                is_allowed = name.startswith(OWN) or not ALLOWED.isdisjoint(
                    (name, name.partition(".")[0])
                )
                is_standard = name.partition(".")[0] in sys.stdlib_module_names
                self.assertTrue(is_allowed or is_standard, f"{path}: {name}")

    def test_action_group(self):
        """Each module is in the group for `module_defaults`."""
        runtime = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())
        self.assertEqual(MODULES, runtime["action_groups"]["imagetasks"])

    def test_documentation(self):
        """ansible-doc renders each module and the role."""
        names = [f"rackspace.imagetasks.{name}" for name in MODULES]
        found = json.loads(self.ansible("ansible-doc", "--json", *names))
        self.assertEqual(set(names), set(found))
        for name in names:
            self.assertIn("region_name", found[name]["doc"]["options"])
            self.assertTrue(found[name]["examples"] and found[name]["return"], name)
        role = self.ansible("ansible-doc", "-t", "role", "rackspace.imagetasks.transfer_images")
        self.assertIn("transfer_images_targets", role)

    def test_profiles(self):
        """A disk can be inspected for each kind of cloud."""
        name = "rackspace.imagetasks.disk_inspect_info"
        found = json.loads(self.ansible("ansible-doc", "--json", name))
        options = found[name]["doc"]["options"]
        self.assertEqual(set(PROFILES), set(options["target"]["choices"]))
        self.assertEqual(set(PROFILES), set(disk_inspect_info.OPTIONS["target"]["choices"]))

    def test_build(self):
        """ansible-galaxy builds the collection."""
        folder = self.useFixture(fixtures.TempDir()).path
        self.ansible("ansible-galaxy", "collection", "build", COLLECTION, "--output-path", folder)
        (archive,) = Path(folder).glob("rackspace-imagetasks-*.tar.gz")
        with tarfile.open(archive) as built:
            names = built.getnames()
        for name in MODULES:
            self.assertIn(f"plugins/modules/{name}.py", names)

    def test_hints(self):
        """Each hint that is worded for the modules exists."""
        utils = COLLECTION / "plugins/module_utils/image_tasks.py"
        for node in ast.parse(utils.read_text()).body:
            if isinstance(node, ast.Assign) and node.targets[0].id == "_WORDINGS":
                names = {key.value for key in node.value.keys}
        self.assertLessEqual(names, set(Hint.__members__))
        self.assertIn("CREATE_CONTAINER", names)


class CloudSettingsTest(base.BaseTestCase):
    """Modules with the settings of a cloud instead of its name."""

    def module(self, **params):
        """Create a module with options; give what it logs and what it prints, if it fails."""
        logged = []
        for name, value in (
            ("_load_params", lambda: params),
            ("_ANSIBLE_PROFILE", "legacy"),
            ("AnsibleModule.log", lambda _self, message, log_args=None: logged.append(log_args)),
        ):
            self.useFixture(fixtures.MonkeyPatch(f"ansible.module_utils.basic.{name}", value))
        printed = io.StringIO()
        options = image_tasks.CLOUD_OPTIONS | image_transfer.OPTIONS
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            image_tasks.Module(argument_spec=options)
        return str(logged), printed.getvalue()

    def settings(self, number):
        """Give settings with two secrets."""
        auth = {"auth_url": "http://keystone.example", "password": f"hidden-{number}-a"}
        return {"auth": auth, "application_credential_secret": f"hidden-{number}-b", "verify": True}

    def test_secrets(self):
        """Secrets are neither logged nor printed, even if the options are refused."""
        targets = [{"cloud": self.settings(2)}, {"cloud": "flex", "region_name": "SJC3"}]
        options = {"cloud": self.settings(1), "image": "web", "targets": targets}
        logged, printed = self.module(**options)
        self.assertIn("'verify': True", logged)
        self.assertIn("SJC3", logged)
        self.assertEqual("", printed)
        self.assertNotIn("hidden", logged)
        _logged, printed = self.module(**options, unknown=1)
        self.assertIn("Unsupported parameters", printed)
        self.assertIn("SJC3", printed)
        self.assertNotIn("hidden", printed)
