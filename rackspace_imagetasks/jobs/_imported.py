# SPDX-License-Identifier: Apache-2.0
"""The image that an import task created, read back and checked."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import IntegrityError, NotFound, ServiceError
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.task import Task

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def imported_image(cloud: Cloud, task: Task, name: str) -> ImageFacts:
    """Return the image that a successful import task created.

    What the task reports is not trusted: settings and marks must never reach another image.

    :param name: the name that the task gave the image.
    :raises ServiceError: if the task does not report an image.
    :raises IntegrityError: if the image does not exist, or is not one that the task created.
    """
    image_id = _reported_id(task)
    if not image_id:
        raise ServiceError(f"Import task '{task.id}' does not report which image it created.")
    if not _UUID.fullmatch(image_id):
        raise IntegrityError(
            f"Import task '{task.id}' reports that it created image '{image_id}', which is not an"
            " image ID."
        )
    try:
        image = cloud.images.get(image_id)
    except NotFound as error:
        raise IntegrityError(
            f"Import task '{task.id}' reports that it created image '{image_id}', which does not"
            " exist."
        ) from error
    if problems := list(_contradictions(cloud, task, name, image)):
        raise IntegrityError(
            f"Import task '{task.id}' reports that it created image '{image_id}', but that image"
            f" {' and '.join(problems)}. Nothing was changed on it."
        )
    return image


def find_imported_image(cloud: Cloud, task: Task, name: str) -> ImageFacts | None:
    """Return the image that an earlier run's import task created, or None if it is gone."""
    if not _reported_id(task):
        return None
    try:
        return imported_image(cloud, task, name)
    except IntegrityError:
        return None


def _reported_id(task: Task) -> str:
    image_id = task.result.get("image_id")
    return image_id if isinstance(image_id, str) else ""


def _contradictions(cloud: Cloud, task: Task, name: str, image: ImageFacts) -> Iterator[str]:
    """Yield the reasons why the task cannot have created the image."""
    if image.id.lower() != _reported_id(task).lower():
        yield f"has the ID '{image.id}'"
    if image.owner != cloud.project_id:
        yield "belongs to another project"
    if image.name != name:
        yield f"is called '{image.name}' instead of '{name}'"
    if _is_before(image.created_at, task.created_at):
        yield f"was created at {image.created_at}, before the task ({task.created_at})"
    if image.status != "active":
        yield f"has the status '{image.status}' instead of 'active'"


def _is_before(earlier: str, later: str) -> bool:
    """Return whether one time is before another; False if either is unknown."""
    first, second = parse_time(earlier), parse_time(later)
    return first is not None and second is not None and first < second


def parse_time(text: str) -> datetime | None:
    """Return a time of the Image service (ISO 8601); None if it cannot be understood."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
