# SPDX-License-Identifier: Apache-2.0
"""Logical volumes of LVM: which there are, and which of them can be read."""

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.guest.filesystems.base import Damaged
from rackspace_imagetasks.guest.lvm._mapped import Mapped, Segment, Stripe
from rackspace_imagetasks.guest.lvm._physical import Group, PhysicalVolume
from rackspace_imagetasks.guest.lvm._text import Section
from rackspace_imagetasks.units import SECTOR

_MAX_VOLUMES = 1024
_MAX_SIZE = 1 << 63
_MAX_EXTENT = 4 << 40
_MAX_SEGMENTS = 4096
_MIN_CHUNK = 4096  # as in LVM
_UUID = re.compile(r"[0-9A-Za-z-]{32,38}", re.ASCII)
_STRIPED = "striped"  # with one stripe, too
_SNAPSHOT = "snapshot"


class LogicalVolume(NamedTuple):
    """A logical volume that is visible to users.

    :ivar group: the name of its volume group; untrusted, as all texts.
    :ivar size: in bytes.
    :ivar source: its bytes, or None if they cannot be read.
    :ivar problem: why they cannot be read, or ''.
    """

    group: str
    name: str
    uuid: str
    size: int
    source: ByteSource | None
    problem: str = ""


def logical_volumes(physical_volumes: Iterable[PhysicalVolume]) -> Iterator[LogicalVolume]:
    """Yield the logical volumes of all groups, each as its group's newest metadata describes it.

    :raises Damaged: if the metadata is not valid.
    """
    present = tuple(physical_volumes)
    groups: dict[str, Group] = {}
    for group in (volume.group for volume in present if volume.group):
        if group.uuid not in groups or groups[group.uuid].version < group.version:
            groups[group.uuid] = group
    for group in groups.values():
        yield from itertools.islice(_Reader(group, present).volumes(), _MAX_VOLUMES)


class _Reader:
    """The logical volumes of one group."""

    def __init__(self, group: Group, present: tuple[PhysicalVolume, ...]) -> None:
        self._group = group
        self._extent = group.metadata.number("extent_size") * SECTOR
        if not 0 < self._extent <= _MAX_EXTENT:
            raise Damaged("The extent size of an LVM volume group is not valid.")
        self._volumes = dict(_optional(group.metadata, "logical_volumes").sections())
        self._physical = dict(group.metadata.section("physical_volumes").sections())
        self._present = present
        self._snapshots = dict(self._found_snapshots())

    def _found_snapshots(self) -> Iterator[tuple[str, str]]:
        """Yield the names of volumes that cannot be read alone, and why."""
        for volume in self._volumes.values():
            for _, segment in volume.sections():
                if segment.values.get("type") != _SNAPSHOT:
                    continue
                origin = segment.text("origin")
                if "merging_store" in segment.values:
                    yield origin, "a snapshot is being merged into it"
                    yield segment.text("merging_store"), f"it is a snapshot of '{origin}'"
                else:
                    yield segment.text("cow_store"), f"it is a snapshot of '{origin}'"

    def volumes(self) -> Iterator[LogicalVolume]:
        """Yield the volumes that users see; a snapshot also has one that they do not."""
        for name, volume in self._volumes.items():
            segments = [segment for _, segment in volume.sections()]
            is_shadow = any(segment.values.get("type") == _SNAPSHOT for segment in segments)
            is_visible = "VISIBLE" in volume.items("status") or name in self._snapshots
            if is_visible and not is_shadow:
                yield self._volume(name, volume, segments)

    def _volume(self, name: str, volume: Section, segments: list[Section]) -> LogicalVolume:
        uuid = volume.text("id")
        if not _UUID.fullmatch(uuid) or len(segments) > _MAX_SEGMENTS:
            raise Damaged("An LVM logical volume is not valid.")
        size = sum(segment.number("extent_count") for segment in segments) * self._extent
        if size > _MAX_SIZE:
            raise Damaged("The size of an LVM logical volume is not valid.")
        found = LogicalVolume(self._group.name, name, uuid, size, None)
        try:
            if problem := self._snapshots.get(name):
                raise Damaged(problem)
            mapped = list(self._segments(segments))
        except Damaged as error:
            return found._replace(problem=str(error))
        source = Mapped(f"{self._group.name}/{name}", size, uuid, mapped)
        return found._replace(source=source)

    def _segments(self, sections: list[Section]) -> Iterator[Segment]:
        """Yield where the bytes of a volume are, without gaps."""
        end = 0
        for section in sorted(sections, key=lambda one: one.number("start_extent")):
            if section.text("type") != _STRIPED:
                raise Damaged(f"its type is '{section.text('type')}'")
            count = section.number("extent_count")
            if section.number("start_extent") != end or not count:
                raise Damaged("The segments of an LVM logical volume are not valid.")
            yield self._segment(section, end * self._extent, count * self._extent)
            end += count

    def _segment(self, section: Section, start: int, size: int) -> Segment:
        items = section.items("stripes")
        count = section.number("stripe_count")
        if not count or len(items) != 2 * count or size % (count * self._extent):
            raise Damaged("The stripes of an LVM logical volume are not valid.")
        chunk = section.number("stripe_size") * SECTOR if count > 1 else size
        share = size // count
        if (count > 1 and chunk < _MIN_CHUNK) or share % chunk:
            raise Damaged("The stripe size of an LVM logical volume is not valid.")
        stripes = [
            self._stripe(name, extent, share)
            for name, extent in zip(items[::2], items[1::2], strict=True)
        ]
        return Segment(start, size, chunk, tuple(stripes))

    def _stripe(self, name: object, extent: object, size: int) -> Stripe:
        physical = self._physical.get(name) if isinstance(name, str) else None
        if physical is None:
            raise Damaged(f"it is stored in '{name}', which is not a physical volume")
        if not isinstance(extent, int) or extent < 0:
            raise Damaged("The stripes of an LVM logical volume are not valid.")
        source = self._source_of(physical)
        start = physical.number("pe_start") * SECTOR + extent * self._extent
        if start + size > source.size:
            raise Damaged(f"physical volume '{physical.text('id')}' is too small")
        return Stripe(source, start)

    def _source_of(self, physical: Section) -> ByteSource:
        """Return the bytes of a physical volume, unless LVM would not use them either."""
        written = physical.text("id")
        uuid = written.replace("-", "")
        found = [volume.source for volume in self._present if volume.uuid == uuid]
        if not found or "MISSING" in physical.items("flags"):
            raise Damaged(f"physical volume '{written}' is missing")
        if len(found) > 1:
            raise Damaged(f"there are {len(found)} physical volumes '{written}'")
        return found[0]


def _optional(section: Section, name: str) -> Section:
    """Return a section, or an empty one."""
    return section.section(name) if name in section.values else Section()
