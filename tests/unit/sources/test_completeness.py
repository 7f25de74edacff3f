# SPDX-License-Identifier: Apache-2.0
"""Disks by the programs that make them, complete and truncated."""

import struct
import zlib
from pathlib import Path

import fixtures
from hypothesis import given
from hypothesis import strategies as st
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.formats.contents import read_content
from rackspace_imagetasks.formats.partitions import read_table
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.profile import RACKSPACE
from rackspace_imagetasks.progress import SILENT, SilentProgress
from rackspace_imagetasks.sources.completeness import require_complete
from rackspace_imagetasks.sources.convert import convert
from rackspace_imagetasks.sources.staging import open_for_import
from tests.unit.formats.vhd.builder import GIB, MIB, Image, dynamic, fixed
from tests.unit.formats.vhd.oracles import require, run


class Told(SilentProgress):
    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(str(text))


class CompletenessTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.useFixture(fixtures.TempDir()).path)
        self.path = self.folder / "disk.raw"

    def make(self, size, *command, stdin=None):
        """Make a disk of `size` bytes with a program that gets its path last."""
        require(command[0])
        with self.path.open("wb") as file:
            file.truncate(size)
        run(*command, self.path, stdin=stdin)

    def resize(self, size):
        with self.path.open("r+b") as file:
            file.truncate(size)

    def check(self, **how):
        with FileSource(self.path) as disk:
            return require_complete(disk, **how)

    def assert_truncated(self, *said):
        error = self.assertRaises(Refused, self.check)
        for words in (str(self.path), "is truncated", *said):
            self.assertIn(words, str(error))
        self.assertIs(Hint.ALLOW_TRUNCATED, error.messages[0].hint)
        (warning,) = self.check(allow_truncated=True)
        self.assertIn("is truncated", str(warning))


class PartitionsTest(CompletenessTest):
    def partition(self, script, size=64 * MIB):
        self.make(size, "sfdisk", "-q", stdin=script)

    def test_gpt(self):
        """A GPT disk is truncated without its last partition, its free space or its backup."""
        self.partition("label: gpt\n,20M,L\n,,L\n")
        self.assertEqual((), self.check())
        self.resize(40 * MIB)
        self.assert_truncated("partition 2 ends at byte", "63 MiB", "has only 41943040 bytes")
        self.partition("label: gpt\n,20M,L\n")
        self.resize(60 * MIB)
        self.assert_truncated("the usable area of its GPT ends")
        self.partition("label: gpt\n,20M,L\n")
        self.resize(64 * MIB - 512)
        self.assert_truncated("the backup of its GPT ends", f"byte {64 * MIB} ")

    def test_gpt_of_a_disk_that_was_enlarged(self):
        """A disk whose backup is not at the end, or is missing, can be complete."""
        self.partition("label: gpt\n,20M,L\n")
        self.resize(80 * MIB)
        self.assertEqual((), self.check())
        with self.path.open("r+b") as file:
            file.seek(64 * MIB - 512)
            file.write(bytes(512))
        self.assertEqual((), self.check())

    def test_mbr(self):
        """An MBR's partitions are within the disk, or it is truncated."""
        self.partition("label: dos\n,20M,L\n,,L\n")
        self.assertEqual((), self.check())
        self.resize(64 * MIB - 512)
        self.assert_truncated("partition 2 ends at byte", f"{64 * MIB} ")

    def test_logical_partitions(self):
        """Logical partitions are found, though the extended one may end before them."""
        self.partition("label: dos\n,8M,L\n,,E\n,10M,L\n,10M,L\n,,L\n")
        self.assertEqual((), self.check())
        with FileSource(self.path) as disk:
            names = [region.name for region in read_table(disk).regions]
        self.assertEqual([f"partition {number}" for number in (1, 2, 5, 6, 7)], names)
        with self.path.open("r+b") as file:  # shorten the extended partition's own entry
            file.seek(446 + 16 + 12)
            file.write(struct.pack("<I", 16 * 2048))
        self.resize(40 * MIB)
        self.assert_truncated("partition 7 ends at byte")
        self.resize(20 * MIB)
        self.assert_truncated("partition 2 ends at byte")

    def test_logical_partitions_without_end(self):
        """A chain that returns to itself, or leaves the disk, ends."""

        def record(kind, start, following):
            table = struct.pack("<B3xB3xII", 0, 0x83, 1, 1) if kind == "ebr" else b""
            table += struct.pack("<B3xB3xII", 0, 5, start, following)
            return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"

        disk = Image(MIB, (0, record("mbr", 8, 100)), (8 * 512, record("ebr", 0, 1)))
        self.assertEqual((), require_complete(disk))
        disk = Image(MIB, (0, record("mbr", 8, 100)), (8 * 512, record("ebr", 2**32 - 9, 1)))
        self.assertIn(
            "table of partition 6", str(self.assertRaises(Refused, require_complete, disk))
        )
        ring = [(n * 512, record("ebr", n - 7, 1)) for n in range(8, 2000)]
        self.assertEqual((), require_complete(Image(MIB, (0, record("mbr", 8, 100)), *ring)))

    def test_protective_entries(self):
        """The protective entry may have any size, and a hybrid MBR is ignored."""
        self.partition("label: gpt\n,20M,L\n")
        with self.path.open("r+b") as file:
            file.seek(446 + 12)
            file.write(b"\xff\xff\xff\xff")
            file.seek(446 + 16)
            file.write(struct.pack("<B3xB3xII", 0, 0x83, 2048, 0x7FFFFFFF))
        self.assertEqual((), self.check())

    def test_gpt_for_large_sectors(self):
        """A GPT for sectors of 4096 bytes causes a warning, and is checked."""
        self.path.write_bytes(_gpt(64 * MIB, 4096).peek(0, 64 * MIB))
        (warning,) = self.check()
        self.assertIn("sectors of 4096 bytes", str(warning))
        self.resize(40 * MIB)
        self.assertIn("partition 1 ends", str(self.assertRaises(Refused, self.check)))
        self.assertEqual((), require_complete(_gpt(64 * MIB, 512)))

    def test_damaged_gpt(self):
        """A GPT with a wrong checksum is ignored, and absurd counts cause no large reads."""
        disk = _gpt(64 * MIB, 512).put(512 + 48, struct.pack("<Q", 2**63))
        self.assertEqual((), require_complete(disk))
        for count, size in ((2**32 - 1, 2**32 - 1), (2**32 - 1, 128), (128, 0), (128, 57)):
            disk = _gpt(64 * MIB, 512, count=count, entry_size=size)
            try:
                require_complete(disk)
            except Refused as error:
                self.assertIn("list of its partitions", str(error))
            self.assertLess(sum(length for _, length in disk.requests), 2 * MIB)

    def test_few_small_reads(self):
        """A disk with many partitions is checked with few requests."""
        disk = _gpt(40 * GIB, 512)
        self.assertEqual((), require_complete(disk))
        self.assertLessEqual(len(disk.requests), 4)
        self.assertLess(sum(length for _, length in disk.requests), 40_000)


