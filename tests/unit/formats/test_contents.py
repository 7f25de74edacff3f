# SPDX-License-Identifier: Apache-2.0
"""What programs put onto a volume is named as blkid names it."""

import struct
from pathlib import Path

import fixtures
from hypothesis import given
from hypothesis import strategies as st
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.formats.contents import Role, read_content
from tests.unit.formats.vhd.oracles import require, run
from tests.unit.guest.mutation import Recorder, SparseSource, mutations

MIB = 1 << 20
UUID = "6f1f2b3c-0d5e-4b7a-9c8d-1e2f3a4b5c6d"
MADE = {  # blkid's name, our name, and the program
    "ext2": ("ext2", "ext", ("mkfs.ext2", "-q", "-F", "-L", "lab", "-U", UUID)),
    "ext4": ("ext4", "ext", ("mkfs.ext4", "-q", "-F", "-L", "lab", "-U", UUID, "-O", "64bit")),
    "xfs": ("xfs", "XFS", ("mkfs.xfs", "-q", "-f", "-L", "lab")),
    "xfs 4": ("xfs", "XFS", ("mkfs.xfs", "-q", "-f", "-L", "lab", "-m", "crc=0")),
    "btrfs": ("btrfs", "Btrfs", ("mkfs.btrfs", "-q", "-f", "-L", "lab", "-U", UUID)),
    "ntfs": ("ntfs", "NTFS", ("mkfs.ntfs", "-q", "-F", "-f")),
    "fat16": ("vfat", "FAT", ("mkfs.fat", "-F", "16", "-s", "16", "-n", "LAB", "-i", "1234abcd")),
    "fat32": ("vfat", "FAT", ("mkfs.fat", "-F", "32", "-n", "LAB", "-i", "1234abcd")),
    "fat without label": ("vfat", "FAT", ("mkfs.fat", "-F", "32", "-i", "1234abcd")),
    "f2fs": ("f2fs", "F2FS", ("mkfs.f2fs", "-q", "-f", "-l", "lab")),
    "swap": ("swap", "swap", ("mkswap", "-L", "lab", "-U", UUID)),
    "swap of large pages": ("swap", "swap", ("mkswap", "-p", "65536", "-L", "lab")),
}  # fmt: skip
SIZE = 384 * MIB


class ContentsTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = Path(self.useFixture(fixtures.TempDir()).path) / "volume.raw"

    def make(self, *command):
        require(command[0])
        with self.path.open("wb") as file:
            file.truncate(SIZE)
        run(*command, self.path)

    def read(self):
        with FileSource(self.path) as disk:
            recorder = Recorder(disk)
            content = read_content(recorder)
            self.assertEqual(1, len(recorder.reads))
            return content

    def blkid(self):
        printed = run("blkid", "-p", "-o", "export", self.path)
        return dict(line.split("=", 1) for line in printed.splitlines())

    def test_file_systems(self):
        """Names, labels and UUIDs are those of blkid; no size is larger than the volume."""
        for case, (theirs, ours, command) in MADE.items():
            with self.subTest(case):
                self.make(*command)
                found, expected = self.read(), self.blkid()
                self.assertEqual((theirs, ours), (expected["TYPE"], found.name))
                label = expected.get("LABEL", "").replace("\\", "")
                self.assertEqual((label, expected["UUID"]), (found.label, found.uuid))
                self.assertTrue(SIZE * 0.9 < found.size <= SIZE, found)
                self.assertTrue(found.used is None or 0 < found.used < SIZE / 2, found)
                role = Role.SWAP if ours == "swap" else Role.FILE_SYSTEM
                self.assertIs(role, found.role)

    def test_squashfs(self):
        """The size of a compressed file system is that of its data."""
        require("mksquashfs")
        run("mksquashfs", Path(__file__).parent, self.path, "-quiet", "-no-progress", "-nopad")
        found = self.read()
        self.assertEqual(("SquashFS", self.path.stat().st_size), (found.name, found.size))

    def test_iso(self):
        """The size and the label of a CD image are in its first descriptor."""
        require("xorriso")
        run("xorriso", "-as", "mkisofs", "-quiet", "-V", "LAB", "-o", self.path, Path(__file__))
        found = self.read()
        self.assertEqual(("ISO 9660", "LAB"), (found.name, found.label))
        self.assertEqual(self.blkid()["LABEL"], found.label)
        self.assertLessEqual(found.size, self.path.stat().st_size)

    def test_luks(self):
        """LUKS is named with its version."""
        for version in ("1", "2"):
            fast = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
            key = self.path.with_suffix(".key")
            key.write_bytes(b"key")
            self.make("cryptsetup", "luksFormat", "-q", *fast, "--uuid", UUID, "--type",
                      f"luks{version}", "--key-file", key)  # fmt: skip
            found = self.read()
            self.assertEqual((f"LUKS {version}", UUID), (found.full_name, found.uuid))
            self.assertIs(Role.ENCRYPTED, found.role)
            self.assertEqual(version, self.blkid()["VERSION"])

    def test_the_newest_content_counts(self):
        """What was on the volume before is not named, although some of it is left."""
        for first, second in (("fat32", "ext4"), ("ext4", "xfs"), ("btrfs", "ext4"),
                              ("swap", "btrfs"), ("ntfs", "fat32"), ("xfs", "swap")):  # fmt: skip
            self.make(*MADE[first][2])
            run(*MADE[second][2], self.path)
            self.assertEqual(MADE[second][1], self.read().name, (first, second))


