# SPDX-License-Identifier: Apache-2.0
import contextlib
import tracemalloc

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, stored_extents
from rackspace_imagetasks.exceptions import SourceError, VhdError
from rackspace_imagetasks.formats.vhd import Severity, VhdFile, VirtualVhd, check, open_disk
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.osc.hints import WORDINGS
from tests.unit.formats.vhd.builder import (
    BLOCK,
    GIB,
    MIB,
    Image,
    by_qemu,
    dynamic,
    fixed,
)
from tests.unit.formats.vhd.cases import CASES, LIMIT

CONVERSIONS = (Hint.CONVERT_VHD, Hint.CONVERT_TO_VHD, Hint.LEAVE_ZEROS_OUT, Hint.REPAIR_VHD)
SERVICE_ORDER = (609, 396, 721, 523, 614, 413, 111, None)


def judge(image):
    return check(image, max_virtual_size=LIMIT, max_physical_size=LIMIT)


class CasesTest(base.BaseTestCase):
    def test_all_is_found_and_nothing_else(self):
        """Each case gives exactly its code and its findings, in one pass."""
        self.assertGreaterEqual(len(CASES), 120)
        for case in CASES:
            with self.subTest(case.name, why=case.why):
                report = judge(case.build())
                found = {finding.check for finding in report.findings}
                self.assertEqual((case.code, set(case.checks.split())), (report.code, found))

    def test_findings_are_for_people(self):
        """Each finding says in a printable sentence what is wrong, and where; errors come first."""
        for case in CASES:
            findings = judge(case.build()).findings
            ranks = [SERVICE_ORDER.index(finding.code) for finding in findings]
            self.assertEqual(sorted(ranks), ranks, case.name)
            for finding in findings:
                self.assertEqual(finding.code is None, finding.severity is Severity.WARNING)
                self.assertTrue(str(finding.message).isprintable(), finding.detail)
                self.assertTrue(finding.detail.endswith("."), finding.detail)
                self.assertTrue(finding.message.worded(WORDINGS).endswith("."))
                self.assertTrue(finding.where)

    def test_few_and_small_reads(self):
        """Validating a file causes at most four requests, and reads a BAT of at most 4 MiB."""
        for case in CASES:
            image = case.build()
            judge(image)
            self.assertLessEqual(len(image.requests), 4, case.name)
            self.assertLessEqual(sum(length for _, length in image.requests), 5 * MIB, case.name)

    def test_the_largest_table(self):
        """A BAT of 2 TiB's blocks is read like any other."""
        report = check(dynamic(entries=1 << 20))
        self.assertEqual(
            (2, ("sector bitmaps", "disk content")), (report.facts.blocks_allocated, report.unread)
        )

    def test_large_disk_in_three_requests(self):
        """A disk of 20,480 allocated blocks is validated with three requests of about 100 KB."""
        image = dynamic(40 * GIB, range(20480))
        report = check(image)
        self.assertEqual((), report.findings)
        self.assertEqual(20480, report.facts.blocks_allocated)
        self.assertEqual(3, len(image.requests))
        self.assertLess(sum(length for _, length in image.requests), 100_000)

    def test_only_whole_disks_open(self):
        """A file that is not a complete VHD is refused by the reader, always with a VhdError."""
        for case in CASES:
            with self.subTest(case.name):
                try:
                    disk = open_disk(case.build())
                except VhdError as error:
                    self.assertIn("test.vhd", str(error))
                else:
                    self.assertNotIn(case.code, (396, 721, 523))
                    # A block in the wrong place can have a bitmap that contradicts the batmap.
                    allowed = [VhdError] if case.code else []
                    with contextlib.suppress(*allowed):
                        disk.read_at(0, min(disk.size, MIB))


