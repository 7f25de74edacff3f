# SPDX-License-Identifier: Apache-2.0
"""The segments of an object with their sizes and MD5s, whatever kind of object it is.

Swift has three kinds: a plain object, a Static Large Object (SLO; Swift checks its manifest when it
is written), and a Dynamic Large Object (DLO; all objects that a prefix lists at the moment, without
any check). https://docs.openstack.org/swift/latest/overview_large_objects.html
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from rackspace_imagetasks.exceptions import IntegrityError, NotFound, TransferError
from rackspace_imagetasks.http.retry import backoff
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects._records import ObjectEntry, ObjectInfo
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import slo_etag
from rackspace_imagetasks.objects.store import ObjectStore

_MAX_NESTING = 10  # Swift's own limit
_MAX_MANIFESTS = 1001  # a manifest that names 1000 others, which is Swift's limit for one manifest
_MAX_SEGMENTS = 100_000
_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
_ATTEMPTS = 5
_MAX_NAMED = 5


class StoredSegment(NamedTuple):
    """An object that holds `length` bytes of a large object, starting at its byte `offset`."""

    object: ObjectName
    offset: int
    length: int
    md5: str


class Layout(NamedTuple):
    """The properties of an object and its segments in order; a plain object is its only segment."""

    info: ObjectInfo
    segments: list[StoredSegment]


def read_layout(store: ObjectStore, name: ObjectName) -> Layout:
    """Return the properties and the segments of an object.

    A listing or manifest that contradicts the object may be out of date, so it is read again.

    :raises NotFound: if the object does not exist.
    :raises IntegrityError: if its segments do not make up the whole.
    :raises TransferError: if its manifests are too many, nested too deeply or not supported.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        info = store.head_object(name)
        if info is None:
            raise NotFound(f"Object '{name}' not found.")
        try:
            return Layout(info, _segments(store, info))
        except IntegrityError:
            if attempt == _ATTEMPTS:
                raise
            store.cancellation.wait(backoff(attempt))
    raise AssertionError("unreachable")


def _segments(store: ObjectStore, info: ObjectInfo) -> list[StoredSegment]:
    if info.is_slo:
        segments = _Manifests(store, info.object).expand(info)
    elif info.dlo_manifest is not None:
        segments = _listed(store, info)
    elif info.size:
        segments = [StoredSegment(info.object, 0, info.size, info.etag)]
    elif info.etag != _EMPTY_MD5:
        raise IntegrityError(
            f"Object '{info.object}' is empty according to the service, but its MD5 is"
            f" {info.etag[:40]}."
        )
    else:
        segments = []
    total = sum(segment.length for segment in segments)
    if total != info.size:
        raise IntegrityError(
            f"Object '{info.object}' has {info.size} bytes, but its {len(segments)} segments have"
            f" {total}."
        )
    return segments


class _Manifests:
    """Reads the manifest of an SLO and those nested in it, up to a reasonable number."""

    def __init__(self, store: ObjectStore, root: ObjectName) -> None:
        self._store = store
        self._root = root
        self._manifests = 0
        self._entries = 0

    def expand(self, info: ObjectInfo, depth: int = 0) -> list[StoredSegment]:
        """Return the segments of an SLO, with those of nested manifests in their place.

        :raises TransferError: if there are too many, or they are nested too deeply.
        """
        entries = self._read(info, depth)
        segments: list[StoredSegment] = []
        offset = 0
        for entry in entries:
            segment = _stored(info, entry, offset)
            offset += segment.length
            if entry.get("sub_slo"):
                segments += self._nested(segment, depth)
            elif segment.length:
                segments.append(segment)
        return segments

    def _read(self, info: ObjectInfo, depth: int) -> list[dict[str, Any]]:
        if depth > _MAX_NESTING:
            raise TransferError(
                f"The manifests of object '{self._root}' are nested more than {_MAX_NESTING}"
                " levels deep."
            )
        self._manifests += 1
        if self._manifests > _MAX_MANIFESTS:
            raise TransferError(
                f"Object '{self._root}' has more than {_MAX_MANIFESTS} nested manifests."
            )
        entries = self._store.get_manifest(info.object)
        self._entries += len(entries)
        if self._entries > _MAX_SEGMENTS:
            raise TransferError(
                f"Object '{self._root}' has more than {_MAX_SEGMENTS} segments in all manifests."
            )
        _require_same_version(info, entries)
        return entries

    def _nested(self, outer: StoredSegment, depth: int) -> list[StoredSegment]:
        info = self._store.head_object(outer.object)
        if info is None or (info.size, info.etag) != (outer.length, outer.md5):
            raise IntegrityError(f"Segment '{outer.object}' was deleted or replaced.")
        return [
            segment._replace(offset=outer.offset + segment.offset)
            for segment in self.expand(info, depth + 1)
        ]


