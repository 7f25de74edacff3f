# SPDX-License-Identifier: Apache-2.0
"""Checks by its header that a disk is complete in one file.

A header may name other files (a backing file, a parent, extents). They are not opened here, and a
file that names one is refused before any other program opens it. Each check names its document.
"""

import re
import struct
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import NamedTuple

from rackspace_imagetasks.bytesource import BaseSource, ByteSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.messages import Hint, Message


class _Header(BaseSource):
    """The file to check, of which reading beyond the end differs from failing to read."""

    def __init__(self, source: ByteSource) -> None:
        super().__init__(source.name, source.size, source.identity)
        self._source = source

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes of the file.

        :raises EOFError: when it ends before.
        """
        if length < 0 or offset + length > self.size:
            raise EOFError
        return self._source.read_at(offset, length)


class _Problem(NamedTuple):
    text: str  # continues a sentence that begins with the file's name
    hint: Hint | None = Hint.FLATTEN_DISK


def check_self_contained(source: ByteSource, format_: str) -> None:
    """Check that the disk needs no other file and no key, and was closed properly.

    :raises SourceError: with what it needs, and what to do.
    """
    check = _CHECKS.get(format_)
    if check is None:
        return
    try:
        problem = next(check(_Header(source)), None)
    except EOFError as error:
        raise SourceError(f"'{source.name}' ends within its {format_} header.") from error
    if problem:
        hint, descriptor = problem.hint, _descriptor_name(source.name)
        if hint is Hint.FLATTEN_FROM_DESCRIPTOR and descriptor:
            hint = Hint.FLATTEN_DESCRIPTOR
        text = f"'{source.name}' {problem.text}."
        raise SourceError(Message(text, hint, {"descriptor": descriptor}))


def notices(source: ByteSource, format_: str) -> tuple[Message, ...]:
    """Return what a conversion of the disk leaves out.

    :raises SourceError: when the source cannot be read.
    """
    if format_ != "qcow2":
        return ()
    (snapshots,) = struct.unpack(">I", source.read_at(60, 4))
    if not snapshots:
        return ()
    text = (
        f"'{source.name}' contains internal snapshots ({snapshots}), which are left out: only the"
        " current state of the disk is converted."
    )
    return (Message(text),)


def _descriptor_name(name: str) -> str:
    """Return the descriptor of a VMware disk by the name of an extent; empty if it is unknown.

    `disk-s001.vmdk` and `disk-flat.vmdk` belong to `disk.vmdk`.
    """
    path = PurePath(name)
    stem, count = re.subn(r"-(?:[sf]\d{3,}|flat|delta|sesparse)$", "", path.stem)
    return str(path.with_name(stem + path.suffix)) if count and stem else ""


def _qcow2(source: ByteSource) -> Iterator[_Problem]:
    """QEMU's docs/interop/qcow2.txt."""
    version, backing, encryption = struct.unpack(">4xIQ16xI", source.read_at(0, 36))
    if version not in (2, 3):
        yield _Problem(f"has qcow version {version}; only versions 2 and 3 are supported")
    if backing:
        yield _Problem("needs a backing file, whose content it does not include")
    if encryption:
        yield _Problem("is encrypted", Hint.DECRYPT_DISK)
    features, header_length = 0, 72
    if version == 3:
        features, header_length = struct.unpack(">Q20xI", source.read_at(72, 32))
    if features & 4 or b"DATA" in _qcow2_extensions(source, header_length):
        yield _Problem("stores its data in another file")
    if features & 2:
        yield _Problem("is marked as corrupt", Hint.REPAIR_DISK)
    if features & 1:
        yield _Problem("was not closed properly, or is in use", Hint.REPAIR_DISK)


def _qcow2_extensions(source: ByteSource, offset: int) -> set[bytes]:
    """Return the types of the header extensions, which are all in the first cluster."""
    header = source.read_at(0, min(source.size, 2 * 2**20))
    types = set()
    while offset + 8 <= len(header) and (kind := header[offset : offset + 4]) != bytes(4):
        types.add(kind)
        offset += 8 + (int.from_bytes(header[offset + 4 : offset + 8], "big") + 7) // 8 * 8
    return types


