# SPDX-License-Identifier: Apache-2.0
"""The image that an earlier run has completed."""

from collections.abc import Iterable

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.jobs.marks import Mark


def find_completed(cloud: Cloud, mark: Mark) -> ImageFacts | None:
    """Return the active image with a mark; the oldest one if there are several."""
    return completed_of(cloud.images.select(cloud.project_id, mark.wanted), mark)


def completed_of(images: Iterable[ImageFacts], mark: Mark) -> ImageFacts | None:
    """Return the active one of some images that has a mark; the oldest one if there are several."""
    complete = (each for each in images if each.status == "active" and mark.is_on(each))
    return min(complete, key=lambda image: (image.created_at, image.id), default=None)
