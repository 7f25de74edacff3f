# SPDX-License-Identifier: Apache-2.0
"""Export: an image of this project becomes a VHD in one of its containers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import IntegrityError, ServiceError
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs.container import CREATE_HINT, judge_container
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.progress import Progress
from rackspace_imagetasks.text import printable

EXPORTED_BEFORE = "exported before"


@dataclasses.dataclass(frozen=True)
class ExportPlan:
    """An export that nothing known stands in the way of."""

    image: ImageFacts
    container: str
    create_container: bool = False
    task: Task | None = None
    """A task of an earlier run that does just this."""
    warnings: tuple[str | Message, ...] = ()
    exported: bool = False
    """Whether the VHD of an earlier run is there, and is taken."""

    @property
    def object_name(self) -> str:
        """The object that the service writes (developer guide, "Export task")."""
        return f"{self.image.id}.vhd"

    @property
    def location(self) -> str:
        """Container and object."""
        return f"{self.container}/{self.object_name}"

    @property
    def task_input(self) -> dict[str, str]:
        """The task's input."""
        return {"image_uuid": self.image.id, "receiving_swift_container": self.container}

    def preview(self) -> "ExportResult":
        """Return what a run would give, as far as it is known."""
        status = EXPORTED_BEFORE if self.exported else "not started"
        return self.result(self.task.id if self.task else None, status)

    def result(self, task_id: str | None, status: str, size: int | None = None) -> "ExportResult":
        """Return the row of this export."""
        return ExportResult(self.image.id, self.image.name, task_id, status, self.location, size)


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """An export task, and where its VHD is once it has succeeded. Size in bytes."""

    image_id: str
    image_name: str | None
    task_id: str | None
    status: str
    location: str | None = None
    size: int | None = None


def plan_export(
    cloud: Cloud,
    image: ImageFacts,
    container: str | None = None,
    *,
    create_container: bool = False,
    reuse: bool = False,
) -> ExportPlan:
    """Check everything that would make an export fail.

    :param container: the container to export to; the profile's by default, made if absent.
    :param create_container: make a named container too if it is absent.
    :param reuse: take any VHD of the image that is in the container, and not only that of a task
        which the service still knows.
    :raises Refused: with all the reasons.
    """
    name = cloud.profile.export_container if container is None else container
    verdict = policy.judge_export(image, cloud.project_id, cloud.profile)
    exists, judged = judge_container(
        cloud,
        name,
        forbidden=cloud.profile.container_name_forbids,
        may_create=create_container or container is None,
        hint=CREATE_HINT,
    )
    verdict += judged
    task = _task(cloud, image, name, running=True) if exists else None
    plan = ExportPlan(image, name, create_container=not exists, task=task)
    exported = bool(exists and not task and cloud.objects.head_object(name, plan.object_name))
    if exported and not reuse and not _task(cloud, image, name, running=False):
        verdict += _in_the_way(plan)
    verdict.enforce()
    return dataclasses.replace(plan, exported=exported, warnings=verdict.warnings)


def _task(cloud: Cloud, image: ImageFacts, container: str, *, running: bool) -> Task | None:
    """Return a task that exports the image to the container, or has done so."""

    def same(given: Mapping[str, Any]) -> bool:
        location = (given.get("image_uuid"), given.get("receiving_swift_container"))
        return location == (image.id, container)

    return cloud.tasks.find("export", same, running=running)


def _in_the_way(plan: ExportPlan) -> Verdict:
    return Verdict.refuse(
        f"There is already an object '{plan.location}', and the service does not replace it; get"
        f" it with `openstack image task save {plan.location} --file <file>` (which deletes it too,"
        " with --delete-object), or choose another --container."
    )


def export(
    cloud: Cloud, plan: ExportPlan, progress: Progress, timeout: float | None = None
) -> ExportResult:
    """Return the VHD of the image: a new one, or that of an earlier run.

    :param timeout: seconds to wait for the task.
    :raises TaskFailed, TaskTimeout: as the task ends.
    :raises IntegrityError: when the VHD is not where the task should have put it.
    """
    if plan.exported:
        return _result(cloud, plan, None, EXPORTED_BEFORE)
    return _finish_export(cloud, plan, _start_task(cloud, plan), progress, timeout)


def start_export(cloud: Cloud, plan: ExportPlan) -> ExportResult:
    """Create the export task, unless an earlier run did or has exported the image."""
    if plan.exported:
        return _result(cloud, plan, None, EXPORTED_BEFORE)
    task = _start_task(cloud, plan)
    return plan.result(task.id, task.status)


def _start_task(cloud: Cloud, plan: ExportPlan) -> Task:
    if plan.task:
        return plan.task
    if plan.create_container:
        cloud.objects.create_container(plan.container)
    return cloud.tasks.create("export", plan.task_input)


def _finish_export(
    cloud: Cloud, plan: ExportPlan, task: Task, progress: Progress, timeout: float | None
) -> ExportResult:
    name = printable(plan.image.name or plan.image.id)
    with progress.phase(f"Exporting image '{name}'") as phase:
        task = cloud.tasks.wait(
            task.id, timeout=timeout, on_status=lambda current: phase.note(current.status)
        )
    location = export_location(task)
    if location != plan.location:
        raise IntegrityError(
            f"The export task {task.id} says that its VHD is at '{printable(location)}', and it"
            f" was to be at '{plan.location}'; look at both before you use either."
        )
    return _result(cloud, plan, task.id, task.status)


def _result(cloud: Cloud, plan: ExportPlan, task_id: str | None, status: str) -> ExportResult:
    exported = cloud.objects.head_object(plan.container, plan.object_name)
    if exported is None:
        raise IntegrityError(
            f"The image was exported, but there is no object '{plan.location}'; it was deleted"
            " meanwhile, or does not show yet."
        )
    return plan.result(task_id, status, exported.size)


def export_location(task: Task) -> str:
    """Return the `container/object` that an export task says it wrote.

    :raises ServiceError: when it does not say so.
    """
    location = task.result.get("export_location")
    if not isinstance(location, str) or not all(location.partition("/")[::2]):
        raise ServiceError(f"The export task {task.id} does not say where its VHD is.")
    return location
