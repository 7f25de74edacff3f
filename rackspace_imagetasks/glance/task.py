# SPDX-License-Identifier: Apache-2.0
"""A task as the service describes it.

A task (Rackspace developer guide, "Tasks") is pending, then processing, and ends with success or
failure. About two days later the service deletes the task's record, but not its result.
"""

import dataclasses
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

RUNNING = frozenset({"pending", "processing"})
SUCCESS = "success"
FAILURE = "failure"


@dataclasses.dataclass(frozen=True)
class Task:
    """A task as it was described last; listings leave out `input`, `result` and `message`."""

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
        """Whether the task has ended, successfully or not."""
        return self.status in (SUCCESS, FAILURE)

    @property
    def status_is_known(self) -> bool:
        """Whether the status is one that tasks have."""
        return self.ended or self.status in RUNNING

    @property
    def created(self) -> datetime | None:
        """When the task was created, by the clock of the service; None if it does not say."""
        try:
            created = datetime.fromisoformat(self.created_at)
        except ValueError:
            return None
        return created if created.tzinfo else created.replace(tzinfo=UTC)

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """Read a task's JSON object.

        :raises ValueError: if it does not describe a task.
        """

        def text(key: str) -> str:
            found = value.get(key)
            if found is not None and not isinstance(found, str):
                raise ValueError(found)
            return "" if found in (None, "None") else found

        def mapping(key: str) -> Mapping[str, Any]:
            found = value.get(key)
            return found if isinstance(found, dict) else {}

        return cls(
            id=_id(value.get("id")),
            type=text("type"),
            status=text("status"),
            message=text("message"),
            input=mapping("input"),
            result=mapping("result"),
            created_at=text("created_at"),
            updated_at=text("updated_at"),
            expires_at=text("expires_at"),
            owner=text("owner"),
        )


def _id(value: object) -> str:
    """Return a task's ID: a UUID, or anything as harmless in a message and in a URL."""
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9._-]{1,64}", value):
        raise ValueError(value)
    return value
