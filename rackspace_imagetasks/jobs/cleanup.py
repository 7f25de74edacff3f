# SPDX-License-Identifier: Apache-2.0
"""Clean up: find what imports, exports and transfers staged and left behind, and delete it.

Only objects whose names this tool creates, or that an export ordered by it creates, are
considered. An object that a running task needs, that was kept on request, that is in use, or that
is recent is never deleted. All ages are judged by the service's clock.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import EventKind, Job, JobKind
from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError, NotFound, reportable
from rackspace_imagetasks.jobs.names import CONTAINER_PREFIX, exported_object, is_own_name
from rackspace_imagetasks.jobs.reported import emit, emit_failure, observed, reporting
from rackspace_imagetasks.objects import orphans
from rackspace_imagetasks.objects.deletion import is_half_deleted, is_kept
from rackspace_imagetasks.objects.orphans import Orphan, delete_orphan
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.threads import in_background

if TYPE_CHECKING:
    from rackspace_imagetasks.glance.task import Task
    from rackspace_imagetasks.objects.names import ObjectName

DAY = timedelta(days=1)
_IN_USE = timedelta(minutes=15)  # three times the interval in which a process shows its use
_REFRESH_INTERVAL = 5.0  # seconds

UNNEEDED = "unneeded"
RECENT = "recent"
IN_USE = "in use"
DELETED = "deleted"
FAILED = "not deleted"


@dataclasses.dataclass(frozen=True)
class CleanResult:
    """A staged object or an orphaned segment, and what happened to it.

    :ivar status: "unneeded", "recent", "in use", "needed by task ...", "deleted" or "not
        deleted".
    :ivar error: why it was not deleted, or why its status could not be updated.
    """

    orphan: Orphan
    status: str
    error: ImageTasksError | None = None


@dataclasses.dataclass(frozen=True)
class CleanPlan:
    """What was found in the staging containers."""

    cloud: Cloud
    found: tuple[CleanResult, ...]

    def preview(self) -> tuple[CleanResult, ...]:
        """Return what was found."""
        return self.found

    def run(self) -> Iterator[CleanResult]:
        """Delete what is unneeded, objects with their segments; yield each with its new status.

        A failure to look up or to delete one does not stop the others.

        :raises Cancelled: if the cloud's `stop` is set.
        """
        since_plan = _SincePlan(self.cloud)
        for each in self.found:
            yield (self._run if each.status == UNNEEDED else self._look_up)(each, since_plan)

    def _look_up(self, each: CleanResult, since_plan: "_SincePlan") -> CleanResult:
        with observed(self.cloud.progress):
            try:
                needed = since_plan.need(each.orphan)
            except Cancelled:
                raise
            except Exception as error:  # noqa: BLE001  # it becomes the row of this one
                return dataclasses.replace(each, error=reportable(error))
        return dataclasses.replace(each, status=needed or each.status)

    def _run(self, each: CleanResult, since_plan: "_SincePlan") -> CleanResult:
        job, progress = _job(self.cloud, str(each.orphan.object)), self.cloud.progress
        with reporting(progress, job):
            result = self._delete(each.orphan, since_plan)
        if result.error:
            emit_failure(progress, job, result.error)
        else:
            emit(progress, EventKind.DONE, job, status=result.status)
        return result

    def _delete(self, orphan: Orphan, since_plan: "_SincePlan") -> CleanResult:
        """Delete an orphan, unless something has begun to use it."""
        try:
            if needed := since_plan.need(orphan) or since_plan.use(orphan):
                return CleanResult(orphan, needed)
            is_deleted = delete_orphan(self.cloud.objects, orphan)
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001  # it becomes the row of this one
            return CleanResult(orphan, FAILED, reportable(error))
        return CleanResult(orphan, DELETED if is_deleted else IN_USE)


class _SincePlan:
    """What has begun since the plan was made, looked up again every few seconds."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._tasks: dict[str, str] = {}
        self._used: dict[ObjectName, bool] = {}
        self._refreshed = float("-inf")

    def need(self, orphan: Orphan) -> str:
        """Return the status of an orphan that a running task needs, or ""."""
        if time.monotonic() - self._refreshed > _REFRESH_INTERVAL:
            self._tasks, self._refreshed = _needed_objects(self._cloud), time.monotonic()
            self._used.clear()
        task_id = self._tasks.get(str(orphan.owner))
        return _needed_by(task_id) if task_id else ""

    def use(self, orphan: Orphan) -> str:
        """Return the status of an orphan that another process has begun to use, or ""."""
        if orphan.owner not in self._used:
            self._used[orphan.owner] = orphans.written_since(self._cloud.objects, orphan)
        return IN_USE if self._used[orphan.owner] else ""


