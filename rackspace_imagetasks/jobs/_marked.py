# SPDX-License-Identifier: Apache-2.0
"""The image that an earlier run has completed."""

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.jobs.marks import Mark


def find_completed(cloud: Cloud, mark: Mark) -> ImageFacts | None:
    """Return the active image with a mark; the oldest one if there are several."""
    marked = cloud.images.select(cloud.project_id, mark.wanted)
    complete = (each for each in marked if each.status == "active" and mark.is_on(each))
    return min(complete, key=lambda image: (image.created_at, image.id), default=None)
