# SPDX-License-Identifier: Apache-2.0
"""What an interrupt, a time-out or an error reports: how far the job got, and how to resume it."""

import contextlib
from collections.abc import Iterator

from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError, TaskTimeout
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.text import format_size


@contextlib.contextmanager
def resumable(doing: str, hint: Hint = Hint.RESUME, **values: object) -> Iterator[None]:
    """Have `Cancelled` and `TaskTimeout` report what was interrupted and how to resume it.

    :param doing: what is done, to complete "Stopped while ...".
    :param hint: how to resume; its wording can refer to `task`, the ID of a running task.
    :param values: what the hint's wording refers to by name.
    """
    try:
        yield
    except Cancelled as error:
        text = f"Stopped while {doing}{_so_far(error)}."
        raise Cancelled(Message(text, hint, values), kept=error.kept, total=error.total) from error
    except TaskTimeout as error:
        text = f"Timed out while {doing}; task '{error.task_id}' is still running."
        raise TaskTimeout(
            Message(text, hint, {"task": error.task_id, **values}), task_id=error.task_id
        ) from error


@contextlib.contextmanager
def resumable_job(doing: str) -> Iterator[None]:
    """Have a `Cancelled` between the steps of a job report how to resume it.

    What a step reports itself, with `resumable`, is more precise and is kept.

    :param doing: what the job does, to complete "Stopped while ...".
    """
    try:
        yield
    except Cancelled as error:
        if any(message.hint for message in error.messages):
            raise
        with resumable(doing):
            raise


@contextlib.contextmanager
def kept_in(container: str, place: str) -> Iterator[None]:
    """Have an error name the container where the job has left what it uploaded.

    :param place: the cloud and region in messages.
    """
    try:
        yield
    except (Cancelled, TaskTimeout):
        raise
    except ImageTasksError as error:
        error.add(
            f"What was uploaded remains in container '{container}' in {place}. Another run uses it,"
            " and a cleanup deletes it."
        )
        raise


def _so_far(error: Cancelled) -> str:
    if error.kept is None or error.total is None:
        return ""
    return f", with {format_size(error.kept)} of {format_size(error.total)} in place"