class FactsTest(base.BaseTestCase):
    def test_facts(self):
        """The facts are the footer's and the BAT's."""
        facts = check(dynamic(8 * MIB, (3, 1))).facts
        self.assertEqual(("dynamic", 8 * MIB), (facts.kind, facts.virtual_size))
        self.assertEqual(("tap", "1.3"), (facts.creator, facts.creator_version))
        self.assertEqual(
            (2 * MIB, 4, 2), (facts.block_size, facts.blocks_total, facts.blocks_allocated)
        )
        self.assertEqual("2015-11-05 00:53:20+00:00", str(facts.timestamp))
        self.assertEqual((10, 4, 17), facts.geometry)

    def test_growth(self):
        """XenServer can resize its own disks without problems; the report contains the reason."""
        self.assertTrue(check(dynamic()).facts.grows)
        self.assertTrue(check(dynamic(), max_virtual_size=MIB).facts.grows)
        self.assertTrue(check(dynamic(), max_physical_size=MIB).facts.grows)
        for image, reason in (
            (fixed(), "resize a fixed VHD"),
            (dynamic().cut(1), "511 bytes"),
            (dynamic(entries=4), "4 entries, but the disk has 3 blocks"),
            (dynamic(version=0x00010004), "is 1.4"),
        ):
            facts = check(image).facts
            self.assertFalse(facts.grows)
            self.assertIn(reason, facts.grows_reason)
        foreign = check(by_qemu(5 * MIB)).facts
        self.assertFalse(foreign.grows)
        self.assertIn("'qemu'", foreign.grows_reason)
        self.assertFalse(check(dynamic(version=0x00010001).no_batmap()).facts.grows)

    def test_said_what_is_unread(self):
        """The report says that bitmaps and data were not read."""
        self.assertEqual(("sector bitmaps", "disk content"), check(dynamic()).unread)
        self.assertEqual(("disk content",), check(fixed()).unread)
        for image in (dynamic().header(32, 4, 0), dynamic().header(0, 8, bytes(8))):
            self.assertIn("BAT (so no block was checked)", check(image).unread)

    def test_repair_is_said(self):
        """A file with one valid footer of two can be repaired, and its disk can be read."""
        for image in (dynamic().cut(512), dynamic().last(64, 4, 0), dynamic().put(0, bytes(512))):
            finding = check(image).errors[0]
            self.assertIs(Hint.REPAIR_VHD, finding.hint)
            self.assertEqual(6 * MIB, open_disk(image).size)

    def test_advice_is_good(self):
        """Where converting is advised it succeeds, and its result is valid and grows."""
        for case in CASES:
            report = judge(case.build())
            advised = any(found.hint in CONVERSIONS for found in report.findings)
            if not report.facts or not advised:
                continue
            with self.subTest(case.name):
                self.assertEqual((), report.doubts)
                self.assertLessEqual(report.facts.virtual_size, LIMIT)
                disk = open_disk(case.build())
                if disk.size <= 64 * MIB:  # a larger one takes long to scan
                    self.assertEqual((), check(VirtualVhd(disk)).findings)

    def test_a_disk_in_doubt_is_said_to_be(self):
        """For a truncated file, or overlapping blocks, the hint is to copy it again."""
        for image in (dynamic().cut(2000), dynamic().put(1536 + 8, dynamic().peek(1536, 4))):
            report = check(image)
            self.assertTrue(report.doubts)
            self.assertFalse([f for f in report.findings if f.hint in CONVERSIONS])
            self.assertTrue([f for f in report.findings if f.hint is Hint.GET_FILE_AGAIN])

    def test_the_first_reserved_byte_is_named(self):
        """The place of the finding is the first reserved byte that is not zero."""
        for at in (86, 300, 511):
            finding = check(dynamic().footer(at, 1, 1)).errors[0]
            self.assertEqual(f"footer offset {at}", finding.where)

    def test_what_it_looks_like(self):
        """A file of another format is named, with a hint how to convert it."""
        for magic, name in (
            (b"QFI\xfb", "qcow2"),
            (b"vhdxfile", "VHDX"),
            (b"\x1f\x8b\x08", "gzip"),
        ):
            finding = check(Image(MIB).put(0, magic)).errors[0]
            self.assertIn(name, finding.detail)
            self.assertIsNotNone(finding.hint)

    def test_many_findings_are_counted(self):
        """Of ten thousand wrong entries five are listed, and the others are counted."""
        image = dynamic(20000 * MIB, ()).put(1536, b"\x7f\0\0\0" * 10000)
        past = [found for found in check(image).errors if found.check == "bat-entry-past-end"]
        self.assertEqual(6, len(past))
        self.assertIn("9995 more", past[-1].detail)

    def test_many_blocks_take_the_memory_of_numbers(self):
        """Each of 2**16 wrong entries needs less than 100 bytes of memory."""
        entries = 1 << 16
        image = dynamic(entries * BLOCK, (), entries=entries).put(1536, b"\x7f\0\0\0" * entries)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertTrue(check(image).errors)
        self.assertLess(tracemalloc.get_traced_memory()[1], 100 * entries)


