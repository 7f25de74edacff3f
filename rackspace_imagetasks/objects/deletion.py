# SPDX-License-Identifier: Apache-2.0
"""Delete large objects with all their segments, and nothing else."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

from rackspace_imagetasks.exceptions import NotFound, Refused, ServiceError
from rackspace_imagetasks.http.retry import TRANSIENT_STATUSES, backoff
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects._manifest import dlo_entries, is_numbered
from rackspace_imagetasks.objects._records import ObjectInfo
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import MAX_SEGMENTS, segments_container
from rackspace_imagetasks.objects.store import ObjectStore

_DELETING = "X-Object-Meta-Image-Task-Deleting"
_KEPT = "X-Object-Meta-Image-Task-Kept"
_TRANSIENT = frozenset(map(str, TRANSIENT_STATUSES))


def delete(store: ObjectStore, name: ObjectName) -> None:
    """Delete an object and its segments; do nothing if it does not exist.

    If an error ends the deletion early, calling it again deletes the rest. Until then,
    `is_half_deleted` tells that the object can no longer be used.

    :raises IntegrityError: if a DLO names no segments.
    :raises Refused: if the segments of a DLO cannot be distinguished from other objects.
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
    """Delete all segments that were ever uploaded for an object, even if no manifest names them.

    The object's name must stand for one content only.
    """
    container = segments_container(name.container)
    for entry in store.list_objects(container, f"{name.name}/slo/", absent_is_empty=True):
        store.delete_object(ObjectName(container, entry.name))


def delete_unnamed(store: ObjectStore, name: ObjectName, segments: Iterable[ObjectName]) -> None:
    """Delete those of the given segments that the object's manifest does not name."""
    info = store.head_object(name)
    named = named_segments(store, info) if info else set()
    for segment in segments:
        if segment not in named:
            store.delete_object(segment)


def named_segments(store: ObjectStore, info: ObjectInfo) -> set[ObjectName]:
    """Return the segments that the manifest of an SLO names; none for other objects."""
    if not info.is_slo:
        return set()
    return {_named(entry) for entry in store.get_manifest(info.object)}


def mark_as_kept(store: ObjectStore, name: ObjectName) -> None:
    """Mark an export as kept by the user, because exports of the service never expire."""
    info = store.head_object(name)
    if info is not None:
        _mark(store, info, _KEPT)


def is_kept(info: ObjectInfo) -> bool:
    """Return whether the user keeps an object: a marked export or an upload without an expiry."""
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
    """Delete an SLO and its segments; delete what failed for a transient reason again.

    Swift deletes the manifest even if it could not delete a segment, so each of these is deleted by
    its name.
    """
    entries = _manifest(store, info)
    segments = {segment for entry in entries if all(segment := _named(entry))}
    count = sum(MAX_SEGMENTS if entry.get("sub_slo") else 1 for entry in entries)
    for attempt in range(1, store.attempts + 1):
        report = _Report.of(store.delete_large_object(info.object, count))
        if report.is_complete:
            return
        failed = report.failed
        retryable = report.is_transient and failed <= segments | {info.object}
        if attempt == store.attempts or not retryable:
            break
        store.cancellation.wait(backoff(attempt))
        for segment in failed & segments:
            store.delete_object(segment)
    raise ServiceError(f"Cannot delete all segments of object '{info.object}': {report}.")


def _manifest(store: ObjectStore, info: ObjectInfo) -> list[dict[str, Any]]:
    try:
        return store.get_manifest(info.object)
    except NotFound:  # deleted in the meantime
        return []


def _named(entry: dict[str, Any]) -> ObjectName:
    return ObjectName.split(str(entry.get("name", "")).lstrip("/"))


def _error(pair: object) -> tuple[str, str]:
    """Return the path and the status of an object that was not deleted."""
    if isinstance(pair, list) and len(pair) == 2:
        return str(pair[0]), str(pair[1])
    return "", str(pair)


class _Report(NamedTuple):
    """What Swift reports of a bulk deletion.

    :ivar status: the status of the whole.
    :ivar errors: the quoted path and the status of each object that was not deleted.
    """

    status: str = "200"
    errors: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Read a report; other content (plain text, or that of a 404) reports nothing."""
        try:
            report = json.loads(content)
        except ValueError:
            return cls()
        if not isinstance(report, dict):
            return cls()
        errors = tuple(map(_error, report.get("Errors") or ()))
        return cls(str(report.get("Response Status", "200")), errors)

    @property
    def is_complete(self) -> bool:
        """Whether everything was deleted."""
        return not self.errors and self.status.startswith("200")

    @property
    def is_transient(self) -> bool:
        """Whether all failures may be different the next time."""
        statuses = [status for _, status in self.errors] or [self.status]
        return all(status[:3] in _TRANSIENT for status in statuses)

    @property
    def failed(self) -> set[ObjectName]:
        """The objects that were not deleted."""
        return {ObjectName.split(unquote(path).lstrip("/")) for path, _ in self.errors}

    def __str__(self) -> str:
        errors = ", ".join(f"'{unquote(path)}': {status}" for path, status in self.errors)
        return f"{self.status[:300]} {errors[:300]}".rstrip()


def _delete_dlo_segments(store: ObjectStore, info: ObjectInfo) -> None:
    """Delete all objects that the prefix lists, provided that all are numbered segments."""
    prefix, entries = dlo_entries(store, info)
    if not all(is_numbered(prefix.name, entry.name) for entry in entries):
        text = (
            f"Object '{info.object}' consists of all objects whose names begin with '{prefix}', and"
            " some of them are not segments."
        )
        raise Refused(Message(text, Hint.DELETE_BY_NAME, {"container": prefix.container}))
    _mark(store, info, _DELETING)
    for entry in entries:
        store.delete_object(ObjectName(prefix.container, entry.name))
