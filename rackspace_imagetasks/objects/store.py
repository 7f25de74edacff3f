# SPDX-License-Identifier: Apache-2.0
"""The Object Store service, one request per method: typed results, this package's exceptions.

The API: https://docs.openstack.org/api-ref/object-store/
"""

import copy
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from rackspace_imagetasks.exceptions import IntegrityError, NotFound
from rackspace_imagetasks.http.answers import ListingLimits, Stream
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.http.notices import Notify
from rackspace_imagetasks.http.ranges import resumed_chunks
from rackspace_imagetasks.http.retry import RetryPolicy
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects._body import CHUNK, Body
from rackspace_imagetasks.objects._records import (
    ContainerInfo,
    Listed,
    ObjectEntry,
    ObjectInfo,
    Usage,
    read_container,
    read_date,
    read_entry,
    read_number,
    read_page,
    read_usage,
)
from rackspace_imagetasks.objects._words import object_words
from rackspace_imagetasks.objects.names import ObjectName, container_path
from rackspace_imagetasks.units import MIB

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter

_NOT_FOUND = frozenset({404})
_SECONDS_PER_DELETION = 1.0
# Swift lists up to 10,000 names on a page. In JSON, a name of 1024 bytes can have 3 KB.
_PAGE_SIZE = 64 * MIB
# A sorted listing does not repeat itself, and is read page by page: only one without end is wrong.
_MOST_PAGES = 2_000
_MOST_ENTRIES = 20_000_000


