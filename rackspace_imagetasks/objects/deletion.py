# SPDX-License-Identifier: Apache-2.0
"""Delete large objects with all their segments, and nothing else."""

import json
from collections.abc import Iterable

from rackspace_imagetasks.exceptions import Refused, ServiceError
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects._manifest import dlo_entries, is_numbered
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.objects.store import ObjectInfo, ObjectStore

_DELETING = "X-Object-Meta-Image-Task-Deleting"
_KEPT = "X-Object-Meta-Image-Task-Kept"


def delete(store: ObjectStore, name: ObjectName) -> None:
    """Delete an object and its segments; do nothing if it does not exist.

    If an error ends the deletion early, calling it again deletes the rest. Until then,
    `is_half_deleted` tells that the object can no longer be used.

    :raises IntegrityError: if a DLO names no segments.
    :raises Refused: if the segments of a DLO cannot be told from other objects.
    :raises ServiceError: if a segment could not be deleted.
    """
    info = store.head_object(name)
    if info is None:
        return
    if info.is_slo:
        _delete_slo(store, info)
        return
    if info.dlo_manifest is not None:
        _delete_dlo_segments(store, info)
    store.delete_object(name)


def delete_segments(store: ObjectStore, name: ObjectName) -> None:
    """Delete all segments that were ever uploaded for an object, whether a manifest names them.

    The object's name must stand for one content only.
    """
    container = segments_container(name.container)
    for entry in store.list_objects(container, f"{name.name}/slo/", absent_is_empty=True):
        store.delete_object(ObjectName(container, entry.name))


def delete_unnamed(store: ObjectStore, name: ObjectName, segments: Iterable[ObjectName]) -> None:
    """Delete those segments of an object that its manifest, if there is one, does not name."""
    info = store.head_object(name)
    named = named_segments(store, info) if info else set()
    for segment in segments:
        if segment not in named:
            store.delete_object(segment)


def named_segments(store: ObjectStore, info: ObjectInfo) -> set[ObjectName]:
    """Return the segments that the manifest of an SLO names; none for other objects."""
    if not info.is_slo:
        return set()
    paths = (str(entry.get("name", "")) for entry in store.get_manifest(info.object))
    return {ObjectName.split(path.lstrip("/")) for path in paths}


def mark_as_kept(store: ObjectStore, name: ObjectName) -> None:
    """Mark an export as kept by the user: the exports of the service never expire by themselves."""
    info = store.head_object(name)
    if info is not None:
        _mark(store, info, _KEPT)


def is_kept(info: ObjectInfo) -> bool:
    """Return whether a user keeps it: an export that is marked, or an upload without an expiry."""
    if is_half_deleted(info) or "X-Delete-At" in info.headers:
        return False
    return info.dlo_manifest is None or _KEPT in info.headers


def is_half_deleted(info: ObjectInfo) -> bool:
    """Return whether the deletion of an object was started and not completed."""
    return _DELETING in info.headers


def _mark(store: ObjectStore, info: ObjectInfo, header: str) -> None:
    headers = {header: "true"}
    if info.dlo_manifest is not None:  # a POST without it would make it a plain, empty object
        headers["X-Object-Manifest"] = info.dlo_manifest
    store.post_object(info.object, headers)


def _delete_slo(store: ObjectStore, info: ObjectInfo) -> None:
    answer = store.delete_object(info.object, {"multipart-manifest": "delete"})
    try:
        report = json.loads(answer)
        errors, status = report.get("Errors"), report.get("Response Status", "200 OK")
    except (ValueError, AttributeError):  # 404, or a plain-text response
        return
    if errors or not str(status).startswith("200"):
        reasons = f"{str(status)[:300]} {str(errors or '')[:300]}".rstrip()
        raise ServiceError(f"Cannot delete all segments of object '{info.object}': {reasons}.")


def _delete_dlo_segments(store: ObjectStore, info: ObjectInfo) -> None:
    """Delete all objects that the prefix lists, provided that all are numbered segments."""
    prefix, entries = dlo_entries(store, info)
    if not all(is_numbered(prefix.name, entry.name) for entry in entries):
        text = (
            f"The segments of object '{info.object}' are all objects that begin with '{prefix}',"
            " and other objects begin with it too."
        )
        raise Refused(Message(text, Hint.DELETE_BY_NAME, {"container": prefix.container}))
    _mark(store, info, _DELETING)
    for entry in entries:
        store.delete_object(ObjectName(prefix.container, entry.name))
