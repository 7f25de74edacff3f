# SPDX-License-Identifier: Apache-2.0
"""ext2, ext3 and ext4 of e2fsprogs, with each feature that mke2fs offers."""

import struct
from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Volume
from rackspace_imagetasks.guest.filesystems.ext import Ext
from tests.unit.formats.vhd import oracles
from tests.unit.guest.filesystems import extdisks
from tests.unit.guest.filesystems.extdisks import MIB, PLAIN, debugfs, make, open_tree, walked
from tests.unit.guest.mutation import Recorder

LOST = {"/lost+found": ("directory",)}
OPTIONS = {
    "ext2": ("-t", "ext2", "-b", "4096"),
    "ext2 of revision 0": ("-t", "ext2", "-r", "0", "-O", "none"),
    "ext2, blocks of 1 KiB": ("-t", "ext2", "-b", "1024"),
    "ext2, blocks of 64 KiB": ("-t", "ext2", "-b", "65536"),
    "ext2, blocks of 32 KiB": ("-t", "ext2", "-b", "32768"),
    "ext3": ("-t", "ext3"),
    "ext3 without dir_index": ("-t", "ext3", "-b", "1024", "-O", "^dir_index"),
    "ext4": ("-t", "ext4"),
    "blocks of 1 KiB": ("-b", "1024"),
    "blocks of 2 KiB": ("-b", "2048"),
    "blocks of 64 KiB": ("-b", "65536", "-i", "65536"),
    "inodes of 128 bytes": ("-I", "128"),
    "inodes of 1 KiB": ("-I", "1024"),
    "no checksums": PLAIN,
    "uninit_bg": ("-O", "^metadata_csum,uninit_bg"),
    "metadata_csum_seed": ("-O", "metadata_csum_seed"),
    "no 64bit": ("-O", "^64bit"),
    "no extents": ("-O", "^extents,^64bit"),
    "no flex_bg": ("-O", "^flex_bg"),
    "no filetype": ("-O", "^filetype"),
    "no journal": ("-O", "^has_journal"),
    "fast_commit": ("-O", "fast_commit"),
    "bigalloc": ("-O", "bigalloc"),
    "bigalloc, blocks of 1 KiB": ("-O", "bigalloc", "-b", "1024"),
    "inline_data": ("-O", "inline_data"),
    "inline_data in inodes of 512 bytes": ("-O", "inline_data", "-I", "512"),
    "inline_data without checksums": ("-O", "inline_data,^metadata_csum", "-b", "1024"),
    "large_dir": ("-O", "large_dir"),
    "ea_inode": ("-O", "ea_inode"),
    "mmp": ("-O", "mmp"),
    "quota, project": ("-O", "quota,project"),
    "verity, stable_inodes": ("-O", "verity,stable_inodes"),
    "encrypt": ("-O", "encrypt"),
    "casefold": ("-O", "casefold"),
    "orphan_file": ("-O", "orphan_file"),
    "sparse_super2": ("-O", "sparse_super2,^resize_inode"),
    "no sparse_super": ("-O", "^sparse_super,^resize_inode"),
    "meta_bg": ("-O", "meta_bg,^resize_inode"),
    "meta_bg, sparse_super2": ("-O", "meta_bg,sparse_super2,^resize_inode", "-b", "1024"),
    "meta_bg, 1 KiB, no 64bit": ("-O", "meta_bg,^resize_inode,^64bit", "-b", "1024"),
    "meta_bg, bigalloc, 1 KiB": ("-O", "meta_bg,bigalloc,^resize_inode", "-b", "1024"),
    "meta_bg, many groups": (
        "-O", "meta_bg,^resize_inode,^flex_bg", "-b", "1024", "-g", "512", "-N", "8192",
    ),
    "many groups": ("-O", "^resize_inode,^flex_bg", "-b", "1024", "-g", "256", "-N", "8192"),
}  # fmt: skip


class ExtCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        oracles.require("mke2fs", "debugfs", "e2fsck")
        self.folder = Path(self.useFixture(fixtures.TempDir()).path)
        self.image = self.folder / "image"

    def files(self, fill=extdisks.fill):
        """Return a directory with files."""
        directory = self.folder / "files"
        directory.mkdir()
        fill(directory)
        return directory


