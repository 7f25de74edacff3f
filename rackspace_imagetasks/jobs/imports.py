# SPDX-License-Identifier: Apache-2.0
"""Import: a VHD in a container, or a local file by way of one, becomes an image."""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import AccessDenied, NotFound, ServiceError
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs.container import CREATE_HINT, judge_container
from rackspace_imagetasks.jobs.options import TransferOptions
from rackspace_imagetasks.jobs.resumable import hinting, resumable
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.objects.deletion import delete, is_kept
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.progress import Progress
from rackspace_imagetasks.text import printable


@dataclasses.dataclass(frozen=True)
class ImportPlan:
    """An import that nothing known stands in the way of."""

    name: str
    settings: ImageSettings
    container: str
    object_name: str
    source: ByteSource | None = None
    """What to upload first; None where the object is already there."""
    create_container: bool = False
    delete_object: bool = False
    """Whether the staged object goes once the image is complete."""
    task: Task | None = None
    """A task of an earlier run that does, or did, just this."""
    facts: vhd.VhdFacts | None = None
    warnings: tuple[str | Message, ...] = ()

    def close(self) -> None:
        """Let go of the file to upload, and of what reads it."""
        if self.source:
            self.source.close()

    @property
    def location(self) -> str:
        """Container and object."""
        return f"{self.container}/{self.object_name}"

    @property
    def task_input(self) -> dict[str, Any]:
        """The task's input; the name is the only property that it may hold."""
        return {
            "import_from": self.location,
            "import_from_format": "vhd",
            "image_properties": {"name": self.name},
        }

    def result(self, task: Task | None, image_id: str | None = None) -> "ImportResult":
        """Return what is known while the task is, or has ended, or was never started."""
        return ImportResult(
            name=self.name,
            task_id=task.id if task else None,
            status=task.status if task else "not started",
            location=None if image_id and self.delete_object else self.location,
            size=self.facts.virtual_size if self.facts else None,
            image_id=image_id,
        )


@dataclasses.dataclass(frozen=True)
class ImportResult:
    """An import task, and its image once it has succeeded; the disk's size in bytes.

    :ivar location: the staged object; None once it is deleted.
    """

    name: str
    task_id: str | None
    status: str
    location: str | None
    size: int | None
    image_id: str | None = None


def plan_import(
    cloud: Cloud,
    *,
    name: str,
    settings: ImageSettings,
    container: str,
    object_name: str,
    source: ByteSource | None = None,
    create_container: bool = False,
    delete_object: bool = False,
) -> ImportPlan:
    """Check everything that would make an import fail.

    :param source: a VHD to upload to the object first; without it, the object must be there.
    :param create_container: make the container if it is absent.
    :param delete_object: delete the object once the image is complete.
    :raises Refused: with all the reasons.
    """
    verdict = policy.judge_import(name, settings, cloud.profile)
    exists, judged = judge_container(
        cloud,
        container,
        may_create=source is not None and create_container,
        hint=CREATE_HINT if source else "",
    )
    verdict += judged
    content = source
    if source is None and exists:
        content, missing = _stored(cloud, container, object_name)
        verdict += missing
    report = check(cloud, content) if content else None
    if report:
        verdict += policy.judge_vhd(report)
    verdict.enforce()
    plan = ImportPlan(
        name=name,
        settings=settings,
        container=container,
        object_name=object_name,
        source=source,
        create_container=not exists,
        delete_object=delete_object,
        facts=report.facts if report else None,
        warnings=verdict.warnings,
    )
    return with_earlier_run(cloud, plan) if exists else plan


def with_earlier_run(cloud: Cloud, plan: ImportPlan) -> ImportPlan:
    """Return the plan with what an earlier run of it has done.

    The name of an upload's object stands for its content, so a success with the object still there
    is a run that was cut off before its end, unless it was to keep the object: then that stays, and
    this is another import. A user's own object may be imported again.
    """
    if plan.source is None:
        return dataclasses.replace(plan, task=earlier_import(cloud, plan.location, name=plan.name))
    staged = cloud.objects.head_object(plan.container, plan.object_name)
    kept = staged is not None and plan.delete_object and is_kept(staged)
    if kept:
        warning = f"'{plan.location}' was kept by an earlier import, and stays."
        plan = dataclasses.replace(plan, delete_object=False, warnings=(*plan.warnings, warning))
    cut_off = staged is not None and not kept
    task = earlier_import(cloud, plan.location, include_succeeded=cut_off)
    return dataclasses.replace(plan, task=task)


def _stored(cloud: Cloud, container: str, name: str) -> tuple[ByteSource | None, Verdict]:
    """Return the object to import, or say that there is none."""
    if cloud.objects.head_object(container, name) is None:
        shown = printable(f"{container}/{name}")
        return None, Verdict.refuse(
            f"There is no object '{shown}' in region '{cloud.region}'; `openstack object list"
            f" {printable(container)}` shows what there is."
        )
    return ObjectSource(cloud.objects, container, name), Verdict()


