# SPDX-License-Identifier: Apache-2.0
"""The files of an XFS file system."""

import struct
import uuid
from collections.abc import Iterator

from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status, Volume
from rackspace_imagetasks.guest.filesystems.xfs._checks import check_crc, check_owner
from rackspace_imagetasks.guest.filesystems.xfs._directory import Entry, entries
from rackspace_imagetasks.guest.filesystems.xfs._inode import (
    LOCAL,
    Inode,
    local_content,
    pieces,
    read_inode,
)
from rackspace_imagetasks.guest.filesystems.xfs._log import Log
from rackspace_imagetasks.guest.filesystems.xfs._superblock import Superblock, read_superblock

_MAX_LINK = 1024
_MAX_STORED_LINK = 64 << 10  # a block, or with its header two small ones
_CACHED_INODES = 4096
_CACHED_DIRECTORIES = 4 << 20
"""The size in bytes of the directories that are kept, which are at most 40 MiB in memory."""
_LINK_HEADER = struct.Struct(">4sII20xQ16x")  # magic, offset, length, owner: "Remote Symlinks"


class Xfs:
    """The files of an XFS file system; see `FileSystem`. A node is the number of an inode.

    :raises Damaged: if the superblock cannot be used.
    """

    kind = "XFS"

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._superblock = superblock = read_superblock(volume)
        self._inodes: dict[int, Inode] = {}
        self._directories: dict[int, dict[bytes, int]] = {}
        self._cached_size = 0
        self.root = superblock.root
        self.size = superblock.blocks * superblock.block_size
        self.used = _used(superblock)
        self.label = superblock.label.split(b"\0", 1)[0].decode("utf-8", "replace")
        self.uuid = str(uuid.UUID(bytes=superblock.uuid))
        self.is_case_sensitive = superblock.is_case_sensitive
        self.notes = _notes(volume, superblock)

    def status(self, node: int) -> Status:
        """Return what an inode is."""
        inode = self._inode(node)
        return Status(inode.kind, inode.size)

    def child(self, directory: int, name: str) -> int | None:
        """Return an entry of a directory, or None if the directory certainly does not have it."""
        wanted = self._key(name.encode("utf-8", "surrogateescape"))
        if directory not in self._directories:
            size = self._inode(directory).size
            if size > _CACHED_DIRECTORIES:
                found = self._keyed(directory)
                return next((number for key, number in found if key == wanted), None)
            self._cached_size += size
            if self._cached_size > _CACHED_DIRECTORIES:
                self._directories.clear()
                self._cached_size = size
            self._directories[directory] = dict(self._keyed(directory))
        return self._directories[directory].get(wanted)

    def names(self, directory: int) -> Iterator[str]:
        """Yield the names in a directory without `.` and `..`."""
        for entry in self._entries(directory):
            yield entry.name.decode("utf-8", "surrogateescape")

    def read(self, node: int, limit: int) -> bytes:
        """Return the first bytes of a file, at most `limit`."""
        return self.read_range(node, 0, min(limit, self._inode(node).size))

    def read_range(self, node: int, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes of a file from `offset`."""
        inode = self._inode_of(node, Kind.FILE)
        end = offset + length
        if not 0 <= offset <= end <= inode.size:
            raise Damaged(f"Inode {node} of XFS has no {length} bytes at offset {offset}.")
        content = bytearray(length)
        for start, piece in pieces(self._volume, self._superblock, inode, end, offset):
            content[start - offset : start - offset + len(piece)] = piece
        return bytes(content)

    def link(self, node: int) -> str:
        """Return the target of a symbolic link."""
        inode = self._inode_of(node, Kind.LINK)
        if not 0 < inode.size <= _MAX_LINK:
            raise Damaged(f"The link in inode {node} of XFS is damaged.")
        target = local_content(inode) if inode.format == LOCAL else self._remote_link(inode)
        return target.decode("utf-8", "surrogateescape")

    def _remote_link(self, inode: Inode) -> bytes:
        """Return a target that is stored in extents, each of which version 5 gives a header."""
        has_headers = self._superblock.version == 5
        target = b""
        for _, content in pieces(self._volume, self._superblock, inode, _MAX_STORED_LINK):
            target += self._link_part(inode, content, len(target)) if has_headers else content
        if len(target) < inode.size:
            raise Damaged(f"The link in inode {inode.number} of XFS is damaged.")
        return target[: inode.size]

    def _link_part(self, inode: Inode, content: bytes, expected: int) -> bytes:
        header = content[: _LINK_HEADER.size].ljust(_LINK_HEADER.size, b"\0")
        magic, offset, length, _ = _LINK_HEADER.unpack(header)
        if magic != b"XSLM" or offset != expected:
            raise Damaged(f"The link in inode {inode.number} of XFS is damaged.")
        check_crc(content, 12, f"the link in inode {inode.number}")
        check_owner(content, 32, inode.number)
        return content[_LINK_HEADER.size : _LINK_HEADER.size + length]

    def _entries(self, directory: int) -> Iterator[Entry]:
        inode = self._inode_of(directory, Kind.DIRECTORY)
        return entries(self._volume, self._superblock, inode)

    def _keyed(self, directory: int) -> Iterator[tuple[bytes, int]]:
        return ((self._key(name), number) for name, number in self._entries(directory))

    def _key(self, name: bytes) -> bytes:
        return name if self.is_case_sensitive else name.lower()

    def _inode_of(self, number: int, kind: Kind) -> Inode:
        inode = self._inode(number)
        if inode.kind is not kind:
            raise Damaged(f"Inode {number} of XFS is not a {kind.value}.")
        return inode

    def _inode(self, number: int) -> Inode:
        if number not in self._inodes:
            if len(self._inodes) >= _CACHED_INODES:
                self._inodes.clear()
            self._inodes[number] = read_inode(self._volume, self._superblock, number)
        return self._inodes[number]


def _used(superblock: Superblock) -> int | None:
    if superblock.free_blocks > superblock.blocks:
        return None
    return (superblock.blocks - superblock.free_blocks) * superblock.block_size


def _notes(volume: Volume, superblock: Superblock) -> tuple[str, ...]:
    if not superblock.log_start:
        return ("The log of XFS is on another device: what was read may be out of date.",)
    try:
        is_clean = Log(volume, superblock).is_clean()
    except Damaged as error:
        return (f"The log of XFS cannot be read: what was read may be out of date. {error}",)
    if is_clean:
        return ()
    return ("The log of XFS was not replayed: what was read may be out of date.",)
