# SPDX-License-Identifier: Apache-2.0
"""What an object is made of: segments with sizes and MD5s, whichever way it was uploaded.

Swift's three kinds: a plain object, a Static Large Object (SLO, its manifest is checked by Swift
when it is written), and a Dynamic Large Object (DLO, whatever a prefix lists at the moment; nothing
checks it). https://docs.openstack.org/swift/latest/overview_large_objects.html
"""

import re
from typing import Any, NamedTuple
from urllib.parse import unquote

from rackspace_imagetasks.exceptions import IntegrityError, NotFound, TransferError
from rackspace_imagetasks.http.retry import backoff
from rackspace_imagetasks.objects.segments import slo_etag
from rackspace_imagetasks.objects.store import ObjectEntry, ObjectInfo, ObjectStore, shown
from rackspace_imagetasks.text import printable

_DEEPEST_NESTING = 10  # what Swift allows
_MOST_MANIFESTS = 1001  # one that names 1000, as many as Swift lets one name
_MOST_SEGMENTS = 100_000
_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
_LOOKS = 5
_NAMED_AT_MOST = 5


class StoredSegment(NamedTuple):
    """An object that holds `length` bytes of another one, from `offset` on."""

    container: str
    name: str
    offset: int
    length: int
    md5: str

    @property
    def shown(self) -> str:
        """Its name for messages."""
        return shown(self.container, self.name)


class Layout(NamedTuple):
    """An object's facts and its segments, in order; a plain object is its own one segment."""

    info: ObjectInfo
    segments: list[StoredSegment]


def read_layout(store: ObjectStore, container: str, name: str) -> Layout:
    """Find an object's segments; a listing that lags behind is looked at again.

    :raises NotFound: when there is no such object.
    :raises IntegrityError: when its parts do not make up the whole.
    :raises TransferError: when its manifests cannot be followed, or are too many.
    """
    for look in range(1, _LOOKS + 1):
        info = store.head_object(container, name)
        if info is None:
            raise NotFound(f"There is no object {shown(container, name)}.")
        try:
            return Layout(info, _segments(store, info))
        except IntegrityError:
            if look == _LOOKS:
                raise
            store.cancellation.wait(backoff(look))
    raise AssertionError("unreachable")


def _segments(store: ObjectStore, info: ObjectInfo) -> list[StoredSegment]:
    if info.is_slo:
        segments = _Manifests(store).expand(info)
    elif info.dlo_manifest is not None:
        segments = _listed(store, info)
    elif info.size:
        segments = [StoredSegment(info.container, info.name, 0, info.size, info.etag)]
    elif info.etag != _EMPTY_MD5:
        raise IntegrityError(
            f"{info.shown} is empty, says the service, but has the MD5 {printable(info.etag, 40)}."
        )
    else:
        segments = []
    total = sum(segment.length for segment in segments)
    if total != info.size:
        raise IntegrityError(
            f"{info.shown} has {info.size} bytes, but its {len(segments)} segments have {total}."
        )
    return segments


class _Manifests:
    """Reads an SLO's manifest and those nested in it, up to a number that makes sense."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._manifests = 0
        self._entries = 0

    def expand(self, info: ObjectInfo, depth: int = 0) -> list[StoredSegment]:
        """Return an SLO's segments, those of nested manifests in their place.

        :raises TransferError: when they are too many, or nested too deep.
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
        if depth > _DEEPEST_NESTING:
            raise TransferError(f"{info.shown} is a manifest nested too deep.")
        self._manifests += 1
        if self._manifests > _MOST_MANIFESTS:
            raise TransferError(f"{info.shown} is one of more than {_MOST_MANIFESTS} manifests.")
        entries = self._store.get_manifest(info.container, info.name)
        self._entries += len(entries)
        if self._entries > _MOST_SEGMENTS:
            raise TransferError(f"With {info.shown} there are more than {_MOST_SEGMENTS} segments.")
        _require_same_version(info, entries)
        return entries

    def _nested(self, outer: StoredSegment, depth: int) -> list[StoredSegment]:
        info = self._store.head_object(outer.container, outer.name)
        if info is None or (info.size, info.etag) != (outer.length, outer.md5):
            raise IntegrityError(f"The segment {outer.shown} is gone, or was replaced.")
        return [
            segment._replace(offset=outer.offset + segment.offset)
            for segment in self.expand(info, depth + 1)
        ]


