# SPDX-License-Identifier: Apache-2.0
"""XFS that mkfs.xfs and Linux wrote, whole and damaged."""

import random
import re
import string
import struct
from pathlib import Path

import fixtures
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems._crc32c import crc32c
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status, Volume
from rackspace_imagetasks.guest.filesystems.xfs import Xfs
from tests.unit.formats.vhd.oracles import run
from tests.unit.guest.filesystems.xfsdisks import MIB, Link, make, stored, tree_of
from tests.unit.guest.mutation import Mutant, Recorder, mutations, read_ranges, survive

OPTIONS = (  # of mkfs.xfs: everything that changes what is read
    (),
    ("-m", "crc=0"),
    ("-m", "crc=0", "-n", "ftype=0", "-i", "size=256"),
    ("-m", "crc=0", "-b", "size=512", "-n", "size=4096", "-i", "size=256"),
    ("-b", "size=1024"),
    ("-b", "size=65536"),
    ("-n", "size=16384"),
    ("-b", "size=1024", "-n", "size=65536", "-i", "size=512"),
    ("-i", "size=2048,sparse=0,nrext64=1"),
    ("-i", "perblock=4,sparse=1", "-d", "agcount=3"),
    ("-m", "bigtime=0,reflink=0,finobt=0,rmapbt=0,inobtcount=0"),
    ("-m", "rmapbt=1,reflink=1,inobtcount=1,bigtime=1"),
    ("-s", "size=4096", "-l", "su=256k"),
    ("-n", "version=ci"),
)
VERSION_4 = OPTIONS[1]
NAMES = st.text(string.ascii_letters + string.digits + "._-é", min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)
CONTENTS = st.one_of(
    st.binary(max_size=9000),
    st.none(),
    st.text(string.ascii_letters + "/.", min_size=1, max_size=100).map(Link),
)
TREES = st.dictionaries(
    NAMES,
    st.one_of(CONTENTS, st.dictionaries(NAMES, CONTENTS, max_size=40)),
    max_size=30,
)


def many(count):
    """Return files with names of many lengths."""
    return {f"{number:05}{'n' * (number % 40)}": b"" for number in range(count)}


class XfsTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = Path(self.useFixture(fixtures.TempDir()).path) / "xfs.raw"

    def open(self):
        """Open the file system at the path; its source counts the reads."""
        disk = FileSource(self.path)
        self.addCleanup(disk.close)
        self.source = Recorder(disk)
        return Xfs(Volume(self.source))

    def patch(self, offset, content):
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(content)

    def database(self, *commands):
        """Return the output of xfs_db."""
        return run("xfs_db", "-r", *(word for each in commands for word in ("-c", each)), self.path)


