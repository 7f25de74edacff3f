# SPDX-License-Identifier: Apache-2.0
"""The wheels that pip builds from a clone, and the commands in a new virtual environment.

Run with `make test-wheel`, which builds the manual page first.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from oslotest import base

CHECKOUT = Path(__file__).parents[2]
MAN_PAGE = "man1/openstack-rackspace-imagetasks.1"
# Neither the caller's cloud nor this environment's packages.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("OS_") and name not in ("PYTHONPATH", "PBR_VERSION", "VIRTUAL_ENV")
}


def run(*command, cwd):
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def source_tree(target):
    """Copy the checkout without what Git ignores, except for the manual page."""
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(CHECKOUT, target, ignore=unwanted, dirs_exist_ok=True)
    shutil.copytree(CHECKOUT / "doc/build/man", target / "doc/build/man")


def build(source, folder):
    """Build a wheel and return its path."""
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, source, cwd="/")
    (wheel,) = folder.glob("*.whl")
    return wheel


class PluginWheelTest(base.BaseTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = Path(tempfile.mkdtemp(prefix="wheel test "))
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.folder = folder
        # The clone has no tags; the copy adds what is not committed yet.
        run("git", "clone", "--quiet", "--no-tags", CHECKOUT, folder / "clone", cwd="/")
        source_tree(folder / "clone")
        cls.wheel = build(folder / "clone", folder / "dist")
        cls.names = zipfile.ZipFile(cls.wheel).namelist()
        cls.bin = folder / "environment" / "bin"
        run(sys.executable, "-m", "venv", cls.bin.parent, cwd="/")
        run(
            cls.bin / "pip", "install", "--quiet", "-c", CHECKOUT / "constraints.txt",
            f"{cls.wheel}[ansible]", "python-openstackclient", cwd="/",
        )  # fmt: skip

    def openstack(self, *arguments):
        return run(self.bin / "openstack", *arguments, cwd=self.folder)

    def test_version(self):
        """A clone without tags has a development version."""
        self.assertRegex(self.wheel.name, r"^rackspace_imagetasks-0\.0\.1\.dev[0-9]+-py3-none-any")

    def test_contents(self):
        """The wheel holds every module of the plugin, the Ansible collection, and nothing else."""
        modules = {
            str(path.relative_to(CHECKOUT))
            for path in (CHECKOUT / "rackspace_imagetasks").rglob("*.py")
        }
        found = {name for name in self.names if ".dist-info/" not in name}
        manuals = {name for name in found if ".data/" in name}
        collection = {
            str(path.relative_to(CHECKOUT))
            for path in (CHECKOUT / "ansible_collections").rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        self.assertEqual(modules | collection | {"rackspace_imagetasks/py.typed"}, found - manuals)
        self.assertEqual(
            [f"data/share/man/{MAN_PAGE}"], [name.partition(".data/")[2] for name in manuals]
        )

    def test_help(self):
        """Each entry point is a command whose help can be shown."""
        entry_points = zipfile.ZipFile(self.wheel).read(
            next(name for name in self.names if name.endswith("/entry_points.txt"))
        )
        self.assertIn(b"rackspace_imagetasks = rackspace_imagetasks.osc.plugin", entry_points)
        help_ = self.openstack("image", "task", "import", "--help")
        self.assertIn("usage: openstack image task import", help_)
        self.assertIn(
            "usage: openstack image vhd show", self.openstack("image", "vhd", "show", "-h")
        )

    def test_completion(self):
        """The client completes the commands of the plugin."""
        completion = self.openstack("complete")
        tasks = next(line for line in completion.splitlines() if "cmds_image_task=" in line)
        for command in ("clean", "export", "import", "save", "transfer", "wait"):
            self.assertIn(command, tasks)
        self.assertIn("cmds_image_vhd=", completion)

    def test_man_page(self):
        """The manual page is where `man` looks for it, and describes each command."""
        text = (self.bin.parent / "share/man" / MAN_PAGE).read_text()
        for command in ("image task import", "image task wait", "image vhd convert"):
            self.assertIn(command, text)

    def test_ansible(self):
        """Ansible finds the collection, and its modules find the plugin."""
        disk = self.folder / "disk.raw"
        disk.write_bytes(b"boot".ljust(2**20, b"\0"))
        playbook = self.folder / "play.yml"
        playbook.write_text(
            "- hosts: localhost\n"
            "  connection: local\n"
            "  gather_facts: false\n"
            "  vars: {ansible_python_interpreter: '{{ ansible_playbook_python }}'}\n"
            "  tasks:\n"
            f"  - rackspace.imagetasks.disk_inspect_info: {{path: '{disk}', target: glance}}\n"
        )
        printed = run(
            self.bin / "ansible-playbook", "-v", "-i", "localhost,", playbook, cwd=self.folder
        )
        self.assertIn("Not ready for KVM", printed)

    def test_typed(self):
        """Type checkers use the annotations of the installed package."""
        self.assertIn("rackspace_imagetasks/py.typed", self.names)


class FallbackTest(base.BaseTestCase):
    def test_no_git_metadata(self):
        """An archive of the sources has a version, though no history tells which."""
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        for name in ("setup.py", "setup.cfg", "README.md", "requirements.txt", "LICENSE"):
            shutil.copy(CHECKOUT / name, folder)
        shutil.copytree(CHECKOUT / "rackspace_imagetasks", folder / "rackspace_imagetasks")
        version = run(sys.executable, "setup.py", "--quiet", "--version", cwd=folder)
        self.assertEqual("0.0.0", version.split()[-1])


class DevcloudWheelTest(base.BaseTestCase):
    def test_contents(self):
        """The development cloud is a package of its own, with all modules except its tests."""
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        shutil.copytree(CHECKOUT / "devcloud", folder / "devcloud", ignore=unwanted)
        names = zipfile.ZipFile(build(folder / "devcloud", folder / "dist")).namelist()
        modules = {
            str(path.relative_to(CHECKOUT))
            for path in (CHECKOUT / "devcloud").rglob("*.py")
            if "tests" not in path.parts
        }
        self.assertEqual(modules, {name for name in names if ".dist-info/" not in name})