class FeaturesTest(ExtCase):
    def test_features(self):
        """Names, links and contents are those that mke2fs was given, whatever its options."""
        files = self.files()
        expected = extdisks.given(files)
        for name, options in OPTIONS.items():
            with self.subTest(name):
                make(self.image, *options, files=files)
                self.assertEqual(expected | LOST, walked(open_tree(self.image)), name)

    def test_index(self):
        """A directory with an index is read like one without; all options that change the index."""
        files = self.files(
            lambda root: [(root / f"name {n} of a file").touch() for n in range(2500)]
        )
        expected = {"lost+found", *(path.name for path in files.iterdir())}
        for options in ((), PLAIN, ("-b", "1024", "-O", "large_dir"), ("-O", "inline_data"),
                        ("-b", "65536")):  # fmt: skip
            with self.subTest(options):
                make(self.image, "-N", "4000", *options, files=files)
                oracles.run("sh", "-c", 'e2fsck -fyD "$0" || test $? = 1', self.image)
                if "65536" not in options:
                    self.assertIn("Htree", debugfs(self.image, "htree /").title())
                tree = open_tree(self.image)
                self.assertEqual(expected, set(tree.names("/")))
                self.assertTrue(tree.is_file("/name 1777 of a file"))
                self.assertIsNone(tree.status("/name 2500 of a file"))

    def test_facts(self):
        """Kind, size, use, label and UUID are those that dumpe2fs prints."""
        uuid = "01234567-89ab-cdef-0123-456789abcdef"
        for kind, options in (("ext2", ()), ("ext3", ()), ("ext4", ()), ("ext4", ("-b", "1024"))):
            make(self.image, "-t", kind, *options, "-L", "röot", "-U", uuid, size=48 * MIB)
            header = oracles.run("dumpe2fs", "-h", self.image)
            fields = dict(line.split(":", 1) for line in header.splitlines() if ":" in line)
            number = {key: int(value) for key, value in fields.items() if value.strip().isdigit()}
            files = Ext(Volume(FileSource(self.image)))
            used = number["Block count"] - number["Free blocks"]
            self.assertEqual(
                (kind, 48 * MIB, used * number["Block size"], "röot", uuid, ()),
                (files.kind, files.size, files.used, files.label, files.uuid, files.notes),
            )

    def test_needs_recovery(self):
        """A file system whose journal was not replayed is read, with a note."""
        make(self.image, files=self.files())
        debugfs(self.image, "feature needs_recovery")
        tree = open_tree(self.image)
        self.assertEqual(("needs recovery: the journal was not replayed",), tree.root.notes)
        self.assertEqual("ID=debian\n", tree.text("/etc/os-release"))

    def test_marked_errors(self):
        """A file system that is marked for a check has a note."""
        make(self.image)
        debugfs(self.image, "ssv state 2")
        (note,) = open_tree(self.image).root.notes
        self.assertIn("has errors", note)

    def test_unknown_features(self):
        """Features that change what is read, and that are not known, are refused by name."""
        make(self.image, *PLAIN)
        content = bytearray(self.image.read_bytes()[: 2 * MIB])
        (known,) = struct.unpack_from("<I", content, 1024 + 96)
        for bits, name in (
            (0x1, "compression"), (0x8, "journal_dev"), (0x1000, "dirdata"),
            (0x20, "0x20"), (0x80040000, "0x40000, 0x80000000"),
        ):  # fmt: skip
            struct.pack_into("<I", content, 1024 + 96, known | bits)
            error = self.assertRaises(Damaged, Ext, Volume(BytesSource(bytes(content))))
            self.assertIn(f"cannot be read: {name}.", str(error))

    def test_no_file_system(self):
        """Zeros, a short volume and an impossible geometry are refused."""
        make(self.image, *PLAIN)
        content = self.image.read_bytes()[:4096]
        fields = {20: 2, 24: 7, 32: 0, 40: 0, 88: 384, 254: 48}
        sources = [bytes(4096), content[:2000]]
        for offset, value in fields.items():
            damaged = bytearray(content)
            struct.pack_into("<H", damaged, 1024 + offset, value)
            struct.pack_into(
                "<H",
                damaged,
                1024 + offset + 2,
                0
                if offset in (32, 40)
                else struct.unpack_from("<H", content, 1024 + offset + 2)[0],
            )
            sources.append(bytes(damaged))
        for source in sources:
            self.assertRaises(Damaged, Ext, Volume(BytesSource(source)))


