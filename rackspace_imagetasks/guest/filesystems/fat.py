# SPDX-License-Identifier: Apache-2.0
"""FAT12, FAT16 and FAT32 with long names, read from a byte source.

"Microsoft Extensible Firmware Initiative FAT32 File System Specification", version 1.03.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest.filesystems._names import utf16
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status, Volume

# Bytes in a sector, sectors in a cluster, reserved sectors, number of FATs, root entries, sectors
# as 16 bits, sectors of a FAT as 16 bits, sectors as 32 bits
_BOOT = struct.Struct("<11xHBHBHHxH8xI")
# Sectors of a FAT, flags, cluster of the root directory, sector of the FSInfo structure
_BOOT_32 = struct.Struct("<36xIHxxIH")
_INFO = struct.Struct("<4s480x4sI")  # two signatures, free clusters
_ONE_FAT = 0x80  # flag: only the FAT with the number in the low bits is in use
_IDENTITY = struct.Struct("<I11s")  # serial number, label
_IDENTITY_AT, _IDENTITY_AT_32 = 39, 67
_ENTRY = struct.Struct("<11sBB7xHIHI")  # cluster high, time and date, cluster low, size
_LONG_PART = struct.Struct("<B10sxxB12sxx4s")
_DELETED, _END = 0xE5, 0
_VOLUME_LABEL, _DIRECTORY, _LONG_NAME = 0x08, 0x10, 0x0F
_LOWER_NAME, _LOWER_EXTENSION = 0x08, 0x10
_MAX_LONG_PARTS = 20
_MAX_CLUSTERS_16 = 65524
_MAX_DIRECTORY = 2 << 20  # 65,536 entries, by the specification
_MAX_LABEL_ENTRIES = 64


class Entry(NamedTuple):
    """A file or directory.

    :ivar short: its name as MS-DOS sees it.
    :ivar cluster: the first one; 0 for an empty file, and for the root directory.
    """

    name: str
    short: str
    is_directory: bool
    cluster: int
    size: int

    def has_name(self, name: str) -> bool:
        """Return whether this is the file's long or short name, whatever the case."""
        return name.upper() in (self.name.upper(), self.short.upper())


