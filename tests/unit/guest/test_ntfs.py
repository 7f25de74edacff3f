# SPDX-License-Identifier: Apache-2.0
"""NTFS: file systems of mkntfs and ntfs-3g, damaged ones, and what The Sleuth Kit reads in them."""

import hashlib
import struct
import tempfile
from pathlib import Path

import fixtures
import pytsk3
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems._ntfs_data import value_of
from rackspace_imagetasks.guest.filesystems._ntfs_index import Index
from rackspace_imagetasks.guest.filesystems._ntfs_records import Attribute
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status, Volume
from rackspace_imagetasks.guest.filesystems.ntfs import Ntfs
from tests.unit.formats.vhd.oracles import require, run
from tests.unit.guest.mutation import Recorder, mutations, read_ranges, survive
from tests.unit.sources.disks import packed

FEATURES = packed("features.ntfs")
LINES = b"".join(b"line %d of a text\n" % number for number in range(9000))
RECORD = 1024
SPECIAL = (
    "grün.txt", "ÀÉ.txt", "日本.txt", "\U0001f600.txt", "Z~1", "_x", "[y]", "`b",
    "\u017f.txt", "\u0131.txt",
)  # fmt: skip


def tree(content):
    return Tree(Ntfs(Volume(BytesSource(content))))


def explore(source):
    """Read something of each kind."""
    files = Ntfs(Volume(source))
    disk = Tree(files)
    assert files.used is None or files.used <= files.size
    disk.names("compressed")
    for name in ("names/file 0150 WITH a long name.dll", "NAMES/zzz", "sparse"):
        disk.read(name, 2000)
    for name in ("compressed/mixed", "fragmented"):
        disk.read(name, 10)
        if file := disk.open(name):
            file.read(217_000, 100)
    disk.status("relative")


def sleuthkit(image):
    """Return the files and directories of an image by path, with the MD5 of a file's content."""
    found = {}

    def visit(directory, prefix):
        for entry in directory:
            name, meta = entry.info.name, entry.info.meta
            path = f"{prefix}/{name.name.decode()}"
            allocated = int(name.flags) & pytsk3.TSK_FS_NAME_FLAG_ALLOC
            # It calls a deleted name allocated, but cannot tell what it was.
            if path.startswith("/$") or name.name in (b".", b"..") or not (allocated and meta):
                continue
            if meta.type == pytsk3.TSK_FS_META_TYPE_DIR:
                found[path] = "directory"
                visit(entry.as_directory(), path)
            else:
                content = entry.read_random(0, meta.size) if meta.size else b""
                found[path] = hashlib.md5(content).hexdigest()

    files = pytsk3.FS_Info(pytsk3.Img_Info(str(image)), 0, pytsk3.TSK_FS_TYPE_NTFS)
    visit(files.open_dir("/"), "")
    return found


def own(disk, prefix=""):
    """Return what `sleuthkit` returns; links are not followed."""
    found = {}
    for name in disk.names(prefix or "/"):
        path = f"{prefix}/{name}"
        if path in ("/relative", "/absolute", "/junction", "/compact"):
            continue
        if disk.is_directory(path):
            found[path] = "directory"
            found |= own(disk, path)
        else:
            found[path] = hashlib.md5(disk.read(path, 16 << 20)).hexdigest()
    return found


class FeaturesTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.disk = tree(FEATURES)

    def test_description(self):
        """Size, label and serial number are those in the boot sector and the volume's record."""
        files = self.disk.root
        self.assertEqual(
            ("NTFS", "System", False), (files.kind, files.label, files.is_case_sensitive)
        )
        self.assertEqual(12 * 1024 * 1024 - 512, files.size)  # a sector is left for a copy
        self.assertEqual(16, len(files.uuid))
        self.assertEqual(struct.pack("<Q", int(files.uuid, 16)), FEATURES[72:80])
        self.assertEqual((), files.notes)

    def test_used(self):
        """The used bytes are those of all clusters that ntfsinfo does not count as free."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(FEATURES)
            file.flush()
            require("ntfsinfo")
            output = run("ntfsinfo", "-m", file.name)
        free = int(output.partition("Free Clusters: ")[2].partition(" ")[0])
        self.assertEqual((12287 - free) * 1024, self.disk.root.used)

    def test_same_as_sleuthkit(self):
        """All files have the names and contents that The Sleuth Kit finds."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(FEATURES)
            file.flush()
            expected = sleuthkit(file.name)
        for name in ("relative", "absolute", "junction", "compact"):
            del expected[f"/{name}"]
        self.assertEqual(expected, own(self.disk))
        self.assertEqual(300 + len(SPECIAL), len(self.disk.names("names")))

    def test_compressed(self):
        """Compressed files are decompressed, from any offset, with holes and noise."""
        self.assertEqual(LINES, self.disk.read("compressed/text"))
        self.assertEqual(LINES[70_000:70_100], self.disk.open("compressed/text").read(70_000, 100))
        mixed = self.disk.read("compressed/mixed")
        self.assertEqual(bytes(200_000) + LINES[:100_000] + b"\xaa" * 66_000, mixed[17_000:])

    def test_fragmented(self):
        """A file with an attribute list is read from several records, from any offset."""
        file = self.disk.open("fragmented")
        for number in (0, 1, 700, file.size // 1024 - 1):
            self.assertEqual(b"%08d" % number, file.read(number * 1024, 8))
        self.assertRaises(Damaged, file.read, file.size - 1, 2)
        self.assertRaises(Damaged, file.read, -1, 1)

    def test_sparse(self):
        """Holes and bytes that were never written are zeros."""
        content = self.disk.read("sparse", 6 << 20)
        self.assertEqual(bytes(1 << 20) + b"middle" + bytes((4 << 20) - 6) + b"end", content)

    def test_names(self):
        """Each name is found whatever its case; a missing one is not."""
        for number in range(300):
            self.assertEqual(
                b"%d" % number, self.disk.read(f"NAMES/file {number:04} WITH a Long name.DLL")
            )
        for name in SPECIAL:
            self.assertEqual(name.encode(), self.disk.read(f"names/{name}"))
        self.assertEqual("grün.txt".encode(), self.disk.read("names/GRÜN.TXT"))
        for name in ("", "A", "file 0150", "file 0150 with a long name.dll0", "zzz", "S.txt", "é"):
            self.assertIsNone(self.disk.root.child(self.disk.root.root, name), name)
            self.assertFalse(self.disk.is_file(f"names/{name}"))

    def test_own_files_are_not_listed(self):
        """The file system's own files are found by their names only."""
        self.assertFalse([name for name in self.disk.names("/") if name.startswith("$")])
        self.assertTrue(self.disk.is_file("$MFT"))

    def test_links(self):
        """A relative link is followed; one to a drive is not taken for a missing file."""
        self.assertEqual("names/grün.txt", self.disk.link("relative"))
        self.assertEqual(Status(Kind.FILE, 9), self.disk.status("relative"))
        for name in ("absolute", "junction"):
            self.assertRaises(Damaged, self.disk.status, f"{name}/File 0001 with a long name.dll")

    def test_windows_compression(self):
        """A file that Windows compressed exists, but its zeros are not taken for its content."""
        self.assertTrue(self.disk.is_file("compact"))
        self.assertRaises(Damaged, self.disk.read, "compact")

    def test_few_reads(self):
        """Opening a disk and finding a file needs few and small reads."""
        recorder = Recorder(BytesSource(FEATURES))
        disk = Tree(Ntfs(Volume(recorder)))
        disk.read("names/File 0150 with a long name.dll")
        self.assertLessEqual(len(recorder.reads), 15)
        self.assertLessEqual(recorder.read_bytes, 32 * 1024)


class ClustersTest(base.BaseTestCase):
    def make(self, cluster, *options):
        require("mkntfs", "ntfscp")
        folder = Path(self.useFixture(fixtures.TempDir()).path)
        image = folder / "disk"
        with image.open("wb") as file:
            file.truncate(16 << 20 if cluster <= 65536 else 128 << 20)
        run("mkntfs", "-q", "-Q", "-F", "-c", cluster, *options, image)
        (folder / "file").write_bytes(LINES)
        (folder / "small").write_bytes(b"small")
        for number in range(40):
            run("ntfscp", "-q", image, folder / "small", f"some long name {number}")
        run("ntfscp", "-q", image, folder / "file", "text")
        return image

    def test_cluster_sizes(self):
        """File systems with various sizes of clusters are read."""
        for cluster in (512, 1024, 4096, 65536, 2097152):
            with self.subTest(cluster), FileSource(self.make(cluster)) as source:
                disk = Tree(Ntfs(Volume(source)))
                self.assertEqual(LINES, disk.read("TEXT"))
                self.assertEqual(b"small", disk.read("Some long name 39"))
                self.assertEqual(41, len(disk.names("/")))

    def test_large_sectors(self):
        """File systems for disks with 4096-byte sectors are read; their records are larger."""
        with FileSource(self.make(4096, "-s", "4096")) as source:
            self.assertEqual(LINES, Tree(Ntfs(Volume(source))).read("text"))


class NotesTest(base.BaseTestCase):
    def record(self, disk, number):
        """Return where a file record of the first ones is."""
        (cluster,) = struct.unpack_from("<Q", disk, 48)
        return cluster * 1024 + number * RECORD

    def test_dirty_flag(self):
        """A volume that is marked dirty is noted."""
        disk = bytearray(FEATURES)
        start = self.record(disk, 3)
        at = disk.index(struct.pack("<I", 0x70), start, start + RECORD)
        disk[at + 24 + 10] |= 1
        self.assertEqual(("The volume is marked for a check by Windows.",), tree(disk).root.notes)

    def restart_page(self, clients, flags):
        page = bytearray(4096)
        struct.pack_into("<4sHHQIIH", page, 0, b"RSTR", 30, 9, 0, 4096, 4096, 48)
        struct.pack_into("<QHHHH", page, 48, 0, 1, 0xFFFF, clients, flags)
        for end in range(512, 4097, 512):
            page[end - 2 : end] = b"\0\0"
        return page

    def test_log(self):
        """A log that Windows did not close is noted, one that it closed is not."""
        for clients, flags, noted in ((0, 0, 1), (0xFFFF, 0, 0), (0, 2, 0)):
            disk = bytearray(FEATURES)
            start = self.record(disk, 2)
            runs = disk.index(struct.pack("<I", 0x80), start, start + RECORD) + 64
            count = disk[runs] & 15
            place = int.from_bytes(disk[runs + 1 + count :][: disk[runs] >> 4], "little") * 1024
            self.assertEqual(b"\xff" * 4096, disk[place : place + 4096])
            disk[place : place + 4096] = self.restart_page(clients, flags)
            self.assertEqual(noted, len(tree(bytes(disk)).root.notes), (clients, flags))


class DamageTest(base.BaseTestCase):
    def test_no_ntfs(self):
        """Other boot sectors, and sizes that cannot be, are damage."""
        for at, content in ((3, b"NTFX"), (510, b"\0"), (11, b"\0\0"), (13, b"\x03"), (13, b"\x90"),
                            (64, b"\0"), (64, b"\x80"), (48, b"\xff" * 8)):  # fmt: skip
            disk = bytearray(FEATURES)
            disk[at : at + len(content)] = content
            self.assertRaises(Damaged, tree, bytes(disk))
        self.assertRaises(Damaged, tree, b"")

    def test_record_of_another_file(self):
        """A name that refers to a record that was reused is damage, not another file."""
        files = tree(FEATURES).root
        number, sequence = files.child(files.root, "sparse")
        self.assertRaises(Damaged, files.read, (number, sequence + 1), 1)

    def test_names_out_of_order(self):
        """A name beside the one that is looked up, if damaged, does not hide it."""
        stored = "File 0150 with a long name.dll".encode("utf-16-le")
        damaged = FEATURES.replace(stored, b"z\0" + stored[2:])
        self.assertNotEqual(FEATURES, damaged)
        path = "names/File 0151 with a long name.dll"
        self.assertTrue(tree(FEATURES).is_file(path))
        self.assertRaises(Damaged, tree(damaged).status, path)

    def test_unreadable_disk(self):
        """An error of the disk remains that error."""

        class Broken(BytesSource):
            def _read(self, offset, length):
                if offset >= 8192:
                    raise SourceError("The disk is broken.")
                return super()._read(offset, length)

        error = self.assertRaises(
            SourceError, lambda: Tree(Ntfs(Volume(Broken(FEATURES)))).names("names")
        )
        self.assertNotIsInstance(error, Damaged)

    def test_mutants(self):
        """Damaged file systems end in source errors, and are read in a limited number of reads."""
        source = BytesSource(FEATURES)
        ranges = read_ranges(source, explore)
        mutants = mutations(source, ranges, seed=7, count=100)
        survivors = [mutant for mutant in mutants if not survive(mutant, explore)]
        self.assertTrue(survivors)

    def test_index_that_refers_to_itself(self):
        """A directory with two references to one block is damage, and does not go on for ever."""
        last = struct.pack("<QHHHxxQ", 0, 24, 0, 3, 0)  # its child is block 0
        node = struct.pack("<IIIB3x", 16, 16 + len(last), 64, 1) + last
        root = struct.pack("<IIIB3x", 0x30, 1, 512, 1) + node
        block = bytearray(512)
        struct.pack_into("<4sHHQQ", block, 0, b"INDX", 40, 2, 0, 0)
        block[24 : 24 + len(node)] = node
        struct.pack_into("<I", block, 24, 24)
        block[48 : 48 + len(last)] = last
        struct.pack_into("<I", block, 28, 24 + len(last))
        index = Index(root, value_of([Attribute(0, "", 0, bytes(block))], None), 512)
        self.assertRaises(Damaged, list, index)
        self.assertRaises(Damaged, index.find, "a")
