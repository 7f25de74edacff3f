# SPDX-License-Identifier: Apache-2.0
"""Real disks are described as whoever made them would describe them."""

from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.guest.facts import DriverState, Place
from rackspace_imagetasks.guest.inspection import inspect
from rackspace_imagetasks.guest.readiness import judge_readiness
from rackspace_imagetasks.profile import GLANCE, RACKSPACE
from tests.unit.formats.vhd.oracles import require, run
from tests.unit.guest import inspecteddisks as disks
from tests.unit.guest.lvm import volumes as lvm
from tests.unit.guest.mutation import Recorder
from tests.unit.sources.disks import packed

MIB = disks.MIB
KERNEL = f"/boot/vmlinuz-{disks.VERSION}"
PV = "A" * 32
GROUP = f"""
my-vg {{
id = "{"G" * 6}-{"G" * 4}-{"G" * 4}-{"G" * 4}-{"G" * 4}-{"G" * 4}-{"G" * 6}"
seqno = 1
extent_size = 128
physical_volumes {{
pv0 {{
id = "{"A" * 6}-{"A" * 4}-{"A" * 4}-{"A" * 4}-{"A" * 4}-{"A" * 4}-{"A" * 6}"
pe_start = 2048
pe_count = 800
}}
}}
logical_volumes {{
root {{
id = "{"L" * 6}-{"L" * 4}-{"L" * 4}-{"L" * 4}-{"L" * 4}-{"L" * 4}-{"L" * 6}"
status = ["READ", "WRITE", "VISIBLE"]
segment_count = 1
segment1 {{
start_extent = 0
extent_count = 768
type = "striped"
stripe_count = 1
stripes = [ "pv0", 0 ]
}}
}}
}}
}}
"""


class InspectionTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.useFixture(fixtures.TempDir()).path)
        self.disk = self.folder / "disk.raw"

    def inspect(self, **options):
        with FileSource(self.disk) as source:
            return inspect(source, **options)

    def findings(self, facts, profile):
        return {
            (each.check, each.severity.value) for each in judge_readiness(facts, profile).findings
        }

    def volumes(self, facts):
        return [(volume.name, volume.content) for volume in facts.volumes]


