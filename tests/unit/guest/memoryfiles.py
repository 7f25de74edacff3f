# SPDX-License-Identifier: Apache-2.0
"""A file system in memory, some of whose files cannot be looked up."""

from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status


class MemoryFiles:
    """Files by path, without regard to case.

    :param damaged: paths that cannot be looked up.
    """

    kind, label, uuid, notes, used, root = "NTFS", "", "", (), None, ""

    def __init__(self, files, damaged=(), *, is_case_sensitive=False):
        self.size = 1 << 30
        self.is_case_sensitive = is_case_sensitive
        self._files = {path.lower(): content for path, content in files.items()}
        self._damaged = {path.lower() for path in damaged}

    def status(self, node):
        if node in self._files:
            return Status(Kind.FILE, len(self._files[node]))
        return Status(Kind.DIRECTORY, 0)

    def child(self, directory, name):
        path = f"{directory}/{name}".lower().lstrip("/")
        if path in self._damaged:
            raise Damaged(f"'{path}' is damaged.")
        exists = any(f"{file}/".startswith(f"{path}/") for file in self._files)
        return path if exists else None

    def names(self, directory):
        prefix = f"{directory}/".lstrip("/")
        found = {file[len(prefix) :].partition("/")[0] for file in self._files if prefix in file}
        return iter(sorted(found))

    def read(self, node, limit):
        return self._files[node][:limit]

    def read_range(self, node, offset, length):
        content = self._files[node][offset : offset + length]
        if len(content) != length:
            raise Damaged("The file is too short.")
        return content

    def link(self, node):
        raise Damaged("There are no links.")
