# SPDX-License-Identifier: Apache-2.0
"""What images and tasks share: the URL of version 2 of the API, and its listings."""

import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from rackspace_imagetasks.http.answers import Answer, ListingLimits
from rackspace_imagetasks.http.client import Client

_PAGE = 1000  # Glance returns no more in one answer

Item = TypeVar("Item")


def api_root(endpoint: str) -> str:
    """Return the URL of version 2 of the Images API for the endpoint in the catalog.

    An endpoint may name a version or not. The service's own list of versions is not asked: it may
    point to another host.
    """
    base = endpoint.rstrip("/")
    if re.search(r"/v2(\.\d+)?(/|$)", base):
        return base
    return re.sub(r"/v\d+(\.\d+)?$", "", base) + "/v2"


def items_of(
    client: Client,
    path: str,
    key: str,
    query: Mapping[str, str],
    read: Callable[[Mapping[str, Any]], Item],
    *,
    first: Answer | None = None,
) -> Iterator[Item]:
    """Yield the items of a listing, over all its pages.

    Of the URL of the next page, which may be on another host, only the marker is used.

    :param key: what is listed, such as "tasks", and the member of the answer that holds it.
    :param read: makes an item from its JSON object, and raises ValueError if it is none.
    :param first: the first page, if it was requested before.
    :raises ServiceError: if an answer is not such a listing, or the listing has no end.
    """
    params = page_of(query)
    limits = ListingLimits()
    while True:
        answer = first or client.request("GET", path, f"list the {key}", params=params)
        first = None
        listing = answer.json_object()
        items = _items(answer, listing.get(key), key, read)
        yield from items
        marker = _marker(listing.get("next"))
        if not marker:
            return
        limits.check(answer, len(items), marker)
        params = {**params, "marker": marker}


def page_of(query: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of the first page of a listing."""
    return {"limit": str(_PAGE), **query}


def described(answer: Answer, read: Callable[[Mapping[str, Any]], Item], what: str) -> Item:
    """Return what an answer describes.

    :param what: what that is, such as "a task".
    :param read: makes it from a JSON object, and raises ValueError if it is none.
    :raises ServiceError: if the answer is of any other shape.
    """
    value = answer.json_object()
    try:
        return read(value)
    except ValueError as error:
        raise answer.unusable(f"does not describe {what}") from error


def _items(
    answer: Answer, values: object, key: str, read: Callable[[Mapping[str, Any]], Item]
) -> list[Item]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise answer.unusable(f"is not a list of {key}")
    try:
        return [read(value) for value in values]
    except ValueError as error:
        raise answer.unusable(f"is not a list of {key}") from error


def _marker(next_page: object) -> str:
    query = urllib.parse.urlsplit(next_page if isinstance(next_page, str) else "").query
    return urllib.parse.parse_qs(query).get("marker", [""])[0]
