# SPDX-License-Identifier: Apache-2.0
"""Where an object is written: whole, or as a Static Large Object whose segments may be there."""

import hashlib
import json
from collections.abc import Callable

from rackspace_imagetasks.exceptions import IntegrityError, NotFound, ServiceError
from rackspace_imagetasks.objects.body import Body
from rackspace_imagetasks.objects.segments import Segment, segments_container
from rackspace_imagetasks.objects.store import ObjectEntry, ObjectStore
from rackspace_imagetasks.retry import backoff
from rackspace_imagetasks.text import printable

ATTEMPTS = 3

#: Segments, each with its MD5 in hex.
Hashes = dict[Segment, str]


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
        self.shown = printable(f"{container}/{name}")
        self._headers = {} if expire_after is None else {"X-Delete-After": str(expire_after)}

    def put_whole(self, body: Body) -> str:
        """Write the object with one PUT and give its MD5."""
        self.store.create_container(self.container)
        etag = self._put(self.container, self.name, body)
        self._check(etag, len(body))
        return etag

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
            f"'{printable(container)}/{printable(name)}' arrived damaged {ATTEMPTS} times: MD5"
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
    ) -> tuple[str, int]:
        """Write what is missing, then the manifest; give its ETag and the bytes sent.

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
        self._check(etag, sum(segment.length for segment in plan))
        return etag, sent

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
        joined = "".join(md5 for _, md5 in segments)
        return hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()

    def _check(self, etag: str, size: int) -> None:
        """Compare what the service says it holds with what was sent."""
        for attempt in range(1, ATTEMPTS + 1):
            info = self.store.head_object(self.container, self.name)
            if info is not None and (info.etag, info.size) == (etag, size):
                return
            self.store.pause.wait(backoff(attempt))
        held = f"has {info.size} bytes, MD5 {printable(info.etag, 40)}" if info else "has none"
        raise IntegrityError(
            f"'{self.shown}' is not what was sent ({size} bytes, MD5 {etag}): the service {held};"
            " run the command again."
        )
