# SPDX-License-Identifier: Apache-2.0
"""`image disk inspect` describes disks with a whole Debian as whoever made them would."""

import json
import lzma
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import fixtures
from oslotest import base
from testtools.content import text_content

from tests.functional.diskcase import REQUIRE_QEMU
from tests.large import debian
from tests.large.bootable import run
from tests.unit.formats.vhd.oracles import require
from tests.unit.guest import inspecteddisks as disks

MIB = debian.MIB
DATA = Path(__file__).parents[1] / "data"
ROOT_DEVICE = f"UUID={debian.ROOT_UUID}"
ONE_PARTITION = "label: dos\n,,83,*\n"
SIZE = debian.ROOT_SIZE + 2 * MIB


class InspectCase(base.BaseTestCase):
    """Runs the command in a process of its own.

    :ivar disk: where a test writes its disk.
    """

    def setUp(self):
        super().setUp()
        self.tmp = Path(self.useFixture(fixtures.TempDir()).path)
        self.disk = self.tmp / "disk.raw"

    def inspect(self, target, *words, status=0):
        """Run the command, without a cloud; return what it prints for programs."""
        outside = {name: text for name, text in os.environ.items() if not name.startswith("OS_")}
        words = ("image", "disk", "inspect", self.disk, "--for", target, *words, "-f", "json")
        done = subprocess.run(
            [sys.executable, "-m", "openstackclient.shell", *words],
            capture_output=True, text=True, check=False, timeout=300, cwd=self.tmp, env=outside,
        )  # fmt: skip
        self.addDetail(f"output for {target}", text_content(done.stdout + done.stderr))
        self.assertEqual((status, ""), (done.returncode, done.stderr))
        return json.loads(done.stdout)

    def assert_volumes(self, expected, found):
        """Compare names and contents of volumes."""
        names = [(each["name"], each["content"]) for each in found["volumes"]]
        self.assertEqual(expected, names)

    def assert_loaders(self, expected, found):
        """Compare kinds and names of boot loaders, and the volumes that contain them."""
        names = [(each["kind"], each["name"], each["place"]["volume"]) for each in found["loaders"]]
        self.assertEqual(expected, names)

    def assert_findings(self, expected, found):
        """Compare the errors and warnings, and where they were seen."""
        serious = [each for each in found["findings"] if each["severity"] != "info"]
        self.assertEqual(
            expected, [(each["severity"], each["check"], each["volume"]) for each in serious]
        )


