# SPDX-License-Identifier: Apache-2.0
"""Complete an imported image with its settings and its mark, or delete one that is a duplicate."""

import contextlib
import dataclasses

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    ImageTasksError,
    IntegrityError,
    NotFound,
    QuotaExceeded,
    ServiceError,
    TaskFailed,
)
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.http.retry import TRANSIENT_STATUSES
from rackspace_imagetasks.jobs._imported import find_imported_image
from rackspace_imagetasks.jobs._same_import import SameImport
from rackspace_imagetasks.jobs.marks import IMPORT_PROPERTY, MARKS, Mark
from rackspace_imagetasks.messages import Hint, Message


def complete_image(
    cloud: Cloud, image: ImageFacts, settings: ImageSettings, mark: Mark | None
) -> ImageFacts:
    """Apply settings and a mark to an image with one request, and return the image read back.

    Nothing is sent for an image that has all of them already.

    :raises AccessDenied, QuotaExceeded, ServiceError: if the service refuses them; the message
        names those that are missing.
    :raises IntegrityError: if the image is no longer active, or lacks the mark.
    """
    is_optional = bool(settings) and (mark is None or mark.key == IMPORT_PROPERTY)
    hint = Hint.RETRY_WITHOUT_SETTING if is_optional else Hint.RESUME
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


def _apply(cloud: Cloud, image: ImageFacts, settings: ImageSettings, refused: Hint) -> None:
    """Apply settings.

    :param refused: what to do if the service refuses one, and does not just fail.
    """
    try:
        cloud.images.complete(image.id, settings)
    except (AccessDenied, QuotaExceeded, ServiceError) as error:
        text = (
            f"{image.title} ({image.id}) was imported, but not all settings could be applied:"
            f" {error.text} Missing: {', '.join(_missing(cloud, image, settings))}."
        )
        hint = Hint.RESUME if _is_temporary(error) else refused
        raise _reworded(error, Message(text, hint)) from error


def _is_temporary(error: Exception) -> bool:
    """Return whether the service failed, rather than refused the request."""
    if not isinstance(error, ServiceError):
        return False
    return error.status is None or error.status in TRANSIENT_STATUSES


def _reworded(
    error: AccessDenied | QuotaExceeded | ServiceError, message: Message
) -> ImageTasksError:
    """Return an error of the same kind with another message."""
    if isinstance(error, ServiceError):
        return ServiceError(message, status=error.status)
    return type(error)(message)


def _missing(cloud: Cloud, image: ImageFacts, settings: ImageSettings) -> list[str]:
    """Return the names of the settings that the image lacks, as far as that can be found out."""
    with contextlib.suppress(AccessDenied, NotFound, QuotaExceeded, ServiceError):
        image = cloud.images.get(image.id)
    return settings.missing_on(image)


def mark_source(cloud: Cloud, image: ImageFacts, mark: Mark, region: str) -> None:
    """Set a transfer's mark on the image that was transferred, and check that it is set.

    :param region: where the image was transferred to.
    :raises AccessDenied, QuotaExceeded, ServiceError: if the service refuses it.
    :raises IntegrityError: if the image does not have the mark afterwards.
    """
    if mark.is_on(image):
        return
    text = f"{image.title} ({image.id}) was transferred to region '{region}', but could not be"
    text += f" marked as transferred in region '{cloud.region}'"
    try:
        cloud.images.complete(image.id, ImageSettings(mark.properties(image.id)))
    except (AccessDenied, QuotaExceeded, ServiceError) as error:
        raise _reworded(error, Message(f"{text}: {error.text}", Hint.RESUME)) from error
    if not mark.is_on(cloud.images.get(image.id)):
        text += ": it lacks the properties that were set."
        raise IntegrityError(Message(text, Hint.RESUME))


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
    image = find_imported_image(cloud, ended, same.name_of(ended))
    if image is None or not image.properties.keys().isdisjoint(MARKS):
        return
    cloud.images.delete(image.id)
    cloud.progress.message(
        f"Deleted image '{image.id}' of task '{task.id}': another run has imported"
        f" '{same.name}' from the same content."
    )
