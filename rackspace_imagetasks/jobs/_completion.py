# SPDX-License-Identifier: Apache-2.0
"""Complete an imported image with its settings and its mark, or delete one that is a duplicate."""

import dataclasses

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    IntegrityError,
    ServiceError,
    TaskFailed,
)
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs._imported import find_imported_image
from rackspace_imagetasks.jobs._same_import import SameImport
from rackspace_imagetasks.jobs.marks import MARKS, Mark
from rackspace_imagetasks.messages import Hint, Message


def complete_image(
    cloud: Cloud, image: ImageFacts, settings: ImageSettings, mark: Mark | None
) -> ImageFacts:
    """Apply settings and a mark to an image with one request, and return the image read back.

    Nothing is sent for an image that has all of them already.

    :raises AccessDenied, ServiceError: if the service refuses them.
    :raises IntegrityError: if the image is no longer active, or lacks the mark.
    """
    hint = Hint.RETRY_WITHOUT_SETTING if settings else None
    if mark and not mark.is_on(image):
        properties = {**settings.properties, **mark.properties(image.id)}
        settings = dataclasses.replace(settings, properties=properties)
    if settings.are_on(image):
        return image
    _apply(cloud, image, settings, hint)
    completed = cloud.images.get(image.id)
    if completed.status != "active" or (mark and not mark.is_on(completed)):
        raise IntegrityError(
            f"{image.title} ({image.id}) was imported, but is not complete: its status is"
            f" '{completed.status}', and it {_has(mark, completed)} the properties that were set."
        )
    return completed


def _has(mark: Mark | None, image: ImageFacts) -> str:
    return "lacks" if mark and not mark.is_on(image) else "has"


def _apply(cloud: Cloud, image: ImageFacts, settings: ImageSettings, hint: Hint | None) -> None:
    try:
        cloud.images.complete(image.id, settings)
    except (AccessDenied, ServiceError) as error:
        message = Message(
            f"{image.title} is imported and active, but not all settings could be applied: {error}",
            hint,
        )
        if isinstance(error, ServiceError):
            raise ServiceError(message, status=error.status) from error
        raise AccessDenied(message) from error


def delete_duplicate(same: SameImport, task: Task, timeout: float | None) -> None:
    """Delete the image that a task of this run creates, as another run has imported the same.

    An image that any run has marked is kept.

    :param timeout: maximum number of seconds to wait for the task.
    :raises TaskTimeout: if the task is still running then.
    :raises AccessDenied, ServiceError: if the image cannot be deleted.
    """
    cloud = same.cloud
    try:
        ended = cloud.wait_for(task, f"Importing image '{same.name}'", timeout)
    except TaskFailed:
        return
    image = find_imported_image(cloud, ended, same.name)
    if image is None or not image.properties.keys().isdisjoint(MARKS):
        return
    cloud.images.delete(image.id)
    cloud.progress.message(
        f"Deleted image '{image.id}' of task '{task.id}': another run has imported"
        f" '{same.name}' from the same content."
    )
