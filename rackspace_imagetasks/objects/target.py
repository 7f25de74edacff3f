# SPDX-License-Identifier: Apache-2.0
"""Where an object is written: whole, or as a Static Large Object whose segments may be there."""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from rackspace_imagetasks.exceptions import IntegrityError, NotFound, ServiceError
from rackspace_imagetasks.http.retry import backoff
from rackspace_imagetasks.objects.body import Body
from rackspace_imagetasks.objects.counter import TransferCounter
from rackspace_imagetasks.objects.segments import Segment, segments_container, slo_etag
from rackspace_imagetasks.objects.store import ObjectEntry, ObjectStore, shown
from rackspace_imagetasks.objects.workers import in_parallel
from rackspace_imagetasks.text import printable

ATTEMPTS = 3
_INCOMPLETE_LIFETIME = 7 * 24 * 60 * 60  # seconds

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Segments, each with its MD5 in hex.
Hashes = dict[Segment, str]


@dataclass(frozen=True)
class Written:
    """What an upload or a copy did.

    :ivar size: bytes of the object.
    :ivar etag: the MD5 in hex of a plain object, or of its segments' MD5s.
    :ivar segments: how many segments it has; 0 for a single PUT.
    :ivar sent_bytes: bytes that this run sent.
    :ivar reused_bytes: bytes that an earlier run had sent.
    """

    container: str
    name: str
    size: int
    etag: str
    segments: int
    sent_bytes: int
    reused_bytes: int


