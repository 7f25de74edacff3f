# SPDX-License-Identifier: Apache-2.0
"""Find the orphaned objects and segments of uploads, copies and exports, and delete them."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Literal

from rackspace_imagetasks.objects._records import ObjectEntry
from rackspace_imagetasks.objects.deletion import delete, named_segments
from rackspace_imagetasks.objects.heartbeat import marked_object
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.objects.store import ObjectStore

_ROUNDED = timedelta(seconds=1)  # HEAD returns whole seconds, a listing fractions
Kind = Literal["object", "segment"]

_SLO_SEGMENT = re.compile(r"(?P<object>.+)/slo/[^/]+/[0-9]+/[0-9]+/[0-9]{8}", re.DOTALL)
_DLO_SEGMENT = re.compile(r"(?P<object>.+)-[0-9]{5}", re.DOTALL)  # an export's


@dataclasses.dataclass(frozen=True)
class Orphan:
    """A staged object or a segment left behind by this tool, or by an export that it started.

    :ivar kind: a staged object, or a segment that no manifest names.
    :ivar owner: the object that the segment belongs to; a staged object is its own owner.
    :ivar size: bytes, according to the listing.
    :ivar last_modified: when it, or the newest segment of its owner, was written (UTC).
    :ivar last_write: when anything of its owner was written: the object, one of its segments, or a
        marker that it is in use.
    """

    kind: Kind
    object: ObjectName
    owner: ObjectName
    size: int
    last_modified: datetime
    last_write: datetime


def find_orphans(
    store: ObjectStore, container: str, is_ours: Callable[[str], bool], now: datetime
) -> list[Orphan]:
    """Find staged objects by their names, and their segments that no manifest names.

    The listings are read page by page; what is kept of them are the objects of this tool.

    :param is_ours: returns whether a name is that of a staged object and not a user's own.
    :param now: the service's time, which is taken for a time that the service does not give.
    """
    search = _Search(store, container, is_ours, now)
    search.read_container()
    search.read_segments()
    return search.result()


def written_since(store: ObjectStore, orphan: Orphan) -> bool:
    """Return whether anything of an orphan's owner was written after the orphan was found."""
    container, name = orphan.owner
    search = _Search(store, container, name.__eq__, orphan.last_write)
    search.read_container(name)
    search.read_segments(f"{name}/")
    return search.writes.get(name, orphan.last_write) > orphan.last_write


def delete_orphan(store: ObjectStore, orphan: Orphan) -> bool:
    """Delete an orphan, an object with its segments; return False if it is needed by now.

    A resumed upload may have written the object again, or its manifest may name the segment.

    :raises ImageTasksError: if it cannot be deleted.
    """
    is_segment = orphan.kind == "segment"
    needed = _is_named(store, orphan) if is_segment else _is_newer(store, orphan)
    if not needed:
        delete(store, orphan.object)
    return not needed


def _is_named(store: ObjectStore, segment: Orphan) -> bool:
    owner = store.head_object(segment.owner)
    if owner is None:
        return False
    if owner.is_slo:
        return segment.object in named_segments(store, owner)
    return owner.dlo_manifest is not None and segment.object.container == segment.owner.container


def _is_newer(store: ObjectStore, orphan: Orphan) -> bool:
    info = store.head_object(orphan.object)
    written = info.last_modified if info else None
    return written is not None and written > orphan.last_modified + _ROUNDED


class _Search:
    """What the listings of a container and of its container of segments show.

    :ivar writes: the time of the last write of each staged object, its segments and its markers.
    """

    def __init__(
        self, store: ObjectStore, container: str, is_ours: Callable[[str], bool], now: datetime
    ) -> None:
        self._store = store
        self._container = container
        self._is_ours = is_ours
        self._now = now
        self._found: list[Orphan] = []
        self.writes: dict[str, datetime] = {}

    def read_container(self, prefix: str = "") -> None:
        """Find staged objects, and the segments of exports without a manifest."""
        present = set()  # a manifest is listed before its segments, whose names are longer
        for owner, group in self._by_owner(self._container, prefix, _owner_in_container):
            for entry in group:
                if entry.name == owner:
                    present.add(owner)
                    self._add("object", self._container, owner, entry)
                elif owner not in present and marked_object(entry.name) is None:
                    self._add("segment", self._container, owner, entry)

    def read_segments(self, prefix: str = "") -> None:
        """Find segments that no manifest names, reading one manifest for each object."""
        container = segments_container(self._container)
        for owner, group in self._by_owner(container, prefix, _owner_of_segment):
            info = self._store.head_object(ObjectName(self._container, owner))
            named = named_segments(self._store, info) if info else set()
            for entry in group:
                if ObjectName(container, entry.name) not in named:
                    self._add("segment", container, owner, entry)

    def result(self) -> list[Orphan]:
        """Return what was found, objects first; segments of an object have the age of the newest.

        A slow upload is one upload.
        """
        newest: dict[str, datetime] = {}
        for each in self._found:
            if each.kind == "segment":
                known = newest.get(each.owner.name, each.last_modified)
                newest[each.owner.name] = max(known, each.last_modified)
        return [
            dataclasses.replace(
                each,
                last_modified=each.last_modified if each.kind == "object" else newest[name],
                last_write=self.writes[name],
            )
            for each in sorted(self._found, key=lambda each: each.kind)
            for name in [each.owner.name]
        ]

    def _by_owner(
        self, container: str, prefix: str, owner_of: Callable[[str], str]
    ) -> Iterator[tuple[str, list[ObjectEntry]]]:
        """List a container, group the entries by the staged object they belong to, note writes."""

        def owner(entry: ObjectEntry) -> str:
            name = owner_of(entry.name)
            return name if self._is_ours(name) else ""

        entries = self._store.list_objects(container, prefix, absent_is_empty=True)
        for name, group in groupby(entries, key=owner):
            if name:
                listed = list(group)
                times = [self._written(entry) for entry in listed]
                self.writes[name] = max(self.writes.get(name, times[0]), *times)
                yield name, listed

    def _add(self, kind: Kind, container: str, owner: str, entry: ObjectEntry) -> None:
        name, written = ObjectName(container, entry.name), self._written(entry)
        by = ObjectName(self._container, owner)
        self._found.append(Orphan(kind, name, by, entry.bytes, written, written))

    def _written(self, entry: ObjectEntry) -> datetime:
        try:
            return datetime.fromisoformat(entry.last_modified).replace(tzinfo=UTC)
        except ValueError:
            return self._now


def _owner_in_container(name: str) -> str:
    """Return the object that a segment of an export or a marker belongs to; else the name."""
    match = _DLO_SEGMENT.fullmatch(name)
    return match["object"] if match else marked_object(name) or name


def _owner_of_segment(name: str) -> str:
    match = _SLO_SEGMENT.fullmatch(name)
    return match["object"] if match else ""