def plan_clean(cloud: Cloud, container: str | None, older_than: timedelta) -> CleanPlan:
    """Find staged objects and orphaned segments, and decide which of them are unneeded.

    :param container: where to look; by default, all staging containers.
    :param older_than: objects written later may belong to a running transfer.
    :raises NotFound: if the container does not exist.
    """
    with reporting(cloud.progress, _job(cloud, container)):
        plan = _find(cloud, container, older_than)
    for each in plan.found:
        if each.status == UNNEEDED:
            emit(cloud.progress, EventKind.PLANNED, _job(cloud, str(each.orphan.object)))
    return plan


def _job(cloud: Cloud, location: str | None) -> Job:
    return Job(job=JobKind.CLEAN, image=location, source=cloud.event_place)


def _find(cloud: Cloud, container: str | None, older_than: timedelta) -> CleanPlan:
    if container is not None:
        policy.judge_container_name(container).enforce()
    find_needed = in_background(lambda: _needed_objects(cloud))
    containers = _staging_containers(cloud) if container is None else [container]
    clocks = [in_background(partial(cloud.objects.clock, name)) for name in containers]
    find_each = []
    for name, look_up in zip(containers, clocks, strict=True):
        now, exists = look_up()
        if name == container and not exists:
            raise NotFound(f"Container '{name}' not found in region '{cloud.region}'.")
        times = _Times(now, now - older_than)  # an early time makes objects look younger: safe
        find_each.append(in_background(partial(_find_in, cloud, name, find_needed, times)))
    return CleanPlan(cloud, tuple(each for find in find_each for each in find()))


def _find_in(
    cloud: Cloud, container: str, find_needed: Callable[[], Mapping[str, str]], times: "_Times"
) -> list[CleanResult]:
    """Return what a container has, with the status of each."""
    found = orphans.find_orphans(cloud.objects, container, is_own_name, times.now)
    judged = ((orphan, _status(cloud, orphan, find_needed(), times)) for orphan in found)
    return [CleanResult(orphan, status) for orphan, status in judged if status is not None]


def _staging_containers(cloud: Cloud) -> list[str]:
    suffix = segments_container("")
    transfers = {
        container.name.removesuffix(suffix)
        for container in cloud.objects.list_containers(CONTAINER_PREFIX)
    }
    return [cloud.profile.import_container, cloud.profile.export_container, *sorted(transfers)]


def _needed_objects(cloud: Cloud) -> dict[str, str]:
    """Return the objects that running tasks read or write: by location, the task's ID.

    In a cloud without image tasks, an object is needed only as long as it is recent.
    """
    if not cloud.profile.uses_tasks:
        return {}
    tasks = cloud.tasks.with_inputs("import", "export", running=True)
    return {_object_of(task): task.id for task in tasks}


def _object_of(task: "Task") -> str:
    """Return the object that a task reads or writes."""
    if task.type == "import":
        return str(task.input.get("import_from"))
    container, image = map(task.input.get, ("receiving_swift_container", "image_uuid"))
    return str(exported_object(str(container), str(image)))


class _Times(NamedTuple):
    """The service's time, and the time before which objects are old enough."""

    now: datetime
    written_before: datetime


def _status(cloud: Cloud, orphan: Orphan, needed: Mapping[str, str], times: _Times) -> str | None:
    """Return the status of an orphan; None if it turns out to be an object that is wanted."""
    if orphan.kind == "object":
        info = cloud.objects.head_object(orphan.object)
        if info is None:
            return None
        if is_half_deleted(info):  # useless, however recent it is
            return UNNEEDED
        is_export = not orphan.object.container.startswith(CONTAINER_PREFIX) and info.dlo_manifest
        if is_export or is_kept(info):
            return None
    if task_id := needed.get(str(orphan.owner)):
        return _needed_by(task_id)
    if times.now - orphan.last_write < _IN_USE:
        return IN_USE
    return UNNEEDED if orphan.last_modified <= times.written_before else RECENT


def _needed_by(task_id: str) -> str:
    return f"needed by task {task_id}"
