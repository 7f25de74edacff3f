# SPDX-License-Identifier: Apache-2.0
"""Delete large objects with all their segments, and find what transfers have left behind."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

from rackspace_imagetasks.exceptions import NotFound, Refused, ServiceError
from rackspace_imagetasks.objects.manifest import dlo_entries, is_numbered
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.objects.store import ObjectEntry, ObjectInfo, ObjectStore
from rackspace_imagetasks.text import printable

Kind = Literal["object", "segment"]

_SLO_SEGMENT = re.compile(r"(?P<object>.+)/slo/[^/]+/[0-9]+/[0-9]+/[0-9]{8}", re.DOTALL)
_DLO_SEGMENT = re.compile(r"(?P<object>.+)-[0-9]{5}", re.DOTALL)  # an export's


@dataclasses.dataclass(frozen=True)
class Leftover:
    """An object that this tool has put there, or had put there, for a time.

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


def delete(store: ObjectStore, container: str, name: str) -> None:
    """Delete an object and its segments; one that is gone is as good as deleted.

    :raises IntegrityError: when a DLO names no segments.
    :raises Refused: when a DLO's segments cannot be told from other objects.
    :raises ServiceError: when a segment could not be deleted.
    """
    info = store.head_object(container, name)
    if info is None:
        return
    if info.is_slo:
        _delete_slo(store, info)
        return
    if info.dlo_manifest is not None:
        _delete_dlo_segments(store, info)
    store.delete_object(container, name)


def delete_segments(store: ObjectStore, container: str, name: str) -> None:
    """Delete all segments that were ever sent for an object, whether a manifest names them or not.

    Its name must stand for one content alone.
    """
    segments = segments_container(container)
    for entry in _list(store, segments, f"{name}/slo/"):
        store.delete_object(segments, entry.name)


def delete_unnamed(store: ObjectStore, container: str, name: str, segments: Iterable[str]) -> None:
    """Delete those of an object's segments that its manifest, if there is one, does not name."""
    named = named_segments(store, container, name)
    for segment in segments:
        if f"{segments_container(container)}/{segment}" not in named:
            store.delete_object(segments_container(container), segment)


def _delete_slo(store: ObjectStore, info: ObjectInfo) -> None:
    answer = store.delete_object(info.container, info.name, {"multipart-manifest": "delete"})
    try:
        report = json.loads(answer)
        errors, status = report.get("Errors"), report.get("Response Status", "200 OK")
    except (ValueError, AttributeError):  # 404, or an answer in plain text
        return
    if errors or not str(status).startswith("200"):
        raise ServiceError(
            f"Cannot delete all segments of {info.shown}:"
            f" {printable(status)} {printable(errors or '')}".rstrip()
            + "."
        )


def _delete_dlo_segments(store: ObjectStore, info: ObjectInfo) -> None:
    """Delete what the prefix lists, provided that it lists nothing but numbered segments."""
    container, prefix, entries = dlo_entries(store, info)
    if not all(is_numbered(prefix, entry.name) for entry in entries):
        reason = (
            f"The segments of {info.shown} are whatever"
            f" begins with '{printable(container)}/{printable(prefix)}', which other objects do as"
            " well; delete them by name."
        )
        raise Refused(reason)
    for entry in entries:
        store.delete_object(container, entry.name)


def leftovers(store: ObjectStore, container: str, is_ours: Callable[[str], bool]) -> list[Leftover]:
    """Find staged objects by their names, and the segments of such that no manifest names.

    :param is_ours: tells the name of a staged object from a user's own.
    """
    entries = list(_list(store, container))
    names = {entry.name for entry in entries}
    staged = [_leftover("object", container, e, e.name) for e in entries if is_ours(e.name)]
    unnamed = {
        owner: [e for e in segments if owner not in names]
        for owner, segments in _by_owner(_DLO_SEGMENT, entries, is_ours)
    }
    return staged + _orphans(container, unnamed) + _slo_orphans(store, container, is_ours)


def remove(store: ObjectStore, leftover: Leftover) -> None:
    """Delete a leftover; an object with its segments."""
    if leftover.kind == "object":
        delete(store, leftover.container, leftover.name)
    else:
        store.delete_object(leftover.container, leftover.name)


def _slo_orphans(
    store: ObjectStore, container: str, is_ours: Callable[[str], bool]
) -> list[Leftover]:
    """Give the segments that no manifest names, one manifest read for each object."""
    segments = segments_container(container)
    unnamed = {}
    for owner, entries in _by_owner(_SLO_SEGMENT, _list(store, segments), is_ours):
        named = named_segments(store, container, owner)
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


def _orphans(container: str, unnamed: Mapping[str, list[ObjectEntry]]) -> list[Leftover]:
    """Give segments of each object the age of the newest: a slow upload is one upload."""
    found = []
    for owner, entries in unnamed.items():
        segments = [_leftover("segment", container, entry, owner) for entry in entries]
        newest = max((segment.last_modified for segment in segments), default=None)
        found += [dataclasses.replace(s, last_modified=newest or s.last_modified) for s in segments]
    return found


def _list(store: ObjectStore, container: str, prefix: str = "") -> Iterator[ObjectEntry]:
    try:
        yield from store.list_objects(container, prefix)
    except NotFound:
        return


def named_segments(store: ObjectStore, container: str, name: str) -> set[str]:
    """Return the `container/object` of each segment that an object's manifest names."""
    info = store.head_object(container, name)
    if info is None or not info.is_slo:
        return set()
    paths = (str(entry.get("name", "")) for entry in store.get_manifest(container, name))
    return {path.lstrip("/") for path in paths}


def _leftover(kind: Kind, container: str, entry: ObjectEntry, owner: str) -> Leftover:
    try:
        written = datetime.fromisoformat(entry.last_modified).replace(tzinfo=UTC)
    except ValueError:
        written = datetime.now(UTC)  # unknown: not old enough
    return Leftover(kind, container, entry.name, owner, entry.bytes, written)