@dataclass
class Target:
    """The object to write; every MD5 that the service gives is compared.

    :ivar expire_after: seconds after which Swift deletes the object and its segments, or None.
    :ivar threads: how many requests may be under way at once.
    :ivar sent: the names of the segments that this run has written, or tried to.
    """

    store: ObjectStore
    container: str
    name: str
    expire_after: int | None
    threads: int
    abort: threading.Event
    counter: TransferCounter
    sent: set[str] = field(default_factory=set)

    @property
    def segments(self) -> str:
        """The container of the segments."""
        return segments_container(self.container)

    def put_whole(self, body: Body) -> Written:
        """Write the object with one PUT."""
        self.store.create_container(self.container)
        etag = self._put(self.container, self.name, body, _expiry(self.expire_after))
        self._check(etag, len(body))
        return self.written(len(body), etag, segments=0, sent=len(body))

    def written(self, size: int, etag: str, *, segments: int, sent: int) -> Written:
        """Say what was done: `sent` bytes in this run, and the rest in an earlier one."""
        # What is sent again, as it went away meanwhile, may exceed the size.
        reused = max(size - sent, 0)
        return Written(self.container, self.name, size, etag, segments, sent, reused)

    def put_segment(self, name: str, body: Body) -> str:
        """Write one segment and give its MD5."""
        self.sent.add(name)
        etag = self._put(self.segments, name, body, self._segments_expiry)
        self.counter.keep(len(body))
        return etag

    @property
    def _segments_expiry(self) -> Mapping[str, str]:
        """What nobody completes is not to stay for ever."""
        return _expiry(_INCOMPLETE_LIFETIME if self.expire_after is None else self.expire_after)

    def _put(self, container: str, name: str, body: Body, headers: Mapping[str, str]) -> str:
        """Write `body` until the service has the same MD5."""
        for _ in range(ATTEMPTS):
            etag = self.store.put_object(container, name, body, headers=headers)
            if etag == body.md5:
                return etag
        self.store.delete_object(container, name)
        raise IntegrityError(
            f"{shown(container, name)} arrived damaged {ATTEMPTS} times: MD5"
            f" {printable(etag, 40)} instead of {body.md5}; look at the network between."
        )

    def listed(self, prefix: str) -> dict[str, ObjectEntry]:
        """Return the segments that the service lists, by name."""
        return {entry.name: entry for entry in self.store.list_objects(self.segments, prefix)}

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Do `work` for each item, several at a time; results come in the items' order."""
        return in_parallel(work, items, self.threads, self.abort)

    def reuse(self, segment: Segment) -> bool:
        """Make a segment that an earlier run wrote expire with this one's; False if it is gone."""
        if not self._set_expiry(self.segments, segment.name, self._segments_expiry):
            return False
        self.counter.keep(segment.length)
        return True

    def reuse_whole(self) -> bool:
        """Make the object that an earlier run wrote expire as this one's; False if it is gone."""
        return self._set_expiry(self.container, self.name, _expiry(self.expire_after))

    def _set_expiry(self, container: str, name: str, expiry: Mapping[str, str]) -> bool:
        try:
            self.store.post_object(container, name, expiry)
        except NotFound:  # the listing lags behind
            return False
        return True

    def put_segmented(
        self,
        plan: list[Segment],
        present: Callable[[], Hashes],
        send: Callable[[list[Segment]], Hashes],
        confirm: Callable[[], None],
    ) -> Written:
        """Write what is missing, then the manifest.

        :param present: gives the segments that are already there and right.
        :param send: writes segments.
        :param confirm: raises when the source has changed meanwhile.
        """
        self.store.create_container(self.container)
        self.store.create_container(self.segments)
        hashes, sent = present(), 0
        for attempt in range(1, ATTEMPTS + 1):
            missing = [segment for segment in plan if segment not in hashes]
            hashes |= send(missing)
            sent += sum(segment.length for segment in missing)
            confirm()
            self._let_stay(plan)
            try:
                etag = self._put_manifest([(segment, hashes[segment]) for segment in plan])
                break
            except ServiceError as error:
                # A segment went away meanwhile (400), or the servers' clocks differ (409).
                if error.status not in (400, 409) or attempt == ATTEMPTS:
                    raise
                self.store.cancellation.wait(backoff(attempt))
                if error.status == 400:
                    hashes = self._still_there(hashes)
        size = sum(segment.length for segment in plan)
        self._check(etag, size)
        return self.written(size, etag, segments=len(plan), sent=sent)

    def _let_stay(self, plan: list[Segment]) -> None:
        """Have the segments of an object that is to stay expire no more.

        Before the manifest is written: an object whose segments expire would lose its content.
        """
        if self.expire_after is None:
            self.each(lambda segment: self._set_expiry(self.segments, segment.name, {}), plan)

    def _still_there(self, hashes: Hashes) -> Hashes:
        """Return the segments that the service has, asked for one by one: a listing may lag."""

        def is_there(segment: Segment) -> bool:
            info = self.store.head_object(self.segments, segment.name)
            return info is not None and (info.size, info.etag) == (segment.length, hashes[segment])

        found = self.each(is_there, hashes)
        there = zip(hashes.items(), found, strict=True)
        return {segment: md5 for (segment, md5), is_right in there if is_right}

    def _put_manifest(self, segments: list[tuple[Segment, str]]) -> str:
        """Name the segments; the service compares each MD5 and size."""
        entries = [
            {"path": f"/{self.segments}/{segment.name}", "etag": md5, "size_bytes": segment.length}
            for segment, md5 in segments
        ]
        self.store.put_object(
            self.container,
            self.name,
            json.dumps(entries).encode(),
            params={"multipart-manifest": "put"},
            headers=_expiry(self.expire_after),
        )
        return slo_etag(md5 for _, md5 in segments)

    def _check(self, etag: str, size: int) -> None:
        """Compare what the service says it holds with what was sent."""
        for attempt in range(1, ATTEMPTS + 1):
            info = self.store.head_object(self.container, self.name)
            if info is not None and (info.etag, info.size) == (etag, size):
                return
            self.store.cancellation.wait(backoff(attempt))
        held = f"has {info.size} bytes, MD5 {printable(info.etag, 40)}" if info else "has none"
        raise IntegrityError(
            f"{shown(self.container, self.name)} is not what was sent ({size} bytes, MD5 {etag}):"
            f" the service {held}; run the command again."
        )


def _expiry(seconds: int | None) -> Mapping[str, str]:
    return {} if seconds is None else {"X-Delete-After": str(seconds)}
