# SPDX-License-Identifier: Apache-2.0
"""What the message of a failed task means, and what to do about it. Pure."""

import re

from rackspace_imagetasks.exceptions import TaskFailed
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.profile import Failure, ProviderProfile

_CODE = re.compile(r"\s*(?:Error:?\s+)?(\d{3})(?=\s*(?:[:,;-]|$))", re.IGNORECASE)
"""How the service begins a message that has a code: "Error 396: not a valid VHD"."""


def require_success(task: Task, profile: ProviderProfile) -> Task:
    """Return a task that has ended, if it succeeded.

    :raises TaskFailed: if it failed.
    """
    if task.status != "success":
        raise failure_of(task, profile)
    return task


def failure_of(task: Task, profile: ProviderProfile) -> TaskFailed:
    """Return the error that explains a failed task's message and what to do."""
    code, failure = _decode(task, profile)
    text = f"The {task.type} task '{task.id}' failed"
    text += f": {failure.meaning}." if failure else "."
    if said := task.message.strip().rstrip("."):
        text += f" The service reported: {said}."
    hint = failure.hint if failure else None
    return TaskFailed(Message(text, hint), task_id=task.id, code=code)


def _decode(task: Task, profile: ProviderProfile) -> tuple[int | None, Failure | None]:
    if code := _code(task, profile):
        return code, profile.failures[code]
    for part, failure in profile.failure_texts.items():
        if part in task.message:
            return None, failure
    return None, None


def _code(task: Task, profile: ProviderProfile) -> int | None:
    """Return the failure code: only imports have them; elsewhere 413 is an HTTP status."""
    found = _CODE.match(task.message) if task.type == "import" else None
    code = int(found[1]) if found else None
    return code if code in profile.failures else None
