# SPDX-License-Identifier: Apache-2.0
"""NTFS, read from a byte source.

The format is not published; "NTFS Documentation" of the Linux-NTFS project describes it.
"""

import struct
from collections.abc import Iterator

from rackspace_imagetasks.guest.filesystems import _ntfs_index
from rackspace_imagetasks.guest.filesystems._names import utf16
from rackspace_imagetasks.guest.filesystems._ntfs_data import Clusters, Value, value_of
from rackspace_imagetasks.guest.filesystems._ntfs_records import (
    Attribute,
    Record,
    Reference,
    Type,
    listed,
    unprotected,
)
from rackspace_imagetasks.guest.filesystems.base import Damaged, Kind, Status, Volume

_BOOT = struct.Struct("<3x8sHB 26x QQ8xb3xb3xQ")
_MAX_CLUSTER = 2 << 20  # Windows 10, version 1709
_MAX_RECORD = 64 << 10
_TABLE, _LOG, _VOLUME, _ROOT, _BITMAP = 0, 2, 3, 5, 6  # numbers of file records
_FIRST_FILE = 16  # records with smaller numbers are the file system's own files
_MAX_LIST = 256 << 10  # bytes of an attribute list; a limit of Windows
_MAX_BITMAP = 4 << 20  # bytes that are read to tell how much is in use
_MAX_REPARSE = 16 << 10  # bytes of a reparse point; a limit of Windows
_MAX_KEPT = 512  # records
_MAX_INDEXES = 8  # of directories

_LOG_PAGE = 4096
_RESTART = struct.Struct("<24xH")  # where the restart area is in the page
_RESTART_AREA = struct.Struct("<12xHH")  # list of open clients, flags
_NO_CLIENT = 0xFFFF
_LOG_IS_CLEAN = 2
_IS_DIRTY = 1

# Reparse tags: [MS-FSCC], section 2.1.2.1
_MOUNT_POINT, _SYMBOLIC_LINK, _WOF = 0xA0000003, 0xA000000C, 0x80000017
_LINK = struct.Struct("<I2x2xHHHH")
_IS_RELATIVE = 1


