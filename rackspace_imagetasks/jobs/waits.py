# SPDX-License-Identifier: Apache-2.0
"""Wait for tasks, each of which is reported as a job."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import EventKind, Job, JobKind
from rackspace_imagetasks.glance.failures import failure_of
from rackspace_imagetasks.glance.task import SUCCESS, Task
from rackspace_imagetasks.jobs.reported import emit, emit_failure, observed, reporting

if TYPE_CHECKING:
    from rackspace_imagetasks.progress import Phase

OnStatus = Callable[[Task], None]


def wait_for_each(
    cloud: Cloud, task_ids: Sequence[str], timeout: float | None, on_status: OnStatus
) -> Iterator[Task]:
    """Yield each task when it ends; see `TaskClient.follow`."""
    waits = {task_id: _Wait(cloud, task_id) for task_id in task_ids}

    def note(task: Task) -> None:
        if wait := waits.get(task.id):
            wait.note(task)
        on_status(task)

    tasks = cloud.tasks.follow(task_ids, timeout=timeout, on_status=note)
    try:
        while task := _next(cloud, tasks):
            if wait := waits.pop(task.id, None):
                wait.end(task)
            yield task
    except GeneratorExit:  # the caller does not want the others
        raise
    except BaseException as error:
        for left in waits.values():
            left.fail(error)
        raise
    finally:
        for left in waits.values():
            left.close()


def _next(cloud: Cloud, tasks: Iterator[Task]) -> Task | None:
    with observed(cloud.progress):  # not longer: the caller goes on between two tasks
        return next(tasks, None)


class _Wait:
    """The wait for one task, from when it is known that it exists."""

    def __init__(self, cloud: Cloud, task_id: str) -> None:
        self._cloud = cloud
        self._job = Job(job=JobKind.WAIT, image=task_id, source=cloud.event_place)
        self._stack = contextlib.ExitStack()
        self._phase: Phase | None = None
        emit(cloud.progress, EventKind.PLANNED, self._job)

    def note(self, task: Task) -> None:
        """Show the status of the task."""
        if self._phase is None:
            with reporting(self._cloud.progress, self._job):
                title = f"Waiting for {task.type} task '{task.id}'"
                self._phase = self._stack.enter_context(self._cloud.task_phase(task, title))
        self._phase.note(task.status)

    def end(self, task: Task) -> None:
        """Report how the task has ended."""
        self.close()
        if task.status == SUCCESS:
            image_id = task.result.get("image_id")
            facts = {"status": task.status, "new_image_id": image_id}
            emit(self._cloud.progress, EventKind.DONE, self._job, **facts)
        else:
            self.fail(failure_of(task, self._cloud.profile))

    def fail(self, error: BaseException) -> None:
        """Report why the task has failed, or is not waited for any longer."""
        self.close()
        emit_failure(self._cloud.progress, self._job, error)

    def close(self) -> None:
        """End the phase."""
        self._stack.close()