class DebianDiskTest(InspectCase):
    """Debian 12 with GRUB, cloud-init and the agent of QEMU.

    :cvar ext4: the file system of several disks.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        require(*debian.PROGRAMS)
        if os.geteuid() and not os.environ.get(REQUIRE_QEMU):
            raise unittest.SkipTest("debootstrap needs root")
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.debian = debian.Debian(folder / "tree")
        cls.debian.configure(debian.EXT4)
        cls.ext4 = debian.ext4(folder / "ext4", cls.debian.root)

    def grub_disk(self, root):
        """Write a disk with GRUB in its MBR and one partition."""
        code = self.debian.boot_code()
        disks.partitioned(self.disk, ONE_PARTITION, {1: root}, size=SIZE, boot_code=code)

    def assert_debian(self, found, volume="partition 1", root=ROOT_DEVICE):
        """Check the facts about the system."""
        (system,) = found["systems"]
        kernel = f"/boot/vmlinuz-{self.debian.kernel}"
        self.assertEqual(
            ("linux", "debian", "12", "Debian GNU/Linux 12 (bookworm)", "x86_64"),
            tuple(system[each] for each in ("kind", "id", "version", "name", "architecture")),
        )
        self.assertEqual({"volume": volume, "path": "/etc/os-release"}, system["place"])
        self.assertEqual(
            [(self.debian.kernel, {"volume": volume, "path": kernel}, True)],
            [(each["version"], each["place"], each["is_default"]) for each in system["kernels"]],
        )
        self.assertEqual(
            [(root, "/")], [(each["device"], each["target"]) for each in system["mounts"]]
        )
        self.assertEqual({root}, {each["device"] for each in system["roots"]})
        self.assertEqual(self.debian.cloud_init, system["cloud_init"]["version"])
        self.assertIsNone(system["cloud_init"]["datasources"])
        self.assertEqual(["qemu-guest-agent"], [each["kind"] for each in system["agents"]])
        self.assertEqual("ttyS0", system["consoles"][0]["text"])
        self.assertEqual([], system["unreadable"])

    def test_ext4(self):
        """Debian on ext4 with an MBR is ready for both clouds."""
        self.grub_disk(self.ext4)
        for target, title in (("rackspace", "Rackspace"), ("flex", "Flex")):
            found = self.inspect(target)
            self.assertEqual(f"Ready for {title}", found["verdict"])
            self.assertEqual(
                ("MBR", 512, SIZE), (found["table"], found["sector_size"], found["size"])
            )
            self.assert_volumes([("partition 1", "ext4")], found)
            self.assert_loaders([("BIOS", "GRUB", "disk")], found)
            self.assert_debian(found)
            self.assert_findings([], found)

    def test_deep(self):
        """The drivers in the initramfs that Debian made are found."""
        self.grub_disk(self.ext4)
        found = self.inspect("flex", "--deep")
        (kernel,) = found["systems"][0]["kernels"]
        self.assertTrue(kernel["initramfs_is_read"])
        states = {each["name"]: each["state"] for each in kernel["drivers"]}
        self.assertEqual("in the initramfs", states["virtio_blk"])
        self.assertEqual("in the initramfs", states["xen_blkfront"])
        self.assert_findings([], found)

    def test_xfs(self):
        """Debian on XFS is read like that on ext4."""
        self.debian.configure(debian.XFS)
        self.grub_disk(debian.xfs(self.tmp / "root", self.debian.root))
        found = self.inspect("rackspace")
        self.assertEqual("Ready for Rackspace", found["verdict"])
        self.assert_volumes([("partition 1", "XFS")], found)
        self.assert_debian(found)

    def test_btrfs(self):
        """Of Btrfs, the name, the label and the use are known, and that the rest is not."""
        self.grub_disk(debian.btrfs(self.tmp / "root", self.debian.root))
        found = self.inspect("rackspace")
        self.assertEqual(
            "Perhaps ready for Rackspace: no operating system could be read", found["verdict"]
        )
        self.assert_volumes([("partition 1", "Btrfs")], found)
        (volume,) = found["volumes"]
        self.assertEqual(("root", debian.ROOT_UUID), (volume["label"], volume["uuid"]))
        self.assert_loaders([("BIOS", "GRUB", "disk")], found)
        self.assertIn("not-read", [each["check"] for each in found["findings"]])

    def test_lvm(self):
        """A root file system in a volume group of lvm2 is found by the name of its device."""
        self.debian.configure(debian.LVM)
        root = debian.ext4(self.tmp / "root", self.debian.root)
        physical = self.tmp / "physical"
        physical.write_bytes(lzma.decompress((DATA / "lvm/system.img.xz").read_bytes()))
        with physical.open("r+b") as file:
            file.truncate(704 * MIB)
            disks.copy(root, file, MIB)  # extent 0
        disks.partitioned(
            self.disk, "label: dos\n,,8e,*\n", {1: physical}, size=706 * MIB,
            boot_code=self.debian.boot_code(),
        )  # fmt: skip
        found = self.inspect("flex")
        self.assertEqual("Ready for Flex", found["verdict"])
        self.assert_volumes(
            [
                ("partition 1", "LVM"),
                ("logical volume debian/root", "ext4"),
                ("logical volume debian/swap_1", ""),
            ],
            found,
        )
        self.assert_debian(found, "logical volume debian/root", "/dev/mapper/debian-root")

    def test_uefi(self):
        """A disk that only UEFI starts is not ready where servers have a BIOS alone."""
        esp = disks.fat(self.tmp / "esp", {"EFI/BOOT/BOOTX64.EFI": self.debian.efi_program()})
        script = "label: gpt\n,36M,U\n,,L\n"
        disks.partitioned(self.disk, script, {1: esp, 2: self.ext4}, size=SIZE + 40 * MIB)
        found = self.inspect("flex")
        self.assertEqual("Ready for Flex", found["verdict"])
        self.assertEqual("GPT", found["table"])
        self.assert_volumes([("partition 1", "FAT32"), ("partition 2", "ext4")], found)
        self.assert_loaders([("UEFI", "", "partition 1")], found)
        self.assertEqual(
            ("x86_64", "\\EFI\\BOOT\\BOOTX64.EFI"),
            (found["loaders"][0]["architecture"], found["loaders"][0]["place"]["path"]),
        )
        self.assert_debian(found, "partition 2")
        found = self.inspect("rackspace", status=1)
        self.assertEqual("Not ready for Rackspace: 1 error", found["verdict"])
        self.assert_findings([("error", "uefi-only", "partition 1")], found)

    def test_luks(self):
        """An encrypted root is an error although /boot is not encrypted."""
        boot = debian.ext4(
            self.tmp / "boot", self.debian.root / "boot", size=128 * MIB, uuid=debian.BOOT_UUID
        )
        encrypted = debian.luks(self.tmp / "luks")
        disks.partitioned(
            self.disk, "label: dos\n,128M,83,*\n,,83\n", {1: boot, 2: encrypted}, size=164 * MIB,
            boot_code=self.debian.boot_code(),
        )  # fmt: skip
        found = self.inspect("flex", status=1)
        self.assertEqual("Not ready for Flex: 1 error", found["verdict"])
        self.assert_volumes([("partition 1", "ext4"), ("partition 2", "LUKS 2")], found)
        self.assertEqual([False, True], [volume["is_encrypted"] for volume in found["volumes"]])
        self.assertEqual([], found["systems"])
        self.assert_findings([("error", "encrypted-root", "partition 2")], found)

    def test_two_systems(self):
        """Windows next to Debian is found, and refused by Rackspace."""
        disks.partitioned(
            self.disk, f"label: dos\n,{debian.ROOT_SIZE // MIB}M,83,*\n,,7\n",
            {1: self.ext4, 2: windows(self.tmp)}, size=SIZE + 10 * MIB,
            boot_code=self.debian.boot_code(),
        )  # fmt: skip
        found = self.inspect("rackspace", status=1)
        self.assertEqual(
            [("debian", "partition 1"), ("windows", "partition 2")],
            [(each["id"], each["place"]["volume"]) for each in found["systems"]],
        )
        self.assert_volumes([("partition 1", "ext4"), ("partition 2", "NTFS")], found)
        self.assertIn(
            ("error", "licence", "partition 2"),
            [(each["severity"], each["check"], each["volume"]) for each in found["findings"]],
        )

    def test_no_partition_table(self):
        """A file system that is the whole disk is read, and has no boot loader."""
        self.disk = self.ext4
        found = self.inspect("rackspace", status=1)
        self.assertEqual("Not ready for Rackspace: 1 error", found["verdict"])
        self.assertEqual("", found["table"])
        self.assert_volumes([("disk", "ext4")], found)
        self.assert_debian(found, "disk")
        self.assert_findings([("error", "no-boot-loader", "disk")], found)

    def test_large_sectors(self):
        """A disk with sectors of 4096 bytes, partitioned by fdisk, is read as such."""
        disks.empty(self.disk, SIZE + 2 * MIB)
        script = f"g\nn\n1\n\n+{debian.ROOT_SIZE // MIB}M\nw\n"
        run("fdisk", "--sector-size", "4096", self.disk, input=script)
        with self.disk.open("r+b") as file:
            disks.copy(self.ext4, file, MIB)
        found = self.inspect("flex", status=1)
        self.assertEqual(("GPT", 4096), (found["table"], found["sector_size"]))
        self.assert_volumes([("partition 1", "ext4")], found)
        self.assertEqual(MIB, found["volumes"][0]["start"])
        self.assert_debian(found)
        self.assert_findings([("error", "no-boot-loader", "disk")], found)


class OtherDiskTest(InspectCase):
    def setUp(self):
        super().setUp()
        require("mkswap", "sfdisk", "xorriso")

    def test_windows(self):
        """Windows is named, and refused by Rackspace alone."""
        disks.partitioned(
            self.disk, "label: dos\n,,7,*\n", {1: windows(self.tmp)}, size=10 * MIB,
            boot_code=b"\x33\xc0Missing operating system",
        )  # fmt: skip
        found = self.inspect("rackspace", status=1)
        (system,) = found["systems"]
        self.assertEqual(
            ("windows", "Windows Server 2022 Standard", "x86_64"),
            (system["id"], system["name"], system["architecture"]),
        )
        self.assertEqual("\\Windows\\System32\\ntoskrnl.exe", system["place"]["path"])
        self.assert_volumes([("partition 1", "NTFS")], found)
        self.assert_loaders([("BIOS", "Windows", "partition 1")], found)
        self.assert_findings(
            [("error", "licence", "partition 1"), ("warning", "hibernated", "partition 1")], found
        )
        found = self.inspect("flex")
        self.assertEqual("Ready for Flex, with 1 warning", found["verdict"])

    def test_empty(self):
        """A disk of zeros has nothing, and does not boot."""
        disks.empty(self.disk, 64 * MIB)
        found = self.inspect("rackspace", status=1)
        self.assertEqual("Not ready for Rackspace: 1 error", found["verdict"])
        self.assertEqual(
            ("", [], [], []),
            tuple(found[each] for each in ("table", "volumes", "systems", "loaders")),
        )
        self.assert_findings([("error", "no-boot-loader", "disk")], found)

    def test_swap(self):
        """A disk that is swap space is named."""
        disks.empty(self.disk, 64 * MIB)
        run("mkswap", "--uuid", debian.ROOT_UUID, "--label", "memory", self.disk)
        found = self.inspect("flex", status=1)
        self.assert_volumes([("disk", "swap")], found)
        (volume,) = found["volumes"]
        self.assertEqual(("memory", debian.ROOT_UUID), (volume["label"], volume["uuid"]))
        self.assertEqual([], found["systems"])
        self.assert_findings([("error", "no-boot-loader", "disk")], found)

    def test_iso(self):
        """A disc that xorriso made is named as what installs a system."""
        tree = self.tmp / "disc"
        (tree / ".disk").mkdir(parents=True)
        name = "Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 NETINST"
        (tree / ".disk/info").write_text(f"{name} with firmware 20240210-11:27\n")
        (tree / "isolinux").mkdir()
        (tree / "isolinux/isolinux.bin").write_bytes(bytes(2048))
        run(
            *("xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", "Debian 12.5.0 amd64 n"),
            *("-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot"),
            *("-boot-load-size", "4", "-boot-info-table", "-o", self.disk, tree),
        )
        found = self.inspect("flex", status=1)
        self.assert_volumes([("disk", "ISO 9660")], found)
        (system,) = found["systems"]
        self.assertTrue(system["is_installer"])
        self.assertEqual(f"{name} with firmware 20240210-11:27", system["name"])
        self.assertIn("installation-media", [each["check"] for each in found["findings"]])


def windows(folder):
    """Return an NTFS file system with the files that identify Windows.

    mkntfs has left code in its first sector that starts nothing; what names the boot manager in
    that of Windows replaces it.
    """
    image = folder / "windows.ntfs"
    content = bytearray(lzma.decompress((DATA / "disks/windows.ntfs.xz").read_bytes()))
    content[90:510] = b"BOOTMGR is missing".ljust(420, b"\0")
    image.write_bytes(content)
    return image
