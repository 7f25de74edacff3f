# SPDX-License-Identifier: Apache-2.0
"""Clean: find what imports, exports and transfers staged and left behind, and delete it.

Only names that this tool, or an export that it ordered, gives are looked at; nothing that a running
task needs, that was kept on purpose, or that is recent is ever deleted.
"""

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError, NotFound
from rackspace_imagetasks.jobs.names import CONTAINER_PREFIX, is_staged_name, is_transferred_name
from rackspace_imagetasks.objects import orphans
from rackspace_imagetasks.objects.deletion import is_half_deleted, is_kept
from rackspace_imagetasks.objects.orphans import Orphan, delete_orphan
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.text import printable

DAY = timedelta(days=1)
_LOOK_AGAIN = 5.0  # seconds

UNNEEDED = "unneeded"
RECENT = "recent"
DELETED = "deleted"
FAILED = "not deleted"


@dataclasses.dataclass(frozen=True)
class CleanResult:
    """A staged object or an orphaned segment, and what became of it.

    :ivar status: "unneeded", "recent", "needed by task ...", "deleted" or "not deleted".
    :ivar error: why it was not deleted.
    """

    orphan: Orphan
    status: str
    error: ImageTasksError | None = None


def find_orphans(cloud: Cloud, container: str | None, older_than: timedelta) -> list[CleanResult]:
    """Find what is staged in `container`, or in all staging containers, and judge each.

    :param older_than: what was written later may belong to a transfer under way.
    :raises NotFound: when there is no such container.
    """
    if container is not None:
        _require_container(cloud, container)
    needed = _needed(cloud)
    written_before = datetime.now(UTC) - older_than
    found = []
    for name in [container] if container is not None else _staging_containers(cloud):
        for orphan in orphans.find_orphans(cloud.objects, name, _is_ours):
            status = _status(cloud, orphan, needed, written_before)
            if status is not None:
                found.append(CleanResult(orphan, status))
    return found


def clean(cloud: Cloud, found: Iterable[CleanResult]) -> Iterator[CleanResult]:
    """Delete what is unneeded, objects with their segments; give each with its new status.

    What cannot be deleted does not keep the others.

    :raises Cancelled: when the cloud's `stop` is set.
    """
    needed: dict[str, str] = {}
    looked = float("-inf")
    for each in found:
        if time.monotonic() - looked > _LOOK_AGAIN:  # a task may have started since
            needed, looked = _needed(cloud), time.monotonic()
        if task_id := needed.get(_owner(each.orphan)):
            yield dataclasses.replace(each, status=_needed_by(task_id))
        elif each.status == UNNEEDED:
            yield _delete(cloud, each.orphan)
        else:
            yield each


def _delete(cloud: Cloud, orphan: Orphan) -> CleanResult:
    try:
        deleted = delete_orphan(cloud.objects.until(cloud.stop), orphan)
    except Cancelled:
        raise
    except ImageTasksError as error:
        return CleanResult(orphan, FAILED, error)
    return CleanResult(orphan, DELETED if deleted else RECENT)


def _require_container(cloud: Cloud, name: str) -> None:
    policy.judge_container_name(name).enforce()
    if cloud.objects.head_container(name) is None:
        raise NotFound(f"There is no container '{printable(name)}' in region '{cloud.region}'.")


def _staging_containers(cloud: Cloud) -> list[str]:
    suffix = segments_container("")
    transfers = {
        container.name.removesuffix(suffix)
        for container in cloud.objects.list_containers(CONTAINER_PREFIX)
    }
    return [cloud.profile.import_container, cloud.profile.export_container, *sorted(transfers)]


def _is_ours(name: str) -> bool:
    """Tell an object that was staged, or exported, from a user's own."""
    return is_staged_name(name) or is_transferred_name(name)


def _needed(cloud: Cloud) -> dict[str, str]:
    """Return the objects that running tasks read or write, each with the task's ID."""
    needed = {}
    for task in cloud.tasks.with_inputs("import", running=True):
        needed[str(task.input.get("import_from"))] = task.id
    for task in cloud.tasks.with_inputs("export", running=True):
        container, image = map(task.input.get, ("receiving_swift_container", "image_uuid"))
        needed[f"{container}/{image}.vhd"] = task.id
    return needed


def _status(
    cloud: Cloud, orphan: Orphan, needed: Mapping[str, str], written_before: datetime
) -> str | None:
    """Judge a orphan; None for what is none, as somebody wants it."""
    if orphan.kind == "object":
        info = cloud.objects.head_object(orphan.object)
        if info is None:
            return None
        if is_half_deleted(info):  # whatever its age, nobody can use it any more
            return UNNEEDED
        exported = not orphan.object.container.startswith(CONTAINER_PREFIX) and info.dlo_manifest
        if exported or is_kept(info):
            return None
    if task_id := needed.get(_owner(orphan)):
        return _needed_by(task_id)
    return UNNEEDED if orphan.last_modified <= written_before else RECENT


def _needed_by(task_id: str) -> str:
    return f"needed by task {task_id}"


def _owner(orphan: Orphan) -> str:
    """Return the location of the staged object that it is, or is a segment of."""
    return str(orphan.owner)
