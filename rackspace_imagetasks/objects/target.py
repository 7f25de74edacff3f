# SPDX-License-Identifier: Apache-2.0
"""Where an object is written: whole, or as a Static Large Object whose segments may be there."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from rackspace_imagetasks.exceptions import IntegrityError, NotFound, ServiceError
from rackspace_imagetasks.objects.body import Body
from rackspace_imagetasks.objects.segments import Segment, segments_container, slo_etag
from rackspace_imagetasks.objects.store import ObjectEntry, ObjectStore, shown
from rackspace_imagetasks.retry import backoff
from rackspace_imagetasks.text import printable

ATTEMPTS = 3

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


class Target:
    """The object to write; every MD5 that the service gives is compared.

    :param expire_after: seconds after which Swift deletes the object and its segments.
    """

    def __init__(
        self, store: ObjectStore, container: str, name: str, expire_after: int | None
    ) -> None:
        self.store = store
        self.container = container
        self.name = name
        self.segments = segments_container(container)
        self._headers = {} if expire_after is None else {"X-Delete-After": str(expire_after)}

    def put_whole(self, body: Body) -> Written:
        """Write the object with one PUT."""
        self.store.create_container(self.container)
        etag = self._put(self.container, self.name, body)
        self._check(etag, len(body))
        return self.written(len(body), etag, segments=0, sent=len(body))

    def written(self, size: int, etag: str, *, segments: int, sent: int) -> Written:
        """Say what was done: `sent` bytes in this run, and the rest in an earlier one."""
        # What is sent again, as it went away meanwhile, may exceed the size.
        reused = max(size - sent, 0)
        return Written(self.container, self.name, size, etag, segments, sent, reused)

    def put_segment(self, name: str, body: Body) -> str:
        """Write one segment and give its MD5."""
        return self._put(self.segments, name, body)

    def _put(self, container: str, name: str, body: Body) -> str:
        """Write `body` until the service has the same MD5."""
        for _ in range(ATTEMPTS):
            etag = self.store.put_object(container, name, body, headers=self._headers)
            if etag == body.md5:
                return etag
        self.store.delete_object(container, name)
        raise IntegrityError(
            f"{shown(container, name)} arrived damaged {ATTEMPTS} times: MD5"
            f" {printable(etag, 40)} instead of {body.md5}; look at the network between."
        )

    def listed(self, prefix: str) -> dict[str, ObjectEntry]:
        """Give the segments that the service lists, by name."""
        return {entry.name: entry for entry in self.store.list_objects(self.segments, prefix)}

    def keep(self, container: str, name: str) -> bool:
        """Make what an earlier run wrote expire with this one's; False where it is gone."""
        try:
            self.store.post_object(container, name, self._headers)
        except NotFound:  # the listing lags behind
            return False
        return True

    def put_segmented(
        self,
        prefix: str,
        plan: list[Segment],
        present: Callable[[], Hashes],
        send: Callable[[list[Segment]], Hashes],
        confirm: Callable[[], None],
    ) -> Written:
        """Write what is missing, then the manifest.

        :param prefix: what the segments' names begin with.
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
            try:
                etag = self._put_manifest([(segment, hashes[segment]) for segment in plan])
                break
            except ServiceError as error:
                # A segment went away meanwhile (400), or the servers' clocks differ (409).
                if error.status not in (400, 409) or attempt == ATTEMPTS:
                    raise
                self.store.pause.wait(backoff(attempt))
                hashes = self._still_there(prefix, hashes)
        size = sum(segment.length for segment in plan)
        self._check(etag, size)
        return self.written(size, etag, segments=len(plan), sent=sent)

    def _still_there(self, prefix: str, hashes: Hashes) -> Hashes:
        listed = self.listed(prefix)
        return {
            segment: md5
            for segment, md5 in hashes.items()
            if segment.name in listed
            and (listed[segment.name].bytes, listed[segment.name].hash) == (segment.length, md5)
        }

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
            headers=self._headers,
        )
        return slo_etag(md5 for _, md5 in segments)

    def _check(self, etag: str, size: int) -> None:
        """Compare what the service says it holds with what was sent."""
        for attempt in range(1, ATTEMPTS + 1):
            info = self.store.head_object(self.container, self.name)
            if info is not None and (info.etag, info.size) == (etag, size):
                return
            self.store.pause.wait(backoff(attempt))
        held = f"has {info.size} bytes, MD5 {printable(info.etag, 40)}" if info else "has none"
        raise IntegrityError(
            f"{shown(self.container, self.name)} is not what was sent ({size} bytes, MD5 {etag}):"
            f" the service {held}; run the command again."
        )
