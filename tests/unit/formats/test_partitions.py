# SPDX-License-Identifier: Apache-2.0
"""Partition tables that sfdisk wrote are described as sfdisk and The Sleuth Kit describe them."""

import json
import struct
import zlib
from pathlib import Path

import fixtures
import pytsk3
from hypothesis import given
from hypothesis import strategies as st
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.formats.partitions import read_table
from tests.unit.formats.vhd.oracles import require, run
from tests.unit.guest.mutation import Recorder, SparseSource, mutations, survive

MIB = 1 << 20
GPT = """label: gpt
1 : size=1M, type=21686148-6449-6E6F-744E-656564454649, name="boot code"
2 : size=8M, type=U, name="EFI sÿstem ☃"
3 : size=8M, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, attrs=LegacyBIOSBootable
4 : size=4M, type=12345678-ABCD-4D40-A16A-BFD50179D6AC
9 : type=L
"""
MBR = """label: dos
label-id: 0x1234abcd
1 : size=4M, type=ef
2 : size=4M, type=83, bootable
3 : size=40M, type=f
4 : size=2M, type=7
5 : size=4M, type=82
6 : size=4M, type=8e
7 : size=5M, type=77
"""


class PartitionsTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = Path(self.useFixture(fixtures.TempDir()).path) / "disk.raw"

    def make(self, script, size=64 * MIB):
        require("sfdisk")
        with self.path.open("wb") as file:
            file.truncate(size)
        run("sfdisk", "-q", self.path, stdin=script)

    def patch(self, offset, content):
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(content)

    def read(self):
        with FileSource(self.path) as disk:
            self.recorder = Recorder(disk)
            return read_table(self.recorder)

    def by_sfdisk(self):
        return json.loads(run("sfdisk", "--json", self.path))["partitiontable"]["partitions"]

    def by_sleuth_kit(self):
        """Return start and length in bytes of the volumes that are partitions."""
        volumes = pytsk3.Volume_Info(pytsk3.Img_Info(str(self.path)))
        used = int(pytsk3.TSK_VS_PART_FLAG_ALLOC)
        return {(part.start * 512, part.len * 512) for part in volumes if int(part.flags) == used}


class GptTest(PartitionsTest):
    def check(self, kind="GPT"):
        table = self.read()
        self.assertEqual((kind, 512), (table.kind, table.sector_size))
        expected = [
            (each["start"] * 512, each["size"] * 512, each["type"].lower(), each["uuid"].lower(),
             each.get("name", ""), "attrs" in each) for each in self.by_sfdisk()
        ]  # fmt: skip
        found = [(each.start, each.size, each.type, each.uuid, each.title, each.is_active)
                 for each in table.partitions]  # fmt: skip
        self.assertEqual(expected, found)
        self.assertEqual([1, 2, 3, 4, 9], [each.number for each in table.partitions])
        return table

    def test_description(self):
        """Places, types, UUIDs, names and flags are those that sfdisk prints."""
        self.make(GPT)
        table = self.check()
        self.assertEqual(self.by_sleuth_kit(), {each[1:3] for each in table.partitions})
        names = [each.type_name for each in table.partitions]
        unknown = "12345678-abcd-4d40-a16a-bfd50179d6ac"
        self.assertEqual(
            ["BIOS boot", "EFI system", "Linux root (x86-64)", unknown, "Linux file system"], names
        )
        self.assertEqual([1], [each.number for each in table.partitions if each.is_bios_boot])
        self.assertEqual([2], [each.number for each in table.partitions if each.is_efi_system])
        self.assertEqual(("", ()), (table.boot_code, table.notes))
        self.assertEqual([(0, 24 << 10)], self.recorder.reads)

    def test_backup(self):
        """The backup is read if the header or the list at the beginning is damaged, with a note."""
        for offset in (512, 512 + 40, 1024 + 128):
            self.make(GPT)
            self.patch(offset, b"\xff" * 8)
            table = self.read()
            self.assertEqual([1, 2, 3, 4, 9], [each.number for each in table.partitions])
            self.assertIn("damaged; its backup was read", *table.notes)
            self.assertLessEqual(len(self.recorder.reads), 3)

    def test_damage_without_backup(self):
        """A damaged list is better than none, with a note; a damaged header is no GPT."""
        self.make(GPT)
        self.patch(1024 + 128, b"\xff" * 8)
        self.patch(64 * MIB - 512, bytes(512))
        table = self.read()
        self.assertEqual([1, 2, 3, 4, 9], [each.number for each in table.partitions])
        self.assertIn("so is its backup", *table.notes)
        self.patch(512, bytes(8))
        self.assertIsNone(self.read())

    def test_old_backup(self):
        """The backup of an earlier GPT does not describe a disk that now has an MBR."""
        self.make(GPT)
        backup = self.path.read_bytes()[-17 * 1024 :]
        self.make(MBR)
        self.patch(64 * MIB - len(backup), backup)
        self.assertEqual("MBR", self.read().kind)

    def test_hybrid(self):
        """A GPT is a hybrid if the MBR has partitions besides the protective one."""
        self.make(GPT)
        self.patch(446 + 16, struct.pack("<B3xB3xII", 0x80, 0x0C, 4096, 16384))
        self.assertEqual("hybrid", self.read().kind)

    def test_large_sectors(self):
        """A GPT for sectors of 4096 bytes is described in bytes."""
        entry = struct.pack(
            "<16s16sQQQ72s", bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b"), b"u" * 16, 256,
            511, 0, "ESP".encode("utf-16-le"),
        )  # fmt: skip
        entries = entry.ljust(128 * 128, b"\0")
        head = struct.pack(
            "<8sIII4xQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 1, 4095, 6, 4090, b"d" * 16, 2,
            128, 128, zlib.crc32(entries),
        )  # fmt: skip
        head = head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]
        disk = Recorder(SparseSource(16 * MIB, {4096: head, 8192: entries}))
        table = read_table(disk)
        (partition,) = table.partitions
        self.assertEqual(
            (4096, MIB, MIB, "ESP"),
            (table.sector_size, partition.start, partition.size, partition.title),
        )
        self.assertTrue(partition.is_efi_system)
        self.assertEqual(1, len(disk.reads))


