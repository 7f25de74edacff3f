# SPDX-License-Identifier: Apache-2.0
"""Damaged ext file systems: errors of the source, nothing else, and no endless reading."""

from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems.base import Kind, Volume
from rackspace_imagetasks.guest.filesystems.ext import Ext
from tests.unit.formats.vhd import oracles
from tests.unit.guest.filesystems.extdisks import MIB, PLAIN, debugfs, make, sparse
from tests.unit.guest.mutation import mutations, read_ranges, survive

LIMIT = 256 << 10
KINDS = {
    "map of blocks": ("-t", "ext2", "-b", "1024"),
    "extents": (*PLAIN, "-b", "1024"),
    "inline data": ("-O", "inline_data,^metadata_csum", "-b", "1024", "-I", "256"),
    "meta_bg": ("-O", "meta_bg,^resize_inode,^metadata_csum", "-b", "1024", "-g", "1024"),
    "checksums": ("-b", "4096"),
}
COUNT = 400
MAX_STRUCTURE = 4096


def explore(disk):
    """Read everything, up to a limit; one error does not keep the rest from being read."""
    tree = Tree(Ext(Volume(disk)))
    waiting, seen = [""], 0
    failed = None
    while waiting and seen < 200:
        path = waiting.pop()
        try:
            for name in tree.names(path or "/")[:100]:
                seen += 1
                child = f"{path}/{name}"
                if look(tree, child) and child.count("/") < 6:
                    waiting.append(child)
        except SourceError as error:
            assert error.__cause__ is None, repr(error.__cause__)  # the reader has found it itself
            failed = error
    if failed:
        raise failed


def look(tree, path):
    """Read what a path leads to; return whether it is a directory that is not the way back."""
    if tree.link(path) is not None:
        return False
    status = tree.status(path)
    content = tree.read(path, LIMIT)
    assert content is None or len(content) == min(status.size, LIMIT)
    return status is not None and status.kind is Kind.DIRECTORY


def fill(root):
    for name in ("etc", "usr/lib", "many"):
        (root / name).mkdir(parents=True)
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / "usr/lib/os-release").write_text("ID=debian\n" * 12)
    (root / "usr/lib/link").symlink_to("x" * 90)
    (root / "pieces").write_bytes(bytes(range(256)) * 800)
    sparse(root / "sparse", 600 << 10, {30_000: b"x", 599 << 10: b"y"})
    for number in range(12):
        (root / "many" / f"name of a file {number}").touch()


def disk(folder, options):
    """Return a small disk with files in many pieces, in memory."""
    oracles.require("mke2fs", "debugfs")
    (folder / "files").mkdir()
    fill(folder / "files")
    image = make(folder / "image", *options, files=folder / "files", size=8 * MIB)
    debugfs(image, *(f"punch /pieces {n} {n}" for n in range(1, 20, 2)))
    return BytesSource(image.read_bytes())


class MutationTest(base.BaseTestCase):
    def check(self, kind, least, most):
        """Explore mutants of a disk; return how many of them have errors."""
        folder = Path(self.useFixture(fixtures.TempDir()).path)
        source = disk(folder, KINDS[kind])
        # What is read of files is content; structures are read in the smallest pieces.
        ranges = [one for one in read_ranges(source, explore) if one.length <= MAX_STRUCTURE]
        mutants = mutations(source, ranges, seed=15, count=COUNT, max_reads=3000, max_bytes=8 * MIB)
        failed = sum(survive(mutant, explore) for mutant in mutants)
        self.assertTrue(least < failed < most, failed)

    def test_map_of_blocks(self):
        """ext2, whose blocks are found by maps."""
        self.check("map of blocks", 50, 390)

    def test_extents(self):
        """ext4 with extents in blocks of their own, without checksums."""
        self.check("extents", 50, 390)

    def test_inline_data(self):
        """ext4 with contents in inodes."""
        self.check("inline data", 50, 390)

    def test_groups(self):
        """ext4 with descriptors of groups in several places."""
        self.check("meta_bg", 50, 390)

    def test_checksums(self):
        """With checksums, nearly all damage is noticed, except that of contents."""
        self.check("checksums", 250, 401)