class FileSystemsTest(CompletenessTest):
    def assert_end_is_needed(self, name, size, slack=0):
        """The disk and a longer one are complete; one shorter than the file system is truncated."""
        self.assertEqual((), self.check())
        self.resize(size + 8 * MIB)
        self.assertEqual((), self.check())
        self.resize(size - slack - 4096)
        self.assert_truncated(f"its {name} file system ends at byte")

    def test_ext(self):
        for kind in ("ext2", "ext3", "ext4"):
            self.make(32 * MIB, f"mkfs.{kind}", "-q", "-F")
            self.assert_end_is_needed("ext", 32 * MIB)

    def test_ext4_over_16_tib(self):
        """The high half of the number of blocks is not ignored."""
        self.make(32 * MIB, "mkfs.ext4", "-q", "-F", "-O", "64bit")
        with self.path.open("r+b") as file:
            file.seek(1024 + 0x150)
            file.write(struct.pack("<I", 1))
        self.assert_truncated("its ext file system ends", "TiB")

    def test_xfs(self):
        self.make(320 * MIB, "mkfs.xfs", "-q", "-f")
        self.assert_end_is_needed("XFS", 320 * MIB)

    def test_btrfs(self):
        self.make(128 * MIB, "mkfs.btrfs", "-q", "-f")
        self.assert_end_is_needed("Btrfs", 128 * MIB)

    def test_ntfs(self):
        self.make(16 * MIB, "mkfs.ntfs", "-q", "-F", "-f")
        self.assert_end_is_needed("NTFS", 16 * MIB)

    def test_fat(self):
        for bits, sectors in ((12, 64), (16, 8), (32, 1)):
            self.make(48 * MIB, "mkfs.fat", "-F", bits, "-s", sectors)
            self.assert_end_is_needed("FAT", 48 * MIB)

    def test_partition_table_comes_first(self):
        """The superblock of an earlier file system on a partitioned disk is ignored."""
        self.make(32 * MIB, "mkfs.ext4", "-q", "-F")
        self.resize(16 * MIB)
        run("sfdisk", "-q", "--wipe", "never", self.path, stdin="label: dos\n,,L\n")
        self.assertEqual((), self.check())

    def test_luks(self):
        """A disk that is encrypted as a whole causes a warning."""
        (warning,) = require_complete(BytesSource(b"LUKS\xba\xbe\0\2".ljust(MIB, b"\0")))
        self.assertIn("encrypted with LUKS", str(warning))

    def test_f2fs(self):
        self.make(64 * MIB, "mkfs.f2fs", "-q", "-f")
        self.assert_end_is_needed("F2FS", 64 * MIB)

    def test_bitlocker(self):
        """A volume that Windows encrypted causes a warning that names BitLocker."""
        (warning,) = require_complete(BytesSource(b"\xeb\x58\x90-FVE-FS-".ljust(MIB, b"\0")))
        self.assertIn("encrypted with BitLocker", str(warning))

    @given(st.binary(max_size=600), st.integers(0, 4096))
    def test_any_content(self, content, size):
        """No content causes an unexpected exception, whatever the size of the disk."""
        for at in (0, 446, 512, 1024, 4096):
            disk = Image(size, (at, content)).put(510, b"\x55\xaa")
            disk.size = size
            read_table(disk)
            read_content(disk)