class LinuxTest(InspectionTest):
    def test_debian_on_gpt(self):
        """Debian with GRUB for BIOS and for UEFI is described, and ready for both clouds."""
        root = disks.ext4(self.folder / "root", disks.debian())
        esp = disks.fat(
            self.folder / "esp",
            {
                "EFI/BOOT/BOOTX64.EFI": disks.efi_program(),
                "EFI/debian/shimaa64.efi": disks.efi_program(0xAA64),
                "EFI/debian/grub.cfg": b"search\n",
            },
        )
        script = (
            "label: gpt\nstart=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649\n"
            "size=70000, type=U\nsize=98304, type=L, name=system\n"
        )
        code = disks.grub_code()
        disks.partitioned(self.disk, script, {2: esp, 3: root}, boot_code=code)
        facts = self.inspect()
        self.assertEqual((160 * MIB, "GPT", 512), (facts.size, facts.table, facts.sector_size))
        expected = [("partition 1", ""), ("partition 2", "FAT32"), ("partition 3", "ext4")]
        self.assertEqual(expected, self.volumes(facts))
        volume = facts.volumes[2]
        self.assertEqual(("system", disks.ROOT_UUID), (volume.title, volume.uuid))
        self.assertEqual((37 * MIB, 48 * MIB), (volume.start, volume.size))
        self.assertEqual([""] * 3, [volume.problem for volume in facts.volumes])
        self.assertEqual(
            [
                ("BIOS", "GRUB", Place("disk"), ""),
                ("UEFI", "", Place("partition 2", "\\EFI\\BOOT\\BOOTX64.EFI"), "x86_64"),
                ("UEFI", "shim", Place("partition 2", "\\EFI\\debian\\shimaa64.efi"), "aarch64"),
            ],
            [(each.kind, each.name, each.place, each.architecture) for each in facts.loaders],
        )
        (system,) = facts.systems
        self.assertEqual(
            ("debian", "12", "x86_64"), (system.id, system.version, system.architecture)
        )
        self.assertEqual(Place("partition 3", KERNEL), system.default_kernel.place)
        self.assertEqual(DriverState.MODULE, system.default_kernel.driver("virtio_blk").state)
        self.assertEqual(("ConfigDrive", "OpenStack"), system.cloud_init.datasources)
        self.assertEqual(["qemu-guest-agent"], [agent.kind.value for agent in system.agents])
        self.assertEqual(set(), self.findings(facts, GLANCE))
        self.assertEqual(set(), self.findings(facts, RACKSPACE))

    def test_device_names_of_xen(self):
        """The same disk with /dev/xvda1 in fstab and a small initramfs is warned about on KVM."""
        files = disks.debian(
            **{
                "etc/fstab": "/dev/xvda1 / ext4 defaults 0 1\n",
                "etc/initramfs-tools/initramfs.conf": "MODULES=dep\n",
            }
        )
        root = disks.ext4(self.folder / "root", files)
        code = disks.grub_code()
        disks.partitioned(self.disk, "label: dos\n,,83,*\n", {1: root}, boot_code=code)
        facts = self.inspect()
        expected = {("device-name", "warning"), ("virtio-driver", "warning")}
        self.assertEqual(expected, self.findings(facts, GLANCE))
        self.assertEqual({("xen-driver", "warning")}, self.findings(facts, RACKSPACE))

    def test_xfs_with_boot_partition(self):
        """A root on XFS with /boot on ext4: kernels are in one, everything else in the other."""
        files = disks.debian(**{"etc/fstab": "LABEL=boot /boot ext4 defaults 0 2\n"})
        boot = {
            name.removeprefix("boot/"): files.pop(name) for name in list(files) if "boot/" in name
        }
        boot["grub/grub.cfg"] = disks.GRUB_CONFIG.replace("/boot/", "/")
        boot_image = disks.ext4(self.folder / "boot", boot, size=16 * MIB, uuid="random")
        run("tune2fs", "-L", "boot", boot_image)
        root = disks.xfs(self.folder / "root", files)
        disks.partitioned(self.disk, "label: dos\n,16M,83,*\n,,83\n", {1: boot_image, 2: root})
        facts = self.inspect()
        self.assertEqual([("partition 1", "ext4"), ("partition 2", "XFS")], self.volumes(facts))
        (system,) = facts.systems
        self.assertEqual(Place("partition 2", "/etc/os-release"), system.place)
        self.assertEqual(Place("partition 1", KERNEL), system.default_kernel.place)
        self.assertEqual(f"UUID={disks.ROOT_UUID}", system.roots[0].device)
        self.assertIn(("no-boot-loader", "error"), self.findings(facts, RACKSPACE))

    def test_root_on_lvm(self):
        """A logical volume is a volume like others, and fstab's names of it are understood."""
        fstab = "/dev/mapper/my--vg-root / ext4 defaults 0 1\n"
        root = disks.ext4(self.folder / "root", disks.debian(**{"etc/fstab": fstab}))
        physical = disks.empty(self.folder / "pv", 52 * MIB)
        with physical.open("r+b") as file:
            text = GROUP.encode()
            for offset, content in (
                (512, lvm.label(PV.encode())),
                (4096, lvm.header(text)),
                (4096 + 512, text),
            ):
                file.seek(offset)
                file.write(content)
            disks.copy(root, file, MIB)
        disks.partitioned(self.disk, "label: dos\n,,8e\n", {1: physical})
        facts = self.inspect()
        expected = [("partition 1", "LVM"), ("logical volume my-vg/root", "ext4")]
        self.assertEqual(expected, self.volumes(facts))
        self.assertEqual([None], [each.start for each in facts.volumes if "logical" in each.name])
        (system,) = facts.systems
        self.assertEqual("logical volume my-vg/root", system.place.volume)

    def test_two_systems(self):
        """Two systems are both found, each in its partition."""
        first = disks.ext4(self.folder / "a", disks.debian(), size=32 * MIB, uuid="random")
        files = disks.debian(**{"etc/os-release": "ID=rhel\nVERSION_ID=9.4\nNAME=RHEL\n"})
        second = disks.ext4(self.folder / "b", files, size=32 * MIB)
        disks.partitioned(self.disk, "label: dos\n,40M,83\n,,83\n", {1: first, 2: second})
        facts = self.inspect()
        found = [(system.id, system.place.volume) for system in facts.systems]
        self.assertEqual([("debian", "partition 1"), ("rhel", "partition 2")], found)
        self.assertIn(("export-licence", "warning"), self.findings(facts, RACKSPACE))

    def test_damaged_partition(self):
        """A damaged file system costs its own contents, and is no error."""
        first = disks.ext4(self.folder / "a", disks.debian())
        second = self.folder / "b"
        second.write_bytes(bytes(1024 + 56) + b"\x53\xef" + bytes(100_000))
        disks.partitioned(self.disk, "label: dos\n,60M,83\n,,83\n", {1: first, 2: second})
        facts = self.inspect()
        self.assertEqual("debian", facts.systems[0].id)
        self.assertNotEqual("", facts.volumes[1].problem)
        self.assertIn(("not-read", "info"), self.findings(facts, GLANCE))

    def test_cost(self):
        """A disk of 40 GiB is described with few reads, of what a page cache would have twice."""
        root = disks.ext4(self.folder / "root", disks.debian(), size=40 << 30)
        code = disks.grub_code()
        disks.partitioned(
            self.disk, "label: dos\n,,83,*\n", {}, size=(40 << 30) + MIB, boot_code=code
        )
        with self.disk.open("r+b") as file, root.open("rb") as source:
            for offset, length in FileSource(root).data_extents():
                source.seek(offset)
                file.seek(MIB + offset)
                file.write(source.read(length))
        with FileSource(self.disk) as source:
            recorder = Recorder(source)
            self.assertEqual("debian", inspect(recorder).systems[0].id)
        pages = {
            page
            for offset, length in recorder.reads
            for page in range(offset // 65536, (offset + length - 1) // 65536 + 1)
        }
        self.assertLess(len(pages), 60)


class OtherContentsTest(InspectionTest):
    def make(self, *command):
        """Make a disk of 130 MiB with a program."""
        require(command[0])
        disks.empty(self.disk, 130 * MIB)
        run(*(self.disk if word == "DISK" else word for word in command))
        return self.inspect()

    def test_named_only(self):
        """What cannot be read has its name, and says so."""
        for command, content, problem in (
            (("mkfs.btrfs", "-q", "-f", "-L", "top", "DISK"), "Btrfs", "Btrfs is not read."),
            (("mkfs.f2fs", "-q", "DISK"), "F2FS", "F2FS is not read."),
            (("mkswap", "-L", "top", "DISK"), "swap", ""),
        ):
            facts = self.make(*command)
            self.assertEqual([("disk", content)], self.volumes(facts))
            self.assertEqual(problem, facts.volumes[0].problem)
            self.assertEqual((), facts.systems)
            verdict = judge_readiness(facts, GLANCE).verdict
            self.assertEqual("Not ready for KVM: 1 error", verdict)

    def test_luks(self):
        """A root in LUKS is an error: a server in a cloud cannot ask for the key."""
        require("cryptsetup")
        disks.empty(self.disk, 40 * MIB)
        run(
            *("cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2"),
            *("--pbkdf-force-iterations", "1000", "--disable-locks", self.disk, "-"),
            stdin="key",
        )
        facts = self.inspect()
        self.assertEqual([("disk", "LUKS 2")], self.volumes(facts))
        self.assertTrue(facts.volumes[0].is_encrypted)
        uuid = run("cryptsetup", "luksUUID", "--disable-locks", self.disk).strip()
        self.assertEqual(uuid, facts.volumes[0].uuid)
        self.assertIn(("encrypted-root", "error"), self.findings(facts, GLANCE))

    def test_windows(self):
        """Windows is recognized by its files; its licence forbids the import, whatever else."""
        image = self.folder / "windows"
        image.write_bytes(packed("windows.ntfs"))
        disks.partitioned(self.disk, "label: dos\n,1M,83\n,,7,*\n", {2: image})
        facts = self.inspect()
        (system,) = facts.systems
        self.assertEqual(("windows", "x86_64"), (system.kind, system.architecture))
        self.assertIn("Windows Server 2022", system.name)
        evidence = Place("partition 2", "\\Windows\\System32\\ntoskrnl.exe")
        self.assertEqual(evidence, system.place)
        self.assertIn(("licence", "error"), self.findings(facts, RACKSPACE))
        self.assertIn(("licence", "info"), self.findings(facts, GLANCE))

    def test_bitlocker(self):
        """BitLocker looks like Windows, which may not be imported."""
        disks.empty(self.disk, 4 * MIB)
        with self.disk.open("r+b") as file:
            file.write(b"\xeb\x58\x90-FVE-FS-".ljust(510, b"\0") + b"\x55\xaa")
        facts = self.inspect()
        self.assertEqual([("disk", "BitLocker")], self.volumes(facts))
        self.assertEqual([("windows", False)], [(s.kind, s.is_certain) for s in facts.systems])
        found = self.findings(facts, RACKSPACE)
        self.assertIn(("windows-unknown", "warning"), found)
        self.assertNotIn(("encrypted-root", "error"), found)

    def test_iso(self):
        """A disc from which Debian is installed is named as what it is."""
        require("xorriso")
        tree = self.folder / "tree"
        (tree / ".disk").mkdir(parents=True)
        (tree / ".disk" / "info").write_text("Debian GNU/Linux 12.5.0 NETINST\n")
        run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "DEB", "-o", self.disk, tree)
        facts = self.inspect()
        self.assertEqual([("disk", "ISO 9660")], self.volumes(facts))
        (system,) = facts.systems
        self.assertTrue(system.is_installer)
        self.assertEqual("Debian GNU/Linux 12.5.0 NETINST", system.name)
        self.assertIn(("installation-media", "warning"), self.findings(facts, GLANCE))

    def test_empty(self):
        """A disk of zeros has nothing, also one that is smaller than everything in it would be."""
        for size in (512, 4096, MIB):
            disks.empty(self.disk, size)
            facts = self.inspect()
            self.assertEqual(
                (size, "", (), ()), (facts.size, facts.table, facts.volumes, facts.systems)
            )
            self.assertEqual(
                {"no-boot-loader", "no-system"}, {x for x, _ in self.findings(facts, GLANCE)}
            )

    def test_unknown(self):
        """Noise is a volume whose content is unknown."""
        self.disk.write_bytes(b"noise" * 10_000)
        facts = self.inspect()
        self.assertEqual("The content of the volume is unknown.", facts.volumes[0].problem)

    def test_large_sectors(self):
        """Partitions are found on a disk with sectors of 4096 bytes."""
        root = disks.ext4(self.folder / "root", disks.debian())
        disks.empty(self.disk, 64 * MIB)
        with self.disk.open("r+b") as file:
            for offset, content in disks.large_sector_gpt(64 * MIB, (256, 256 + 12287)).items():
                file.seek(offset)
                file.write(content)
            disks.copy(root, file, MIB)
        facts = self.inspect()
        self.assertEqual(("GPT", 4096), (facts.table, facts.sector_size))
        self.assertEqual((MIB, 48 * MIB), (facts.volumes[0].start, facts.volumes[0].size))
        self.assertEqual("debian", facts.systems[0].id)

    def test_partition_beyond_the_end(self):
        """A partition that is not on the disk is named; one that is cut off is read."""
        root = disks.ext4(self.folder / "root", disks.debian())
        disks.partitioned(self.disk, "label: dos\n,60M,83\n,20M,83\n", {1: root})
        with self.disk.open("r+b") as file:
            file.truncate(50 * MIB)
        facts = self.inspect()
        self.assertEqual("debian", facts.systems[0].id)
        self.assertEqual("The partition is not on the disk.", facts.volumes[1].problem)
