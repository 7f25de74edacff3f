# SPDX-License-Identifier: Apache-2.0
"""Clean: find what imports and transfers staged and left behind, and delete it.

Only names that this tool, or an export that it ordered, gives are looked at; nothing that a running
task needs and nothing recent is ever deleted.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.flows.names import CONTAINER_PREFIX, is_staged_name, is_transferred_name
from rackspace_imagetasks.objects import cleanup
from rackspace_imagetasks.objects.cleanup import Leftover
from rackspace_imagetasks.objects.segments import segments_container

DAY = timedelta(days=1)
_LOOK_AGAIN = 5.0  # seconds

UNNEEDED = "unneeded"
RECENT = "recent"
DELETED = "deleted"


@dataclasses.dataclass(frozen=True)
class Cleaned:
    """A staged object or an orphaned segment.

    :ivar status: "unneeded", "recent", "needed by task ..." or "deleted".
    """

    leftover: Leftover
    status: str


def leftovers(cloud: Cloud, container: str | None, older_than: timedelta) -> list[Cleaned]:
    """Find what is staged in `container`, or in all staging containers, and judge each.

    :param older_than: what was written later may belong to a transfer under way.
    """
    containers = [container] if container else _staging_containers(cloud)
    for name in containers:
        policy.judge_container_name(name).enforce()
    needed = _needed(cloud)
    written_before = datetime.now(UTC) - older_than
    return [
        Cleaned(leftover, _status(leftover, needed, written_before))
        for name in containers
        for leftover in cleanup.leftovers(cloud.objects, name, _names_of(name))
        if not _is_kept(cloud, leftover)
    ]


def _is_kept(cloud: Cloud, leftover: Leftover) -> bool:
    """Tell what is to stay: what was uploaded only to be imported expires by itself.

    An export, which the service writes, never does; those in a transfer's container are ours.
    """
    if leftover.kind != "object" or leftover.container.startswith(CONTAINER_PREFIX):
        return False
    info = cloud.objects.head_object(leftover.container, leftover.name)
    return info is None or "X-Delete-At" not in info.headers


def clean(cloud: Cloud, found: Iterable[Cleaned]) -> Iterator[Cleaned]:
    """Delete what is unneeded, objects with their segments; give each with its new status.

    :raises Cancelled: when the cloud's `stop` is set.
    """
    store = cloud.objects.until(cloud.stop)
    needed: dict[str, str] = {}
    looked = float("-inf")
    for each in found:
        if time.monotonic() - looked > _LOOK_AGAIN:  # a task may have started since
            needed, looked = _needed(cloud), time.monotonic()
        task_id = needed.get(_owner(each.leftover))
        if task_id:
            yield dataclasses.replace(each, status=_needed_by(task_id))
        elif each.status == UNNEEDED:
            cleanup.remove(store, each.leftover)
            yield dataclasses.replace(each, status=DELETED)
        else:
            yield each


def _staging_containers(cloud: Cloud) -> list[str]:
    suffix = segments_container("")
    transfers = {
        container.name.removesuffix(suffix)
        for container in cloud.objects.list_containers(CONTAINER_PREFIX)
    }
    return [cloud.profile.import_container, *sorted(transfers)]


def _names_of(container: str) -> Callable[[str], bool]:
    """Give the predicate that tells staged objects in a container from a user's own."""
    return is_transferred_name if container.startswith(CONTAINER_PREFIX) else is_staged_name


def _needed(cloud: Cloud) -> dict[str, str]:
    """Give the objects that running tasks read or write, each with the task's ID."""
    needed = {}
    for task in cloud.tasks.with_inputs("import", running=True):
        needed[str(task.input.get("import_from"))] = task.id
    for task in cloud.tasks.with_inputs("export", running=True):
        container, image = map(task.input.get, ("receiving_swift_container", "image_uuid"))
        needed[f"{container}/{image}.vhd"] = task.id
    return needed


def _status(leftover: Leftover, needed: Mapping[str, str], written_before: datetime) -> str:
    if task_id := needed.get(_owner(leftover)):
        return _needed_by(task_id)
    return UNNEEDED if leftover.last_modified <= written_before else RECENT


def _needed_by(task_id: str) -> str:
    return f"needed by task {task_id}"


def _owner(leftover: Leftover) -> str:
    """Give the location of the staged object that it is, or is a segment of."""
    container = leftover.container
    if leftover.kind == "segment":
        container = container.removesuffix(segments_container(""))
    return f"{container}/{leftover.owner}"
