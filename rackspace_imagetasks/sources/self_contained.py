# SPDX-License-Identifier: Apache-2.0
"""Disks that are complete in one file, as far as their headers tell.

A header may name other files (a backing file, a parent, extents): they are not opened here, and a
file that does so is refused before any other program sees it. Each check names its document.
"""

import re
import struct
import uuid
from collections.abc import Callable, Iterator, Mapping

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.text import printable

_FLATTEN = "; make it one file with `qemu-img convert -O qcow2`"
_REPAIR = "; check it with `qemu-img check -r all` while nothing else uses it"


def check_self_contained(source: ByteSource, format_: str) -> None:
    """Check that the disk needs no other file and no key, and was left in order.

    :raises SourceError: with what it needs, and what to do.
    """
    try:
        problem = next(_CHECKS[format_](source), None) if format_ in _CHECKS else None
    except (struct.error, SourceError) as error:
        raise SourceError(f"'{source.name}' ends within its {format_} header.") from error
    if problem:
        raise SourceError(f"'{source.name}' {problem}.")


def _qcow2(source: ByteSource) -> Iterator[str]:
    """QEMU's docs/interop/qcow2.txt."""
    version, backing, encryption = struct.unpack(">4xIQ16xI", source.read_at(0, 36))
    if version not in (2, 3):
        yield f"is qcow version {version}, and only 2 and 3 are read{_FLATTEN}"
    if backing:
        yield f"needs a backing file, whose content is not in it{_FLATTEN}"
    if encryption:
        yield "is encrypted; decrypt it with `qemu-img convert`"
    features, header_length = 0, 72
    if version == 3:
        features, header_length = struct.unpack(">Q20xI", source.read_at(72, 32))
    if features & 4 or b"DATA" in _qcow2_extensions(source, header_length):
        yield f"keeps its data in another file{_FLATTEN}"
    if features & 2:
        yield f"is marked as corrupt{_REPAIR}"
    if features & 1:
        yield f"was not closed properly, or is in use{_REPAIR}"


def _qcow2_extensions(source: ByteSource, offset: int) -> set[bytes]:
    """Return the types of the header extensions, which all lie in the first cluster."""
    header = source.read_at(0, min(source.size, 2 * 2**20))
    types = set()
    while offset + 8 <= len(header) and (kind := header[offset : offset + 4]) != bytes(4):
        types.add(kind)
        offset += 8 + (int.from_bytes(header[offset + 4 : offset + 8], "big") + 7) // 8 * 8
    return types


def _qed(source: ByteSource) -> Iterator[str]:
    """QEMU's docs/interop/qed_spec.txt."""
    (features,) = struct.unpack("<16xQ", source.read_at(0, 24))
    if features & 1:
        yield f"needs a backing file, whose content is not in it{_FLATTEN}"
    if features & 2:
        yield f"was not closed properly, or is in use{_REPAIR}"


def _vmdk(source: ByteSource) -> Iterator[str]:
    """VMware's Virtual Disk Format 5.0: a hosted sparse extent with its descriptor inside."""
    capacity, start = struct.unpack("<12xQ8xQ", source.read_at(0, 36))
    if not start:
        yield f"is one part of a VMware disk of several files{_FLATTEN} from its descriptor"
    if not capacity:
        yield f"holds a VMware descriptor only; the data is in other files{_FLATTEN}"
    # QEMU reads the descriptor at sector 1, wherever the header says that it is.
    if start != 1:
        yield "has its VMware descriptor in an unusual place; convert it with `qemu-img`"
    # QEMU reads on behind the length that the header gives.
    length = min(20 * 2**10, source.size - 512)
    descriptor = source.read_at(512, length).partition(b"\0")[0].decode(errors="replace")
    parents = re.findall(r"^\s*parentCID\s*=\s*(\w+)", descriptor, re.MULTILINE)
    if "parentFileNameHint" in descriptor or any(p.lower() != "ffffffff" for p in parents):
        yield f"needs a parent disk, whose content is not in it{_FLATTEN}"
    extents = re.findall(r"^\s*(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\w+)", descriptor, re.MULTILINE)
    if extents != ["SPARSE"]:
        kinds = printable(", ".join(extents)) or "none"
        yield f"is a VMware disk whose data is in other files (extents: {kinds}){_FLATTEN}"


def _vdi(source: ByteSource) -> Iterator[str]:
    """VirtualBox's VDICore.h: image type, and the UUIDs of the linked and the parent image."""
    (kind,) = struct.unpack("<76xI", source.read_at(0, 80))
    if kind not in (1, 2) or any(source.read_at(0x1A8, 32)):
        yield f"is a VirtualBox snapshot that needs its parent disk{_FLATTEN}"
    (data,) = struct.unpack("<I", source.read_at(0x158, 4))
    block, extra, _, allocated = struct.unpack("<4I", source.read_at(0x178, 16))
    if data + (block + extra) * allocated > source.size:
        yield "ends before its last block does; copy it again"


def _vhdx(source: ByteSource) -> Iterator[str]:
    """[MS-VHDX] 2.2.3 and 2.6: regions at 192 and 256 KiB, a metadata table, a parent locator."""
    for table in (192 * 2**10, 256 * 2**10):
        for region in _vhdx_metadata_regions(source, table):
            if _PARENT_LOCATOR in source.read_at(region, min(64 * 2**10, source.size - region)):
                yield f"is a differencing disk that needs its parent{_FLATTEN}"


_METADATA_REGION = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_PARENT_LOCATOR = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le


def _vhdx_metadata_regions(source: ByteSource, table: int) -> Iterator[int]:
    signature, count = struct.unpack("<4s4xI", source.read_at(table, 12))
    if signature != b"regi":
        return
    for index in range(min(count, 2047)):  # the most that the table has room for
        kind, offset = struct.unpack("<16sQ", source.read_at(table + 16 + 32 * index, 24))
        if kind == _METADATA_REGION:
            yield offset


_CHECKS: Mapping[str, Callable[[ByteSource], Iterator[str]]] = {
    "qcow2": _qcow2,
    "qed": _qed,
    "vmdk": _vmdk,
    "vdi": _vdi,
    "vhdx": _vhdx,
}
