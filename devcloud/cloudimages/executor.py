# SPDX-License-Identifier: Apache-2.0
"""Run tasks in threads of Glance's pool."""

import datetime
import logging
from typing import Any

import glance.async_
from oslo_utils import timeutils

from devcloud.cloudimages import exporting, importing
from devcloud.cloudimages.failure import TaskFailed
from devcloud.cloudimages.options import OPTIONS
from devcloud.faults import Asked
from devcloud.middleware.rulebook import rule_book

_LOG = logging.getLogger(__name__)


class Executor(glance.async_.TaskExecutor):
    """The Glance executor for import and export tasks."""

    def _run(self, task_id: str, _task_type: str) -> None:
        task = self.task_repo.get(task_id)
        try:
            task.succeed(self._result(task))
        except TaskFailed as error:
            task.fail(str(error))
        except Exception:  # noqa: BLE001  # every task must end
            _LOG.exception("task %s", task_id)
            task.fail("Error: internal error")
        task.expires_at = timeutils.utcnow() + datetime.timedelta(seconds=OPTIONS.task_seconds)
        self.task_repo.save(task)

    def _result(self, task: Any) -> dict[str, str]:
        _apply_faults(task.type, task.task_input)
        run = importing.run if task.type == "import" else exporting.run
        return run(self, task.task_input)


def _apply_faults(kind: str, given: dict[str, Any]) -> None:
    subject = given["import_from"] if kind == "import" else given["image_uuid"]
    rule = rule_book(OPTIONS.faults_dir).apply(Asked("TASK", f"/{kind}/{subject}"))
    if rule is not None:
        rule.hold()
        if rule.body:
            raise TaskFailed(rule.body)
