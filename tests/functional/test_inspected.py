# SPDX-License-Identifier: Apache-2.0
"""Imports, exports and transfers look inside the disk: licences, warnings, and properties."""

import os
import subprocess

from tests.functional import diskcase, processcase
from tests.unit.sources.disks import packed

FLEX = {"cloud": "flex", "region": "SJC3"}
KERNEL = r"partition 1 (NTFS): \Windows\System32\ntoskrnl.exe"
START = 1 << 20


class InspectedCase(diskcase.DiskCase, processcase.ProcessTestCase):
    """Disks with an operating system in them."""

    def setUp(self):
        super().setUp()
        self.require_programs("qemu-img", "sfdisk", "mkfs.ext4")
        self.name = f"image-{self.mark}"

    def disk(self, name, size, kind):
        """Make a disk with a partition of 1 MiB less than its size, of a type, at 1 MiB."""
        path = self.tmp / name
        path.touch()
        os.truncate(path, size)
        subprocess.run(["sfdisk", "-q", path], input=f"1MiB,,{kind},*\n".encode(), check=True)
        return path

    def windows(self):
        """Make a disk with the files by which Windows is recognised."""
        content = packed("windows.ntfs")
        path = self.disk("windows.raw", START + len(content) + (1 << 20), "7")
        with path.open("r+b") as file:
            file.seek(START)
            file.write(content)
        return path

    def linux(self):
        """Make a disk with a Debian that names its disk as Xen does."""
        files = self.tmp / "files"
        for name, content in {
            "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
            "etc/fstab": "/dev/xvda1 / ext4 defaults 0 1\n",
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
            "sbin/init": "\x7fELF\x02\x01\x01" + 9 * "\0" + "\x02\0\x3e\0" + 100 * "\0",
            "lib/modules/6.1.0/modules.builtin": "kernel/fs/ext4/ext4.ko\n",
        }.items():
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            (files / name).write_text(content)
        path = self.disk("linux.raw", 32 << 20, "83")
        place = ["-E", f"offset={START}", path, "31M"]
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", files, *place], check=True)
        return path

    def image(self, cloud="alice", region="DFW"):
        images = self.sdk(cloud, region).image.images(name=self.name)
        [image] = images
        return image

    def refused_by_content(self, *words, **how):
        """Run a command that is refused by what is inside the disk, and sends nothing."""
        self.sent.clear()
        said = self.refused(*words, **how)
        self.assertIn("contains Windows Server 2022 Standard", said)
        self.assertIn(KERNEL, said)
        self.assertEqual([], self.changes())
        return said


class LicenceTest(InspectedCase):
    def test_import_file(self):
        """Windows is not imported to Rackspace, whatever the properties say."""
        for options in ((), ("--property", "os_type=linux"), ("--dry-run",)):
            said = self.refused_by_content(
                "import", self.windows(), "--name", self.name, "--wait", *options
            )
            self.assertIn("cannot be transferred", said)

    def test_import_object(self):
        """Windows in an object is not imported to Rackspace."""
        vhd = self.tmp / "windows.vhd"
        self.openstack("image", "vhd", "convert", self.windows(), vhd)
        container = self.container()
        with vhd.open("rb") as file:
            self.swift().put_object(container, "windows.vhd", file)
        self.refused_by_content("import", f"{container}/windows.vhd", "--name", self.name, "--wait")

    def test_transfer(self):
        """Windows that is an image of a standard cloud does not get to Rackspace."""
        self.task("import", self.windows(), "--name", self.name, "--wait", "--no-inspect", **FLEX)
        self.assertIsNone(self.image("flex", "SJC3").os_type)
        self.refused_by_content("transfer", self.name, "--to-cloud", "alice", **FLEX)
        self.refused_by_content("transfer", self.name, "--to-cloud", "alice", "--dry-run", **FLEX)

    def test_standard_cloud(self):
        """A cloud without such a rule gets Windows, with properties that say so."""
        outcome = self.task("import", self.windows(), "--name", self.name, "--wait", **FLEX)
        image = self.image("flex", "SJC3")
        self.assertEqual(image.id, outcome.rows[0]["Image"])
        self.assertEqual(("windows", "windows"), (image.os_type, image.os_distro))

    def test_without_inspection(self):
        """A user can do without, and is told what that means; the export looks again."""
        outcome = self.task("import", self.windows(), "--name", self.name, "--wait", "--no-inspect")
        self.assertIn("Licences were not checked inside the disk.", outcome.stderr)
        saved = self.tmp / "saved.vhd"
        said = self.refused("export", self.name, "--wait", "--file", saved)
        self.assertIn("Its licence does not allow an export.", said)
        self.assertFalse(saved.exists())
        self.sent.clear()
        self.refused_by_content("export", self.name, "--wait", "--file", saved)
        self.refused("transfer", self.name, "--to-region", "ORD")
        self.assertEqual([], list(self.sdk(region="ORD").image.images(name=self.name)))


class ContentTest(InspectedCase):
    def test_properties(self):
        """The image says what is inside its disk, unless the user says otherwise."""
        outcome = self.task(
            "import", self.linux(), "--name", self.name, "--wait", "--property", "os_version=13"
        )
        image = self.image()
        self.assertEqual(
            ("linux", "debian", "13"), (image.os_type, image.os_distro, image.os_version)
        )
        self.assertEqual("x86_64", image.architecture)
        self.assertNotIn("xvda1", outcome.stderr)

    def test_warnings(self):
        """What keeps a server in a KVM cloud from starting is said, with its place."""
        outcome = self.task("import", self.linux(), "--name", self.name, "--wait", **FLEX)
        self.assertIn("(partition 1 (ext4): /etc/fstab)", outcome.stderr)
        self.assertEqual("debian", self.image("flex", "SJC3").os_distro)

    def test_transfer(self):
        """What an image does not say is found on its way, too."""
        self.task("import", self.linux(), "--name", self.name, "--wait", "--no-inspect")
        self.assertIsNone(self.image().os_distro)
        outcome = self.task("transfer", self.name, "--to-cloud", "flex")
        self.assertIn("/etc/fstab", outcome.stderr)
        self.assertEqual("debian", self.image("flex", "SJC3").os_distro)
        self.task("transfer", self.name, "--to-region", "ORD")
        self.assertEqual("debian", self.image(region="ORD").os_distro)
