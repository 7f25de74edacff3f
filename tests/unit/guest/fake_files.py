# SPDX-License-Identifier: Apache-2.0
"""File systems in memory, for tests of what is made of files and not of how they are read."""

from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status
from rackspace_imagetasks.guest.systems.files import SystemFiles


class Link(str):
    """A symbolic link to a path."""


class Broken:
    """A file that is there but cannot be read."""


class FakeFileSystem:
    """Files given by their paths: text, bytes, a `Link`, or `Broken`; a node is a path."""

    kind = "fake"
    size = 1 << 30
    used = None
    label = uuid = ""
    notes = ()
    is_case_sensitive = True
    root = ""

    def __init__(self, files):
        self._entries = {"": None}
        for path, content in files.items():
            parts = path.strip("/").split("/")
            for length in range(1, len(parts)):
                self._entries.setdefault("/" + "/".join(parts[:length]), None)
            stored = content.encode() if type(content) is str else content
            self._entries[f"/{'/'.join(parts)}"] = stored

    def status(self, node):
        content = self._entries[node]
        if content is None:
            return Status(Kind.DIRECTORY, 0)
        if isinstance(content, Link):
            return Status(Kind.LINK, len(content))
        return Status(Kind.FILE, 0 if content is Broken else len(content))

    def child(self, directory, name):
        path = f"{directory}/{name}"
        return path if path in self._entries else None

    def names(self, directory):
        for path in self._entries:
            parent, _, name = path.rpartition("/")
            if path and parent == directory:
                yield name

    def read(self, node, limit):
        content = self._entries[node]
        if content is Broken:
            raise Damaged("An extent is outside of the volume.")
        return content[:limit]

    def link(self, node):
        return str(self._entries[node])


def system_files(files, mounts=None):
    """Return the files of a system in `partition 2`; mounts map a path to (volume, files)."""
    mounts = mounts or {}
    trees = {path: FakeFileSystem(content) for path, (_, content) in mounts.items()}
    names = {path: volume for path, (volume, _) in mounts.items()}
    return SystemFiles(Tree(FakeFileSystem(files), trees), "partition 2", names)
