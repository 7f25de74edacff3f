# SPDX-License-Identifier: Apache-2.0
"""Disks with ext file systems, made and read by e2fsprogs."""

import hashlib
import os
from pathlib import Path

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems.base import Volume
from rackspace_imagetasks.guest.filesystems.ext import Ext
from tests.unit.formats.vhd import oracles

MIB = 1 << 20
PLAIN = ("-O", "^metadata_csum,^metadata_csum_seed")
NO_DELAY = ("-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard")


def make(image, *options, files=None, size=64 * MIB):
    """Make a file system in a new file, with the files of a directory: ext4 unless told."""
    image = Path(image)
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(size)
    kind = () if "-t" in options else ("-t", "ext4")
    block = () if "-b" in options else ("-b", "4096")
    given = ("-d", files) if files else ()
    oracles.run("mke2fs", "-q", "-F", "-m", "0", *NO_DELAY, *kind, *block, *options, *given, image)
    return image


def debugfs(image, *commands):
    """Run commands of debugfs, which may write, and return its output."""
    script = "\n".join(commands)
    output = oracles.run("debugfs", "-w", "-f", "-", image, stdin=script)
    for line in output.splitlines():
        if not line.startswith("debugfs:") and "File not found" in line:
            raise AssertionError(output)
    return output


def open_tree(image):
    return Tree(Ext(Volume(FileSource(image))))


def sums(content):
    return hashlib.sha256(content).hexdigest()


def given(directory):
    """Return what is in a directory of this machine, by path, as `walked` describes it."""
    found = {}
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            path = Path(parent, name)
            key = f"/{path.relative_to(directory)}"
            if path.is_symlink():
                found[key] = ("link", str(path.readlink()))
            elif path.is_dir():
                found[key] = ("directory",)
            else:
                found[key] = ("file", path.stat().st_size, sums(path.read_bytes()))
    return found


def walked(tree, directory="", *, limit=256 * MIB):
    """Return what is in a directory of a file system, by path."""
    found = {}
    for name in tree.names(directory or "/"):
        path = f"{directory}/{name}"
        if (target := tree.link(path)) is not None:
            found[path] = ("link", target)
        elif tree.is_directory(path):
            found[path] = ("directory",)
            found |= walked(tree, path, limit=limit)
        else:
            content = tree.read(path, limit)
            found[path] = ("file", tree.status(path).size, sums(content))
    return found


def fill(directory):
    """Put files, directories and links of all sizes into a directory; the sizes are of ext4's."""
    root = Path(directory)
    for name in ("etc", "usr/lib", "empty", "many", "a" * 255):
        (root / name).mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\n")
    (root / "etc/empty").touch()
    # 60 bytes fit in place of the map of blocks, and as many more as the inode has room for.
    for size in (1, 59, 60, 61, 100, 130, 160, 200, 300, 380, 1023, 4096, 5000, 65536):
        (root / "usr/lib" / f"file-{size}").write_bytes(bytes(n % 251 for n in range(size)))
        if size < 1000:
            (root / "usr/lib" / f"link-{size}").symlink_to(
                ("/" + "x" * 49) * (size // 50) + "y" * (size % 50)
            )
    (root / "large").write_bytes(b"".join(b"%07d\n" % n for n in range(40_000)))
    sparse(root / "sparse", 4 * MIB, {20_000: b"one", 300_000: b"two", 4 * MIB - 5: b"three"})
    for number in range(300):
        (root / "many" / f"a rather long name of a file {number:04}").touch()
    (root / "many" / "näme-\N{SNOWMAN}").write_text("snow")
    (root / "many" / os.fsdecode(b"latin-\xe4")).write_text("not UTF-8")
    return root


def sparse(path, size, pieces):
    with path.open("wb") as file:
        file.truncate(size)
        for offset, content in pieces.items():
            file.seek(offset)
            file.write(content)
