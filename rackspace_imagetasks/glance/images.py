# SPDX-License-Identifier: Apache-2.0
"""Images in Glance: find one by name or ID, read what policy needs, complete an imported one."""

import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from openstack import exceptions as sdk

from rackspace_imagetasks.exceptions import NotFound, Refused
from rackspace_imagetasks.glance.facts import ATTRIBUTES, ImageFacts
from rackspace_imagetasks.glance.service import ImageService
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.text import printable


class ImageClient:
    """The images of one cloud and region."""

    def __init__(self, service: ImageService) -> None:
        self._service = service

    def find(self, name_or_id: str) -> ImageFacts:
        """Return the one image with this ID, or this name.

        :raises NotFound: when there is none.
        :raises Refused: when several have the name.
        """
        what = f"image '{printable(name_or_id)}'"
        with self._service.errors(what):
            try:
                found = self._service.connection.image.find_image(name_or_id)
            except sdk.DuplicateResource as error:
                raise Refused(
                    f"Several images are called '{printable(name_or_id)}'; name one by its ID."
                ) from error
        if found is None:
            raise NotFound(
                f"There is no {what} in region '{self._service.region}'; `openstack image list`"
                " shows what there is."
            )
        return self.get(str(found.id))

    def get(self, image_id: str) -> ImageFacts:
        """Return the image with this ID.

        :raises NotFound: when there is none.
        """
        return _facts(self._service.get(_path(image_id), f"image {printable(image_id)}"))

    def select(self, owner: str, properties: Mapping[str, str]) -> Iterator[ImageFacts]:
        """Yield the images of project `owner` whose properties have these values.

        The service filters; that it did is checked: it may ignore a filter, and list what others
        have made public with any property they like.
        """
        query = {"owner": owner, **properties}
        for facts in map(_facts, self._service.pages("/images", "images", query)):
            if facts.owner == owner and properties.items() <= facts.properties.items():
                yield facts

    def complete(self, image_id: str, settings: ImageSettings) -> None:
        """Set on an image what its import task could not.

        :raises AccessDenied, ServiceError: as the service refuses it.
        """
        for called, changes in settings.patches():
            what = f"the {called} of image {printable(image_id)}"
            self._service.patch(_path(image_id), changes, what)


def _path(image_id: str) -> str:
    return f"/images/{urllib.parse.quote(image_id, safe='')}"


def _facts(image: Mapping[str, Any]) -> ImageFacts:
    return ImageFacts(
        id=str(image.get("id")),
        name=image.get("name"),
        owner=image.get("owner"),
        status=str(image.get("status")),
        visibility=str(image.get("visibility")),
        size=_number(image.get("size")),
        virtual_size=_number(image.get("virtual_size")),
        min_disk=_number(image.get("min_disk")) or 0,
        min_ram=_number(image.get("min_ram")) or 0,
        tags=tuple(_texts(image.get("tags"))),
        properties={k: str(v) for k, v in image.items() if k not in ATTRIBUTES and v is not None},
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _texts(value: object) -> Iterable[str]:
    return map(str, value) if isinstance(value, list) else ()
