# SPDX-License-Identifier: Apache-2.0
"""The requests that write an object: whole, or as a Static Large Object with its segments."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rackspace_imagetasks.exceptions import IntegrityError, NotFound
from rackspace_imagetasks.http.retry import backoff
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects._body import Body
from rackspace_imagetasks.objects._records import ObjectEntry
from rackspace_imagetasks.objects._verified import SegmentCorrupt
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import Segment, segments_container, slo_etag
from rackspace_imagetasks.objects.store import ObjectStore

_ATTEMPTS = 3
_INCOMPLETE_LIFETIME = 7 * 24 * 60 * 60  # seconds

#: Segments, each with its MD5 in hex.
Hashes = dict[Segment, str]


@dataclass(frozen=True)
class Written:
    """The result of an upload or a copy.

    :ivar size: bytes of the object.
    :ivar etag: the MD5 in hex of a plain object, or of its segments' MD5s.
    :ivar segments: the number of segments; 0 for a single PUT.
    :ivar sent_bytes: bytes that this run sent.
    :ivar reused_bytes: bytes that an earlier run had sent.
    """

    object: ObjectName
    size: int
    etag: str
    segments: int
    sent_bytes: int
    reused_bytes: int


@dataclass
class Target:
    """The object to write; every MD5 that the service returns is verified.

    :ivar store: its requests end when the transfer is cancelled.
    :ivar expire_after: seconds after which Swift deletes the object and its segments, or None.
    :ivar has_container: whether the container of the object exists; else it is created.
    :ivar sent: the segments that this run has written, or tried to write.
    """

    store: ObjectStore
    object: ObjectName
    transfer: DataTransfer
    expire_after: int | None
    has_container: bool = False
    sent: set[ObjectName] = field(default_factory=set)

    def create_containers(self) -> None:
        """Create the container of the object and that of its segments."""
        self._create_container()
        self.store.create_container(self._segments)

    def put_whole(self, body: Body) -> Written:
        """Write the object with one PUT."""
        self._create_container()
        etag = self._put(self.object, body, _expiry(self.expire_after))
        self.verify(etag, len(body))
        return self.written(len(body), etag, segments=0, sent=len(body))

    def put_segment(self, segment: Segment, body: Body) -> str:
        """Write one segment and return its MD5."""
        name = self._name(segment)
        self.sent.add(name)
        etag = self._put(name, body, self._segments_expiry)
        self.transfer.keep(len(body))
        return etag

    def list_segments(self, prefix: str) -> dict[str, ObjectEntry]:
        """Return the segments that the service lists, by name."""
        return {entry.name: entry for entry in self.store.list_objects(self._segments, prefix)}

    def reuse_whole(self) -> bool:
        """Set the expiry of an object that an earlier run wrote; return False if it was deleted."""
        return self._set_expiry(self.object, _expiry(self.expire_after))

    def reuse(self, segment: Segment) -> bool:
        """Set the expiry of a segment that an earlier run wrote; return False if it was deleted."""
        if not self._set_expiry(self._name(segment), self._segments_expiry):
            return False
        self.transfer.keep(segment.length)
        return True

    def keep_segments(self, segments: Iterable[Segment]) -> None:
        """Remove the expiry of the segments, unless the object expires.

        This comes before the manifest: the object would lose its content when they expire.
        """
        if self.expire_after is None:
            self.transfer.each(lambda one: self._set_expiry(self._name(one), {}), segments)

    def still_present(self, hashes: Hashes) -> Hashes:
        """Return the segments that exist, by one request each: a listing may be out of date."""

        def is_present(segment: Segment) -> bool:
            info = self.store.head_object(self._name(segment))
            return info is not None and (info.size, info.etag) == (segment.length, hashes[segment])

        found = self.transfer.each(is_present, hashes)
        return {
            segment: md5 for (segment, md5), present in zip(hashes.items(), found, strict=True)
            if present
        }  # fmt: skip

    def put_manifest(self, hashes: Hashes) -> str:
        """Write the manifest, for which the service checks each MD5 and size; return its ETag."""
        entries = [
            {"path": f"/{self._name(segment)}", "etag": md5, "size_bytes": segment.length}
            for segment, md5 in hashes.items()
        ]
        self.store.put_object(
            self.object,
            json.dumps(entries).encode(),
            params={"multipart-manifest": "put"},
            headers=_expiry(self.expire_after),
        )
        return slo_etag(hashes.values())

    def verify(self, etag: str, size: int) -> None:
        """Check that the service has stored the object as it was sent.

        :raises IntegrityError: if it has not.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            info = self.store.head_object(self.object)
            if info is not None and (info.etag, info.size) == (etag, size):
                return
            self.transfer.wait(backoff(attempt))
        stored = f"{info.size} bytes with MD5 {info.etag[:40]}" if info else "no object"
        text = (
            f"Object '{self.object}' is not what was sent ({size} bytes with MD5 {etag}): the"
            f" service has {stored}."
        )
        raise IntegrityError(Message(text, Hint.TRY_AGAIN))

    def written(self, size: int, etag: str, *, segments: int, sent: int) -> Written:
        """Return the result: `sent` bytes in this run, and the rest in an earlier one."""
        # Segments that disappeared meanwhile are sent twice, which may exceed the size.
        return Written(self.object, size, etag, segments, sent, max(size - sent, 0))

    @property
    def _segments(self) -> str:
        """The container of the segments."""
        return segments_container(self.object.container)

    @property
    def _segments_expiry(self) -> Mapping[str, str]:
        """The expiry until the manifest is written; an upload that is never completed has one."""
        return _expiry(_INCOMPLETE_LIFETIME if self.expire_after is None else self.expire_after)

    def _create_container(self) -> None:
        if not self.has_container:
            self.store.create_container(self.object.container)

    def _name(self, segment: Segment) -> ObjectName:
        return ObjectName(self._segments, segment.name)

    def _put(self, name: ObjectName, body: Body, headers: Mapping[str, str]) -> str:
        """Write `body` until the service has the same MD5, which is returned."""
        for _ in range(_ATTEMPTS):
            etag = self._put_once(name, body, headers)
            if etag == body.md5:
                return etag
        self.store.delete_object(name)
        text = (
            f"Object '{name}' arrived damaged {_ATTEMPTS} times: its MD5 is {etag[:40]}, expected"
            f" {body.md5}."
        )
        raise IntegrityError(Message(text, Hint.CHECK_NETWORK))

    def _put_once(self, name: ObjectName, body: Body, headers: Mapping[str, str]) -> str:
        """Write `body`; start again if a segment that it reads arrives corrupt."""
        for _ in range(1, _ATTEMPTS):
            try:
                return self.store.put_object(name, body, headers=headers)
            except SegmentCorrupt:
                self.transfer.check()
        return self.store.put_object(name, body, headers=headers)

    def _set_expiry(self, name: ObjectName, expiry: Mapping[str, str]) -> bool:
        try:
            self.store.post_object(name, expiry)
        except NotFound:  # the listing is out of date
            return False
        return True


def _expiry(seconds: int | None) -> Mapping[str, str]:
    return {} if seconds is None else {"X-Delete-After": str(seconds)}