def _qed(source: ByteSource) -> Iterator[_Problem]:
    """QEMU's docs/interop/qed_spec.txt."""
    (features,) = struct.unpack("<16xQ", source.read_at(0, 24))
    if features & 1:
        yield _Problem("needs a backing file, whose content it does not include")
    if features & 2:
        yield _Problem("was not closed properly, or is in use", Hint.REPAIR_DISK)


def _vmdk(source: ByteSource) -> Iterator[_Problem]:
    """VMware's Virtual Disk Format 5.0: a hosted sparse extent with its descriptor inside."""
    capacity, start = struct.unpack("<12xQ8xQ", source.read_at(0, 36))
    if not start:
        text = "is one extent of a VMware disk of several files"
        yield _Problem(text, Hint.FLATTEN_FROM_DESCRIPTOR)
    if not capacity:
        yield _Problem("is only the descriptor of a VMware disk, whose data is in other files")
    # QEMU reads the descriptor at sector 1, whatever the header says.
    if start != 1:
        yield _Problem("has its VMware descriptor in an unusual place")
    # QEMU reads on after the length in the header.
    length = min(20 * 2**10, source.size - 512)
    descriptor = source.read_at(512, length).partition(b"\0")[0].decode(errors="replace")
    parents = re.findall(r"^\s*parentCID\s*=\s*(\w+)", descriptor, re.MULTILINE)
    if "parentFileNameHint" in descriptor or any(p.lower() != "ffffffff" for p in parents):
        yield _Problem("needs a parent disk, whose content it does not include")
    extents = re.findall(r"^\s*(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\w+)", descriptor, re.MULTILINE)
    if extents != ["SPARSE"]:
        kinds = ", ".join(extents)[:200] or "none"
        yield _Problem(f"is a VMware disk whose data is in other files (extents: {kinds})")


def _vdi(source: ByteSource) -> Iterator[_Problem]:
    """VirtualBox's VDICore.h: image type, and the UUIDs of the linked and the parent image."""
    (kind,) = struct.unpack("<76xI", source.read_at(0, 80))
    if kind not in (1, 2) or any(source.read_at(0x1A8, 32)):
        yield _Problem("is a VirtualBox snapshot that needs its parent disk")
    (data,) = struct.unpack("<I", source.read_at(0x158, 4))
    block, extra, _, allocated = struct.unpack("<4I", source.read_at(0x178, 16))
    if data + (block + extra) * allocated > source.size:
        yield _Problem("ends before its last block", Hint.GET_FILE_AGAIN)


def _vhdx(source: ByteSource) -> Iterator[_Problem]:
    """[MS-VHDX] 2.2.3 and 2.6: regions at 192 and 256 KiB, a metadata table, a parent locator."""
    for table in (192 * 2**10, 256 * 2**10):
        for region in _vhdx_metadata_regions(source, table):
            if _PARENT_LOCATOR in source.read_at(region, min(64 * 2**10, source.size - region)):
                yield _Problem("is a differencing disk that needs its parent")


_METADATA_REGION = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_PARENT_LOCATOR = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le


def _vhdx_metadata_regions(source: ByteSource, table: int) -> Iterator[int]:
    signature, count = struct.unpack("<4s4xI", source.read_at(table, 12))
    if signature != b"regi":
        return
    for index in range(min(count, 2047)):  # the most for which the table has room
        kind, offset = struct.unpack("<16sQ", source.read_at(table + 16 + 32 * index, 24))
        if kind == _METADATA_REGION:
            yield offset


_CHECKS: Mapping[str, Callable[[ByteSource], Iterator[_Problem]]] = {
    "qcow2": _qcow2,
    "qed": _qed,
    "vmdk": _vmdk,
    "vdi": _vdi,
    "vhdx": _vhdx,
}