def _stored(info: ObjectInfo, entry: dict[str, Any], offset: int) -> StoredSegment:
    if "data" in entry or entry.get("range"):
        raise TransferError(
            Message(
                f"The manifest of object '{info.object}' contains inline data or ranges of"
                " segments, which have no MD5 to verify.",
                Hint.USE_SWIFTCLIENT,
                {"container": info.object.container, "object": info.object.name},
            )
        )
    path, length, md5 = entry.get("name"), entry.get("bytes"), entry.get("hash")
    if not (isinstance(path, str) and isinstance(md5, str) and isinstance(length, int)):
        raise IntegrityError(
            f"The manifest of object '{info.object}' has an entry without name, size or MD5."
        )
    name = ObjectName.split(path.lstrip("/"))
    if length < 0 or not all(name):
        raise IntegrityError(
            f"The manifest of object '{info.object}' has an entry that is not valid: '{path}',"
            f" {length} bytes."
        )
    return StoredSegment(name, offset, length, md5)


def _require_same_version(info: ObjectInfo, entries: list[dict[str, Any]]) -> None:
    """Compare the manifest with the ETag from HEAD, which is the MD5 of its MD5s."""
    if any("data" in entry or entry.get("range") for entry in entries):
        return
    if slo_etag(str(entry.get("hash")) for entry in entries) != info.etag:
        raise IntegrityError(
            f"Object '{info.object}' was replaced while its manifest was being read."
        )


def dlo_entries(store: ObjectStore, info: ObjectInfo) -> tuple[ObjectName, list[ObjectEntry]]:
    """Return the prefix of the segments of a DLO, with their container, and what it lists.

    :raises IntegrityError: if the manifest does not name a container and a prefix.
    """
    prefix = ObjectName.split(unquote(info.dlo_manifest or ""))
    if not all(prefix):
        raise IntegrityError(
            f"The manifest of object '{info.object}' does not name a container and a prefix:"
            f" '{info.dlo_manifest}'."
        )
    entries = [
        entry
        for entry in store.list_objects(*prefix, absent_is_empty=True)
        if (prefix.container, entry.name) != info.object
    ]
    return prefix, entries


def _listed(store: ObjectStore, info: ObjectInfo) -> list[StoredSegment]:
    """Return the segments of a DLO: all objects that its prefix lists."""
    prefix, entries = dlo_entries(store, info)
    if not entries:
        raise IntegrityError(
            f"Object '{info.object}' has no segments: the name of no object begins with '{prefix}'."
        )
    _require_complete(info, prefix.name, entries)
    segments: list[StoredSegment] = []
    offset = 0
    for entry in entries:
        if entry.bytes:
            name = ObjectName(prefix.container, entry.name)
            segments.append(StoredSegment(name, offset, entry.bytes, entry.hash))
        offset += entry.bytes
    return segments


def is_numbered(prefix: str, name: str) -> bool:
    """Return whether a segment's name is the prefix and a number, as all uploaders name them."""
    return re.fullmatch(r"[0-9]{1,16}", name.removeprefix(prefix)) is not None


def _require_complete(info: ObjectInfo, prefix: str, entries: list[ObjectEntry]) -> None:
    """Refuse gaps and extra objects among numbered segments, which begin with 0 or 1."""
    numbered = [entry for entry in entries if is_numbered(prefix, entry.name)]
    if not numbered:
        return
    extra = [entry.name for entry in entries if entry not in numbered]
    present: set[int] = set()
    for entry in numbered:
        number = int(entry.name.removeprefix(prefix))
        if number in present:
            extra.append(entry.name)
        present.add(number)
    wanted = range(min(present, default=0) and 1, max(present) + 1)
    problems = []
    if len(wanted) > len(present):
        gaps = (f"{number}" for number in wanted if number not in present)
        problems.append("lacks segments " + _some(gaps, len(wanted) - len(present)))
    if extra:
        quoted = (f"'{name}'" for name in extra)
        problems.append("has extra segments " + _some(quoted, len(extra)))
    if problems:
        raise IntegrityError(f"Object '{info.object}' {' and '.join(problems)}.")


def _some(names: Iterator[str], count: int) -> str:
    some = ", ".join(itertools.islice(names, _MAX_NAMED))
    return some if count <= _MAX_NAMED else f"{some} and {count - _MAX_NAMED} more"
