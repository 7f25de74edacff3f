# SPDX-License-Identifier: Apache-2.0
"""ISO 9660: discs of xorriso with each kind of names, damaged ones, and discs of Windows."""

import struct
from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status, Volume
from rackspace_imagetasks.guest.filesystems.iso import Iso
from rackspace_imagetasks.guest.systems import windows
from rackspace_imagetasks.guest.systems.windows import Role, Windows
from tests.unit.formats.vhd.oracles import require, run
from tests.unit.guest.mutation import mutations, read_ranges, survive

DEEP = "d1/d2/d3/d4/d5/d6/d7/d8/d9/d10"
FILES = {
    "A long name with Case, and a dot.text": b"long",
    "EFI/BOOT/BOOTX64.EFI": b"MZ" * 3000,
    "empty": b"",
    f"{DEEP}/file": b"deep",
    "x" * 200: b"a name in two fields",
    **{f"boot/grub/file number {number} grün": b"%d" % number for number in range(60)},
}


def disk_of(content):
    return Tree(Iso(Volume(BytesSource(content))))


def explore(source):
    disk = Tree(Iso(Volume(source)))
    for path in ("", "boot/grub", "EFI/BOOT"):
        disk.names(path)
    disk.read("EFI/BOOT/BOOTX64.EFI")
    disk.status("relative")
    disk.status(f"{DEEP}/file")


def disc(test, *options):
    require("xorriso")
    folder = Path(test.useFixture(fixtures.TempDir()).path)
    for name, content in FILES.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "files" / "relative").symlink_to("./boot/../EFI/BOOT")
    (folder / "files" / "absolute").symlink_to("/EFI/BOOT/BOOTX64.EFI")
    (folder / "files" / "to root").symlink_to("/")
    (folder / "files" / "long link").symlink_to("./" * 150 + "empty")
    image = folder / "disc"
    dates = ("--modification-date=2026010203040506",)
    run(
        "xorriso",
        "-as",
        "mkisofs",
        "-V",
        "MY DISC",
        *dates,
        *options,
        "-o",
        image,
        folder / "files",
    )
    return image.read_bytes()


class NamesTest(base.BaseTestCase):
    def test_rock_ridge(self):
        """Names, types, links and deep directories of Rock Ridge are read, rather than Joliet's."""
        for options in (("-R",), ("-R", "-J")):
            disk = disk_of(disc(self, *options))
            self.assertTrue(disk.root.is_case_sensitive)
            for path, content in FILES.items():
                self.assertEqual(content, disk.read(path), path)
            self.assertEqual({path.partition("/")[0] for path in FILES} | {
                "relative", "absolute", "to root", "long link"
            }, set(disk.names("/")))  # fmt: skip
            self.assertEqual(60, len(disk.names("boot/grub")))
            self.assertIsNone(disk.status("efi"))

    def test_links(self):
        """Links of all kinds have their targets."""
        disk = disk_of(disc(self, "-R"))
        self.assertEqual("./boot/../EFI/BOOT", disk.link("relative"))
        self.assertEqual("/EFI/BOOT/BOOTX64.EFI", disk.link("absolute"))
        self.assertEqual("/", disk.link("to root"))
        self.assertEqual("./" * 150 + "empty", disk.link("long link"))
        for path in ("relative/BOOTX64.EFI", "absolute", "to root/absolute"):
            self.assertEqual(Status(Kind.FILE, 6000), disk.status(path))

    def test_joliet(self):
        """Without Rock Ridge, names are those of Joliet, whatever their case."""
        disk = disk_of(disc(self, "--norock", "-J", "-joliet-long"))
        self.assertFalse(disk.root.is_case_sensitive)
        self.assertEqual(b"59", disk.read("BOOT/grub/FILE number 59 GRÜN"))
        self.assertEqual(b"long", disk.read("A long name with Case, and a dot.text"))
        self.assertIn("file number 7 grün", disk.names("boot/grub"))

    def test_plain(self):
        """Without any extension, names have no version and no empty extension."""
        disk = disk_of(disc(self, "--norock"))
        self.assertEqual(b"MZ" * 3000, disk.read("efi/boot/bootx64.efi"))
        self.assertIn("EMPTY", disk.names("/"))

    def test_description(self):
        """Label, time and size are those that the disc was made with."""
        for options in (("-R",), ("--norock", "-J"), ("--norock",)):
            content = disc(self, "-publisher", "The Publisher", *options)
            files = disk_of(content).root
            self.assertEqual(("ISO 9660", "MY DISC"), (files.kind, files.label))
            self.assertEqual("2026-01-02-03-04-05-06", files.uuid)
            self.assertEqual("THE PUBLISHER", files.publisher.upper())
            self.assertLessEqual(files.size, len(content))
            self.assertEqual((), files.notes)

    def test_ranges(self):
        """Any part of a file is read; what is beyond its end is damage."""
        file = disk_of(disc(self, "-R")).open("EFI/BOOT/BOOTX64.EFI")
        self.assertEqual(b"ZMZ", file.read(2049, 3))
        self.assertRaises(Damaged, file.read, 5999, 2)


class WindowsTest(base.BaseTestCase):
    def test_installation_disc(self):
        """A disc of Windows, whose files are in UDF, is recognized by its publisher."""
        content = bytearray(disc(self, "-J", "-publisher", "MICROSOFT CORPORATION"))
        self.assertIsNone(windows.find(disk_of(content)))
        second, third = 17 * 2048, 18 * 2048
        self.assertEqual([2, 255], [content[second], content[third]])
        content[second] = 255  # ends the descriptors, and those of UDF follow
        content[third : third + 6] = b"\0BEA01"
        disk = disk_of(bytes(content))
        self.assertEqual(("The disc also has a UDF file system.",), disk.root.notes)
        expected = Windows(Role.INSTALLER, "the publisher of the disc, MICROSOFT CORPORATION")
        self.assertEqual(expected, windows.find(disk))


class DamageTest(base.BaseTestCase):
    def test_no_disc(self):
        """Something else is damage."""
        for content in (b"", bytes(1 << 17), b"\1CD001" * 99):
            self.assertRaises(Damaged, disk_of, content)

    def test_continuation_that_refers_to_itself(self):
        """Fields that continue in themselves for ever are damage."""
        content = bytearray(disc(self, "-R"))
        at = content.index(b"CE\x1c\x01", content.index(b"x" * 100) - 400)
        block, offset = struct.unpack_from("<I4xI", content, at + 4)
        place = block * 2048 + offset
        content[place : place + 28] = struct.pack("<4sI4xI4xI4x", b"CE\x1c\x01", block, offset, 28)
        self.assertRaises(Damaged, disk_of(bytes(content)).names, "/")

    def test_mutants(self):
        """Damaged discs end in source errors, and are read in a limited number of reads."""
        for options in (("-R",), ("--norock", "-J", "-joliet-long")):
            source = BytesSource(disc(self, *options))
            ranges = read_ranges(source, explore)
            mutants = mutations(source, ranges, seed=1, count=150)
            results = {survive(mutant, explore) for mutant in mutants}
            self.assertEqual({True, False}, results)
