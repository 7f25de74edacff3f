# SPDX-License-Identifier: Apache-2.0
"""What the message of a failed task means, and what to do about it. Pure."""

import re

from rackspace_imagetasks.exceptions import TaskFailed
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.profile import Failure, ProviderProfile


def require_success(task: Task, profile: ProviderProfile) -> Task:
    """Return a task that has ended, if it succeeded.

    :raises TaskFailed: if it failed.
    """
    if task.status != "success":
        raise failure_of(task, profile)
    return task


def failure_of(task: Task, profile: ProviderProfile) -> TaskFailed:
    """Return the error that explains a failed task's message and what to do."""
    code, failure = _decode(task.message, profile)
    text = f"The {task.type} task '{task.id}' failed"
    text += f": {failure.meaning}." if failure else "."
    if said := task.message.strip().rstrip("."):
        text += f" The service reported: {said}."
    hint = failure.hint if failure else None
    return TaskFailed(Message(text, hint), task_id=task.id, code=code)


def _decode(message: str, profile: ProviderProfile) -> tuple[int | None, Failure | None]:
    for number in re.findall(r"\b\d{3}\b", message):
        if int(number) in profile.failures:
            return int(number), profile.failures[int(number)]
    for part, failure in profile.failure_texts.items():
        if part in message:
            return None, failure
    return None, None