class ContentsTest(XfsTest):
    def test_features(self):
        """Files of every size and directories of every form are read with each feature."""
        tree = {
            "etc": {"hostname": b"vm\n", "localtime": Link("../usr/share/zoneinfo/UTC")},
            "empty": {},
            "short": many(4),
            "block": many(30),
            "blocks": many(300),
            "deep": {"er": {"still": {"file": bytes(range(256)) * 700}}},
            "pipe": None,
        }
        for options in OPTIONS:
            with self.subTest(options):
                make(self.path, tree, *options)
                files = self.open()
                self.assertEqual(tree, tree_of(files))
                self.assertEqual((), files.notes)

    # A loaded machine may take long to make a tree; that says nothing about the reader.
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(OPTIONS[:-1]), TREES)
    def test_any_files(self, options, tree):
        """Any files are read as they were written."""
        make(self.path, tree, *options)
        self.assertEqual(tree, tree_of(self.open()))

    def test_long_links(self):
        """A link that does not fit into its inode is in a block, in version 4 without a header."""
        # In version 5, mkfs.xfs 6.1 forgets the header, which xfs_db then does not find either.
        tree = {"long": Link("z" * 1000), "longest": Link("y" * 1023)}
        make(self.path, tree, *VERSION_4)
        self.assertEqual(tree, tree_of(self.open()))

    def test_case_insensitive(self):
        """Names in a file system for ASCII without case are found in any case."""
        make(self.path, {"Windows": {"win.ini": b"[fonts]"}}, "-n", "version=ci")
        files = self.open()
        self.assertFalse(files.is_case_sensitive)
        self.assertEqual(b"[fonts]", Tree(files).read("/WINDOWS/Win.INI"))
        make(self.path, {"Windows": {}})
        self.assertTrue(self.open().is_case_sensitive)
        self.assertFalse(Tree(self.open()).is_directory("/windows"))

    def test_names_that_are_not_utf_8(self):
        """A name that is not UTF-8 is found by the name that was listed."""
        make(self.path, {"cafX": b"latin"}, *VERSION_4)
        offset = self.path.read_bytes().index(b"cafX") + 3
        self.patch(offset, b"\xe9")
        self.assertEqual({"caf\udce9": b"latin"}, tree_of(self.open()))

    def test_large_directory(self):
        """A directory of 20,000 names is read once, although each name in it is looked up."""
        make(self.path, {"large": many(20_000)}, size=400 * MIB)
        files = self.open()
        directory = files.child(files.root, "large")
        self.assertIn("core.size = ", self.database(f"inode {directory}", "print core.size"))
        before = self.source.read_bytes
        names = sorted(many(20_000))
        self.assertEqual(names, sorted(files.names(directory)))
        size = files.status(directory).size
        self.assertLessEqual(self.source.read_bytes - before, size + 16384)
        self.assertTrue(all(files.child(directory, name) for name in names[:3000]))
        self.assertIsNone(files.child(directory, "20000"))
        self.assertLessEqual(self.source.read_bytes - before, 2 * size + 65536)

    def test_limits(self):
        """No more of a file is read than was asked for; the root is no file."""
        make(self.path, {"file": b"x" * MIB})
        files = self.open()
        file = files.child(files.root, "file")
        self.assertEqual(Status(Kind.FILE, MIB), files.status(file))
        before = self.source.read_bytes
        self.assertEqual(b"x" * 100, files.read(file, 100))
        self.assertLess(self.source.read_bytes - before, 5000)
        self.assertRaises(Damaged, files.read, files.root, 10)
        self.assertRaises(Damaged, files.link, file)
        self.assertRaises(Damaged, files.child, file, "name")

    def test_facts(self):
        """Size, use, label and UUID are those that xfs_db prints."""
        for options in ((), VERSION_4, ("-b", "size=65536")):
            make(self.path, {"file": b"x" * MIB}, "-L", "root disk", *options)
            files = self.open()
            printed = self.database("sb 0", "print blocksize dblocks fdblocks uuid fname")
            found = dict(re.findall(r"(\w+) = (.*)", printed))
            size, blocks, free = (int(found[name]) for name in ("blocksize", "dblocks", "fdblocks"))
            self.assertEqual((size * blocks, size * (blocks - free)), (files.size, files.used))
            self.assertEqual(found["uuid"], files.uuid)
            self.assertEqual(("root disk", "XFS"), (files.label, files.kind))
            self.assertIn("root disk", found["fname"])

    def test_few_small_reads(self):
        """What an inspection looks for in a disk of 40 GiB needs few reads."""
        etc = {"os-release": b"ID=debian\n", "fstab": b"/dev/vda1 / xfs\n", "hostname": b"vm\n"}
        modules = {f"module{number}": b"" for number in range(300)}
        boot = {"vmlinuz": b"MZ" * 4 * MIB, "grub": {"grub.cfg": b"set root\n" * 500}}
        make(self.path, {"etc": etc, "lib": modules, "boot": boot}, size=40 << 30)
        tree = Tree(self.open())
        opened = len(self.source.reads), self.source.read_bytes
        self.assertEqual(b"ID=debian\n", tree.read("/etc/os-release"))
        self.assertEqual(b"vm\n", tree.read("/etc/hostname"))
        self.assertEqual(4500, len(tree.read("/boot/grub/grub.cfg")))
        self.assertEqual(("grub", "vmlinuz"), tree.names("/boot"))
        self.assertEqual(8 * MIB, tree.status("/boot/vmlinuz").size)
        self.assertLessEqual(opened[0], 32)
        self.assertLessEqual(opened[1], 50_000)
        self.assertLessEqual(len(self.source.reads) - opened[0], 20)
        self.assertLessEqual(self.source.read_bytes - opened[1], 40_000)


