# SPDX-License-Identifier: Apache-2.0
"""The properties by which a job recognises an image that an earlier run has completed. Pure."""

import dataclasses
import hashlib
from collections.abc import Iterable

from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.objects.names import ObjectName

TRANSFER_PROPERTY = "image_task_source"
"""On an image and its copies: identity service, region and image ID of the first of them."""
TRANSFERRED_PROPERTY = "image_task_marked"
"""On the same images: the ID of the image that was marked."""
IMPORT_PROPERTY = "image_task_import"
"""On an imported image: what identifies the content and the name that it was imported with."""
IMPORTED_PROPERTY = "image_task_imported"
"""On the same image: its own ID."""
MARKS = (TRANSFER_PROPERTY, TRANSFERRED_PROPERTY, IMPORT_PROPERTY, IMPORTED_PROPERTY)


@dataclasses.dataclass(frozen=True)
class Mark:
    """A property by which an image is found, and another that says which image was marked.

    A snapshot of a server inherits the properties of the image that the server was created from. If
    the marked ID is not the image's own, the mark was inherited and does not count. Transfers and
    imports have an ID property each: when a snapshot is marked for one, what it inherited of the
    other still does not count.
    """

    key: str
    value: str
    id_key: str

    @property
    def wanted(self) -> dict[str, str]:
        """The property that a marked image has."""
        return {self.key: self.value}

    def properties(self, image_id: str) -> dict[str, str]:
        """Return the properties that mark image `image_id`."""
        return self.wanted | {self.id_key: image_id}

    def is_on(self, image: ImageFacts) -> bool:
        """Return whether the image itself has this mark."""
        return self.properties(image.id).items() <= image.properties.items()

    def is_other_on(self, image: ImageFacts) -> bool:
        """Return whether the image itself has a mark of this kind with another value."""
        value = image.properties.get(self.key, self.value)
        return value != self.value and image.properties.get(self.id_key) == image.id


def transfer_mark(origin: str) -> Mark:
    """Return the mark of the image `origin` and of its copies."""
    return Mark(TRANSFER_PROPERTY, origin, TRANSFERRED_PROPERTY)


def import_mark(content: str) -> Mark:
    """Return the mark of an image that was imported from `content`."""
    return Mark(IMPORT_PROPERTY, content, IMPORTED_PROPERTY)


def object_content(location: ObjectName, etag: str, name: str) -> str:
    """Return what identifies an object's content that is imported as an image called `name`.

    It begins with `object_prefix`, so that the image is found even if the object is deleted.
    """
    return object_prefix(location, name) + _digest(etag)


def object_prefix(location: ObjectName, name: str) -> str:
    """Return what identifies any import of an object as an image called `name`."""
    return f"{_digest(*location, name)}-"


def is_marked_for_import(image: ImageFacts, prefix: str) -> bool:
    """Return whether the image itself has an import mark whose value begins with `prefix`."""
    value = image.properties.get(IMPORT_PROPERTY, "")
    return value.startswith(prefix) and import_mark(value).is_on(image)


def origin_of(image: ImageFacts, place: Iterable[str]) -> str:
    """Return what the image is a copy of, or else the image itself in its place.

    :param place: identity service and region of the image.
    """
    marked = transfer_mark(image.properties.get(TRANSFER_PROPERTY, ""))
    return marked.value if marked.is_on(image) else "/".join((*place, image.id))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
