# SPDX-License-Identifier: Apache-2.0
"""Physical volumes of LVM: the label, the areas for metadata, and the newest metadata in them."""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.guest.filesystems.base import Damaged, Volume
from rackspace_imagetasks.guest.lvm._text import Section, parse
from rackspace_imagetasks.units import SECTOR

_LABEL_SECTORS = 4
_LABEL = struct.Struct("<8sQII8s")  # label_header
_LABEL_ID = b"LABELONE"
_LABEL_TYPE = b"LVM2 001"
_CHECKED_FROM = 20  # the CRC of a label is of what follows it
_AREA = struct.Struct("<QQ")  # disk_locn
_UUID_SIZE = 32
_HEADER = struct.Struct("<I16sIQQ")  # mda_header
_HEADER_SIZE = 512
_HEADER_MAGIC = b" LVM2 x[5A%r0N*>"
_LOCATION = struct.Struct("<QQII")  # raw_locn
_IGNORED = 0x1  # a flag of a location
_CRC_START = 0xF597A6CF
_MAX_METADATA = 1 << 20  # bytes; the size of an area unless its maker chose another
_MAX_AREAS = 8
_UUID = re.compile(rb"[0-9A-Za-z]{32}")


class Group(NamedTuple):
    """A volume group, as one physical volume describes it.

    :ivar name: untrusted.
    :ivar version: the sequence number of the metadata.
    """

    name: str
    uuid: str
    version: int
    metadata: Section


class PhysicalVolume(NamedTuple):
    """A physical volume.

    :ivar group: None if it is in no volume group, keeps no metadata, or has damaged metadata.
    :ivar problem: why the metadata cannot be read, or ''.
    """

    source: ByteSource
    uuid: str
    group: Group | None
    problem: str = ""


def physical_volume(source: ByteSource) -> PhysicalVolume | None:
    """Return the physical volume that a disk or partition is, or None if it is none.

    :raises Damaged: if it has the label of one which is not valid.
    """
    size = min(source.size, _LABEL_SECTORS * SECTOR)
    head = Volume(source).read(0, size)
    for offset in range(0, size - SECTOR + 1, SECTOR):
        sector = head[offset : offset + SECTOR]
        if sector.startswith(_LABEL_ID) and _LABEL.unpack_from(sector)[-1] == _LABEL_TYPE:
            return _labelled(source, sector)
    return None


def _labelled(source: ByteSource, sector: bytes) -> PhysicalVolume:
    _, _, checksum, offset, _ = _LABEL.unpack_from(sector)
    if checksum != crc(sector[_CHECKED_FROM:]):
        raise Damaged("The checksum of the label of an LVM physical volume is wrong.")
    uuid = sector[offset : offset + _UUID_SIZE]
    if not _UUID.fullmatch(uuid):
        raise Damaged("The label of an LVM physical volume is not valid.")
    areas = _metadata_areas(sector, offset + _UUID_SIZE + 8)
    group, problem = _newest_group(Volume(source), areas)
    return PhysicalVolume(source, uuid.decode("ascii"), group, problem)


def crc(content: bytes) -> int:
    """Return LVM's checksum: CRC-32 with another start, and not inverted."""
    return zlib.crc32(content, _CRC_START ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def _metadata_areas(sector: bytes, offset: int) -> list[tuple[int, int]]:
    """Return offset and size of the areas for metadata, whose list follows that of data areas."""
    lists: list[list[tuple[int, int]]] = [[]]
    while len(lists) <= 2:
        if offset + _AREA.size > len(sector):
            raise Damaged("The label of an LVM physical volume is not valid.")
        start, size = _AREA.unpack_from(sector, offset)
        offset += _AREA.size
        if start:
            lists[-1].append((start, size))
        else:
            lists.append([])
    return lists[1][:_MAX_AREAS]


def _newest_group(volume: Volume, areas: list[tuple[int, int]]) -> tuple[Group | None, str]:
    """Return the group by the newest metadata in the areas, and why others cannot be read."""
    groups: list[Group] = []
    problem = ""
    for start, size in areas:
        try:
            groups += _groups(volume, start, size)
        except Damaged as error:
            problem = str(error)
    return max(groups, key=lambda group: group.version, default=None), problem


def _groups(volume: Volume, start: int, size: int) -> Iterator[Group]:
    """Yield the group that an area describes, if any."""
    header = volume.read(start, _HEADER_SIZE)
    checksum, magic, _, _, _ = _HEADER.unpack_from(header)
    if magic != _HEADER_MAGIC or checksum != crc(header[4:]):
        raise Damaged("The header of LVM's metadata is damaged.")
    offset, length, checksum, flags = _LOCATION.unpack_from(header, _HEADER.size)
    if not offset or flags & _IGNORED:
        return
    content = _circular(volume, start, size, offset, length)
    if crc(content) != checksum:
        raise Damaged("The checksum of LVM's metadata is wrong.")
    yield _group(parse(content.rstrip(b"\0").decode("utf-8", "replace")))


def _circular(volume: Volume, start: int, size: int, offset: int, length: int) -> bytes:
    """Read from an area in which what does not fit at the end continues after the header."""
    if length > min(_MAX_METADATA, size - _HEADER_SIZE) or not _HEADER_SIZE <= offset < size:
        raise Damaged("LVM's metadata is not within its area.")
    first = min(length, size - offset)
    content = volume.read(start + offset, first)
    rest = length - first
    return content + volume.read(start + _HEADER_SIZE, rest) if rest else content


def _group(metadata: Section) -> Group:
    found = list(metadata.sections())
    if len(found) != 1:
        raise Damaged("LVM's metadata does not describe one volume group.")
    name, section = found[0]
    return Group(name, section.text("id"), section.number("seqno"), section)
