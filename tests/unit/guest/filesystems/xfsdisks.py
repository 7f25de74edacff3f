# SPDX-License-Identifier: Apache-2.0
"""XFS file systems with known files: made by mkfs.xfs from a prototype, and from test data."""

import functools
import itertools
import lzma
from pathlib import Path

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.guest.filesystems.base import Kind
from tests.unit.formats.vhd.oracles import require, run

MIB = 1 << 20
_ALLOW_SMALL = ("TEST_DIR=1", "TEST_DEV=1", "QA_CHECK_FS=1")  # mkfs.xfs otherwise needs 300 MiB
_DATA = Path(__file__).parents[3] / "data" / "filesystems"


class Link(str):
    """The target of a symbolic link."""


def make(path, tree, *options, size=192 * MIB):
    """Make a file system with files from nested dictionaries of names and content."""
    require("mkfs.xfs")
    with path.open("wb") as file:
        file.truncate(size)
    folder = path.with_suffix(".files")
    folder.mkdir(exist_ok=True)
    lines = ["prototype", "0 0", *_directory("", tree, folder, itertools.count())]
    prototype = path.with_suffix(".proto")
    prototype.write_text("\n".join(lines) + "\n")
    run("env", *_ALLOW_SMALL, "mkfs.xfs", "-q", "-f", "-p", prototype, *options, path)


def _directory(name, tree, folder, numbers):
    yield f"{name} d--755 0 0"
    for child, content in tree.items():
        if isinstance(content, dict):
            yield from _directory(child, content, folder, numbers)
        elif isinstance(content, Link):
            yield f"{child} l--777 0 0 {content}"
        elif content is None:
            yield f"{child} p--644 0 0"
        else:
            original = folder / str(next(numbers) if content else "empty")
            original.write_bytes(content)
            yield f"{child} ---644 0 0 {original}"
    yield "$"


@functools.lru_cache(maxsize=1)
def stored(name):
    """Return a file system from the test data; README.md in its directory says how it was made."""
    return BytesSource(lzma.decompress((_DATA / f"{name}.xz").read_bytes()))


def tree_of(files, directory=None):
    """Return what a reader finds, as `make` takes it."""
    directory = files.root if directory is None else directory
    tree = {}
    for name in files.names(directory):
        node = files.child(directory, name)
        kind, size = files.status(node)
        if kind is Kind.DIRECTORY:
            tree[name] = tree_of(files, node)
        elif kind is Kind.LINK:
            tree[name] = Link(files.link(node))
        else:
            tree[name] = files.read(node, size) if kind is Kind.FILE else None
    return tree