class Fat:
    """A FAT12, FAT16 or FAT32 file system; a node is an `Entry`.

    :raises Damaged: if the boot sector cannot be used.
    """

    is_case_sensitive = False
    root = Entry("", "", is_directory=True, cluster=0, size=0)

    def __init__(self, volume: Volume) -> None:
        boot = volume.read(0, 512)
        sector, per_cluster, reserved, fats, entries, sectors, fat, more = _BOOT.unpack_from(boot)
        is_32 = not fat
        sectors = sectors or more
        flags, self._root_cluster, info = 0, 0, 0
        if is_32:
            fat, flags, self._root_cluster, info = _BOOT_32.unpack_from(boot)
        if (
            not boot.endswith(b"\x55\xaa")
            or sector not in (512, 1024, 2048, 4096)
            or per_cluster.bit_count() != 1
            or not (reserved and fats and fat)
        ):
            raise Damaged("This is not a FAT boot sector.")
        self._volume = volume
        self.size: int = sectors * sector
        self._cluster: int = per_cluster * sector
        active = flags & 15 if flags & _ONE_FAT else 0
        self._info = info * sector
        self._table = (reserved + active * fat) * sector
        self._root_at = (reserved + fats * fat) * sector
        self._root_size = -(-entries * _ENTRY.size // sector) * sector
        self._data = self._root_at + self._root_size
        self._clusters: int = (self.size - self._data) // self._cluster
        if self._clusters <= 0:
            raise Damaged("A FAT boot sector does not leave room for files.")
        if not is_32 and self._clusters > _MAX_CLUSTERS_16:
            raise Damaged("A FAT boot sector describes more clusters than FAT16 can have.")
        self._bits = 32 if is_32 else 12 if self._clusters < 4085 else 16
        self.kind = f"FAT{self._bits}"
        serial, label = _IDENTITY.unpack_from(boot, _IDENTITY_AT_32 if is_32 else _IDENTITY_AT)
        self.uuid = f"{serial >> 16:04X}-{serial & 0xFFFF:04X}"
        self.label = self._find_label() or _label(label)
        self.notes: tuple[str, ...] = ()

    @property
    def used(self) -> int | None:
        """The bytes in use, for FAT32 as the file system has noted, or None if it has not."""
        if self._bits == 32:
            first, second, free = _INFO.unpack(self._volume.read(self._info, _INFO.size))
            is_known = (first, second) == (b"RRaA", b"rrAa") and free <= self._clusters
            return (self._clusters - free) * self._cluster if is_known else None
        end = self._clusters + 2
        table = self._volume.read(self._table, end * self._bits // 8 + 1)
        in_use = sum(1 for cluster in range(2, end) if self._entry_in(table, cluster))
        return in_use * self._cluster

    def status(self, node: Entry) -> Status:
        """Return what a file is."""
        if node.is_directory:
            return Status(Kind.DIRECTORY, 0)
        return Status(Kind.FILE, node.size)

    def child(self, directory: Entry, name: str) -> Entry | None:
        """Return the entry of a name."""
        return next((one for one in self._entries(directory) if one.has_name(name)), None)

    def names(self, directory: Entry) -> Iterator[str]:
        """Yield the names in a directory."""
        return (entry.name for entry in self._entries(directory))

    def read(self, node: Entry, limit: int) -> bytes:
        """Return the first bytes of a file."""
        return self.read_range(node, 0, min(limit, node.size))

    def read_range(self, node: Entry, offset: int, length: int) -> bytes:
        """Return bytes of a file."""
        if node.is_directory or offset < 0 or length < 0 or offset + length > node.size:
            raise Damaged("A file does not have the bytes that are read.")
        if not length:
            return b""
        first, end = offset // self._cluster, -(-(offset + length) // self._cluster)
        content = bytearray()
        for number, cluster in enumerate(self._chain(node.cluster)):
            if number >= first:
                content += self._read_cluster(cluster)
            if number + 1 == end:
                return bytes(content[offset - first * self._cluster :][:length])
        raise Damaged("A file has fewer clusters than its size says.")

    def link(self, node: Entry) -> str:
        """Raise an error: there are no links."""
        raise Damaged(f"'{node.name}' is not a link: FAT has none.")

    def _find_label(self) -> str:
        """Return the label in the root directory, which has precedence."""
        for number, entry in enumerate(self._stored_entries(self.root)):
            if entry[11] & (_VOLUME_LABEL | _DIRECTORY) == _VOLUME_LABEL and not _is_long(entry):
                return _label(entry[:11])
            if number >= _MAX_LABEL_ENTRIES:
                break
        return ""

    def _entries(self, directory: Entry) -> Iterator[Entry]:
        if not directory.is_directory:
            raise Damaged("This is not a directory of FAT.")
        parts: list[bytes] = []
        for stored in self._stored_entries(directory):
            if _is_long(stored):
                parts = [*parts, stored][-_MAX_LONG_PARTS:]
                continue
            entry = _entry(stored, parts)
            parts = []
            if not stored[11] & _VOLUME_LABEL and entry.short not in (".", ".."):
                yield entry

    def _stored_entries(self, directory: Entry) -> Iterator[bytes]:
        """Yield the entries in use as they are stored."""
        for block in self._blocks(directory):
            for at in range(0, len(block), _ENTRY.size):
                if block[at] == _END:
                    return
                if block[at] != _DELETED:
                    yield block[at : at + _ENTRY.size]

    def _blocks(self, directory: Entry) -> Iterator[bytes]:
        """Yield the content of a directory."""
        cluster = directory.cluster or self._root_cluster
        if not cluster:
            yield self._volume.read(self._root_at, self._root_size)
            return
        seen = set[int]()
        for each in self._chain(cluster):
            if each in seen or len(seen) * self._cluster >= _MAX_DIRECTORY:
                raise Damaged("A directory of FAT is too large, or refers to itself.")
            seen.add(each)
            yield self._read_cluster(each)

    def _chain(self, cluster: int) -> Iterator[int]:
        """Yield the numbers of the clusters from one on, as the FAT says."""
        for _ in range(self._clusters):
            if not 2 <= cluster < self._clusters + 2:
                raise Damaged(f"A FAT refers to cluster {cluster}.")
            yield cluster
            cluster = self._following(cluster)
            if cluster >= (1 << min(self._bits, 28)) - 8:
                return
        raise Damaged("A chain of clusters of FAT is endless.")

    def _following(self, cluster: int) -> int:
        """Return the entry of a cluster in the FAT."""
        at, width = cluster * self._bits // 8, 4 if self._bits == 32 else 2
        return self._entry_in(self._volume.read(self._table + at, width), cluster, at)

    def _entry_in(self, table: bytes, cluster: int, start: int = 0) -> int:
        """Return the entry of a cluster in a part of the FAT that begins at byte `start`."""
        at, width = cluster * self._bits // 8 - start, 4 if self._bits == 32 else 2
        entry = int.from_bytes(table[at : at + width], "little")
        if self._bits == 12:
            return entry >> 4 * (cluster % 2) & 0xFFF
        return entry & 0x0FFFFFFF

    def _read_cluster(self, cluster: int) -> bytes:
        return self._volume.read(self._data + (cluster - 2) * self._cluster, self._cluster)


def _is_long(stored: bytes) -> bool:
    return stored[11] & 0x3F == _LONG_NAME


def _entry(stored: bytes, parts: list[bytes]) -> Entry:
    """Return an entry; `parts` are those of its long name, the last one first."""
    name, attributes, case, high, _, low, size = _ENTRY.unpack(stored)
    short = _short_name(name, case)
    return Entry(
        _long_name(parts, _checksum(name)) or short,
        short,
        bool(attributes & _DIRECTORY),
        high << 16 | low,
        size,
    )


def _short_name(stored: bytes, case: int) -> str:
    if stored[0] == 0x05:
        stored = bytes([_DELETED]) + stored[1:]
    name, extension = stored[:8].rstrip(b" "), stored[8:].rstrip(b" ")
    if case & _LOWER_NAME:
        name = name.lower()
    if case & _LOWER_EXTENSION:
        extension = extension.lower()
    return (name + b"." + extension if extension else name).decode("cp437")


def _long_name(parts: list[bytes], checksum: int) -> str:
    """Return a long name, empty if there is none or if it belongs to another short name."""
    stored = b""
    for number, part in enumerate(reversed(parts), 1):
        order, first, found, second, third = _LONG_PART.unpack(part)
        if order & 0x3F != number or found != checksum:
            return ""
        stored += first + second + third
    return utf16(stored).partition("\0")[0]


def _checksum(name: bytes) -> int:
    """Return the checksum of a short name, which each part of its long name has."""
    total = 0
    for byte in name:
        total = ((total >> 1 | total << 7) + byte) & 0xFF
    return total


def _label(stored: bytes) -> str:
    label = stored.decode("cp437").rstrip()
    return "" if label == "NO NAME" else label
