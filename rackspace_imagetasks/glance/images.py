# SPDX-License-Identifier: Apache-2.0
"""Images in Glance: find one by name or ID, read what policy needs, complete an imported one."""

import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rackspace_imagetasks.exceptions import NotFound, Refused, ServiceError
from rackspace_imagetasks.glance.api import described, items_of
from rackspace_imagetasks.glance.facts import ATTRIBUTES, ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.messages import Hint, Message

_NOT_AN_ID = frozenset({400, 403, 404})  # as services answer for an ID that no image has
_MAX_LISTED = 10  # images with the same name
_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


class ImageClient:
    """The images of one cloud and region."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._place = client.words.place

    def find(self, name_or_id: str) -> ImageFacts:
        """Return the one image with this ID or this name.

        :raises NotFound: if there is none.
        :raises Refused: if several have the name.
        """
        if _may_be_id(name_or_id):
            action = f"read image '{name_or_id}'"
            answer = self._client.request("GET", _path(name_or_id), action, accept=_NOT_AN_ID)
            if answer.status not in _NOT_AN_ID:
                return described(answer, read_facts, "an image")
        found = self._named(name_or_id)
        if len(found) > 1:
            raise Refused(*self._ambiguous(name_or_id, found))
        if not found:
            text = f"Image '{name_or_id}' not found in {self._place}."
            raise NotFound(Message(text, Hint.LIST_IMAGES))
        return found[0]

    def get(self, image_id: str) -> ImageFacts:
        """Return the image with this ID.

        :raises NotFound: if there is none.
        """
        answer = self._client.request("GET", _path(image_id), f"read image '{image_id}'")
        return described(answer, read_facts, "an image")

    def select(self, owner: str, properties: Mapping[str, str]) -> Iterator[ImageFacts]:
        """Yield the images of project `owner` whose properties have these values.

        The filter is checked again here: the service may ignore it, and list public images of
        other projects with any property.
        """
        query = {"owner": owner, **properties}
        for facts in self._list(query):
            if facts.owner == owner and properties.items() <= facts.properties.items():
                yield facts

    def owned(self, owner: str, name: str) -> list[ImageFacts]:
        """Return the images of project `owner` with this name."""
        return [image for image in self._named(name) if image.owner == owner]

    def delete(self, image_id: str) -> None:
        """Delete an image; do nothing if it does not exist.

        :raises AccessDenied, ServiceError: if the service refuses it.
        """
        action = f"delete image '{image_id}'"
        self._client.request("DELETE", _path(image_id), action, accept=frozenset({404}))

    def complete(self, image_id: str, settings: ImageSettings) -> None:
        """Set on an image what its import task could not set.

        :raises AccessDenied, ServiceError: if the service refuses it.
        """
        for called, changes in settings.patches():
            self._client.request(
                "PATCH",
                _path(image_id),
                f"set the {called} of image '{image_id}'",
                body=json.dumps(changes).encode(),
                headers=_PATCH,
            )

    def _ambiguous(self, name: str, found: Sequence[ImageFacts]) -> Iterator[Message]:
        """Yield what tells images with one name apart, a line for each, the newest first."""
        text = f"{len(found)} images are named '{name}' in {self._place}."
        yield Message(text, Hint.NAME_IMAGE_BY_ID)
        ordered = sorted(found, key=lambda image: (image.created_at, image.id), reverse=True)
        for image in ordered[:_MAX_LISTED]:
            created = image.created_at or "at an unknown time"
            yield Message(f"{image.id}: created {created}, {image.visibility}, {image.status}")
        if others := ordered[_MAX_LISTED:]:
            yield Message(f"Older images that are not listed: {len(others)}.")

    def _named(self, name: str) -> list[ImageFacts]:
        """Return the images with a name: those that listings show, or else hidden ones."""
        for hidden in ({}, {"os_hidden": "true"}):
            for wanted in _name_filters(name):
                listed = self._filtered({"name": wanted, **hidden})
                if found := [image for image in listed if image.name == name]:
                    return found
        return []

    def _filtered(self, query: Mapping[str, str]) -> list[ImageFacts]:
        """Return the images that match; none if the service takes a name for an operator."""
        try:
            return list(self._list(query))
        except ServiceError as error:
            if error.status != 400 or ":" not in query["name"]:
                raise
            return []

    def _list(self, query: Mapping[str, str]) -> Iterator[ImageFacts]:
        return items_of(self._client, "images", "images", query, read_facts)


def _name_filters(name: str) -> tuple[str, ...]:
    """Return the values of the filter for a name, the most certain first.

    A service takes what is before a colon for an operator, if it is not too old to know any.
    """
    return (f"eq:{name}", name) if ":" in name else (name,)


def _may_be_id(text: str) -> bool:
    return re.fullmatch("[0-9A-Fa-f-]{32,36}", text) is not None


def _path(image_id: str) -> str:
    return f"images/{urllib.parse.quote(image_id, safe='')}"


def read_facts(image: Mapping[str, Any]) -> ImageFacts:
    """Read an image's JSON object.

    :raises ValueError: if it is none.
    """
    return ImageFacts(
        id=_text(image.get("id")),
        name=_text_or_none(image.get("name")),
        owner=_text_or_none(image.get("owner")),
        status=_text(image.get("status")),
        visibility=_text(image.get("visibility")),
        size=_number(image.get("size")),
        virtual_size=_number(image.get("virtual_size")),
        min_disk=_number(image.get("min_disk")) or 0,
        min_ram=_number(image.get("min_ram")) or 0,
        tags=tuple(_texts(image.get("tags"))),
        properties={k: str(v) for k, v in image.items() if k not in ATTRIBUTES and v is not None},
        created_at=_text_or_none(image.get("created_at")) or "",
        checksum=_text_or_none(image.get("checksum")) or "",
        hash_algo=_text_or_none(image.get("os_hash_algo")) or "",
        hash_value=_text_or_none(image.get("os_hash_value")) or "",
        disk_format=_text_or_none(image.get("disk_format")) or "",
        container_format=_text_or_none(image.get("container_format")) or "",
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def _text_or_none(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(value)
    return value


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _texts(value: object) -> Iterable[str]:
    return map(str, value) if isinstance(value, list) else ()
