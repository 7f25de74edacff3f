# SPDX-License-Identifier: Apache-2.0
"""Clean up: find what imports, exports and transfers staged and left behind, and delete it.

Only objects whose names this tool creates, or that an export ordered by it creates, are
considered. An object that a running task needs, that was kept on request, or that is recent is
never deleted.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError, NotFound
from rackspace_imagetasks.jobs.exports import exported_object
from rackspace_imagetasks.jobs.names import CONTAINER_PREFIX, is_staged_name, is_transferred_name
from rackspace_imagetasks.objects import orphans
from rackspace_imagetasks.objects.deletion import is_half_deleted, is_kept
from rackspace_imagetasks.objects.orphans import Orphan, delete_orphan
from rackspace_imagetasks.objects.segments import segments_container

DAY = timedelta(days=1)
_REFRESH_INTERVAL = 5.0  # seconds

UNNEEDED = "unneeded"
RECENT = "recent"
DELETED = "deleted"
FAILED = "not deleted"


@dataclasses.dataclass(frozen=True)
class CleanResult:
    """A staged object or an orphaned segment, and what happened to it.

    :ivar status: "unneeded", "recent", "needed by task ...", "deleted" or "not deleted".
    :ivar error: why it was not deleted.
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

        A failure to delete one does not stop the others.

        :raises Cancelled: if the cloud's `stop` is set.
        """
        needed: dict[str, str] = {}
        refreshed = float("-inf")
        for each in self.found:
            if time.monotonic() - refreshed > _REFRESH_INTERVAL:  # a task may have started since
                needed, refreshed = _needed_objects(self.cloud), time.monotonic()
            if task_id := needed.get(str(each.orphan.owner)):
                yield dataclasses.replace(each, status=_needed_by(task_id))
            elif each.status == UNNEEDED:
                yield self._delete(each.orphan)
            else:
                yield each

    def _delete(self, orphan: Orphan) -> CleanResult:
        try:
            is_deleted = delete_orphan(self.cloud.objects.until(self.cloud.stop), orphan)
        except Cancelled:
            raise
        except ImageTasksError as error:
            return CleanResult(orphan, FAILED, error)
        return CleanResult(orphan, DELETED if is_deleted else RECENT)


def plan_clean(cloud: Cloud, container: str | None, older_than: timedelta) -> CleanPlan:
    """Find staged objects and orphaned segments, and decide which of them are unneeded.

    :param container: where to look; by default, all staging containers.
    :param older_than: objects written later may belong to a running transfer.
    :raises NotFound: if the container does not exist.
    """
    if container is not None:
        _require_container(cloud, container)
    needed = _needed_objects(cloud)
    written_before = datetime.now(UTC) - older_than
    found = []
    for name in [container] if container is not None else _staging_containers(cloud):
        for orphan in orphans.find_orphans(cloud.objects, name, _is_ours):
            status = _status(cloud, orphan, needed, written_before)
            if status is not None:
                found.append(CleanResult(orphan, status))
    return CleanPlan(cloud, tuple(found))


def _require_container(cloud: Cloud, name: str) -> None:
    policy.judge_container_name(name).enforce()
    if cloud.objects.head_container(name) is None:
        raise NotFound(f"Container '{name}' not found in region '{cloud.region}'.")


def _staging_containers(cloud: Cloud) -> list[str]:
    suffix = segments_container("")
    transfers = {
        container.name.removesuffix(suffix)
        for container in cloud.objects.list_containers(CONTAINER_PREFIX)
    }
    return [cloud.profile.import_container, cloud.profile.export_container, *sorted(transfers)]


def _is_ours(name: str) -> bool:
    """Return whether the name is that of a staged or exported object, not a user's own."""
    return is_staged_name(name) or is_transferred_name(name)


def _needed_objects(cloud: Cloud) -> dict[str, str]:
    """Return the objects that running tasks read or write: by location, the task's ID.

    In a cloud without image tasks, an object is needed only as long as it is recent.
    """
    if not cloud.profile.uses_tasks:
        return {}
    needed = {}
    for task in cloud.tasks.with_inputs("import", running=True):
        needed[str(task.input.get("import_from"))] = task.id
    for task in cloud.tasks.with_inputs("export", running=True):
        container, image = map(task.input.get, ("receiving_swift_container", "image_uuid"))
        needed[str(exported_object(str(container), str(image)))] = task.id
    return needed


def _status(
    cloud: Cloud, orphan: Orphan, needed: Mapping[str, str], written_before: datetime
) -> str | None:
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
    return UNNEEDED if orphan.last_modified <= written_before else RECENT


def _needed_by(task_id: str) -> str:
    return f"needed by task {task_id}"
