# SPDX-License-Identifier: Apache-2.0
"""Find what uploads, copies and exports have left behind, and delete it."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Literal

from rackspace_imagetasks.objects.deletion import delete, named_segments
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.objects.store import ObjectEntry, ObjectStore

_ROUNDED = timedelta(seconds=1)  # HEAD gives whole seconds, a listing parts of them
Kind = Literal["object", "segment"]

_SLO_SEGMENT = re.compile(r"(?P<object>.+)/slo/[^/]+/[0-9]+/[0-9]+/[0-9]{8}", re.DOTALL)
_DLO_SEGMENT = re.compile(r"(?P<object>.+)-[0-9]{5}", re.DOTALL)  # an export's


@dataclasses.dataclass(frozen=True)
class Orphan:
    """A staged object or a segment left by this tool, or by an export that it ordered.

    :ivar kind: a staged object, or a segment that no manifest names.
    :ivar owner: the object that it is, or is a segment of.
    :ivar size: bytes, as the listing has them.
    :ivar last_modified: when it, or the newest of its object's segments, was written (UTC).
    """

    kind: Kind
    container: str
    name: str
    owner: str
    size: int
    last_modified: datetime

    @property
    def owner_container(self) -> str:
        """The container of the object that it is, or is a segment of."""
        if self.kind == "object":
            return self.container
        return self.container.removesuffix(segments_container(""))


def find_orphans(
    store: ObjectStore, container: str, is_ours: Callable[[str], bool]
) -> list[Orphan]:
    """Find staged objects by their names, and the segments of such that no manifest names.

    :param is_ours: tells the name of a staged object from a user's own.
    """
    entries = list(store.list_objects(container, absent_is_empty=True))
    names = {entry.name for entry in entries}
    staged = [_orphan("object", container, e, e.name) for e in entries if is_ours(e.name)]
    unnamed = {
        owner: [e for e in segments if owner not in names]
        for owner, segments in _by_owner(_DLO_SEGMENT, entries, is_ours)
    }
    return staged + _orphans(container, unnamed) + _slo_orphans(store, container, is_ours)


def delete_orphan(store: ObjectStore, orphan: Orphan) -> bool:
    """Delete a orphan, an object with its segments; False where it has come to be needed.

    An upload that was taken up again since may have written the object anew, or its manifest may
    name the segment now.

    :raises ImageTasksError: when it cannot be deleted.
    """
    is_segment = orphan.kind == "segment"
    needed = _is_named(store, orphan) if is_segment else _is_newer(store, orphan)
    if not needed:
        delete(store, orphan.container, orphan.name)
    return not needed


def _is_named(store: ObjectStore, segment: Orphan) -> bool:
    owner = store.head_object(segment.owner_container, segment.owner)
    if owner is None:
        return False
    if owner.is_slo:
        return f"{segment.container}/{segment.name}" in named_segments(store, owner)
    return owner.dlo_manifest is not None and segment.container == segment.owner_container


def _is_newer(store: ObjectStore, orphan: Orphan) -> bool:
    info = store.head_object(orphan.container, orphan.name)
    written = info.last_modified if info else None
    return written is not None and written > orphan.last_modified + _ROUNDED


def _slo_orphans(
    store: ObjectStore, container: str, is_ours: Callable[[str], bool]
) -> list[Orphan]:
    """Return the segments that no manifest names, one manifest read for each object."""
    segments = segments_container(container)
    unnamed = {}
    for owner, entries in _by_owner(
        _SLO_SEGMENT, store.list_objects(segments, absent_is_empty=True), is_ours
    ):
        info = store.head_object(container, owner)
        named = named_segments(store, info) if info else set()
        unnamed[owner] = [e for e in entries if f"{segments}/{e.name}" not in named]
    return _orphans(segments, unnamed)


def _by_owner(
    pattern: re.Pattern[str], entries: Iterable[ObjectEntry], is_ours: Callable[[str], bool]
) -> Iterator[tuple[str, list[ObjectEntry]]]:
    """Group the segments in a listing by the staged objects that they are named after."""

    def owner(entry: ObjectEntry) -> str:
        match = pattern.fullmatch(entry.name)
        return match["object"] if match and is_ours(match["object"]) else ""

    for name, group in groupby(entries, key=owner):
        if name:
            yield name, list(group)


def _orphans(container: str, unnamed: Mapping[str, list[ObjectEntry]]) -> list[Orphan]:
    """Return segments of each object the age of the newest: a slow upload is one upload."""
    found = []
    for owner, entries in unnamed.items():
        segments = [_orphan("segment", container, entry, owner) for entry in entries]
        newest = max((segment.last_modified for segment in segments), default=None)
        found += [dataclasses.replace(s, last_modified=newest or s.last_modified) for s in segments]
    return found


def _orphan(kind: Kind, container: str, entry: ObjectEntry, owner: str) -> Orphan:
    try:
        written = datetime.fromisoformat(entry.last_modified).replace(tzinfo=UTC)
    except ValueError:
        written = datetime.now(UTC)  # unknown: not old enough
    return Orphan(kind, container, entry.name, owner, entry.bytes, written)
