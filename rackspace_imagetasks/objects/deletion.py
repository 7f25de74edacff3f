# SPDX-License-Identifier: Apache-2.0
"""Delete large objects with all their segments, and nothing else."""

import json
from collections.abc import Iterable

from rackspace_imagetasks.exceptions import Refused, ServiceError
from rackspace_imagetasks.objects.manifest import dlo_entries, is_numbered
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.objects.store import ObjectInfo, ObjectStore
from rackspace_imagetasks.text import printable

_DELETING = "X-Object-Meta-Image-Task-Deleting"
_KEPT = "X-Object-Meta-Image-Task-Kept"


def delete(store: ObjectStore, container: str, name: str) -> None:
    """Delete an object and its segments; one that is gone is as good as deleted.

    Where it ends before all is deleted, the same again deletes the rest, and until then
    `is_half_deleted` tells that the object is of no use any more.

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
    for entry in store.list_objects(segments, f"{name}/slo/", absent_is_empty=True):
        store.delete_object(segments, entry.name)


def delete_unnamed(store: ObjectStore, container: str, name: str, segments: Iterable[str]) -> None:
    """Delete those of an object's segments that its manifest, if there is one, does not name."""
    info = store.head_object(container, name)
    named = named_segments(store, info) if info else set()
    for segment in segments:
        if f"{segments_container(container)}/{segment}" not in named:
            store.delete_object(segments_container(container), segment)


def named_segments(store: ObjectStore, info: ObjectInfo) -> set[str]:
    """Return the `container/object` of each segment that an SLO's manifest names."""
    if not info.is_slo:
        return set()
    entries = store.get_manifest(info.container, info.name)
    paths = (str(entry.get("name", "")) for entry in entries)
    return {path.lstrip("/") for path in paths}


def mark_as_kept(store: ObjectStore, container: str, name: str) -> None:
    """Mark an export as one that is to stay: the service's exports never expire by themselves."""
    info = store.head_object(container, name)
    if info is not None:
        _mark(store, info, _KEPT)


def is_kept(info: ObjectInfo) -> bool:
    """Tell what somebody wants: an export that is marked so, or an upload without an expiry."""
    if is_half_deleted(info) or "X-Delete-At" in info.headers:
        return False
    return info.dlo_manifest is None or _KEPT in info.headers


def is_half_deleted(info: ObjectInfo) -> bool:
    """Tell an object whose deletion was begun and not completed."""
    return _DELETING in info.headers


def _mark(store: ObjectStore, info: ObjectInfo, header: str) -> None:
    headers = {header: "true"}
    if info.dlo_manifest is not None:  # a POST without it would make it a plain, empty object
        headers["X-Object-Manifest"] = info.dlo_manifest
    store.post_object(info.container, info.name, headers)


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
        raise Refused(
            f"The segments of {info.shown} are whatever begins with"
            f" '{printable(container)}/{printable(prefix)}', which other objects do as well;"
            " delete them by name."
        )
    _mark(store, info, _DELETING)
    for entry in entries:
        store.delete_object(container, entry.name)