class WrittenByLinuxTest(base.BaseTestCase):
    """A file system that Linux wrote, with what mkfs.xfs does not make."""

    def setUp(self):
        super().setUp()
        self.disk = stored("fragments.xfs")
        self.files = Xfs(Volume(self.disk))
        self.tree = Tree(self.files)

    def test_extents_in_a_tree(self):
        """The 1500 extents of a file, in a tree, and the holes between them are read."""
        expected = b"".join(bytes([n % 251]) * 1024 + bytes(1024) for n in range(1500))[:-1024]
        self.assertEqual(expected, self.tree.read("/fragments", 4 * MIB))
        self.assertEqual(expected[:5000], self.tree.read("/fragments", 5000))
        file = self.tree.open("/fragments")
        for start, end in ((0, 0), (1000, 1100), (2000, 9999), (2_000_000, file.size)):
            self.assertEqual(expected[start:end], file.read(start, end - start))
        self.assertRaises(Damaged, file.read, file.size - 10, 11)
        self.assertRaises(Damaged, file.read, -1, 1)

    def test_preallocated_space(self):
        """What was allocated and not written is zeros, whatever is there on the disk."""
        expected = (bytes(MIB // 2) + b"in the middle").ljust(MIB, b"\0")
        self.assertEqual(expected, self.tree.read("/unwritten"))
        self.assertEqual(expected, self.tree.read("/shared"))
        later = b"a" + bytes(5 * MIB - 1) + b"end"
        self.assertEqual(later, self.tree.read("/later", 6 * MIB))

    def test_links(self):
        """A long link of version 5 is read without its header, one for several blocks."""
        self.assertEqual("z" * 1023, self.tree.link("/link"))
        self.assertEqual("short", self.tree.link("/inline"))

    def test_directories(self):
        """Names that were removed are not listed."""
        names = [f"{n:04}-" + "n" * (n % 50) for n in range(1500) if n % 7]
        self.assertEqual(tuple(names), self.tree.names("/directory"))
        self.assertEqual(tuple(f"{n:02}" for n in range(60)), self.tree.names("/leaf"))

    def test_log(self):
        """A file system that was not unmounted has a note, and may lack what was written last."""
        self.assertEqual((), self.files.notes)
        files = Xfs(Volume(stored("dirty.xfs")))
        (note,) = files.notes
        self.assertIn("log of XFS was not replayed", note)
        self.assertEqual({}, tree_of(files))  # /etc/hostname is only in the log


class LogTest(XfsTest):
    """Logs by hand: sectors with the number of the circle in which they were written."""

    UNMOUNT = 0x20
    START = 0x01

    def setUp(self):
        super().setUp()
        make(self.path, {}, "-l", "size=8m")
        printed = self.database("sb 0", "print logstart agblklog agblocks")
        start, log, blocks = (int(number) for number in re.findall(r"= (\d+)", printed))
        self.log = 4096 * ((start >> log) * blocks + (start & ((1 << log) - 1)))
        self.sectors = 8 * MIB // 512

    def record(self, *, flags=UNMOUNT, operations=1, length=512, size=32768):
        """Return the header of a record and its first sector of data."""
        header = struct.pack(">4sIII24xI276xI", b"\xfe\xed\xba\xbe", 2, 2, length, operations, size)
        headers = max(1, size // 32768)
        operation = struct.pack(">IIBB", 2, 8, 0xAA, flags)
        return header.ljust(512 * headers, b"\2") + operation.ljust(max(length, 512), b"\0")

    def notes(self, at, record, cycle=2):
        """Return the notes with a record at a sector of the log, the last of its circle."""
        end = at + len(record) // 512
        cycles = [cycle if n < end % self.sectors or at <= n < end else cycle - 1
                  for n in range(self.sectors)]  # fmt: skip
        if end <= self.sectors:
            cycles = [cycle if n < end else cycle - 1 for n in range(self.sectors)]
        log = bytearray(b"".join(struct.pack(">I508x", number) for number in cycles))
        for n in range(len(record) // 512):
            sector = record[512 * n : 512 * (n + 1)]
            place = (at + n) % self.sectors * 512
            if not sector.startswith(b"\xfe\xed"):
                sector = log[place : place + 4] + sector[4:]
            log[place : place + 512] = sector
        self.patch(self.log, log)
        return self.open().notes

    def test_clean(self):
        """A lone unmount record at the end of the log means that nothing is missing."""
        for at in (0, 1, 700, self.sectors - 2):
            self.assertEqual((), self.notes(at, self.record()), at)

    def test_not_clean(self):
        """Anything else means that changes may be only in the log."""
        for how in ({"flags": self.START}, {"operations": 2}):
            (note,) = self.notes(700, self.record(**how))
            self.assertIn("was not replayed", note)
        (note,) = self.notes(700, self.record(length=1024)[:1024])  # the head is not behind it
        self.assertIn("was not replayed", note)

    def test_long_records(self):
        """A record can have several sectors of header, and be padded to a stripe."""
        record = self.record(size=256 << 10, length=32768 - 512)
        for at in (0, 5000, self.sectors - len(record) // 512):
            self.assertEqual((), self.notes(at, record), at)

    def test_record_across_the_end(self):
        """A record can begin at the end of the log and continue at its beginning."""
        record = self.record(size=65536, length=4096)
        for before in (1, 2, 5):
            self.assertEqual((), self.wrapped(record, before), before)
            bad = self.record(size=65536, length=4096, flags=self.START)
            self.assertIn("was not replayed", self.wrapped(bad, before)[0])

    def wrapped(self, record, before):
        """Return the notes with a record of which some sectors are at the end of the log."""
        log = bytearray(struct.pack(">I508x", 2) * self.sectors)
        for n in range(len(record) // 512):
            place = (self.sectors - before + n) % self.sectors * 512
            sector = record[512 * n : 512 * (n + 1)]
            cycle = b"" if n == 0 else (3 if n >= before else 2).to_bytes(4, "big")
            log[place : place + 512] = cycle + sector[len(cycle) :]
        self.patch(self.log, log)
        return self.open().notes

    def test_without_records(self):
        """A log of zeros is clean; one without a record is not known to be."""
        self.patch(self.log, bytes(8 * MIB))
        self.assertEqual((), self.open().notes)
        self.patch(self.log, b"\1" * 8 * MIB)
        (note,) = self.open().notes
        self.assertIn("log of XFS cannot be read", note)

    def test_log_on_another_device(self):
        """A log that is on another device is said to be there."""
        log = self.path.with_suffix(".log")
        log.write_bytes(bytes(16 * MIB))
        make(self.path, {}, "-l", f"logdev={log}")
        (note,) = self.open().notes
        self.assertIn("on another device", note)


class DamageTest(XfsTest):
    def superblock(self, offset, content):
        """Change the superblock, with a right checksum."""
        with FileSource(self.path) as disk:
            sector = bytearray(disk.read_at(0, 512))
        sector[offset : offset + len(content)] = content
        self.patch(0, with_checksum(sector))

    def refused(self):
        return str(self.assertRaises(Damaged, self.open))

    def test_features_by_name(self):
        """A file system that needs repair, or a feature that is not known, is refused by name."""
        make(self.path, {})
        (known,) = struct.unpack(">I", self.path.read_bytes()[216:220])
        for flag, words in (
            (0x10, "needs repair"), (0x100, "metadir"), (0x200, "zoned"), (1 << 31, "0x80000000"),
        ):  # fmt: skip
            self.superblock(216, struct.pack(">I", known | flag))
            self.assertIn(words, self.refused())
        for flag in (0x40, 0x80):  # exchange of ranges, parent pointers
            self.superblock(216, struct.pack(">I", known | flag))
            self.assertEqual([], list(self.open().names(128)))

    def test_superblock(self):
        """A superblock without sense is refused, and so is one with a wrong checksum."""
        make(self.path, {})
        whole = self.path.read_bytes()[:512]
        for offset, content in (
            (0, b"XFSC"), (4, b"\0\0\1\0"), (84, bytes(4)), (88, b"\xff" * 4), (100, b"\0\6"),
            (102, b"\0\0"), (104, b"\xff\xff"), (106, b"\0\1"), (120, b"\x20"), (126, b"\1"),
            (192, b"\x10"),
        ):  # fmt: skip
            self.superblock(offset, content)
            self.refused()
            self.patch(0, whole)
        self.patch(300, b"x")
        self.assertIn("checksum of the superblock", self.refused())
        make(self.path, {}, *VERSION_4)
        self.patch(100, b"\x94")  # without the flag for directories of version 2
        self.assertIn("version 1", self.refused())

    def test_short_volume(self):
        """A volume without room for a superblock, or whose files are missing, is damaged."""
        for size in (0, 4, 511):
            self.assertRaises(Damaged, Xfs, Volume(BytesSource(b"XFSB".ljust(size)[:size])))
        make(self.path, {})
        with self.path.open("r+b") as file:
            file.truncate(4096)
        files = self.open()
        self.assertRaises(Damaged, Tree(files).names, "/")

    def test_realtime(self):
        """The content of a file on a realtime device is not read from the data device."""
        make(self.path, {"file": b"content"}, *VERSION_4)
        files = self.open()
        file = files.child(files.root, "file")
        offset = files._superblock.inode_offset(file)
        self.patch(offset + 90, b"\0\1")
        error = self.assertRaises(Damaged, self.open().read, file, 10)
        self.assertIn("another device", str(error))

    def test_inode_of_another_place(self):
        """An inode that says that it is another one is damaged."""
        make(self.path, {"one": b"1", "two": b"2"})
        files = self.open()
        one, two = (files.child(files.root, name) for name in ("one", "two"))
        copy = self.source.read_at(files._superblock.inode_offset(one), 512)
        self.patch(files._superblock.inode_offset(two), copy)
        error = self.assertRaises(Damaged, Tree(self.open()).read, "/two")
        self.assertIn(f"says that it is inode {one}", str(error))

    def test_wrong_checksums(self):
        """One changed bit in an inode or a block of version 5 does not go unnoticed."""
        disk = stored("fragments.xfs")
        starts = (b"IN", b"XD", b"BM", b"XS", b"XF")
        blocks = [
            each
            for each in read_ranges(disk, explore)
            if each.length in (512, 1024) and disk.read_at(each.offset, 2) in starts
        ]
        noise = random.Random(3)
        for offset, length in noise.sample(blocks, 12):
            content = bytearray(disk.read_at(offset, length))
            content[noise.randrange(length)] ^= 1 << noise.randrange(8)
            mutant = Mutant(disk)
            mutant.put(offset, bytes(content))
            self.assertRaises(Damaged, explore, mutant)


def with_checksum(content):
    """Return metadata of version 5 with its checksum, whose place depends on what it is."""
    for magic, offset in CHECKSUMS.items():
        if content.startswith(magic):
            zeroed = bytes(content[:offset]) + bytes(4) + bytes(content[offset + 4 :])
            checksum = struct.pack("<I", crc32c(zeroed) ^ 0xFFFFFFFF)
            return zeroed[:offset] + checksum + zeroed[offset + 4 :]
    return bytes(content)


CHECKSUMS = {b"XFSB": 224, b"IN": 100, b"XDB3": 4, b"XDD3": 4, b"BMA3": 64, b"XSLM": 12}


def explore(disk):
    """Read everything in the disks of the test data that is read in a different way."""
    files = Xfs(Volume(disk))
    tree = Tree(files)
    for name in tree.names("/"):
        if tree.link(f"/{name}") is None:
            tree.names(f"/{name}")
            tree.read(f"/{name}", 1 << 16)
            tree.status(f"/{name}/00")


class MutantsTest(XfsTest):
    def survive(self, disk, count):
        ranges = [each for each in read_ranges(disk, explore) if each.length <= 65536]
        blocks = [each for each in ranges if each.length >= 512]

        def repair(mutant):
            for offset, length in blocks:
                if any(at < offset + length and offset < at + len(put) for at, put in
                       mutant.patches):  # fmt: skip
                    mutant.put(offset, with_checksum(mutant.peek(offset, length)))

        mutants = mutations(disk, ranges, seed=5, count=count, repair=repair)
        survived = sum(not survive(mutant, explore) for mutant in mutants)
        self.assertGreater(survived, 0)
        self.assertLess(survived, count)

    def test_version_5(self):
        """Damage in a file system that Linux wrote causes only errors of a disk, in time."""
        self.survive(stored("fragments.xfs"), 50)

    def test_version_4(self):
        """Damage without checksums causes only errors of a disk, in time."""
        tree = {"dir": many(300), "file": b"x" * MIB, "link": Link("z" * 900), "short": many(5)}
        make(self.path, tree, *VERSION_4)
        disk = FileSource(self.path)
        self.addCleanup(disk.close)
        self.survive(disk, 400)