def _stored(info: ObjectInfo, entry: dict[str, Any], offset: int) -> StoredSegment:
    if "data" in entry or entry.get("range"):
        raise TransferError(
            f"The manifest of {info.shown} has inline data or parts of segments, whose MD5"
            " nothing tells; download it with another tool, such as `swift download`."
        )
    path, length, md5 = entry.get("name"), entry.get("bytes"), entry.get("hash")
    if not (isinstance(path, str) and isinstance(md5, str) and isinstance(length, int)):
        raise IntegrityError(f"The manifest of {info.shown} lacks names, sizes or MD5s.")
    container, _, name = path.lstrip("/").partition("/")
    if length < 0 or not container or not name:
        raise IntegrityError(f"The manifest of {info.shown} names '{printable(path)}'.")
    return StoredSegment(container, name, offset, length, md5)


def _require_same_version(info: ObjectInfo, entries: list[dict[str, Any]]) -> None:
    """Compare the manifest with the ETag of HEAD: the MD5 of its MD5s."""
    if any("data" in entry or entry.get("range") for entry in entries):
        return
    if slo_etag(str(entry.get("hash")) for entry in entries) != info.etag:
        raise IntegrityError(f"The manifest of {info.shown} was replaced while it was read.")


def dlo_entries(store: ObjectStore, info: ObjectInfo) -> tuple[str, str, list[ObjectEntry]]:
    """Return a DLO's container of segments, their prefix and what is listed there.

    :raises IntegrityError: when the manifest names no container, or no prefix.
    """
    container, _, prefix = unquote(info.dlo_manifest or "").partition("/")
    if not container or not prefix:
        raise IntegrityError(
            f"The manifest of {info.shown} names no segments: '{printable(info.dlo_manifest)}'."
        )
    try:
        entries = [
            entry
            for entry in store.list_objects(container, prefix)
            if (container, entry.name) != (info.container, info.name)
        ]
    except NotFound:
        entries = []
    return container, prefix, entries


def _listed(store: ObjectStore, info: ObjectInfo) -> list[StoredSegment]:
    """Return a DLO's segments: what its prefix lists."""
    container, prefix, entries = dlo_entries(store, info)
    if not entries:
        raise IntegrityError(
            f"{info.shown} has no segments: nothing begins with"
            f" '{printable(container)}/{printable(prefix)}'."
        )
    _require_complete(info, prefix, entries)
    segments: list[StoredSegment] = []
    offset = 0
    for entry in entries:
        if entry.bytes:
            segments.append(StoredSegment(container, entry.name, offset, entry.bytes, entry.hash))
        offset += entry.bytes
    return segments


def is_numbered(prefix: str, name: str) -> bool:
    """Tell whether a segment is called by a prefix and a number, as every uploader does."""
    return re.fullmatch(r"[0-9]{1,16}", name.removeprefix(prefix)) is not None


def _require_complete(info: ObjectInfo, prefix: str, entries: list[ObjectEntry]) -> None:
    """Find gaps and strangers among numbered segments; Glance counts from 1, swiftclient from 0."""
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
        problems.append("has extra segments " + _some(map(repr, map(printable, extra)), len(extra)))
    if problems:
        raise IntegrityError(f"{info.shown} {' and '.join(problems)}.")


def _some(names: Any, count: int) -> str:  # noqa: ANN401
    some = ", ".join(name for name, _ in zip(names, range(_NAMED_AT_MOST), strict=False))
    return some if count <= _NAMED_AT_MOST else f"{some} and {count - _NAMED_AT_MOST} more"
