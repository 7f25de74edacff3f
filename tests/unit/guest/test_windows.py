# SPDX-License-Identifier: Apache-2.0
"""Windows is recognized by its files, and nothing damaged is taken for its absence."""

import struct
from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems.base import Damaged, Volume
from rackspace_imagetasks.guest.filesystems.ntfs import Ntfs
from rackspace_imagetasks.guest.systems import windows
from rackspace_imagetasks.guest.systems.windows import Role, Windows
from tests.unit.guest import hives
from tests.unit.guest.memoryfiles import MemoryFiles
from tests.unit.guest.mutation import Recorder, mutations, read_ranges, survive
from tests.unit.sources.disks import packed

KERNEL = "Windows/System32/ntoskrnl.exe"
HIVE = "Windows/System32/config/SOFTWARE"
WINDOWS = packed("windows.ntfs")


def program(machine):
    start = struct.pack("<2s58xI", b"MZ", 128).ljust(128, b"\0")
    return start + b"PE\0\0" + struct.pack("<H", machine)


def find(files, damaged=(), **options):
    return windows.find(Tree(MemoryFiles(files, damaged, **options)))


class PresenceTest(base.BaseTestCase):
    def test_installed(self):
        """The kernel identifies an installed system, also that of Windows 2000."""
        for path, written in (
            ("WINDOWS/system32/NTOSKRNL.EXE", r"\Windows\System32\ntoskrnl.exe"),
            ("WINNT/SYSTEM32/ntoskrnl.exe", r"\WINNT\system32\ntoskrnl.exe"),
        ):
            found = find({path: program(0x14C)})
            self.assertEqual((Role.INSTALLED, written), (found.role, found.evidence))
            self.assertEqual("i686", found.architecture)

    def test_installer(self):
        """Installation media are recognized, although they have a boot manager, too."""
        for path in ("sources/install.wim", "SOURCES/INSTALL.ESD", "sources/boot.wim"):
            found = find({path: b"MSWIM", "bootmgr": b""})
            self.assertEqual(Role.INSTALLER, found.role)
            self.assertEqual("\\" + path.lower().replace("/", "\\"), found.evidence)

    def test_boot_manager(self):
        """A partition with the boot manager alone is recognized."""
        for path in ("bootmgr", "Boot/BCD", "EFI/Microsoft/Boot/bootmgfw.efi", "ntldr"):
            found = find({path: b""})
            expected = Windows(Role.BOOT_MANAGER, "\\" + path.replace("/", "\\"))
            self.assertEqual(expected, found)

    def test_nothing(self):
        """Other files are not taken for Windows, nor are directories with the same names."""
        for files in ({}, {"EFI/BOOT/BOOTX64.EFI": b""}, {"bootmgr/x": b""}, {KERNEL + "/x": b""}):
            self.assertIsNone(find(files))

    def test_copy_of_files(self):
        """Files of Windows in a file system that it cannot use are no Windows."""
        self.assertIsNone(find({KERNEL: b"MZ"}, is_case_sensitive=True))

    def test_damage_is_not_absence(self):
        """If a file that identifies Windows cannot be looked up, there is no answer."""
        for path in ("Windows", "Windows/System32", KERNEL, "WINNT", "sources", "bootmgr", "Boot"):
            self.assertRaises(Damaged, find, {"Windows/System32/x": b""}, [path])

    def test_found_before_damage(self):
        """Damage elsewhere does not matter once Windows was found; it is noted."""
        found = find({KERNEL: program(0xAA64), HIVE: b"regf"}, ["Program Files", "hiberfil.sys"])
        self.assertEqual((Role.INSTALLED, "aarch64"), (found.role, found.architecture))
        self.assertIsNone(found.is_hibernated)
        self.assertEqual(3, len(found.notes), found.notes)


