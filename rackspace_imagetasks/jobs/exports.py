# SPDX-License-Identifier: Apache-2.0
"""Export: an image of this project becomes a VHD in one of its containers, and perhaps a file."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import Job, JobKind
from rackspace_imagetasks.exceptions import IntegrityError, Refused, TaskFailed, TaskTimeout
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs._containers import judge_container
from rackspace_imagetasks.jobs._quotas import judge_unknown_size
from rackspace_imagetasks.jobs._resumable import resumable, resumable_job
from rackspace_imagetasks.jobs.inspected import judge_exported
from rackspace_imagetasks.jobs.names import exported_object
from rackspace_imagetasks.jobs.options import SaveOptions
from rackspace_imagetasks.jobs.reported import image_job, reported
from rackspace_imagetasks.jobs.saves import (
    ALREADY_SAVED,
    SavePlan,
    export_location,
    plan_save,
)
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import DEFAULT_TRANSFER, TransferOptions
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.quotas import ACCOUNT
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.threads import in_background

EXPORTED_BEFORE = "exported before"


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """An export task and the location of its VHD. The size is in bytes, once it is known.

    :ivar status: the task's status, "exported before", "not started", or "already saved" if the
        file to save to has exactly the content of the VHD.
    :ivar task_id: None if an earlier run exported the image and its task is no longer known.
    """

    image_id: str
    image_name: str | None
    task_id: str | None
    status: str
    location: str
    size: int | None = None


@dataclasses.dataclass(frozen=True)
class ExportPlan:
    """A checked export, ready to run.

    :ivar create_container: whether the container has to be created.
    :ivar task: a running task of an earlier run with the same input.
    :ivar is_exported: whether the container has the VHD from an earlier run, which is used.
    :ivar save: how the VHD is saved afterwards, if it is.
    :ivar inspect: look inside the disk once its VHD is there.
    """

    cloud: Cloud
    image: ImageFacts
    container: str
    create_container: bool = False
    task: Task | None = None
    is_exported: bool = False
    save: SavePlan | None = None
    inspect: bool = False
    warnings: tuple[Message, ...] = ()

    @property
    def target(self) -> ObjectName:
        """The object that the service writes."""
        return exported_object(self.container, self.image.id)

    @property
    def job(self) -> Job:
        """What events say about the job."""
        return image_job(JobKind.EXPORT, self.image, self.cloud)

    def preview(self) -> ExportResult:
        """Return the expected result of a run, without a request."""
        if self.is_exported:
            return self._result(None, EXPORTED_BEFORE)
        return self._result(self.task.id if self.task else None, "not started")

    @reported
    def start(self) -> ExportResult:
        """Create the export task, unless an earlier run did, and return without waiting."""
        if self.is_exported:
            return self._finished(None, EXPORTED_BEFORE)
        task = self._start_task()
        return self._result(task.id, task.status)

    @reported
    def run(
        self, *, timeout: float | None = None, transfer: TransferOptions = DEFAULT_TRANSFER
    ) -> ExportResult:
        """Export the image, wait until its VHD is in the container, and save it if asked to.

        :param timeout: maximum number of seconds to wait for the task.
        :raises TaskFailed: if the task fails.
        :raises TaskTimeout: after `timeout`; the task is still running.
        :raises IntegrityError: if the VHD is not where the task should have written it.
        """
        with resumable_job(f"exporting image '{self.image.label}'"):
            exported = self.is_exported
            result = self._finished(None, EXPORTED_BEFORE) if exported else self._run(timeout)
            self._inspect()
            saved = self.save.run(transfer=transfer) if self.save else None
        if saved and saved.status == ALREADY_SAVED:
            return dataclasses.replace(result, status=ALREADY_SAVED)
        return result

    def is_saved(self, *, transfer: TransferOptions = DEFAULT_TRANSFER) -> bool:
        """Return whether the VHD is exported, and the file to save to already has its content.

        :raises TargetError: if the file has other content, and is not to be replaced.
        """
        return bool(self.save and self.is_exported and self.save.is_saved(transfer=transfer))

    def _inspect(self) -> None:
        """Look inside the disk, unless that was done when the export was planned.

        :raises Refused: if its licence does not allow the export; the VHD stays where it is.
        """
        if self.inspect and not self.is_exported:
            judge_exported(self.cloud, self.target).enforce()

    def _run(self, timeout: float | None) -> ExportResult:
        task = self._start_task()
        try:
            task = self._await(task, timeout)
        except TaskFailed:
            other = self._find_other()
            if other is None:
                raise
            task = self._await(other, timeout)
        if export_location(task) != self.target:
            raise IntegrityError(
                f"Export task '{task.id}' reports its VHD at '{export_location(task)}' instead of"
                f" '{self.target}'. Check both objects before you use either."
            )
        return self._finished(task.id, task.status)

    def _await(self, task: Task, timeout: float | None) -> Task:
        """Return a task once it has succeeded."""
        hint = Hint.FOLLOW_TASK_AND_SAVE if self.save else Hint.FOLLOW_TASK
        image = f"image '{self.image.label}'"
        try:
            with resumable(f"exporting {image}", hint, task=task.id):
                return self.cloud.wait_for(task, f"Exporting {image}", timeout)
        except TaskTimeout as error:
            error.result = self._result(task.id, "processing")
            raise

    def _find_other(self) -> Task | None:
        """Return the same export of another run, in whose way the task of this run was.

        The service may create a task that it was asked for by a run that was killed, after this run
        has looked for it.
        """
        if other := _find_task(self.cloud, self.image, self.container, running=True):
            return other
        if self.cloud.objects.head_object(self.target) is None:
            return None
        return _find_task(self.cloud, self.image, self.container, running=False)

    def _start_task(self) -> Task:
        if self.task:
            return self.task
        if self.create_container:
            self.cloud.objects.create_container(self.container)
        return self.cloud.tasks.create("export", task_input(self.image.id, self.container))

    def _finished(self, task_id: str | None, status: str) -> ExportResult:
        """Return the result with the present size of the object."""
        exported = self.cloud.objects.head_object(self.target)
        if exported is None:
            raise IntegrityError(
                f"Image '{self.image.label}' was exported, but object '{self.target}' does not"
                " exist. It was deleted in the meantime, or is not visible yet."
            )
        return self._result(task_id, status, exported.size)

    def _result(self, task_id: str | None, status: str, size: int | None = None) -> ExportResult:
        return ExportResult(self.image.id, self.image.name, task_id, status, str(self.target), size)


def task_input(image_id: str, container: str) -> dict[str, str]:
    """Return the input of the task that exports an image to a container."""
    return {"image_uuid": image_id, "receiving_swift_container": container}


def plan_export(
    cloud: Cloud,
    image: ImageFacts,
    container: str | None = None,
    *,
    create_container: bool = False,
    reuse: bool = False,
    save: SaveOptions | None = None,
    inspect: bool = False,
) -> ExportPlan:
    """Check everything that would make an export fail.

    :param container: the container to export to; by default the profile's, which is created if it
        does not exist.
    :param create_container: create a named container, too, if it does not exist.
    :param reuse: use any VHD of the image in the container, not only that of a task which the
        service still knows.
    :param save: save the VHD afterwards; implies `reuse`.
    :param inspect: look inside the disk: at once if it is exported already, else after the export.
    :raises Refused: with all reasons.
    :raises TargetError: if the file to save to cannot be written.
    """
    if not cloud.profile.uses_tasks:
        text = (
            f"The cloud has no image tasks in region '{cloud.region}', so it cannot export images"
            " to a container."
        )
        raise Refused(Message(text, Hint.SAVE_TO_FILE))
    name = cloud.profile.export_container if container is None else container
    target = exported_object(name, image.id)
    find_running = in_background(lambda: _find_task(cloud, image, name, running=True))
    find_exported = in_background(lambda: cloud.objects.head_object(target))
    read_account = in_background(cloud.objects.account_usage)
    verdict = policy.judge_export(image, cloud.project_id, cloud.profile)
    usages, judged = judge_container(
        cloud,
        name,
        forbidden=cloud.profile.container_name_forbids,
        may_create=create_container or container is None,
    )
    exists = usages.get(name) is not None
    verdict += judged
    task = find_running() if exists else None
    is_exported = bool(exists and not task and find_exported())
    if is_exported and not reuse and not save and not _find_task(cloud, image, name, running=False):
        verdict += _in_the_way(target)
    if not (task or is_exported or judged.refusals):
        verdict += judge_unknown_size(cloud, name, known={**usages, ACCOUNT: read_account()})
    if inspect and is_exported:
        verdict += judge_exported(cloud, target)
    verdict.enforce()
    saving = plan_save(cloud, target, save) if save else None
    return ExportPlan(
        cloud=cloud,
        image=image,
        container=name,
        create_container=not exists,
        task=task,
        is_exported=is_exported,
        save=saving,
        inspect=inspect,
        warnings=(*verdict.warnings, *(saving.warnings if saving else ())),
    )


def _find_task(cloud: Cloud, image: ImageFacts, container: str, *, running: bool) -> Task | None:
    """Return a task that exports the image to the container, or has done so."""
    wanted = task_input(image.id, container)

    def is_same(given: Mapping[str, Any]) -> bool:
        return wanted.items() <= given.items()

    return cloud.tasks.find("export", is_same, running=running)


def _in_the_way(target: ObjectName) -> Verdict:
    text = f"Object '{target}' already exists, and the service does not replace objects."
    return Verdict.refuse(Message(text, Hint.SAVE_EXISTING_OBJECT, {"location": target}))
