# SPDX-License-Identifier: Apache-2.0
"""Exit statuses: 2 for what the command line alone shows to be wrong, 1 for anything else."""

from pathlib import Path

import fixtures

from tests.unit.osc.local_shell import LocalShellTest

TASK = ("image", "task")
TRANSFER = (*TASK, "transfer")
EXPORT = (*TASK, "export")
IMPORT = (*TASK, "import")


class UsageTest(LocalShellTest):
    def assert_misused(self, *command, says):
        """Run a command that ends with 2 and one line on stderr, before it needs a cloud."""
        status, stdout, stderr = self.openstack(*command)
        self.assertEqual((2, ""), (status, stdout), stderr)
        self.assertIn(says, stderr)
        self.assertNotIn("Traceback", stderr)
        self.assertEqual(1, len(stderr.splitlines()), stderr)

    def test_images(self):
        """Images are named or selected, but not both."""
        for command in (EXPORT, (*TRANSFER, "--to-region", "ORD")):
            self.assert_misused(*command, says="Specify images, or select them with --property")
            both = ("web", "--property", "role=web")
            self.assert_misused(*command, *both, says="but not both")

    def test_transfer_without_target(self):
        """A transfer has a target."""
        self.assert_misused(*TRANSFER, "web", says="Specify the target with --to-region")

    def test_transfer_targets(self):
        """Targets are named by --to or by the options for one, and each once."""
        ways = ("--to", "ORD", "--to-cloud", "flex")
        self.assert_misused(*TRANSFER, "web", *ways, says="not both")
        for name in ("ORD", "cloud:flex", "cloud:flex/SJC3"):
            twice = ("--to", name, "--to", "IAD", "--to", name)
            says = f"Target '{name}' is specified more than once"
            self.assert_misused(*TRANSFER, "web", *twice, says=says)

    def test_transfer_malformed_targets(self):
        """A target has no empty part."""
        for name in ("", "cloud:", "cloud:/ORD", "cloud:flex/"):
            status, _, stderr = self.openstack(*TRANSFER, "web", "--to", name)
            self.assertEqual(2, status, stderr)
            self.assertIn(f"'{name}' is not a target", stderr)

    def test_saved_files(self):
        """Options for files require --file, and --file requires --wait."""
        self.assert_misused(*EXPORT, "web", "--file", "a.vhd", says="--file requires --wait")
        self.assert_misused(*EXPORT, "web", "--overwrite", says="--overwrite applies to")
        objects = ("images/a.vhd", "images/b.vhd")
        self.assert_misused(
            *TASK, "save", *objects, "--file", "a.vhd", says="cannot be saved to one file"
        )
        same = ("images/a.vhd", "others/a.vhd", "--file", ".")
        self.assert_misused(*TASK, "save", *same, says="More than one object would be saved")

    def test_imports(self):
        """An import has a source, and options for files require a file."""
        self.assert_misused(*IMPORT, says="Specify a local file or <container>/<object>")
        self.assert_misused(*IMPORT, "images/", says="names a container")
        self.assert_misused(*IMPORT, "--object", "images/", says="names a container")
        self.assert_misused(*IMPORT, "--object", "a.vhd", says="'a.vhd' is not an object")
        self.assert_misused(*IMPORT, "a.raw", "b.raw", "--name", "x", says="--name applies to one")
        self.assert_misused(*IMPORT, "images/a.vhd", "--no-convert", says="applies to local files")

    def test_empty_names(self):
        """An empty name is no file, and not the current directory either."""
        for command in (
            (*IMPORT, ""),
            (*IMPORT, "--file", ""),
            (*EXPORT, "web", "--wait", "--file", ""),
            (*TASK, "save", "c/o", "--file", ""),
            ("image", "disk", "inspect", ""),
            ("image", "vhd", "show", ""),
            ("image", "vhd", "validate", ""),
            ("image", "vhd", "convert", "", "x.vhd"),
            ("image", "vhd", "convert", "x.raw", ""),
        ):
            status, _, stderr = self.openstack(*command)
            self.assertEqual(2, status, stderr)
            self.assertIn("the name of a file cannot be empty", stderr)

    def test_empty_ids(self):
        """An empty name or ID, as of a variable that is not set, is not looked for in a cloud."""
        for command, argument in (
            ((*IMPORT, "disk.raw", "--name", ""), "--name"),
            ((*EXPORT, ""), "<image>"),
            ((*EXPORT, "web", ""), "<image>"),
            ((*TRANSFER, "", "--to-region", "ORD"), "<image>"),
            ((*TRANSFER, "web", "--to-region", "ORD", "--to-cloud", ""), "--to-cloud"),
            ((*TRANSFER, "web", "--to-region", "", "--to-cloud", "flex"), "--to-region"),
            ((*TASK, "save", "", "--file", "x"), "<export>"),
            ((*TASK, "wait", ""), "<task>"),
            (("image", "disk", "inspect", "--image", ""), "--image"),
        ):
            status, _, stderr = self.openstack(*command)
            self.assertEqual(2, status, stderr)
            self.assertIn(f"argument {argument}: the value cannot be empty", stderr)

    def test_names_of_files(self):
        """All commands say what is wrong with the name of a file, in one line."""
        Path("loop").symlink_to("loop")
        Path("disk").touch()
        for name, says in (
            ("loop", "'loop' is a symbolic link that leads back to itself"),
            ("disk/", "'disk/' is not a directory; remove the slash"),
            (".", "'.' is a directory"),
        ):
            for command in (("disk", "inspect"), ("vhd", "show"), ("vhd", "convert")):
                target = ("x.vhd",) if command[1] == "convert" else ()
                self.assert_fails("image", *command, name, *target, says=says)
            status, stdout, _ = self.openstack("image", "vhd", "validate", name, "-f", "json")
            self.assertEqual(1, status)
            self.assertIn(says, stdout)
        for name, says in (
            ("new/", "'new/' is not a directory; remove the slash"),
            ("loop", "'loop' is a symbolic link that leads back to itself. Choose"),
            ("loop/x", "'loop' is a symbolic link that leads back to itself. Choose"),
            (".", "'.' is a directory. Choose"),
        ):
            self.assert_fails("image", "vhd", "convert", "disk", name, says=says)

    def test_units(self):
        """A unit that an option does not take is refused with what to write instead."""
        for command, says in (
            ((*IMPORT, "a.raw", "--limit-rate", "10Mb"), "'10Mb' is in bits; use a size in bytes"),
            ((*TASK, "save", "c/o", "--limit-rate", "10mb"), "'10mb' is not a size; use 10MB."),
            (("image", "vhd", "validate", "a", "--max-virtual-size", "1gib"), "use 1GiB."),
            ((*TASK, "clean", "--older-than", "2d"), "such as 48 for 2 days"),
            ((*TASK, "wait", "x", "--timeout", "5m"), "such as 300 for 5 minutes"),
        ):
            status, _, stderr = self.openstack(*command)
            self.assertEqual(2, status)
            self.assertIn(says, stderr)

    def test_disk_formats(self):
        """What is no disk format is refused by the parser, with the formats that are possible."""
        for command in (
            (*IMPORT, "disk.raw"),
            (*EXPORT, "web", "--wait", "--file", "web.qcow2"),
            (*TASK, "save", "images/a.vhd", "--file", "a.qcow2"),
            (*TRANSFER, "web", "--to-region", "ORD"),
        ):
            for word in ("qcow", "QCOW2", ""):
                status, stdout, stderr = self.openstack(*command, "--disk-format", word)
                self.assertEqual((2, ""), (status, stdout), stderr)
                says = f"argument --disk-format: '{word}' is not a disk format; specify qcow2, raw"
                self.assertIn(says, stderr)
            status, _, stderr = self.openstack(*command, "--disk-format", "vmdk")
            self.assertEqual(1, status)
            self.assertNotIn("not a disk format", stderr)

    def test_not_utf_8(self):
        """A name that is not UTF-8 is none of an image."""
        self.assert_misused(*EXPORT, "web-\udcff", says="is not valid UTF-8")

    def test_debug(self):
        """With --debug, the exit status is the same."""
        status, _, stderr = self.openstack("--debug", *TRANSFER, "web")
        self.assertEqual(2, status)
        self.assertIn("Specify the target with --to-region", stderr)
        self.assertNotIn("Traceback", stderr)

    def test_interactive(self):
        """A usage error does not end the interactive shell."""
        script = "image task transfer web\nimage vhd show none.vhd\nquit\n"
        Path("script").write_text(script)
        with Path("script").open() as stdin, fixtures.MonkeyPatch("sys.stdin", stdin):
            _, _, stderr = self.openstack()
        self.assertIn("Specify the target with --to-region", stderr)
        self.assertIn("'none.vhd' does not exist", stderr)

    def test_work(self):
        """What a file or the lack of a cloud shows is not a usage error."""
        self.assert_fails("image", "vhd", "show", "none.vhd", says="'none.vhd' does not exist")
        self.assertEqual(1, self.openstack(*EXPORT, "web")[0])

    def test_parser(self):
        """The parser's own errors end with the same status."""
        self.assertEqual(2, self.openstack(*TASK, "wait")[0])