class SignaturesTest(base.BaseTestCase):
    """Signatures by hand of what no program here makes, after what defines them."""

    def assert_name(self, name, role, *pieces):
        found = read_content(SparseSource(MIB, dict(pieces)))
        self.assertEqual((name, role), (found.full_name, found.role))

    def test_named_only(self):
        """What cannot be read is named, with its version where that tells something."""
        file_system, member = Role.FILE_SYSTEM, Role.MEMBER
        self.assert_name("BitLocker", Role.ENCRYPTED, (0, b"\xeb\x58\x90-FVE-FS-"))
        to_go = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
        self.assert_name(
            "BitLocker", Role.ENCRYPTED, (3, b"MSWIN4.1"), (82, b"FAT32   "), (424, to_go),
            (510, b"\x55\xaa"),
        )  # fmt: skip
        for sector in range(4):
            label = struct.pack("<8sQII8s", b"LABELONE", sector, 1, 32, b"LVM2 001")
            self.assert_name("LVM", member, (512 * sector, label))
        for offset, version in ((0, "1.1"), (4096, "1.2")):
            raid = struct.pack("<II", 0xA92B4EFC, 1)
            self.assert_name(f"Linux RAID {version}", member, (offset, raid))
        bcachefs = bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef")
        self.assert_name("bcachefs", file_system, (4096 + 24, bcachefs))
        self.assert_name("ReFS", file_system, (3, b"ReFS\0\0\0\0"))
        self.assert_name("EROFS", file_system, (1024, struct.pack("<I", 0xE0F5E1E2)))
        self.assert_name("APFS", file_system, (32, b"NXSB"))
        self.assert_name("HFS+", file_system, (1024, b"H+\0\x04"))
        self.assert_name("UFS 1", file_system, (8192 + 1372, struct.pack("<I", 0x11954)))
        self.assert_name("UFS 2", file_system, (65536 + 1372, struct.pack("<I", 0x19540119)))
        pool = b"\1\1\0\0".ljust(300, b"\0") + b"\0\0\0\x09pool_guid"
        self.assert_name("ZFS", file_system, (16384, pool))
        exfat = b"\xeb\x76\x90EXFAT   ".ljust(108, b"\0") + b"\x09"
        self.assert_name("exFAT", file_system, (0, exfat), (510, b"\x55\xaa"))

    def test_nothing(self):
        """A volume without a signature contains nothing that is known."""
        self.assertIsNone(read_content(BytesSource(b"")))
        self.assertIsNone(read_content(BytesSource(bytes(MIB))))

    def test_damaged_superblocks(self):
        """No superblock causes an unexpected error, wherever the volume ends."""
        pieces = {
            0: b"LUKS\xba\xbe", 24: b"LABELONE", 54: b"FAT", 510: b"\x55\xaa", 1080: b"\x53\xef",
            4086: b"SWAPSPACE2", 65600: b"_BHRfS_M",
        }  # fmt: skip
        for at, content in pieces.items():
            for size in (at + len(content), at + len(content) + 1, 2048, 4096, 68 << 10, 80 << 10):
                if size >= at + len(content):
                    disk = SparseSource(size, {at: content})
                    ranges = [(0, min(size, 2048))]
                    for mutant in mutations(disk, ranges, seed=size, count=30, max_reads=1):
                        read_content(mutant)

    @given(st.binary(max_size=2000))
    def test_any_content(self, content):
        """No content causes an unexpected error."""
        read_content(BytesSource(content))