class ContentTest(ExtCase):
    def test_deep_extent_tree(self):
        """A file in 1,500 pieces, whose extent tree has two levels below the inode."""
        content = b"".join(b"%07d\n" % n for n in range(128 * 3000))
        (self.folder / "source").write_bytes(content)
        for options in ((), PLAIN):
            make(self.image, "-b", "1024", *options)
            punch = [f"punch /f {n} {n}" for n in range(1, 3000, 2)]
            debugfs(self.image, f"write {self.folder / 'source'} f", *punch)
            self.assertIn(" 1/ 2 ", debugfs(self.image, "ex /f"))
            expected = bytearray(content)
            for block in range(1, 3000, 2):
                expected[block * 1024 : (block + 1) * 1024] = bytes(1024)
            tree = open_tree(self.image)
            self.assertEqual(bytes(expected), tree.read("/f", 4 * MIB))
            self.assertEqual(bytes(expected[:99_999]), tree.read("/f", 99_999))

    def test_unwritten_extents(self):
        """Space that was allocated and not written reads as zeros, not as what was there before."""
        (self.folder / "source").write_bytes(b"\xff" * 8 * MIB)
        make(self.image)
        debugfs(
            self.image, f"write {self.folder / 'source'} old", "rm old",
            "write /dev/null f", "fallocate f 0 1000", "sif f size 4000000",
        )  # fmt: skip
        self.assertIn("Uninit", debugfs(self.image, "ex /f"))
        self.assertEqual(bytes(4_000_000), open_tree(self.image).read("/f", 4_000_000))

    def test_block_map_of_three_levels(self):
        """A map of blocks with single, double and triple indirection, and holes in each."""
        pieces = {
            0: b"a",
            13 << 10: b"b",
            900 << 10: b"c",
            20 << 20: b"d",
            66 << 20: b"e",
            90 << 20: b"f",
        }
        files = self.files(lambda root: extdisks.sparse(root / "f", 100 * MIB, pieces))
        make(self.image, "-t", "ext2", "-b", "1024", files=files)
        self.assertIn("TIND", debugfs(self.image, "stat /f"))
        self.assertEqual(extdisks.given(files) | LOST, walked(open_tree(self.image)))

    def test_limit(self):
        """A file is read as far as asked, and no further."""
        make(self.image, files=self.files())
        recorder = Recorder(FileSource(self.image))
        tree = Tree(Ext(Volume(recorder)))
        self.assertEqual(b"0000000\n00", tree.read("/large", 10))
        self.assertLess(recorder.read_bytes, 30_000)

    def test_encrypted(self):
        """An encrypted directory cannot be read, which is not the same as empty; others can."""
        make(self.image, "-O", "encrypt", files=self.files())
        debugfs(self.image, "sif /usr flags 0x80800", "sif /large flags 0x80800")
        tree = open_tree(self.image)
        self.assertEqual(Kind.DIRECTORY, tree.status("/usr").kind)
        for read, path in ((tree.names, "/usr"), (tree.status, "/usr/lib"), (tree.read, "/large")):
            self.assertIn("is encrypted", str(self.assertRaises(Damaged, read, path)))
        self.assertEqual("ID=debian\n", tree.text("/etc/os-release"))

    def test_names_without_case(self):
        """A directory that ignores case finds names in any case and normal form."""

        def fill(root):
            for name in ("Windows", "linux"):
                (root / name).mkdir()
                (root / name / "Straße-\N{LATIN SMALL LETTER E WITH ACUTE}").write_text("x")

        make(self.image, "-O", "casefold", files=self.files(fill))
        debugfs(self.image, "sif /Windows flags 0x40080000")
        tree = open_tree(self.image)
        for name in (
            "STRASSE-\N{LATIN CAPITAL LETTER E WITH ACUTE}",
            "straße-e\N{COMBINING ACUTE ACCENT}",
        ):
            self.assertTrue(tree.is_file(f"/Windows/{name}"), name)
            self.assertFalse(tree.is_file(f"/linux/{name}"), name)
        self.assertFalse(tree.is_directory("/windows"))
        self.assertIsNone(tree.status("/Windows/other"))

    def test_special_files(self):
        """Devices, sockets and pipes are told apart from files and are not read."""
        make(self.image)
        debugfs(self.image, "mknod null c 1 3", "mknod sda b 8 0", "mknod pipe p")
        tree = open_tree(self.image)
        for name in ("null", "sda", "pipe"):
            self.assertEqual(Kind.OTHER, tree.status(f"/{name}").kind)
            self.assertIsNone(tree.read(f"/{name}"))


