# SPDX-License-Identifier: Apache-2.0
"""The v2 API of Glance with the tasks of the service in place of its own.

glance-api-paste.ini refers to this factory. Routes that are connected before those of Glance take
precedence.
"""

import copy
from typing import Any

import glance.domain
import glance.schema
import webob.exc
from glance.api import common
from glance.api.v2 import router, tasks
from glance.common import wsgi
from oslo_utils import timeutils

from devcloud.cloudimages import taskinput
from devcloud.cloudimages.executor import Executor

_TYPES = ("import", "export")
# Glance has no extension point for task types: the class checks this attribute.
glance.domain.Task._supported_task_type += ("export",)  # noqa: SLF001


class API(router.API):
    """All routes of Glance, after those of the tasks."""

    def __init__(self, mapper: Any) -> None:
        schema = _schema()
        resource = wsgi.Resource(
            Controller(), Deserializer(schema), Serializer(schema, _stub_schema())
        )
        for path, action, http_method in (
            ("/tasks", "create", "POST"),
            ("/tasks", "index", "GET"),
            ("/tasks/{task_id}", "get", "GET"),
        ):
            mapper.connect(
                path, controller=resource, action=action, conditions={"method": [http_method]}
            )
        super().__init__(mapper)


class Deserializer(tasks.RequestDeserializer):
    """Requests that can filter by the type `export`."""

    def _get_filters(self, filters: dict[str, str]) -> dict[str, str]:
        kind = filters.pop("type", None)
        known: dict[str, str] = super()._get_filters(filters)
        if kind is None:
            return known
        if kind not in _TYPES:
            raise webob.exc.HTTPBadRequest(explanation=f"Invalid type value: {kind}")
        known["type"] = kind
        return known


class Controller(tasks.TasksController):
    """Tasks that the executor of the development cloud runs."""

    def create(self, req: Any, task: dict[str, Any]) -> Any:
        kind, given = task["type"], task["input"]
        if problem := taskinput.problem(kind, given):
            raise webob.exc.HTTPBadRequest(explanation=problem)
        context = req.context
        repo = self.gateway.get_task_repo(context)
        new = self.gateway.get_task_factory(context).new_task(
            task_type=kind,
            owner=context.owner,
            task_input=given,
            image_id=None,
            user_id=context.user_id,
            request_id=context.request_id,
        )
        repo.add(new)
        executor = Executor(
            context,
            repo,
            self.gateway.get_repo(context),
            self.gateway.get_image_factory(context),
        )
        common.get_thread_pool("tasks_pool").spawn(new.run, executor)
        return new

    def get(self, req: Any, task_id: str) -> Any:
        task = super().get(req, task_id)
        # Glance deletes expired tasks only when tasks are listed or created.
        if task.expires_at and task.expires_at <= timeutils.utcnow():
            raise webob.exc.HTTPNotFound(explanation=f"Task {task_id} could not be found.")
        return task


class Serializer(tasks.ResponseSerializer):
    """Tasks as the service shows them: an empty message is "None"."""

    def _format_task(self, schema: Any, task: Any) -> dict[str, Any]:
        view: dict[str, Any] = super()._format_task(schema, task)
        return view | {"message": view["message"] or "None"}


def _schema() -> Any:
    properties = copy.deepcopy(tasks._TASK_SCHEMA)  # noqa: SLF001  # there is no public name
    properties["type"]["enum"] = list(_TYPES)
    return glance.schema.Schema("task", properties)


def _stub_schema() -> Any:
    schema = _schema()
    for name in ("input", "result", "message"):
        del schema.properties[name]
    return schema
