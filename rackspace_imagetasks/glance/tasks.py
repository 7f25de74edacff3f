# SPDX-License-Identifier: Apache-2.0
"""Glance tasks: create them, find them again, and follow them to their end."""

import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rackspace_imagetasks.exceptions import (
    Cancelled,
    NotFound,
    ServiceError,
    TaskTimeout,
)
from rackspace_imagetasks.glance.failures import failure_of
from rackspace_imagetasks.glance.service import ImageService
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.profile import ProviderProfile
from rackspace_imagetasks.text import printable

_PATIENCE = 10  # polls in a row that may fail: hours of work outlast minutes of an outage


class TaskClient:
    """The tasks of one cloud and region; safe to use from threads.

    However many tasks are followed, by however many threads, the service is asked once a
    `profile.poll_interval`.
    """

    def __init__(
        self,
        service: ImageService,
        profile: ProviderProfile,
        stop: threading.Event,
        project_id: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._profile = profile
        self._stop = stop
        self._project_id = project_id
        self._clock = clock
        self._lock = threading.Lock()
        self._followed: dict[str, Task | None] = {}
        self._asked_at = float("-inf")
        self._inputs: dict[str, Task] = {}

    def create(self, kind: str, given: Mapping[str, Any]) -> Task:
        """Start a task of `kind` ("import", "export").

        The request is sent once. Where its answer does not tell whether it had effect, a task that
        runs with just this input is taken for its effect.

        :raises AccessDenied, QuotaExceeded, ServiceError: as the service refuses it.
        """
        body = {"type": kind, "input": dict(given)}
        try:
            return Task.parse(self._service.post("/tasks", body, f"a new {kind} task"))
        except ServiceError as error:
            if error.status is not None and error.status < 500:
                raise
            task = self.find(kind, lambda other: given.items() <= other.items(), running=True)
            if task is None:
                text = f"{error} No such task runs; run the same command again."
                raise ServiceError(text, status=error.status) from error
            return task

    def get(self, task_id: str) -> Task:
        """Return a task with all its details.

        :raises NotFound: when there is none, or it was deleted after its `expires_at`.
        """
        path = f"/tasks/{urllib.parse.quote(task_id, safe='')}"
        try:
            return Task.parse(self._service.get(path, f"task {printable(task_id)}"))
        except NotFound as error:
            raise NotFound(
                f"There is no task '{printable(task_id)}' in region '{self._service.region}'. A"
                " task's record is deleted some two days after its end; its image or object is"
                " not."
            ) from error

    def list(self, **filters: str) -> Iterator[Task]:
        """Return the tasks, newest first, without input, result and message."""
        query = {"sort_key": "created_at", "sort_dir": "desc", **filters}
        return map(Task.parse, self._service.pages("/tasks", "tasks", query))

    def find(
        self, kind: str, matches: Callable[[Mapping[str, Any]], bool], *, running: bool
    ) -> Task | None:
        """Return the newest task of `kind` whose input matches: one that runs, or that succeeded.

        A command that is run again finds by this the task that its first run started.
        """
        tasks = self.with_inputs(kind, running=running)
        return next((task for task in tasks if matches(task.input)), None)

    def with_inputs(self, kind: str, *, running: bool) -> Iterator[Task]:
        """Yield this project's tasks that run, or that succeeded, with all details, newest first.

        An administrator of the cloud is shown the tasks of all projects.
        """
        wanted = ("pending", "processing") if running else ("success",)
        for listed in self.list(type=kind):
            task = self._detailed(listed) if listed.status in wanted else None
            if task and task.status in wanted and task.owner in ("", self._project_id()):
                yield task

    def follow(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | None = None,
        on_status: Callable[[Task], None] = lambda _task: None,
    ) -> Iterator[Task]:
        """Yield each task as it ends, well or not.

        :param timeout: seconds to wait at most, for all of them; None waits without end.
        :param on_status: called with each task each time the service was asked.
        :raises TaskTimeout: when time is over before the last one ended.
        :raises Cancelled: when `stop` was set.
        :raises NotFound: when there is no such task; the others are given first.
        """
        left = list(dict.fromkeys(task_ids))
        unknown: list[str] = []
        failed_polls = 0
        deadline = self._clock() + timeout if timeout is not None else float("inf")
        self._watch(left)
        try:
            while left:
                for task_id in tuple(left):
                    try:
                        task = self._current(task_id)
                    except NotFound as error:
                        self._unwatch([task_id])
                        left.remove(task_id)
                        unknown.append(str(error))
                        continue
                    except ServiceError:
                        failed_polls += 1
                        if failed_polls > _PATIENCE:
                            raise
                        break
                    failed_polls = 0
                    on_status(task)
                    if task.ended:
                        left.remove(task_id)
                        yield self.get(task_id)
                if left:
                    self._pause(left, deadline)
        finally:
            self._unwatch(left)
        if unknown:
            raise NotFound(*unknown)

    def wait(
        self,
        task_id: str,
        *,
        timeout: float | None = None,
        on_status: Callable[[Task], None] = lambda _task: None,
    ) -> Task:
        """Return the task when it has succeeded.

        :raises TaskFailed: with the documented meaning of its failure.
        """
        (task,) = self.follow([task_id], timeout=timeout, on_status=on_status)
        if task.status != "success":
            raise failure_of(task, self._profile)
        return task

    def _detailed(self, listed: Task) -> Task | None:
        """Return a listed task with its input; kept, as an input never changes."""
        known = self._inputs.get(listed.id)
        if known is None or known.status != listed.status:
            try:
                known = self._inputs[listed.id] = self.get(listed.id)
            except NotFound:  # deleted since it was listed
                return None
        return known

    def _watch(self, task_ids: Iterable[str]) -> None:
        with self._lock:
            for task_id in task_ids:
                self._followed.setdefault(task_id, None)

    def _unwatch(self, task_ids: Iterable[str]) -> None:
        with self._lock:
            for task_id in task_ids:
                self._followed.pop(task_id, None)

    def _current(self, task_id: str) -> Task:
        """Return a followed task as of the last poll; ask the service when that is due."""
        with self._lock:
            if self._clock() - self._asked_at >= self._profile.poll_interval:
                self._poll()
            task = self._followed.get(task_id) or self.get(task_id)
            if task.ended:
                self._followed.pop(task_id, None)
            else:
                self._followed[task_id] = task
            return task

    def _poll(self) -> None:
        """Ask for all followed tasks at once, by one listing; where it is one, by its ID."""
        self._asked_at = self._clock()
        if len(self._followed) == 1:
            (task_id,) = self._followed
            self._followed[task_id] = self.get(task_id)
            return
        missing = set(self._followed)
        for task in self.list():
            if task.id in missing:
                self._followed[task.id] = task
                missing.remove(task.id)
            if not missing:
                return
        for task_id in missing:  # deleted: asked for by its ID, it says so
            self._followed[task_id] = None

    def _pause(self, left: Iterable[str], deadline: float) -> None:
        remaining = deadline - self._clock()
        ids = " ".join(left)
        if remaining <= 0:
            raise TaskTimeout(
                f"The time to wait is over, and the work goes on in the cloud; follow it with"
                f" `openstack image task wait {ids}`.",
                task_id=ids,
            )
        if self._stop.wait(min(self._profile.poll_interval, remaining)):
            raise Cancelled(
                f"Stopped; the work goes on in the cloud: follow it with `openstack image task"
                f" wait {ids}`."
            )
