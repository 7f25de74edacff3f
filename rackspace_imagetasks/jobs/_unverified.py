# SPDX-License-Identifier: Apache-2.0
"""Images that an earlier run has created but not completed: what of them can be used."""

from collections.abc import Iterable

from rackspace_imagetasks.exceptions import IntegrityError, NotFound, ServiceError
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.jobs._arrival_methods import Delivery, follow


def find_unverified(delivery: Delivery, marked: Iterable[ImageFacts]) -> ImageFacts | None:
    """Return an image that an earlier run has left active or importing, once it is verified.

    Images that cannot be used are deleted. One that waits for data is not returned; whoever
    uploads finds it.

    :param marked: the images of the project that have the mark, in any state.
    """
    cloud = delivery.cloud
    for image in marked:
        if image.name != delivery.new.name:
            continue
        if _can_be_followed(image, delivery):
            try:
                return follow(delivery, image)
            except (IntegrityError, NotFound, ServiceError) as error:
                cloud.progress.message(str(error))
        elif image.status == "active" or image.properties.get("os_glance_failed_import"):
            cloud.images.delete(image.id)
            cloud.progress.message(
                f"Deleted image '{image.id}', which an earlier run did not complete."
            )
    return None


def _can_be_followed(image: ImageFacts, delivery: Delivery) -> bool:
    """Return whether an image has, or is getting, what looks like the data to deliver."""
    if image.disk_format != delivery.new.disk_format:
        return False
    is_whole = image.status == "active" and image.size == delivery.file.size
    return is_whole or image.status == "importing"
