# SPDX-License-Identifier: Apache-2.0
"""What the message of a failed task means, and what to do about it. Pure."""

import re

from rackspace_imagetasks.exceptions import TaskFailed
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.profile import Failure, ProviderProfile
from rackspace_imagetasks.text import printable


def failure_of(task: Task, profile: ProviderProfile) -> TaskFailed:
    """Return the error that says what a failed task's message means and what to do."""
    code, failure = _decode(task.message, profile)
    text = f"The {task.type} task {task.id} failed"
    if failure:
        text += f": {failure.meaning}. What to do: {failure.remedy}."
    else:
        text += "."
    said = printable(task.message).rstrip(".")
    return TaskFailed(
        text + (f" The service said: {said}." if said else ""), task_id=task.id, code=code
    )


def _decode(message: str, profile: ProviderProfile) -> tuple[int | None, Failure | None]:
    for number in re.findall(r"\b\d{3}\b", message):
        if int(number) in profile.failures:
            return int(number), profile.failures[int(number)]
    for part, failure in profile.failure_texts.items():
        if part in message:
            return None, failure
    return None, None
