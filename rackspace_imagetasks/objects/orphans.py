# SPDX-License-Identifier: Apache-2.0
"""Find the orphaned objects and segments of uploads, copies and exports, and delete them."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Literal

from rackspace_imagetasks.objects.deletion import delete, named_segments
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.objects.store import ObjectEntry, ObjectStore

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
    """

    kind: Kind
    object: ObjectName
    owner: ObjectName
    size: int
    last_modified: datetime


def find_orphans(
    store: ObjectStore, container: str, is_ours: Callable[[str], bool]
) -> list[Orphan]:
    """Find staged objects by their names, and their segments that no manifest names.

    :param is_ours: returns whether a name is that of a staged object and not a user's own.
    """
    entries = list(store.list_objects(container, absent_is_empty=True))
    names = {entry.name for entry in entries}
    staged = [
        _orphan("object", container, entry, ObjectName(container, entry.name))
        for entry in entries
        if is_ours(entry.name)
    ]
    unnamed = {
        ObjectName(container, owner): [e for e in segments if owner not in names]
        for owner, segments in _by_owner(_DLO_SEGMENT, entries, is_ours)
    }
    return staged + _orphans(container, unnamed) + _slo_orphans(store, container, is_ours)


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


def _slo_orphans(
    store: ObjectStore, container: str, is_ours: Callable[[str], bool]
) -> list[Orphan]:
    """Return the segments that no manifest names, reading one manifest for each object."""
    segments = segments_container(container)
    unnamed = {}
    for name, entries in _by_owner(
        _SLO_SEGMENT, store.list_objects(segments, absent_is_empty=True), is_ours
    ):
        owner = ObjectName(container, name)
        info = store.head_object(owner)
        named = named_segments(store, info) if info else set()
        unnamed[owner] = [e for e in entries if ObjectName(segments, e.name) not in named]
    return _orphans(segments, unnamed)


def _by_owner(
    pattern: re.Pattern[str], entries: Iterable[ObjectEntry], is_ours: Callable[[str], bool]
) -> Iterator[tuple[str, list[ObjectEntry]]]:
    """Group the segments of a listing by the staged objects whose names they contain."""

    def owner(entry: ObjectEntry) -> str:
        match = pattern.fullmatch(entry.name)
        return match["object"] if match and is_ours(match["object"]) else ""

    for name, group in groupby(entries, key=owner):
        if name:
            yield name, list(group)


def _orphans(container: str, unnamed: Mapping[ObjectName, list[ObjectEntry]]) -> list[Orphan]:
    """Return all segments of an object with the age of the newest: a slow upload is one upload."""
    found = []
    for owner, entries in unnamed.items():
        segments = [_orphan("segment", container, entry, owner) for entry in entries]
        newest = max((segment.last_modified for segment in segments), default=None)
        found += [dataclasses.replace(s, last_modified=newest or s.last_modified) for s in segments]
    return found


def _orphan(kind: Kind, container: str, entry: ObjectEntry, owner: ObjectName) -> Orphan:
    try:
        written = datetime.fromisoformat(entry.last_modified).replace(tzinfo=UTC)
    except ValueError:
        written = datetime.now(UTC)  # unknown: not old enough
    return Orphan(kind, ObjectName(container, entry.name), owner, entry.bytes, written)