class SourcesTest(CompletenessTest):
    """Truncated disks are refused in every format, by import and by convert."""

    def setUp(self):
        super().setUp()
        disk = _gpt(8 * MIB, 512)
        self.short = disk.peek(0, 6 * MIB)

    def write(self, content):
        self.path.write_bytes(content)
        return self.path

    def test_import(self):
        """Raw disks and VHDs are refused, whether they are converted or uploaded unchanged."""
        view = vhd.VirtualVhd(BytesSource(self.short))
        vhds = view.read_at(0, view.size), self.short + fixed(6 * MIB).peek(6 * MIB, 512)
        for content in (self.short, *vhds):
            path = self.write(content)
            for convert_ in (True, False) if content in vhds else (True,):
                error = self.assertRaises(
                    Refused, open_for_import, path, RACKSPACE, SILENT, convert=convert_
                )
                self.assertIn("is truncated", str(error))
            told = Told()
            open_for_import(path, RACKSPACE, told, allow_truncated=True).close()
            self.assertIn("is truncated", told.messages[0])

    def test_convert(self):
        """The conversion refuses it, and leaves no file."""
        target = self.folder / "disk.vhd"
        self.assertRaises(Refused, convert, self.write(self.short), target)
        self.assertEqual([self.path], list(self.folder.iterdir()))
        told = Told()
        convert(self.path, target, allow_truncated=True, progress=told)
        self.assertIn("is truncated", told.messages[0])

    def test_qcow2(self):
        """A qcow2 whose disk was shrunk is refused, too."""
        require("qemu-img", "qemu-nbd")
        self.write(self.short)
        qcow2 = self.folder / "disk.qcow2"
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", self.path, qcow2)
        self.assertRaises(Refused, open_for_import, qcow2, RACKSPACE, SILENT)
        self.assertRaises(Refused, convert, qcow2, self.folder / "disk.vhd")

    def test_disk_in_a_dynamic_vhd(self):
        """The disk inside a VHD in an object store is checked with few small reads."""
        image = dynamic(6 * MIB, (0, 1, 2))
        image.put(8 * 512, self.short[: 2 * MIB])
        disk = vhd.open_disk(image)
        image.requests.clear()
        self.assertIn("is truncated", str(self.assertRaises(Refused, require_complete, disk)))
        self.assertLess(len(image.requests), 10)
        self.assertLess(sum(length for _, length in image.requests), 40_000)


def _gpt(size, sector, count=128, entry_size=128):
    """A disk with a GPT and one partition, by the UEFI specification's tables."""
    last = size // sector - 1
    entry = struct.pack("<16s16sQQ", b"t" * 16, b"u" * 16, 256, last - 40)
    head = struct.pack(
        "<8sIII4xQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 1, last, 34, last - 34, b"d" * 16, 2,
        count, entry_size, zlib.crc32(entry.ljust(128 * 128, b"\0")),
    )  # fmt: skip
    head = head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]
    mbr = bytes(446) + struct.pack("<B3xB3xII", 0, 0xEE, 1, last).ljust(64, b"\0") + b"\x55\xaa"
    return Image(size, (0, mbr), (sector, head), (2 * sector, entry))
