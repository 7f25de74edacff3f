# SPDX-License-Identifier: Apache-2.0
"""What the Object Store returns: typed records, read from headers and listings."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar

from rackspace_imagetasks.http.answers import Answer
from rackspace_imagetasks.objects.names import ObjectName


class Usage(NamedTuple):
    """What an account or a container holds, and its quotas; sizes in bytes, maybe out of date.

    :ivar max_objects: the quota of objects, or None.
    :ivar max_size: the quota of bytes, or None.
    """

    objects: int = 0
    size: int = 0
    max_objects: int | None = None
    max_size: int | None = None


class ContainerInfo(NamedTuple):
    """A container; `objects` and `size` (in bytes) may be out of date."""

    name: str
    objects: int
    size: int


class ObjectEntry(NamedTuple):
    """An object in a listing; `hash` is its MD5 in hex, `bytes` is 0 for the manifest of a DLO."""

    name: str
    bytes: int
    hash: str
    last_modified: str


Listed = TypeVar("Listed", ContainerInfo, ObjectEntry)


@dataclass(frozen=True)
class ObjectInfo:
    """The properties of an object, as HEAD returns them.

    :ivar size: bytes of the content, over all segments.
    :ivar etag: the MD5 in hex of a plain object's content, or of its segments' MD5s.
    :ivar dlo_manifest: `container/prefix` of the segments, still quoted, or None.
    """

    object: ObjectName
    size: int
    etag: str
    is_slo: bool
    dlo_manifest: str | None
    headers: Mapping[str, str] = field(repr=False)

    @property
    def last_modified(self) -> datetime | None:
        """When it was last written, rounded up to a second; None if the service does not say."""
        return read_date(self.headers, "Last-Modified")


def read_page(answer: Answer, read: Callable[[dict[str, Any]], Listed]) -> list[Listed]:
    """Return the entries of a page of a listing.

    :raises ServiceError: if it is anything else.
    """
    page = [] if answer.status == 204 else answer.json()
    try:
        if not isinstance(page, list):
            raise TypeError(page)
        return [read(entry) for entry in page]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise answer.unusable("is not a listing") from error


def read_container(entry: dict[str, Any]) -> ContainerInfo:
    """Return an entry of a listing of containers."""
    return ContainerInfo(_text(entry["name"]), int(entry["count"]), int(entry["bytes"]))


def read_entry(entry: dict[str, Any]) -> ObjectEntry:
    """Return an entry of a listing of objects."""
    texts = (_text(entry[key]) for key in ("hash", "last_modified"))
    return ObjectEntry(_text(entry["name"]), int(entry["bytes"]), *texts)


def read_usage(headers: Mapping[str, str], kind: str) -> Usage:
    """Return what the headers of an account or a container say of its use and its quotas.

    :param kind: "Account" or "Container".
    """

    def quota(what: str) -> int | None:
        for name in (f"X-{kind}-Quota-{what}", f"X-{kind}-Meta-Quota-{what}"):
            if (number := read_number(headers, name)) is not None:
                return number
        return None

    return Usage(
        read_number(headers, f"X-{kind}-Object-Count") or 0,
        read_number(headers, f"X-{kind}-Bytes-Used") or 0,
        quota("Count"),
        quota("Bytes"),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def read_number(headers: Mapping[str, str], header: str) -> int | None:
    """Return the number in a header; None if it is not a non-negative integer."""
    text = headers.get(header, "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def read_date(headers: Mapping[str, str], header: str) -> datetime | None:
    """Return a date (RFC 9110, 5.6.7), which is in UTC; None if it cannot be understood."""
    try:
        return parsedate_to_datetime(headers[header]).replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return None