class DetailsTest(base.BaseTestCase):
    def with_values(self, values, **files):
        path = Path(self.useFixture(fixtures.TempDir()).path) / "SOFTWARE"
        hives.make(path, {hives.CURRENT_VERSION: values})
        return find({KERNEL: b"MZ", HIVE: path.read_bytes(), **files})

    def test_server(self):
        """The product, version and build are those of the registry."""
        found = self.with_values(hives.SERVER_2022)
        self.assertEqual(
            ("Windows Server 2022 Standard", "10.0", "20348.2113", "Server", "x86_64"),
            (found.product, found.version, found.build, found.installation, found.architecture),
        )

    def test_windows_11(self):
        """Windows 11, which calls itself Windows 10, is named by its build."""
        client = {"ProductName": "string:Windows 10 Pro", "InstallationType": "string:Client"}
        for build, product in (("22000", "Windows 11 Pro"), ("19045", "Windows 10 Pro")):
            found = self.with_values({**client, "CurrentBuild": f"string:{build}"})
            self.assertEqual(product, found.product)

    def test_windows_7(self):
        """Before Windows 10, the version was one text, and there was no revision."""
        values = {"ProductName": "string:Windows 7 Professional", "CurrentVersion": "string:6.1",
                  "CurrentBuildNumber": "string:7601"}  # fmt: skip
        found = self.with_values(values)
        self.assertEqual(("6.1", "7601", ""), (found.version, found.build, found.architecture))

    def test_no_version(self):
        """Windows without a readable registry is still Windows."""
        for hive in ({}, {HIVE: b""}, {HIVE: hives.empty()}, {HIVE: b"x" * 8192}):
            found = find({KERNEL: program(0x8664), **hive})
            self.assertEqual(("", "x86_64"), (found.product, found.architecture))
            self.assertEqual(1, len(found.notes))

    def test_unknown_boot_drivers(self):
        """If the registry cannot be read, no driver is taken for loaded, which is noted."""
        found = self.with_values(
            hives.SERVER_2022, **{"Windows/System32/drivers/VIOSTOR.SYS": b"MZ"}
        )
        self.assertEqual((("viostor",), ()), (found.drivers, found.boot_drivers))
        self.assertIn(r"'\Windows\System32\config\SYSTEM' does not exist.", found.notes)

    def test_hibernation(self):
        """Memory that was saved is told from memory that was restored."""
        for start, expected in ((b"hibr", True), (b"HIBR", True), (b"wake", False), (b"", False)):
            found = find({KERNEL: b"MZ", "hiberfil.sys": start})
            self.assertIs(expected, found.is_hibernated)
        self.assertIs(False, find({KERNEL: b"MZ"}).is_hibernated)


class RealDiskTest(base.BaseTestCase):
    EXPECTED = Windows(
        role=Role.INSTALLED,
        evidence=r"\Windows\System32\ntoskrnl.exe",
        product="Windows Server 2022 Standard",
        version="10.0",
        build="20348.2113",
        installation="Server",
        architecture="x86_64",
        is_hibernated=True,
        agents=("cloudbase-init", "qemu-guest-agent"),
        drivers=("netkvm", "vioscsi", "viostor", "xenbus", "xenvbd"),
        boot_drivers=("viostor",),  # of the current control set, and only if the file exists
    )

    def look(self, source):
        return windows.find(Tree(Ntfs(Volume(source))))

    def test_ntfs(self):
        """Everything is found on an NTFS disk, in few pages."""
        recorder = Recorder(BytesSource(WINDOWS))
        self.assertEqual(self.EXPECTED, self.look(recorder))
        self.assertLessEqual(len({offset >> 16 for offset, _ in recorder.reads}), 12)
        self.assertLessEqual(recorder.read_bytes, 256 * 1024)

    def test_mutants(self):
        """A damaged disk never makes a reader fail, and Windows is seldom missed on it.

        What remains is damage to the name of a file.
        """
        source = BytesSource(WINDOWS)
        ranges = read_ranges(source, self.look)
        answers = [
            self.look(mutant)
            for mutant in mutations(source, ranges, seed=5, count=100)
            if not survive(mutant, self.look)
        ]
        missed = answers.count(None)
        self.assertGreater(len(answers), 40)
        self.assertLess(missed, len(answers) / 20)


class LikenessTest(base.BaseTestCase):
    def likeness(self, boot):
        return windows.likeness(Volume(BytesSource(boot)))

    def test_boot_code(self):
        """NTFS with boot code of Windows, and BitLocker, look like Windows."""
        start = b"\xeb\x52\x90NTFS    ".ljust(512, b"\0")
        for code in ("BOOTMGR".encode("utf-16-le"), b"NTLDR is missing"):
            self.assertEqual("boot code of Windows", self.likeness(start + code + bytes(8192)))
        self.assertEqual("BitLocker signature", self.likeness(b"\xeb\x58\x90-FVE-FS-" + bytes(99)))

    def test_other_volumes(self):
        """NTFS of mkntfs, and FAT with the same boot code, do not look like it."""
        self.assertEqual("", self.likeness(WINDOWS))
        self.assertEqual("", self.likeness(b"\xeb\x58\x90MSDOS5.0" + b"BOOTMGR" + bytes(500)))
        self.assertEqual("", self.likeness(b""))