class DamageTest(ExtCase):
    """One damaged structure, with checksums and without."""

    def block_of(self, path):
        return int(debugfs(self.image, f"bmap {path} 0").split("\n")[-2])

    def damage(self, offset, change=0x01):
        with self.image.open("r+b") as file:
            file.seek(offset)
            (old,) = file.read(1)
            file.seek(offset)
            file.write(bytes([old ^ change]))

    def test_checksums(self):
        """A change that the checksums reveal is an error; without checksums it is not seen."""
        files = self.files()
        (files / "xdeep").write_bytes(bytes(64 << 10))

        def inode_of(path):
            line = next(x for x in debugfs(self.image, f"imap {path}").splitlines() if "at" in x)
            block, offset = line.split("block ")[1].split(", offset ")
            return int(block) * 4096 + int(offset, 16)

        for options in ((), PLAIN):
            places = {
                "uuid": lambda: 1024 + 104,
                "directory": lambda: self.block_of("/etc") * 4096 + 24 + 8,
                "inode": lambda: inode_of("/etc/os-release") + 4,
                "descriptor": lambda: 4096 + 14,
            }
            for name, place in places.items():
                make(self.image, *options, files=files)
                self.damage(place())
                with self.subTest((name, options)):
                    if options:
                        open_tree(self.image).read("/etc/os-release")
                    else:
                        self.assertRaises(
                            Damaged, lambda: open_tree(self.image).read("/etc/os-release")
                        )

    def test_damaged_directory(self):
        """A name that is behind damage in a directory does not count as missing."""
        make(self.image, *PLAIN, files=self.files())
        self.damage(self.block_of("/etc") * 4096 + 12 + 4, 0x03)
        tree = open_tree(self.image)
        self.assertRaises(Damaged, tree.status, "/etc/os-release")
        self.assertRaises(Damaged, tree.status, "/etc/not-there")

    def test_directory_with_a_hole(self):
        """A directory without some of its blocks is damaged, not smaller."""
        make(self.image, *PLAIN, "-b", "1024", files=self.files())
        debugfs(self.image, "punch /many 3 4")
        self.assertRaises(Damaged, open_tree(self.image).names, "/many")

    def test_empty_inner_node(self):
        """An extent tree whose root has a depth and no entries is refused by its own check."""
        make(self.image, *PLAIN, files=self.files())
        debugfs(self.image, "sif /large block[0] 0xf30a", "sif /large block[1] 0x10004")
        error = self.assertRaises(Damaged, open_tree(self.image).read, "/large")
        self.assertIn("extent tree", str(error))
        self.assertIsNone(error.__cause__)

    def test_deleted_inode(self):
        """An entry that leads to an inode that is not in use is damaged."""
        make(self.image, *PLAIN, files=self.files())
        debugfs(self.image, "sif /etc/os-release links_count 0")
        self.assertRaises(Damaged, open_tree(self.image).status, "/etc/os-release")

    def test_circles(self):
        """A directory that contains itself is followed as far as asked."""
        make(self.image, files=self.files())
        debugfs(self.image, "link /etc /etc/etc")
        self.assertEqual("ID=debian\n", open_tree(self.image).text("/etc/etc/etc/os-release"))


class CostTest(ExtCase):
    def test_large_disk(self):
        """What an inspection reads of 40 GiB: few reads, and few bytes."""

        def fill(root):
            for name in ("boot/grub", "etc/cloud/cloud.cfg.d", "usr/lib", "var/lib", "home"):
                (root / name).mkdir(parents=True)
            (root / "usr/lib/os-release").write_text("ID=debian\n")
            (root / "etc/os-release").symlink_to("../usr/lib/os-release")
            for path in ("boot/grub/grub.cfg", "etc/fstab", "etc/hostname", "etc/cloud/cloud.cfg",
                         "etc/cloud/cloud.cfg.d/90_dpkg.cfg", "boot/vmlinuz-6.1"):  # fmt: skip
                (root / path).write_text(path)

        make(self.image, "-t", "ext4", files=self.files(fill), size=40 << 30)
        recorder = Recorder(FileSource(self.image))
        tree = Tree(Ext(Volume(recorder)))
        for path in ("/etc/os-release", "/etc/fstab", "/etc/hostname", "/etc/cloud/cloud.cfg",
                     "/boot/grub/grub.cfg"):  # fmt: skip
            self.assertTrue(tree.text(path), path)
        self.assertEqual(("grub", "vmlinuz-6.1"), tree.names("/boot"))
        self.assertEqual(("90_dpkg.cfg",), tree.names("/etc/cloud/cloud.cfg.d"))
        self.assertTrue(tree.is_file("/boot/vmlinuz-6.1"))
        pages = {page for at, length in recorder.reads
                 for page in range(at >> 16, (at + length - 1 >> 16) + 1)}  # fmt: skip
        self.assertLessEqual(len(recorder.reads), 40)
        self.assertLessEqual(recorder.read_bytes, 100 << 10)
        self.assertLessEqual(len(pages), 10)
