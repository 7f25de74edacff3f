# SPDX-License-Identifier: Apache-2.0
"""What the message of a failed task means, and what to do about it. Pure."""

import re

from rackspace_imagetasks.exceptions import TaskFailed
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.profile import Failure, ProviderProfile

_CODE = re.compile(r"\s*(?:Error:?\s+)?(\d{3})(?=\s*(?:[:,;-]|$))", re.IGNORECASE)
"""How the service begins a message that has a code: "Error 396: not a valid VHD"."""


def failure_of(task: Task, profile: ProviderProfile) -> TaskFailed:
    """Return the error that explains why a task failed and what to do about it."""
    code, failure = _decode(task, profile)
    text = f"The {task.type} task {task.id} failed"
    if failure:
        text += f": {failure.meaning}. What to do: {failure.remedy}."
    else:
        text += "."
    said = task.message.strip().rstrip(".")
    return TaskFailed(
        text + (f" The service reported: {said}." if said else ""), task_id=task.id, code=code
    )


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
