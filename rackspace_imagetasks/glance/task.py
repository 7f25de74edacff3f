# SPDX-License-Identifier: Apache-2.0
"""What the service says of a task.

The life of a task (Rackspace developer guide, "Tasks"): pending, processing, then success or
failure; some two days later the record is deleted, and its result is not.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Self

from rackspace_imagetasks.exceptions import ServiceError
from rackspace_imagetasks.text import printable


@dataclasses.dataclass(frozen=True)
class Task:
    """A task as the service described it last; `input` and `result` are not in listings."""

    id: str
    type: str
    status: str
    message: str
    input: Mapping[str, Any]
    result: Mapping[str, Any]
    created_at: str
    updated_at: str
    expires_at: str
    owner: str = ""

    @property
    def ended(self) -> bool:
        """Whether it is over, well or not."""
        return self.status in ("success", "failure")

    @classmethod
    def parse(cls, answer: object) -> Self:
        """Read what the service says of a task.

        :raises ServiceError: when it is no description of a task.
        """
        task_id = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not _is_id(task_id):
            raise ServiceError("The image service's answer does not describe a task.")

        def text(key: str) -> str:
            value = answer.get(key)
            return "" if value in (None, "None") else str(value)

        def mapping(key: str) -> Mapping[str, Any]:
            value = answer.get(key)
            return value if isinstance(value, dict) else {}

        return cls(
            id=str(task_id),
            type=printable(text("type")),
            status=printable(text("status")),
            message=text("message"),
            input=mapping("input"),
            result=mapping("result"),
            created_at=text("created_at"),
            updated_at=text("updated_at"),
            expires_at=text("expires_at"),
            owner=text("owner"),
        )


def _is_id(value: object) -> bool:
    """Tell a UUID, and whatever is as harmless in a message and in a URL."""
    return isinstance(value, str) and re.fullmatch("[A-Za-z0-9._-]{1,64}", value) is not None
