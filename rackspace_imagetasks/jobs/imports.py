# SPDX-License-Identifier: Apache-2.0
"""Import: a VHD in a container becomes an image; a local disk is staged in a container first."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    NotFound,
    Refused,
    ServiceError,
    TaskTimeout,
)
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.glance.settings import NO_SETTINGS, ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs.containers import judge_container
from rackspace_imagetasks.jobs.contents import judge_content
from rackspace_imagetasks.jobs.resumable import resumable
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.deletion import delete, is_kept
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.objects.transfer import DEFAULT_TRANSFER, TransferOptions
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.policy import Verdict


@dataclasses.dataclass(frozen=True)
class ImportResult:
    """An import task, and its image once the task has succeeded. The disk's size is in bytes.

    :ivar location: the object to import; None once it is deleted.
    """

    name: str
    task_id: str | None
    status: str
    location: str | None
    size: int | None
    image_id: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """An import that no known problem prevents.

    :ivar object: the object to import.
    :ivar source: the VHD to upload to the object first; None if the object exists.
    :ivar create_container: whether the container has to be created.
    :ivar delete_object: whether the object is deleted once the image is complete.
    :ivar task: the task of an earlier run that does, or did, the same.
    """

    cloud: Cloud
    name: str
    object: ObjectName
    settings: ImageSettings = NO_SETTINGS
    source: ByteSource | None = None
    create_container: bool = False
    delete_object: bool = False
    task: Task | None = None
    facts: vhd.VhdFacts | None = None
    warnings: tuple[Message, ...] = ()

    def close(self) -> None:
        """Close the file to upload."""
        if self.source:
            self.source.close()

    def preview(self) -> ImportResult:
        """Return the result of a run, as far as it is known now."""
        return self._result(self.task)

    def start(self, *, transfer: TransferOptions = DEFAULT_TRANSFER) -> ImportResult:
        """Upload, create the import task, and return without waiting for it.

        :raises Refused: if the plan has settings, which can only be set on the finished image.
        :raises TransferError: if the upload fails; a second run resumes it.
        """
        if self.settings:
            raise Refused(SETTINGS_NEED_WAIT)
        task = self._start_task(transfer)
        if task.ended:  # an earlier run's: there is nothing to wait for
            return self._finish(task, None)
        return self._result(task)

    def run(
        self, *, timeout: float | None = None, transfer: TransferOptions = DEFAULT_TRANSFER
    ) -> ImportResult:
        """Upload, import, apply the settings, and delete the staged object if that is wanted.

        :param timeout: maximum number of seconds to wait for the task.
        :raises TransferError: if the upload fails; a second run resumes it.
        :raises TaskFailed: if the task fails; the object is kept.
        :raises TaskTimeout: after `timeout`; the task is still running, and the object is kept.
        """
        return self._finish(self._start_task(transfer), timeout)

    def with_earlier_run(self) -> "ImportPlan":
        """Return the plan with what an earlier run of it has done.

        The name of a staged object stands for its content, so a task that succeeded while the
        object still exists belongs to a run that was interrupted before it deleted the object,
        unless the object was to be kept: then this is another import. A user's own object can be
        imported again.
        """
        if self.source is None:
            task = find_import(self.cloud, self.object, name=self.name)
            return dataclasses.replace(self, task=task)
        staged = self.cloud.objects.head_object(self.object)
        keep = staged is not None and self.delete_object and is_kept(staged)
        plan = self._keeping_object() if keep else self
        interrupted = staged is not None and not keep
        task = find_import(self.cloud, self.object, include_succeeded=interrupted)
        return dataclasses.replace(plan, task=task)

    def _keeping_object(self) -> "ImportPlan":
        warning = Message(f"'{self.object}' was kept by an earlier import and will not be deleted.")
        return dataclasses.replace(self, delete_object=False, warnings=(*self.warnings, warning))

    def await_image(self, task: Task, timeout: float | None, hint: Hint) -> tuple[Task, str]:
        """Return the ended task and the ID of the image that it created."""
        image = f"image '{self.name}'"
        try:
            with resumable(
                f"importing {image} in region '{self.cloud.region}'", hint, task=task.id
            ):
                task = self.cloud.wait_for(task, f"Importing {image}", timeout)
        except TaskTimeout as error:
            error.result = dataclasses.replace(
                self._result(None), task_id=error.task_id, status="processing"
            )
            raise
        return task, imported_image_id(task)

    def create_task(self) -> Task:
        """Return the task of another run that started in the meantime, or a new one."""
        task = find_import(self.cloud, self.object, name=self.name)
        return task or self.cloud.tasks.create("import", task_input(self.object, self.name))

    def _start_task(self, transfer: TransferOptions) -> Task:
        if self.task:
            return self.task
        if self.create_container:
            self.cloud.objects.create_container(self.object.container)
        if self.source:
            self._upload(self.source, transfer)
        return self.create_task()

    def _upload(self, source: ByteSource, transfer: TransferOptions) -> None:
        profile = self.cloud.profile
        with resumable(f"uploading '{source.name}' to '{self.object}'"):
            upload(
                self.cloud.objects,
                source,
                self.object,
                self.cloud.transfer(transfer),
                segment_size=profile.segment_size,
                expire_after=profile.staging_lifetime if self.delete_object else None,
            )

    def _finish(self, task: Task, timeout: float | None) -> ImportResult:
        """Wait for the task, complete its image, and delete the staged object last."""
        hint = Hint.FOLLOW_TASK_AND_COMPLETE if self.source else Hint.FOLLOW_TASK
        task, image_id = self.await_image(task, timeout, hint)
        self._apply_settings(image_id)
        if self.delete_object:
            self._delete_object(task)
        return self._result(task, image_id)

    def _apply_settings(self, image_id: str) -> None:
        try:
            self.cloud.images.complete(image_id, self.settings)
        except (AccessDenied, ServiceError) as error:
            message = Message(
                f"Image '{self.name}' is imported and active, but not all settings could be"
                f" applied: {error}",
                Hint.RETRY_WITHOUT_SETTING,
            )
            if isinstance(error, ServiceError):
                raise ServiceError(message, status=error.status) from error
            raise AccessDenied(message) from error

    def _delete_object(self, task: Task) -> None:
        """Delete the object, unless another task than the one that has ended reads it."""
        other = find_import(self.cloud, self.object)
        if other and other.id != task.id:
            text = f"Keeping object '{self.object}': task '{other.id}' is reading it."
            self.cloud.progress.message(text)
        else:
            delete(self.cloud.objects, self.object)

    def _result(self, task: Task | None, image_id: str | None = None) -> ImportResult:
        is_deleted = image_id and self.delete_object
        return ImportResult(
            name=self.name,
            task_id=task.id if task else None,
            status=task.status if task else "not started",
            location=None if is_deleted else str(self.object),
            size=self.facts.virtual_size if self.facts else None,
            image_id=image_id,
        )


SETTINGS_NEED_WAIT = Message(
    "Properties, tags, minimum disk and memory, and visibility are set on the image after its"
    " import.",
    Hint.WAIT_FOR_IMAGE,
)


def task_input(source: ObjectName, name: str) -> dict[str, Any]:
    """Return the input of the task that imports an object; it can set no property but the name."""
    return {
        "import_from": str(source),
        "import_from_format": "vhd",
        "image_properties": {"name": name},
    }


def plan_import(plan: ImportPlan, *, allow_truncated: bool = False) -> ImportPlan:
    """Check everything that would make an import fail, and find what an earlier run has done.

    :param plan: what is to be imported; its `create_container` says whether a container that does
        not exist is created.
    :param allow_truncated: accept an object whose disk is shorter than its content; the source of
        an upload is already checked.
    :raises Refused: with all reasons.
    """
    cloud, staged = plan.cloud, plan.source is not None
    verdict = policy.judge_import(plan.name, plan.settings, cloud.profile)
    exists, judged = judge_container(
        cloud,
        plan.object.container,
        may_create=staged and plan.create_container,
        hint=Hint.CREATE_CONTAINER if staged else None,
    )
    verdict += judged
    content = plan.source
    if content is None and exists:
        content, missing = _find_object(cloud, plan.object)
        verdict += missing
    parsed = vhd.VhdFile.of(content) if content else None
    report = check(cloud, parsed) if parsed else None
    if report:
        verdict += policy.judge_vhd(report)
    if parsed and not staged:
        verdict += judge_content(parsed, allow_truncated=allow_truncated)
    verdict.enforce()
    checked = dataclasses.replace(
        plan,
        create_container=not exists,
        facts=report.facts if report else None,
        warnings=verdict.warnings,
    )
    return checked.with_earlier_run() if exists else checked


def _find_object(cloud: Cloud, name: ObjectName) -> tuple[ByteSource | None, Verdict]:
    """Return the object to import, or a verdict that it does not exist."""
    if cloud.objects.head_object(name) is None:
        text = f"Object '{name}' not found in region '{cloud.region}'."
        return None, Verdict.refuse(Message(text, Hint.LIST_OBJECTS, name._asdict()))
    return ObjectSource(cloud.objects, name), Verdict()


def check(cloud: Cloud, content: ByteSource | vhd.VhdFile) -> vhd.Report:
    """Check a VHD as this cloud's import service does."""
    return vhd.check(
        content,
        max_virtual_size=cloud.profile.max_virtual_size,
        max_physical_size=cloud.profile.max_physical_size,
    )


def find_import(
    cloud: Cloud, source: ObjectName, *, name: str | None = None, include_succeeded: bool = False
) -> Task | None:
    """Return a running task that imports from `source`.

    :param name: the image's name, if the object alone does not tell one import from another.
    :param include_succeeded: return a task that has succeeded, too, if its image exists.
    """

    def is_same(given: Mapping[str, Any]) -> bool:
        properties = given.get("image_properties")
        named = properties.get("name") if isinstance(properties, dict) else None
        return given.get("import_from") == str(source) and name in (None, named)

    if task := cloud.tasks.find("import", is_same, running=True):
        return task
    task = cloud.tasks.find("import", is_same, running=False) if include_succeeded else None
    return task if task and _is_image_active(cloud, task) else None


def _is_image_active(cloud: Cloud, task: Task) -> bool:
    try:
        return cloud.images.get(imported_image_id(task)).status == "active"
    except NotFound:
        return False


def imported_image_id(task: Task) -> str:
    """Return the ID of the image that an import task created.

    :raises ServiceError: if the task does not report it.
    """
    image_id = task.result.get("image_id")
    if not isinstance(image_id, str) or not image_id:
        raise ServiceError(f"Import task '{task.id}' does not report which image it created.")
    return image_id