def check(cloud: Cloud, content: ByteSource) -> vhd.Report:
    """Judge a VHD as this cloud's service will."""
    return vhd.check(
        content,
        max_virtual_size=cloud.profile.max_virtual_size,
        max_physical_size=cloud.profile.max_physical_size,
    )


def earlier_import(
    cloud: Cloud, location: str, *, name: str | None = None, include_succeeded: bool = False
) -> Task | None:
    """Return the task of an earlier run that imports from `location`, if it goes on.

    :param name: the image's name, where the object alone does not tell one import from another.
    :param include_succeeded: give one that has succeeded, too, if its image is there.
    """

    def same(given: Mapping[str, Any]) -> bool:
        properties = given.get("image_properties")
        named = properties.get("name") if isinstance(properties, dict) else None
        return given.get("import_from") == location and name in (None, named)

    if task := cloud.tasks.find("import", same, running=True):
        return task
    task = cloud.tasks.find("import", same, running=False) if include_succeeded else None
    return task if task and _image_is_there(cloud, task) else None


def _image_is_there(cloud: Cloud, task: Task) -> bool:
    try:
        return cloud.images.get(imported_image_id(task)).status == "active"
    except NotFound:
        return False


def start_import(
    cloud: Cloud, plan: ImportPlan, progress: Progress, transfer: TransferOptions
) -> Task:
    """Upload what must be uploaded and create the import task, unless an earlier run did.

    :raises TransferError: when the upload fails; running the command again goes on with it.
    """
    if plan.task:
        return plan.task
    if plan.create_container:
        cloud.objects.create_container(plan.container)
    if plan.source:
        _upload(cloud, plan, plan.source, progress, transfer)
    # Again: while this run uploaded, another one of the same command may have come further.
    task = earlier_import(cloud, plan.location, name=plan.name)
    return task or cloud.tasks.create("import", plan.task_input)


def _upload(
    cloud: Cloud,
    plan: ImportPlan,
    source: ByteSource,
    progress: Progress,
    transfer: TransferOptions,
) -> None:
    with resumable(f"sending '{source.name}' to '{plan.location}'"):
        upload(
            cloud.objects,
            source,
            plan.container,
            plan.object_name,
            segment_size=cloud.profile.segment_size,
            threads=transfer.threads,
            expire_after=cloud.profile.staging_lifetime if plan.delete_object else None,
            limit_rate=transfer.limit_rate,
            cleanup=transfer.cleanup,
            progress=progress,
            stop=cloud.stop,
        )


_THE_SAME_AGAIN = "The same command again follows it too, and then completes the image."


def finish_import(
    cloud: Cloud, plan: ImportPlan, task: Task, progress: Progress, timeout: float | None = None
) -> ImportResult:
    """Wait for the task, complete its image, and delete the staged object if that is wanted.

    The object is deleted last: while anything may still need it, it stays.

    :param timeout: seconds.
    :raises TaskFailed, TaskTimeout: as the task ends; the object stays.
    """
    with hinting(_THE_SAME_AGAIN) if plan.source else contextlib.nullcontext():
        task, image_id = await_image(cloud, plan, task, progress, timeout)
    _complete(cloud, plan, image_id)
    if plan.delete_object:
        _delete_staged(cloud, plan, task, progress)
    return plan.result(task, image_id)


def _complete(cloud: Cloud, plan: ImportPlan, image_id: str) -> None:
    try:
        cloud.images.complete(image_id, plan.settings)
    except (AccessDenied, ServiceError) as error:
        text = (
            f"Image '{printable(plan.name)}' is imported and active, but not all is set: {error}"
            " The same command, without what was refused, sets the rest."
        )
        if isinstance(error, ServiceError):
            raise ServiceError(text, status=error.status) from error
        raise AccessDenied(text) from error


def _delete_staged(cloud: Cloud, plan: ImportPlan, task: Task, progress: Progress) -> None:
    """Delete the object, unless another task than the one that has ended reads it."""
    other = earlier_import(cloud, plan.location)
    if other and other.id != task.id:
        progress.message(f"'{plan.location}' stays: task {other.id} is reading it.")
    else:
        delete(cloud.objects, plan.container, plan.object_name)


def await_image(
    cloud: Cloud, plan: ImportPlan, task: Task, progress: Progress, timeout: float | None
) -> tuple[Task, str]:
    """Return the ended task and the ID of the image that it made."""
    with progress.phase(f"Importing image '{printable(plan.name)}'") as phase:
        task = cloud.tasks.wait(
            task.id, timeout=timeout, on_status=lambda current: phase.note(current.status)
        )
    return task, imported_image_id(task)


def imported_image_id(task: Task) -> str:
    """Return the ID of the image that an import task made.

    :raises ServiceError: when the task does not say it.
    """
    image_id = task.result.get("image_id")
    if not isinstance(image_id, str) or not image_id:
        raise ServiceError(f"The import task {task.id} does not say which image it made.")
    return image_id
