# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
from pathlib import Path

from rackspace_imagetasks.osc.v2.disk_inspect import InspectDisk
from tests.unit.osc import local_shell


class TestDiskInspect(local_shell.LocalShellTest):
    """Inspects a file system without a partition table; other disks are `test_inspection`'s."""

    def setUp(self):
        super().setUp()
        self.disk({"etc/os-release": "ID=debian\nPRETTY_NAME='Debian \x1b[31mred'\n"})

    def disk(self, files, name="disk.raw"):
        """Write a disk with these files."""
        root = self.directory / f"root-{name}"
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        subprocess.run(
            ["mkfs.ext4", "-q", "-L", "top", "-d", root, name, "16M"],
            check=True,
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
        )

    def inspect(self, *arguments):
        return self.openstack("image", "disk", "inspect", *arguments)

    def test_for_people(self):
        """The first line is the answer; nothing is wider than 80 columns or harms a terminal."""
        status, stdout, stderr = self.inspect("disk.raw", "--for", "glance", "--map")
        lines = stdout.splitlines()
        self.assertEqual((1, ""), (status, stderr))
        self.assertRegex(lines[0], r"^Not ready for KVM: 1 error, \d warnings$")
        self.assertIn("ERROR no-boot-loader (disk)", lines)
        self.assertIn("# data  = more than half  - some  . none", lines)
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertNotIn("\x1b", stdout)

    def test_for_programs(self):
        """With -f json everything is there, in the disk's own words."""
        status, stdout, _ = self.inspect("disk.raw", "-f", "json")
        shown = json.loads(stdout)
        self.assertEqual(1, status)
        self.assertEqual(sorted(shown), list(shown))
        self.assertEqual(InspectDisk(None, None).known_titles(), tuple(shown))
        self.assertEqual(("disk.raw", "raw"), (shown["source"], shown["format"]))
        self.assertEqual("Debian \x1b[31mred", shown["systems"][0]["name"])
        volume = shown["volumes"][0]
        self.assertEqual(("ext4", "top"), (volume["content"], volume["label"]))
        self.assertEqual((16 << 20, False), (shown["size"], shown["is_ready"]))
        finding = next(each for each in shown["findings"] if each["check"] == "no-boot-loader")
        self.assertEqual(("error", "disk"), (finding["severity"], finding["volume"]))

    def test_target(self):
        """Without --for, clouds.yaml decides; without a cloud, it is Rackspace."""
        self.assertIn("for Rackspace", self.inspect("disk.raw")[1])
        Path("clouds.yaml").write_text(
            "clouds:\n  a: {auth: {auth_url: 'http://127.0.0.1:9'}, image_tasks: {profile: flex}}\n"
        )
        self.assertIn("for Flex", self.inspect("disk.raw", "--os-cloud", "a")[1])
        self.assertEqual(2, self.inspect("disk.raw", "--for", "mars")[0])

    def test_other_formats(self):
        """A VHD and a qcow2 are looked into in the same way."""
        self.assertEqual(
            0, self.openstack("image", "vhd", "convert", "disk.raw", "disk.vhd", "-q")[0]
        )
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", "disk.raw", "disk.q"], check=True)
        for name in ("disk.vhd", "disk.q"):
            self.assertIn("(disk: /etc/os-release)", self.inspect(name)[1])

    def test_bad_input(self):
        """What is no disk is said in a sentence; a disk or an image must be specified."""
        (self.directory / "text").write_text("x" * 100)
        self.assert_fails("image", "disk", "inspect", "text", says="'text' is not a disk image")
        self.assert_fails("image", "disk", "inspect", "none", says="'none' does not exist")
        self.assert_fails("image", "disk", "inspect", "a/b", says="no cloud is available")
        self.assertEqual(2, self.inspect()[0])
        self.assertEqual(2, self.inspect("disk.raw", "--image", "web")[0])
