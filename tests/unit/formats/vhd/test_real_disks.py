# SPDX-License-Identifier: Apache-2.0
"""Disks as people have them, written by us and read by qemu-img, libvhdi and e2fsck."""

import filecmp
import json
import random
from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.formats.vhd import VirtualVhd, check, open_disk
from rackspace_imagetasks.formats.writer import write_file
from tests.unit.formats.vhd import oracles
from tests.unit.formats.vhd.builder import MIB
from tests.unit.formats.vhd.oracles import require, run

PARTITION = MIB  # where sfdisk places the first one


class RealDisksTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.useFixture(fixtures.TempDir()).path)
        self.raw = self.folder / "disk.raw"
        self.vhd = self.folder / "disk.vhd"

    def partitioned(self, size=48 * MIB):
        """Make a disk with a GPT and an ext4 file system that holds files; no root is needed."""
        require("sfdisk", "mkfs.ext4", "e2fsck")
        files = self.folder / "files"
        files.mkdir()
        noise = random.Random(1)
        for number in range(20):
            (files / f"file{number}").write_bytes(noise.randbytes(noise.randrange(600_000)))
        system = self.folder / "ext4"
        system.touch()
        run("mkfs.ext4", "-q", "-d", files, system, f"{(size - 2 * MIB) >> 10}k")
        with self.raw.open("wb") as disk:
            disk.truncate(size)
            disk.seek(PARTITION)
            disk.write(system.read_bytes())
        run("sfdisk", "-q", self.raw, stdin=f"label: gpt\nstart=2048,size={(size >> 9) - 4096}\n")

    def write(self):
        with FileSource(self.raw) as disk:
            write_file(VirtualVhd(disk), self.vhd)

    def test_partitioned_disk(self):
        """qemu-img reads the same disk from a written VHD, and its file system is intact."""
        require("qemu-img")
        self.partitioned()
        self.write()
        run("qemu-img", "compare", "-f", "vpc", "-F", "raw", self.vhd, self.raw)
        back = self.folder / "back.raw"
        run("qemu-img", "convert", "-f", "vpc", "-O", "raw", self.vhd, back)
        run("sfdisk", "--verify", back)
        system = self.folder / "ext4"
        with FileSource(back) as disk:
            system.write_bytes(disk.read_at(PARTITION, disk.size - 2 * MIB))
        run("e2fsck", "-fn", system)

    def test_libvhdi_reads_it(self):
        """libvhdi reads the same disk from a written VHD."""
        self.partitioned()
        self.write()
        with FileSource(self.raw) as disk:
            expected = oracles.digest(disk.size, disk.read_at)
        self.assertEqual(expected, oracles.libvhdi_digest(self.vhd))

    def test_size_between_blocks(self):
        """Other programs read a disk of an odd size completely, and zeros after it."""
        require("qemu-img")
        self.partitioned(45 * MIB + 512 * 3)
        self.write()
        self.assertEqual(46 * MIB, oracles.qemu_size(self.vhd))
        self.assertEqual(46 * MIB, oracles.libvhdi_size(self.vhd))
        run("qemu-img", "compare", "-f", "vpc", "-F", "raw", self.vhd, self.raw)

    def test_we_read_qemus(self):
        """The disk read from a dynamic or fixed VHD by qemu-img is the original."""
        require("qemu-img")
        self.partitioned()
        for kind in ("dynamic", "fixed"):
            foreign = self.folder / f"{kind}.vhd"
            options = f"subformat={kind},force_size=on"
            run("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", options, self.raw, foreign)
            with FileSource(foreign) as source:
                checks = {error.check for error in check(source).errors}
                self.assertEqual({"geometry-beyond-size"}, checks)  # because of force_size
                self.assertFalse(check(source).facts.grows)
                write_file(open_disk(source), self.folder / "back.raw", overwrite=True)
                self.assertTrue(filecmp.cmp(self.raw, self.folder / "back.raw", shallow=False))

    def test_as_small_as_qemus(self):
        """A written VHD has no more allocated blocks than one by qemu-img."""
        require("qemu-img")
        self.partitioned()
        self.write()
        foreign = self.folder / "qemu.vhd"
        run("qemu-img", "convert", "-f", "raw", "-O", "vpc", self.raw, foreign)
        with FileSource(self.vhd) as ours, FileSource(foreign) as theirs:
            allocated = check(ours).facts.blocks_allocated
            self.assertLessEqual(allocated, check(theirs).facts.blocks_allocated)

    def test_sparse_map(self):
        """By qemu-img's map, a written VHD has data exactly in the blocks of the disk."""
        require("qemu-img")
        with self.raw.open("wb") as disk:
            disk.truncate(40 * MIB)
            for block in (0, 3, 4, 19):
                disk.seek(block * 2 * MIB + 77)
                disk.write(b"data")
        self.write()
        extents = json.loads(run("qemu-img", "map", "-f", "vpc", "--output=json", self.vhd))
        data = [(part["start"] // MIB, part["length"] // MIB) for part in extents if part["data"]]
        blocks = {at // 2 + n for at, length in data for n in range(length // 2)}
        self.assertEqual({0, 3, 4, 19}, blocks)
