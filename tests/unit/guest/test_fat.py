# SPDX-License-Identifier: Apache-2.0
"""FAT: file systems of mkfs.fat and mtools, damaged ones, and what The Sleuth Kit reads in them."""

import subprocess
from pathlib import Path

import fixtures
import pytsk3
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status, Volume
from rackspace_imagetasks.guest.filesystems.fat import Fat
from tests.unit.formats.vhd.oracles import require, run
from tests.unit.guest.mutation import Recorder, mutations, read_ranges, survive

LINES = b"".join(b"line %d of a text\n" % number for number in range(5000))
NAMES = (
    "EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grub.cfg", "EFI/BOOT/Mixed.Case",
    "EFI/BOOT/thirteen.char", "EFI/BOOT/A very long name, with much in it, and more.text",
    "EFI/BOOT/grün 日本.txt", "readme", "EFI/BOOT/no.extension.at.all.",
)  # fmt: skip
KINDS = (
    ("FAT12", 2 << 20, ()),
    ("FAT12", 8 << 20, ("-F", "12", "-s", "4")),
    ("FAT16", 16 << 20, ("-F", "16", "-s", "2", "-r", "1024")),
    ("FAT16", 24 << 20, ("-F", "16", "-S", "4096", "-s", "1", "-r", "256")),
    ("FAT32", 40 << 20, ("-F", "32", "-s", "1")),
)


def disk_of(content):
    return Tree(Fat(Volume(BytesSource(content))))


def explore(source):
    files = Fat(Volume(source))
    disk = Tree(files)
    assert files.used is None or 0 <= files.used <= files.size
    for path in ("", "efi/boot"):
        disk.names(path)
    for path in (*NAMES, "EFI/BOOT/missing"):
        disk.read(path, 5000)


class FatCase(base.BaseTestCase):
    def make(self, size, *options):
        """Return the path of a file system with the files, and 100 more."""
        require("mkfs.fat", "mcopy", "mmd")
        folder = Path(self.useFixture(fixtures.TempDir()).path)
        image = folder / "disk"
        with image.open("wb") as file:
            file.truncate(size)
        run("mkfs.fat", "-n", "LABEL", "-i", "1234ABCD", *options, image)
        (folder / "text").write_bytes(LINES)
        run("mmd", "-i", image, "::EFI", "::EFI/BOOT")
        for name in NAMES:
            self.copy(image, folder / "text", name)
        small = [folder / f"Small file {number}" for number in range(100)]
        for path in small:
            path.write_bytes(b"small")
        self.copy(image, *small, "EFI/BOOT")
        return image

    def copy(self, image, *names):
        subprocess.run(
            ["mcopy", "-i", image, *names[:-1], f"::{names[-1]}"],
            check=True,
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin", "MTOOLS_SKIP_CHECK": "1"},
        )


class FatTest(FatCase):
    def test_kinds(self):
        """Files with short and long names are read in each kind of FAT."""
        for kind, size, options in KINDS:
            with self.subTest(kind=kind, options=options):
                disk = disk_of(self.make(size, *options).read_bytes())
                self.assertEqual(kind, disk.root.kind)
                self.assertEqual("LABEL", disk.root.label)
                self.assertEqual("1234-ABCD", disk.root.uuid)
                self.assertEqual(size, disk.root.size)
                self.assertEqual(("EFI", "readme"), disk.names("/"))
                for name in NAMES:
                    self.assertEqual(LINES, disk.read(name.upper()), name)
                self.assertEqual(b"small", disk.read("efi/boot/small FILE 99"))
                self.assertEqual(7 + 100, len(disk.names("EFI/BOOT")))

    def test_small_fat32(self):
        """A FAT32 with fewer clusters than it should have is no FAT16."""
        require("mkfs.fat")
        image = Path(self.useFixture(fixtures.TempDir()).path) / "disk"
        image.write_bytes(bytes(2 << 20))
        run("mkfs.fat", "-F", "32", "-s", "1", image)
        disk = disk_of(image.read_bytes())
        self.assertEqual(("FAT32", "", ()), (disk.root.kind, disk.root.label, disk.names("/")))

    def test_names(self):
        """Names have their case and all their characters."""
        names = set(disk_of(self.make(2 << 20).read_bytes()).names("EFI/BOOT"))
        for name in NAMES:
            folder, _, base_name = name.rpartition("/")
            if folder:
                self.assertIn(base_name, names)
        self.assertNotIn("..", names)

    def test_short_names(self):
        """A file with a long name is found by its short name, too."""
        disk = disk_of(self.make(2 << 20).read_bytes())
        self.assertEqual(LINES, disk.read("EFI/BOOT/AVERYL~1.TEX"))

    def test_absent(self):
        """A name that is not there is absent, not damage."""
        disk = disk_of(self.make(2 << 20).read_bytes())
        for path in ("EFI/BOOT/bootia32.efi", "EFI/x/y", "readme/x", "LABEL"):
            self.assertIsNone(disk.status(path), path)
        self.assertEqual(Status(Kind.FILE, len(LINES)), disk.status("README"))
        self.assertTrue(disk.is_directory("efi"))

    def test_ranges(self):
        """Any part of a file is read; what is beyond its end is damage."""
        file = disk_of(self.make(2 << 20).read_bytes()).open("readme")
        for offset, length in ((0, 1), (511, 2), (40_000, 9000), (len(LINES) - 1, 1), (5, 0)):
            self.assertEqual(LINES[offset : offset + length], file.read(offset, length))
        for offset, length in ((0, len(LINES) + 1), (-1, 1), (len(LINES), 1)):
            self.assertRaises(Damaged, file.read, offset, length)

    def test_used(self):
        """The used bytes are those that fsck.fat counts."""
        require("fsck.fat")
        for kind, size, options in KINDS:
            with self.subTest(kind=kind, options=options):
                image = self.make(size, *options)
                output = run("fsck.fat", "-n", "-v", image)
                used = int(output.rpartition(" files, ")[2].partition("/")[0])
                cluster = int(output.partition(" bytes per cluster")[0].rpartition("\n")[2])
                # It counts the root directory of FAT32, as we do.
                self.assertEqual(used * cluster, disk_of(image.read_bytes()).root.used)

    def test_same_as_sleuthkit(self):
        """Names and sizes are those that The Sleuth Kit finds."""
        for _, size, options in KINDS[:3]:
            image = self.make(size, *options)
            files = pytsk3.FS_Info(pytsk3.Img_Info(str(image)), 0, pytsk3.TSK_FS_TYPE_FAT_DETECT)
            expected = {
                entry.info.name.name.decode(): entry.info.meta.size
                for entry in files.open_dir("/EFI/BOOT")
                if entry.info.name.name not in (b".", b"..")
            }
            disk = disk_of(image.read_bytes())
            found = {name: disk.status(f"EFI/BOOT/{name}").size for name in disk.names("EFI/BOOT")}
            self.assertEqual(expected, found)

    def test_few_reads(self):
        """A boot loader is found in few reads."""
        recorder = Recorder(BytesSource(self.make(40 << 20, "-F", "32", "-s", "1").read_bytes()))
        disk = Tree(Fat(Volume(recorder)))
        self.assertTrue(disk.is_file("EFI/BOOT/BOOTX64.EFI"))
        self.assertLessEqual(len(recorder.reads), 12)
        self.assertLessEqual(recorder.read_bytes, 8192)