class ObjectStore:
    """The containers and objects of one account in one region; safe to use from threads.

    :param adapter: a keystoneauth adapter of the object store, such as openstacksdk's
        `Connection.object_store`.
    :param retries: how many times a request is repeated at most.
    :param connect_timeout: seconds to connect, and to send one chunk.
    :param read_timeout: seconds to wait for the next byte of an answer.
    :param notify: called with a message when a wait is long or the service cannot be reached.
    :param cloud: the name of the cloud, for messages.

    Every method raises `AccessDenied`, `NotFound`, `QuotaExceeded` or `ServiceError`, and
    `Refused`, without a request, for a name that no container or object can have.
    """

    def __init__(
        self,
        adapter: "Adapter",
        *,
        retries: int = 7,
        connect_timeout: float = 60.0,
        read_timeout: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
        notify: Notify | None = None,
        cloud: str = "",
    ) -> None:
        self._client = Client(
            adapter,
            object_words(adapter.region_name or "", cloud),
            retry=RetryPolicy(retries + 1, connect_timeout, read_timeout),
            cancellation=Cancellation(sleep),
            notify=notify,
        )
        self.cancellation = self._client.cancellation
        self.attempts = self._client.retry.attempts

    @property
    def client(self) -> Client:
        """The client that sends the requests."""
        return self._client

    def endpoint(self) -> str:
        """Return the account's URL, after logging in if need be.

        :raises NotFound: if the catalog has no object store in the region.
        """
        return self._client.endpoint()

    def until(self, abort: threading.Event) -> Self:
        """Return the same store with requests that end with `Cancelled` when `abort` is set."""
        other = copy.copy(self)
        other._client = self._client.until(abort)  # noqa: SLF001
        other.cancellation = other._client.cancellation  # noqa: SLF001
        return other

    def with_attempts(self, attempts: int) -> Self:
        """Return the same store with requests that are sent `attempts` times at most."""
        other = copy.copy(self)
        other._client = self._client.with_retry(  # noqa: SLF001
            replace(self._client.retry, attempts=attempts)
        )
        other.attempts = attempts
        return other

    def clock(self, container: str) -> tuple[datetime, bool]:
        """Return the service's time, to a second, and whether a container exists.

        Both come from one response.

        :raises ServiceError: if the response does not contain the time.
        """
        action = f"get container '{container}'"
        answer = self._client.request("HEAD", container_path(container), action, accept=_NOT_FOUND)
        time = read_date(answer.headers, "Date")
        if time is None:
            raise answer.unusable("does not give the time")
        return time, answer.status != 404

    def list_containers(self, prefix: str = "") -> Iterator[ContainerInfo]:
        """Yield the containers of the account, sorted by name."""
        return self._pages("", "list the containers", prefix, read_container)

    def head_container(self, name: str) -> ContainerInfo | None:
        """Return the properties of a container, or None if it does not exist."""
        used = self.container_usage(name)
        return ContainerInfo(name, used.objects, used.size) if used else None

    def container_usage(self, name: str) -> Usage | None:
        """Return what a container holds and its quotas, or None if it does not exist."""
        action = f"get container '{name}'"
        answer = self._client.request("HEAD", container_path(name), action, accept=_NOT_FOUND)
        return read_usage(answer.headers, "Container") if answer.status != 404 else None

    def account_usage(self) -> Usage:
        """Return what the account holds and its quotas; nothing if the caller may not know."""
        accept = frozenset({403, 404})
        answer = self._client.request("HEAD", "", "get the account", accept=accept)
        return read_usage(answer.headers, "Account") if answer.status < 300 else Usage()

    def create_container(self, name: str) -> None:
        """Create a container unless it exists."""
        action = f"create container '{name}'"
        self._client.request("PUT", container_path(name), action, body=b"")

    def list_objects(
        self, container: str, prefix: str = "", *, absent_is_empty: bool = False
    ) -> Iterator[ObjectEntry]:
        """Yield the objects whose names begin with `prefix`, sorted by name.

        A listing that is not sorted is an error, because its pages might never end.

        :param absent_is_empty: treat a container that does not exist as an empty one.
        """
        action = f"list container '{container}'"
        try:
            yield from self._pages(container_path(container), action, prefix, read_entry)
        except NotFound:
            if not absent_is_empty:
                raise

    def _pages(
        self, path: str, action: str, prefix: str, read: Callable[[dict[str, Any]], Listed]
    ) -> Iterator[Listed]:
        params = {"format": "json", "prefix": prefix}
        limits = ListingLimits(_MOST_PAGES, _MOST_ENTRIES)
        client = self._client.with_retry(replace(self._client.retry, answer_size=_PAGE_SIZE))
        while True:
            answer = client.request("GET", path, action, params=params)
            entries: list[Listed] = read_page(answer, read)
            if not entries:
                return
            names = [params.get("marker", ""), *(entry.name for entry in entries)]
            if not all(name < following for name, following in pairwise(names)):
                raise answer.unusable("is not sorted")
            yield from entries
            limits.check(answer, len(entries), names[-1])
            params = params | {"marker": names[-1]}

    def head_object(self, name: ObjectName) -> ObjectInfo | None:
        """Return the properties of an object, or None if it does not exist."""
        action = f"get object '{name}'"
        answer = self._client.request("HEAD", name.path, action, accept=_NOT_FOUND)
        if answer.status == 404:
            return None
        headers = answer.headers
        size = read_number(headers, "Content-Length")
        if size is None:
            raise answer.unusable("does not give its size")
        return ObjectInfo(
            name,
            size,
            headers.get("ETag", "").strip('"'),
            headers.get("X-Static-Large-Object", "").lower() == "true",
            headers.get("X-Object-Manifest"),
            headers,
        )

    def get_manifest(self, name: ObjectName) -> list[dict[str, Any]]:
        """Return the entries of the manifest of a Static Large Object, as Swift stores them."""
        action = f"read the manifest of object '{name}'"
        params = {"multipart-manifest": "get"}
        answer = self._client.request("GET", name.path, action, params=params)
        entries = answer.json()
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise answer.unusable("is not a manifest")
        return entries

    def get_range(
        self, name: ObjectName, offset: int, length: int, etag: str | None = None
    ) -> Iterator[bytes]:
        """Yield exactly `length` bytes from `offset`, in chunks.

        If the connection breaks, reading resumes at the byte that was reached.

        :param etag: the version to read.
        :raises IntegrityError: if the object is another version, or shorter.
        """
        end = offset + length
        return resumed_chunks(
            self._client,
            f"read object '{name}'",
            lambda start: self._open_range(name, start, end, etag),
            (offset, end),
            CHUNK,
        )

    def _open_range(self, name: ObjectName, offset: int, end: int, etag: str | None) -> Stream:
        headers = {"Range": f"bytes={offset}-{end - 1}"}
        if etag:
            headers["If-Match"] = f'"{etag}"'
        action = f"read object '{name}'"
        stream = self._client.open(name.path, action, headers, frozenset({412, 416}))
        content_range = stream.headers.get("Content-Range", "")
        if stream.status == 206 and content_range.startswith(f"bytes {offset}-{end - 1}/"):
            return stream
        whole = stream.headers.get("Content-Length") == str(end) and offset == 0
        if stream.status == 200 and whole:
            return stream
        stream.close()
        if stream.status == 412:
            text = f"Object '{name}' was replaced while it was being read."
            raise IntegrityError(Message(text, Hint.TRY_AGAIN))
        raise IntegrityError(
            f"Object '{name}' does not contain bytes {offset} to {end - 1}: the service returned"
            f" {stream.status} {content_range[:60]}".rstrip()
            + "."
        )

    def put_object(
        self,
        name: ObjectName,
        body: Body | bytes,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> str:
        """Write an object and return the ETag of the response."""
        answer = self._client.request(
            "PUT",
            name.path,
            f"write object '{name}'",
            body=body,
            headers=headers,
            params=params,
            probe=container_path(name.container),
        )
        return answer.headers.get("ETag", "").strip('"')

    def post_object(self, name: ObjectName, headers: Mapping[str, str]) -> None:
        """Replace the metadata of an object, including its expiry."""
        action = f"update object '{name}'"
        self._client.request("POST", name.path, action, headers=headers)

    def delete_object(self, name: ObjectName) -> None:
        """Delete an object if it exists; the segments of a large object remain."""
        self._client.request("DELETE", name.path, f"delete object '{name}'", accept=_NOT_FOUND)

    def delete_large_object(self, name: ObjectName, segments: int) -> bytes:
        """Delete a Static Large Object with its segments, and return the service's report.

        The service deletes one segment after the other before it completes its answer.

        :param segments: how many there are, which determines how long to wait for the answer.
        """
        retry = self._client.retry
        timeout = retry.answer_timeout + segments * _SECONDS_PER_DELETION
        answer = self._client.with_retry(replace(retry, answer_timeout=timeout)).request(
            "DELETE",
            name.path,
            f"delete object '{name}'",
            headers={"Accept": "application/json"},
            params={"multipart-manifest": "delete"},
            accept=_NOT_FOUND,
        )
        return answer.content