class MbrTest(PartitionsTest):
    def test_description(self):
        """Primary and logical partitions are those that sfdisk prints."""
        self.make(MBR)
        table = self.read()
        self.assertEqual(("MBR", 512, ""), (table.kind, table.sector_size, table.boot_code))
        expected = [
            (int(each["node"].removeprefix(str(self.path))), each["start"] * 512,
             each["size"] * 512, f"0x{int(each['type'], 16):02x}", each.get("bootable", False))
            for each in self.by_sfdisk()
        ]  # fmt: skip
        found = [(each.number, each.start, each.size, each.type, each.is_active)
                 for each in table.partitions]  # fmt: skip
        self.assertEqual(expected, found)
        self.assertEqual([1, 2, 3, 4, 5, 6, 7], [each.number for each in table.partitions])
        extended = table.partitions[2]
        self.assertEqual(
            self.by_sleuth_kit(), {each[1:3] for each in table.partitions if each != extended}
        )
        self.assertEqual(
            ["EFI system", "Linux", "extended", "NTFS or exFAT", "Linux swap", "Linux LVM", "0x77"],
            [each.type_name for each in table.partitions],
        )
        self.assertEqual("1234abcd-05", table.partitions[4].uuid)
        self.assertTrue(table.partitions[0].is_efi_system)

    def test_boot_code(self):
        """The code in an MBR is recognised by its messages."""
        self.make(MBR)
        messages = b"Invalid partition table\0Error loading operating system\0Missing operating sys"
        for name, code in {
            "GRUB": b"\xeb\x63\x90".ljust(0x180, b"\0") + b"GRUB \0Geom\0Hard Disk\0Read\0 Error",
            "Windows": bytes.fromhex("33c08ed0bc007c8ec08ed8be007c")
            + bytes(300)
            + messages
            + b"tem",
            "Syslinux": b"\x33\xc0\xfa\x8e\xd8" + bytes(300) + b"Operating system load error.\r\n",
            "LILO": b"\xfa\xeb\x21\x01\xb4\x01LILO",
            "unknown": bytes.fromhex("fc31c08ec08ed8") + bytes(300) + messages + b"tem",
        }.items():
            self.patch(0, code.ljust(440, b"\0"))
            self.assertEqual(name, self.read().boot_code)

    def test_no_table(self):
        """The boot sector of a file system is no table."""
        self.make(MBR)
        self.patch(3, b"NTFS    ")
        self.assertIsNone(self.read())
        self.assertIsNone(read_table(BytesSource(b"")))
        self.assertIsNone(read_table(BytesSource(bytes(MIB))))


class DamageTest(PartitionsTest):
    def test_mutants(self):
        """Damaged tables cause no unexpected error, and few reads."""
        for script in (GPT, MBR):
            self.make(script)
            with FileSource(self.path) as disk:
                ranges = [(0, 512), (512, 92), (1024, 2048), (64 * MIB - 512, 92)]
                ranges += [(each.start, 512) for each in read_table(disk).partitions]
                for mutant in mutations(disk, ranges, seed=1, count=500, max_reads=140):
                    survive(mutant, read_table)

    @given(st.binary(max_size=600), st.sampled_from((0, 440, 446, 520, 1024)))
    def test_any_content(self, content, offset):
        """No content causes an unexpected error."""
        signatures = {510: b"\x55\xaa", 512: b"EFI PART"}
        read_table(SparseSource(MIB, {offset: content, **signatures}))