class DamageTest(FatCase):
    def test_no_fat(self):
        """Other boot sectors, and sizes that cannot be, are damage."""
        image = self.make(2 << 20).read_bytes()
        for at, content in ((510, b"\0"), (11, b"\1\2"), (13, b"\0"), (13, b"\3"), (16, b"\0"),
                            (14, b"\0\0"), (22, b"\0\0"), (19, b"\1\0")):  # fmt: skip
            self.assertRaises(Damaged, disk_of, image[:at] + content + image[at + len(content) :])
        self.assertRaises(Damaged, disk_of, b"")

    def test_too_many_clusters(self):
        """A boot sector without FAT32's fields that describes millions of clusters is damage."""
        image = self.make(*KINDS[3][1:2], *KINDS[3][2]).read_bytes()
        many = b"\0\0" + image[21:32] + (1 << 28).to_bytes(4, "little")
        self.assertRaises(Damaged, disk_of, image[:19] + many + image[36:])

    def test_used_in_one_read(self):
        """The clusters in use are counted in the table as a whole, not entry by entry."""
        image = self.make(*KINDS[3][1:2], *KINDS[3][2]).read_bytes()
        recorder = Recorder(BytesSource(image))
        files = Fat(Volume(recorder))
        before = len(recorder.reads)
        self.assertGreater(files.used, 0)
        self.assertEqual(before + 1, len(recorder.reads))

    def patch_table(self, image, cluster, value):
        """Return an image of FAT16 with another entry in its first FAT."""
        at = 4096 * int.from_bytes(image[14:16], "little") + 2 * cluster
        return image[:at] + value.to_bytes(2, "little") + image[at + 2 :]

    def test_chains(self):
        """A chain that is a circle, ends early or leaves the disk is damage."""
        image = self.make(*KINDS[3][1:2], *KINDS[3][2]).read_bytes()
        disk = disk_of(image)
        boot = disk.root.child(disk.root.child(disk.root.root, "EFI"), "BOOT")
        for value in (boot.cluster, 0, 1, 0xFFF0):
            broken = disk_of(self.patch_table(image, boot.cluster, value))
            self.assertRaises(Damaged, broken.names, "EFI/BOOT")
            self.assertRaises(Damaged, broken.status, "EFI/BOOT/missing")
        file = disk.root.child(disk.root.root, "readme")
        for value in (0xFFFF, 0, 0xFFF0):
            broken = disk_of(self.patch_table(image, file.cluster, value))
            self.assertRaises(Damaged, broken.read, "readme")

    def test_mutants(self):
        """Damaged file systems end in source errors, and are read in a limited number of reads."""
        results = set()
        for _, size, options in (KINDS[0], KINDS[4]):
            source = BytesSource(self.make(size, *options).read_bytes())
            ranges = read_ranges(source, explore)
            mutants = mutations(source, ranges, seed=3, count=100)
            results |= {survive(mutant, explore) for mutant in mutants}
        self.assertEqual({True, False}, results)
