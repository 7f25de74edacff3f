# SPDX-License-Identifier: Apache-2.0
"""ext4 with any files, and with very many, compared with what debugfs reads."""

import struct
from pathlib import Path

import fixtures
from hypothesis import given, settings
from hypothesis import strategies as st
from oslotest import base

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.guest.filesystems.base import Volume
from rackspace_imagetasks.guest.filesystems.ext import Ext
from tests.unit.formats.vhd import oracles
from tests.unit.guest.filesystems import extdisks
from tests.unit.guest.filesystems.extdisks import PLAIN, debugfs, make, open_tree, walked
from tests.unit.guest.mutation import Recorder

settings.register_profile("offline", derandomize=True, deadline=None, database=None)
settings.load_profile("offline")

BLOCK = 4096
MANY = 60_000
NAME = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]),
    min_size=1,
    max_size=60,
).filter(lambda name: name not in (".", ".."))
CONTENT = st.one_of(st.binary(max_size=200), st.integers(0, 20_000).map(lambda n: b"%d" % n * n))
TREE = st.recursive(
    CONTENT, lambda below: st.dictionaries(NAME, below, max_size=6), max_leaves=25
).filter(lambda found: isinstance(found, dict))
FEATURES = ((), PLAIN, ("-O", "inline_data"), ("-b", "1024", "-O", "^extents,^64bit"))


def write(directory, tree):
    directory.mkdir()
    for name, found in tree.items():
        if isinstance(found, dict):
            write(directory / name, found)
        else:
            (directory / name).write_bytes(found)


class TreesTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        oracles.require("mke2fs", "debugfs")

    @settings(max_examples=25)
    @given(TREE, st.sampled_from(FEATURES))
    def test_any_tree(self, tree, options):
        """Any directories and files are read as they were given."""
        with fixtures.TempDir() as folder:
            files, image = Path(folder.join("files")), folder.join("image")
            write(files, tree)
            make(image, *options, files=files, size=8 * extdisks.MIB)
            expected = extdisks.given(files) | {"/lost+found": ("directory",)}
            self.assertEqual(expected, walked(open_tree(image)))


class ManyNamesTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        oracles.require("mke2fs", "debugfs")
        self.folder = self.useFixture(fixtures.TempDir())

    def directory(self, names, inode):
        """Return the blocks of a directory, as Documentation/filesystems/ext4 describes them."""
        blocks, block, last = [], b"", 0
        for name in [".", "..", *names]:
            length = 8 + (len(name) + 3) // 4 * 4
            if len(block) + length > BLOCK:
                blocks.append(self.finished(block, last))
                block = b""
            last = len(block)
            block += struct.pack("<IHBB", inode, length, len(name), 1) + name.encode()
            block += bytes(-len(block) % 4)
        return b"".join([*blocks, self.finished(block, last)])

    def finished(self, block, last):
        """Extend the last entry to the end of the block."""
        length = struct.pack("<H", BLOCK - last)
        return (block[: last + 4] + length + block[last + 6 :]).ljust(BLOCK, b"\0")

    def test_many_names(self):
        """A directory of 60,000 names: all are found, as debugfs does, and read in large pieces."""
        names = [f"name {number:06} of a file" for number in range(MANY)]
        (source := Path(self.folder.join("source"))).write_bytes(self.directory(names, 11))
        image = make(self.folder.join("image"), *PLAIN)
        debugfs(image, f"write {source} d", "sif d mode 040755", "sif d links_count 2")
        listed = [
            line.split("/")[5] for line in debugfs(image, "ls -p /d").splitlines()[1:] if line
        ]
        self.assertEqual([".", "..", *names], listed)

        recorder = Recorder(FileSource(image))
        files = Ext(Volume(recorder))
        directory = files.child(files.root, "d")
        self.assertEqual(names, list(files.names(directory)))
        self.assertLess(len(recorder.reads), 60)
        self.assertLess(recorder.read_bytes, source.stat().st_size + (100 << 10))
        self.assertEqual(11, files.child(directory, names[-1]))
        self.assertIsNone(files.child(directory, "name"))
