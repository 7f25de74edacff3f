# SPDX-License-Identifier: Apache-2.0
"""The properties by which an image and its copies in other places know each other. Pure."""

from collections.abc import Iterable

from rackspace_imagetasks.glance.facts import ImageFacts

COORDINATING_PROPERTY = "image_task_source"
"""On an image and its copies: identity service, region and image ID of the first of them."""
MARKED_PROPERTY = "image_task_marked"
"""On the same images: the ID of the image that was marked.

A snapshot of a server inherits the properties of the image that the server was created from. If
the marked ID is not the image's own, the marks were inherited and do not count.
"""
MARKS = (COORDINATING_PROPERTY, MARKED_PROPERTY)


def marks(origin: str, image_id: str) -> dict[str, str]:
    """Return the properties that mark image `image_id` as the origin, or as a copy of it."""
    return {COORDINATING_PROPERTY: origin, MARKED_PROPERTY: image_id}


def is_marked(image: ImageFacts) -> bool:
    """Return whether the image has marks of its own, not inherited ones."""
    return (
        COORDINATING_PROPERTY in image.properties
        and image.properties.get(MARKED_PROPERTY) == image.id
    )


def origin_of(image: ImageFacts, place: Iterable[str]) -> str:
    """Return what the image is a copy of, or else the image itself in its place.

    :param place: identity service and region of the image.
    """
    if is_marked(image):
        return image.properties[COORDINATING_PROPERTY]
    return "/".join((*place, image.id))