class ParsedOnceTest(base.BaseTestCase):
    def test_nothing_is_read_twice(self):
        """A file that is validated, and whose disk is then opened, is read once."""
        for build in (dynamic, by_qemu, fixed, lambda: dynamic(40 * GIB, range(20480))):
            image = build()
            file = VhdFile(image)
            self.assertEqual((), check(file).errors)
            disk = open_disk(file)
            self.assertEqual(disk.size, check(file).facts.virtual_size)
            offsets = [offset for offset, _ in image.requests]
            self.assertEqual(len(set(offsets)), len(offsets), image.requests)
            self.assertLessEqual(len(offsets), 3)


class ReaderTest(base.BaseTestCase):
    def test_blocks_in_any_order(self):
        """Each block is read from where the BAT says, holes and absent sectors as zeros."""
        image = dynamic(7 * MIB, (3, 0)).bits(0, b"\0")
        image.put((7 + 1) * 512, b"three")
        image.put((7 + 4104) * 512, b"\x7f").put((7 + 4104 + 1) * 512, b"N" * 512 + b"zero")
        disk = open_disk(image)
        self.assertEqual(7 * MIB, disk.size)
        self.assertEqual([(0, 2 * MIB), (6 * MIB, MIB)], list(disk.data_extents()))
        self.assertEqual(bytes(512) + b"zero", disk.read_at(0, 516))
        self.assertEqual(bytes(2) + b"ze", disk.read_at(510, 4))
        self.assertEqual(bytes(100) + b"three", disk.read_at(6 * MIB - 100, 105))

    def test_absent_sectors_anywhere_in_a_block(self):
        """Each sector has its bit in one of the bitmap's bytes; without it, it reads as zeros."""
        for absent in ((8, 15, 1000, 4095), (4095,), (3640,)):
            bitmap = bytearray(b"\xff" * 512)
            for sector in absent:
                bitmap[sector // 8] ^= 0x80 >> sector % 8
            image = (
                dynamic(2 * MIB, (0,))
                .bits(0, b"\0")
                .put(8 * 512, b"x" * BLOCK)
                .put(7 * 512, bitmap)
            )
            content = open_disk(image).read_at(0, BLOCK)
            holes = [n for n in range(4096) if content[n * 512 : (n + 1) * 512] == bytes(512)]
            self.assertEqual(list(absent), holes)
            self.assertEqual((4096 - len(absent)) * 512, content.count(b"x"))
            at = absent[0] * 512
            self.assertEqual(b"x" + bytes(100), open_disk(image).read_at(at - 1, 101))

    def test_bitmap_that_contradicts_the_batmap(self):
        """A block that only the batmap, not its bitmap, marks as full is not read as zeros."""
        for bitmap in (bytes(512), b"\xfe" + b"\xff" * 511):
            image = dynamic(2 * MIB, (0,)).put(8 * 512, b"x" * BLOCK).put(7 * 512, bitmap)
            error = self.assertRaises(VhdError, open_disk(image).read_at, 0, 512)
            self.assertIn("block 0 of 'test.vhd' is uncertain", str(error))
            self.assertRaises(VhdError, VirtualVhd, open_disk(image))
            # If the batmap does not say so, or is not valid, the bitmap decides.
            for decided in (image.bits(0, b"\0"), image.bits(0, b"\x80").batmap(24, 4, 7)):
                self.assertEqual(bytes(512), open_disk(decided).read_at(7 * 512, 512))

    def test_last_block_that_is_only_partly_in_the_disk(self):
        """The bits of sectors after the end of the disk mean nothing."""
        bitmap = b"\xff" * 256 + bytes(256)
        image = dynamic(MIB, (0,)).put(8 * 512, b"x" * MIB).put(7 * 512, bitmap)
        self.assertEqual(b"x" * MIB, open_disk(image).read_at(0, MIB))

    def test_empty_bitmap_over_data(self):
        """A block of another program with data but no present sector is refused."""
        image = by_qemu(2 * MIB, (0,)).put(7 * 512, bytes(512))
        self.assertEqual(bytes(512), open_disk(image).read_at(0, 512))
        image.put(8 * 512 + 100_000, b"x")
        error = self.assertRaises(VhdError, open_disk(image).read_at, 0, BLOCK)
        self.assertIn("block 0 of 'test.vhd' is uncertain", str(error))
        self.assertRaises(VhdError, VirtualVhd, open_disk(image))
        by_xenserver = dynamic(2 * MIB, (0,)).bits(0, b"\0").put(7 * 512, bytes(512))
        by_xenserver.put(8 * 512, b"never completely written")
        self.assertEqual(bytes(512), open_disk(by_xenserver).read_at(0, 512))

    def test_reads_outside_are_errors(self):
        """Reads past either end raise an error, and never return bytes outside the disk."""
        for disk in (open_disk(fixed()), open_disk(dynamic())):
            for offset, length in ((disk.size, 1), (disk.size - 1, 2), (-1, 2), (0, -1)):
                self.assertRaises(SourceError, disk.read_at, offset, length)

    def test_table_that_is_too_short(self):
        """Bytes after the end of the table are not read as entries."""
        for entries in (0, 2):
            image = dynamic().header(28, 4, entries)
            self.assertIn(
                f"a table of {entries}", str(self.assertRaises(VhdError, open_disk, image))
            )

    def test_block_is_read_forwards(self):
        """A block read in pieces reads the file in order, its bitmap once and before its data."""
        for bitmap in (b"\xff" * 512, b"\x7f" + b"\xff" * 511):  # full, and with a sector missing
            image = dynamic(4 * MIB, (0, 1)).bits(0, b"\0").put(7 * 512, bitmap)
            disk = open_disk(image.put(8 * 512, b"x" * BLOCK))
            image.requests.clear()
            pieces = [disk.read_at(at, MIB) for at in range(0, disk.size, MIB)]
            self.assertEqual(2 * BLOCK, sum(map(len, pieces)))
            self.assertEqual(BLOCK - 512 * (bitmap[0] != 0xFF), b"".join(pieces).count(b"x"))
            self.assertEqual(sorted(image.requests), image.requests)
            self.assertEqual(6, len(image.requests))

    def test_adjacent_blocks_are_one_extent(self):
        """Blocks that are neighbours on the disk are one extent, wherever they are in the file."""
        disk = open_disk(dynamic(12 * MIB, (2, 1, 4)))
        self.assertEqual([(2 * MIB, 4 * MIB), (8 * MIB, 2 * MIB)], list(disk.data_extents()))

    def test_stored_extents(self):
        """Blocks are listed in the order of the file; neighbours in that order are one extent."""
        disk = open_disk(dynamic(11 * MIB, (5, 2, 3, 0, 1)))
        expected = [(10 * MIB, MIB), (4 * MIB, 4 * MIB), (0, 4 * MIB)]
        self.assertEqual(expected, list(stored_extents(disk)))
        self.assertEqual([(0, 8 * MIB), (10 * MIB, MIB)], list(disk.data_extents()))

    def test_fixed(self):
        """A fixed disk is the file without its footer."""
        content = bytes(range(256)) * 4096
        disk = open_disk(BytesSource(content + fixed(MIB).peek(MIB, 512)))
        self.assertEqual(content, disk.read_at(0, disk.size))
        self.assertEqual([(0, MIB)], list(disk.data_extents()))

    def test_identity_differs_from_the_file(self):
        """The file and its disk have different identities, which a resume relies on."""
        self.assertNotEqual(fixed().identity, open_disk(fixed()).identity)