class Ntfs:
    """An NTFS file system.

    A node is a `Reference` to a file record.

    :raises Damaged: if the boot sector or the first file records cannot be used.
    """

    is_case_sensitive = False
    kind = "NTFS"

    def __init__(self, volume: Volume) -> None:
        boot = volume.read(0, 512)
        oem, sector, per_cluster, sectors, table, record, _, serial = _BOOT.unpack_from(boot)
        if oem != b"NTFS    " or not boot.endswith(b"\x55\xaa"):
            raise Damaged("This is not an NTFS boot sector.")
        # Larger values are negative exponents, for clusters of more than 128 sectors.
        cluster = sector * (per_cluster if per_cluster <= 128 else 1 << 256 - per_cluster)
        self._clusters = Clusters(volume, _power_of_two(cluster, _MAX_CLUSTER))
        record = record * cluster if record > 0 else 1 << -record
        self._record_size = _power_of_two(record, _MAX_RECORD)
        self.size: int = sectors * sector
        self.uuid = f"{serial:016X}"
        self.root = Reference(_ROOT, 0)
        self._records: dict[int, Record] = {}
        self._indexes: dict[Reference, _ntfs_index.Index] = {}
        base = Record.unpack(volume.read(table * cluster, self._record_size), _TABLE)
        self._records[_TABLE] = base
        self._table = self._value(base, Type.DATA)
        self.label, self.notes = self._describe()

    @property
    def used(self) -> int | None:
        """The bytes in use, or None if the volume is too large to count them."""
        bitmap = self._value(self._record(Reference(_BITMAP, 0)), Type.DATA)
        if bitmap.size > _MAX_BITMAP:
            return None
        bits = int.from_bytes(bitmap.read(0, bitmap.size), "little")
        # The bits of clusters after the end of the volume are set.
        clusters = min(self.size // self._clusters.size, 8 * bitmap.size)
        return (bits & (1 << clusters) - 1).bit_count() * self._clusters.size

    def status(self, node: Reference) -> Status:
        """Return what a file record is."""
        record = self._record(node)
        if self._reparse_tag(record) in (_MOUNT_POINT, _SYMBOLIC_LINK):
            return Status(Kind.LINK, 0)
        if record.is_directory:
            return Status(Kind.DIRECTORY, 0)
        return Status(Kind.FILE, self._value(record, Type.DATA).size)

    def child(self, directory: Reference, name: str) -> Reference | None:
        """Return the file record of a name."""
        return self._index(directory).find(name)

    def names(self, directory: Reference) -> Iterator[str]:
        """Yield the names in a directory, without the file system's own files."""
        for entry in self._index(directory):
            if not entry.is_short and entry.record.number >= _FIRST_FILE:
                yield entry.name

    def read(self, node: Reference, limit: int) -> bytes:
        """Return the first bytes of a file."""
        data = self._data(node)
        return data.read(0, min(limit, data.size))

    def read_range(self, node: Reference, offset: int, length: int) -> bytes:
        """Return bytes of a file."""
        return self._data(node).read(offset, length)

    def link(self, node: Reference) -> str:
        """Return the target of a relative symbolic link.

        :raises Damaged: for a link to a drive, which can be another volume.
        """
        content = self._reparse_point(self._record(node))
        tag, _, _, at, length = _LINK.unpack_from(content.ljust(_LINK.size + 4, b"\0"))
        (flags,) = struct.unpack_from("<I", content.ljust(_LINK.size + 4, b"\0"), _LINK.size)
        target = utf16(content[_LINK.size + 4 + at :][:length]).replace("\\", "/")
        if tag != _SYMBOLIC_LINK or not flags & _IS_RELATIVE or not target:
            raise Damaged("A link leads to a drive of Windows.")
        return target

    def _describe(self) -> tuple[str, tuple[str, ...]]:
        """Return the label and notes."""
        record = self._record(Reference(_VOLUME, 0))
        names = [one.value or b"" for one in record.parts(Type.VOLUME_NAME)]
        flags = [(one.value or b"")[10:12] for one in record.parts(Type.VOLUME_INFORMATION)]
        notes = []
        if any(int.from_bytes(value, "little") & _IS_DIRTY for value in flags):
            notes.append("The volume is marked for a check by Windows.")
        if not self._is_log_clean():
            notes.append("The log was not replayed: Windows was not shut down completely.")
        return utf16(b"".join(names[:1])), tuple(notes)

    def _is_log_clean(self) -> bool:
        log = self._value(self._record(Reference(_LOG, 0)), Type.DATA)
        page = log.read(0, min(_LOG_PAGE, log.size))
        if page[:4] != b"RSTR":
            return page == b"\xff" * len(page)  # as mkntfs and other programs empty it
        page = unprotected(page, b"RSTR")
        (at,) = _RESTART.unpack_from(page)
        clients, flags = _RESTART_AREA.unpack_from(page.ljust(at + _RESTART_AREA.size, b"\0"), at)
        return clients == _NO_CLIENT or bool(flags & _LOG_IS_CLEAN)

    def _record(self, reference: Reference) -> Record:
        """Return a file record; a sequence number of 0 stands for any."""
        number, sequence = reference
        record = self._records.get(number)
        if record is None:
            content = self._table.read(number * self._record_size, self._record_size)
            record = Record.unpack(content, number)
            if len(self._records) >= _MAX_KEPT:
                self._records.clear()
            self._records[number] = record
        if sequence not in (0, record.sequence):
            raise Damaged(f"File record {number} of NTFS has been reused.")
        return record

    def _value(self, record: Record, kind: Type, name: str = "") -> Value:
        return value_of(self._parts(record, kind, name), self._clusters)

    def _parts(self, record: Record, kind: Type, name: str) -> Iterator[Attribute]:
        """Yield the parts of an attribute, from the records that have them."""
        lists = list(record.parts(Type.ATTRIBUTE_LIST))
        if not lists:
            yield from record.parts(kind, name)
            return
        entries = value_of(lists, self._clusters)
        if entries.size > _MAX_LIST:
            raise Damaged("An attribute list of NTFS is too large.")
        for entry in listed(entries.read(0, entries.size)):
            if entry.kind == kind and entry.name == name:
                yield from (
                    part
                    for part in self._extension(record, entry.record).parts(kind, name)
                    if part.first == entry.first
                )

    def _extension(self, record: Record, reference: Reference) -> Record:
        """Return the record that has a part of an attribute of a record."""
        if reference.number == record.number:
            return record
        extension = self._record(reference)
        if extension.base.number != record.number:
            raise Damaged(f"File record {reference.number} of NTFS belongs to another file.")
        return extension

    def _reparse_point(self, record: Record) -> bytes:
        """Return the reparse point of a file, empty if it has none."""
        if not any(self._parts(record, Type.REPARSE_POINT, "")):
            return b""
        value = self._value(record, Type.REPARSE_POINT)
        return value.read(0, min(value.size, _MAX_REPARSE))

    def _reparse_tag(self, record: Record) -> int:
        """Return how Windows interprets a file in another way; 0 if it does not."""
        return int.from_bytes(self._reparse_point(record)[:4], "little")

    def _data(self, node: Reference) -> Value:
        record = self._record(node)
        tag = self._reparse_tag(record)
        if tag == _WOF:
            raise Damaged("A file is compressed by Windows (CompactOS).")
        if tag or record.is_directory:
            raise Damaged("This is not a plain file of NTFS.")
        return self._value(record, Type.DATA)

    def _index(self, node: Reference) -> _ntfs_index.Index:
        if node not in self._indexes:
            if len(self._indexes) >= _MAX_INDEXES:
                self._indexes.clear()
            self._indexes[node] = self._read_index(node)
        return self._indexes[node]

    def _read_index(self, node: Reference) -> _ntfs_index.Index:
        record = self._record(node)
        if not record.is_directory or self._reparse_tag(record):
            raise Damaged("This is not a plain directory of NTFS.")
        root = self._value(record, Type.INDEX_ROOT, _ntfs_index.NAME)
        blocks = None
        if any(self._parts(record, Type.INDEX_ALLOCATION, _ntfs_index.NAME)):
            blocks = self._value(record, Type.INDEX_ALLOCATION, _ntfs_index.NAME)
        return _ntfs_index.Index(root.read(0, root.size), blocks, self._clusters.size)


def _power_of_two(size: int, most: int) -> int:
    if not 512 <= size <= most or size & (size - 1):
        raise Damaged(f"An NTFS boot sector gives {size} bytes as a size.")
    return size
