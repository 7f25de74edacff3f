# SPDX-License-Identifier: Apache-2.0
"""Import: a VHD in a container becomes an image; a local disk is staged in a container first.

An import is done once, however often and from however many processes it is run: see `same_import`.
"""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import Job, JobKind
from rackspace_imagetasks.exceptions import (
    IntegrityError,
    Refused,
    TaskTimeout,
    TransferError,
)
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import NO_SETTINGS, ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs._completion import complete_image, delete_duplicate
from rackspace_imagetasks.jobs._imported import imported_image
from rackspace_imagetasks.jobs._in_use import shown_in_use
from rackspace_imagetasks.jobs._resumable import resumable, resumable_job
from rackspace_imagetasks.jobs._same_import import (
    Found,
    SameImport,
    agreed_image,
    find_reader,
    task_input,
)
from rackspace_imagetasks.jobs.marks import Mark
from rackspace_imagetasks.jobs.reported import reported
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import DEFAULT_TRANSFER, TransferOptions
from rackspace_imagetasks.objects.deletion import delete
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.objects.upload import upload

ALREADY_IMPORTED = "already imported"


@dataclasses.dataclass(frozen=True)
class ImportResult:
    """An import task, and its image once the task has succeeded. The disk's size is in bytes.

    :ivar task_id: None if an earlier run has completed the image.
    :ivar status: the task's status, "already imported" or "not started".
    :ivar location: the object to import; None once it is deleted.
    :ivar duplicate_task_id: a task that this run has created although another run, at the same
        instant, has created `task_id`; the caller should delete the image of the duplicate.
    """

    name: str
    task_id: str | None
    status: str
    location: str | None
    size: int | None
    image_id: str | None = None
    duplicate_task_id: str | None = None


class _Begun(NamedTuple):
    """What a run follows, and the task that it has created itself, if any."""

    found: Found
    own: Task | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """A checked import, ready to run.

    :ivar object: the object to import.
    :ivar mark: the mark of the completed image, by which another run finds it.
    :ivar found: properties that follow from the content of the disk; the settings have precedence.
    :ivar source: the VHD to upload to the object first; None if the object exists.
    :ivar content: the version of an object that exists.
    :ivar new_copy: create another image even if there is one already.
    :ivar create_container: whether the container has to be created.
    :ivar delete_object: whether the object is deleted once the image is complete.
    :ivar existing: the image that an earlier run has completed.
    :ivar task: the task of an earlier run that does, or did, the same.
    :ivar any_name: whether such a task counts whatever it names the image.
    """

    cloud: Cloud
    name: str
    object: ObjectName
    mark: Mark
    settings: ImageSettings = NO_SETTINGS
    found: Mapping[str, str] = dataclasses.field(default_factory=dict)
    source: ByteSource | None = None
    content: ObjectSource | None = None
    new_copy: bool = False
    create_container: bool = False
    delete_object: bool = False
    existing: ImageFacts | None = None
    task: Task | None = None
    any_name: bool = False
    facts: vhd.VhdFacts | None = None
    warnings: tuple[Message, ...] = ()

    @property
    def job(self) -> Job:
        """What events say about the job."""
        return Job(job=JobKind.IMPORT, image=self.name, target=self.cloud.event_place)

    def close(self) -> None:
        """Close the file to upload."""
        if self.source:
            self.source.close()

    def preview(self) -> ImportResult:
        """Return the expected result of a run, without a request."""
        return self._result(self.task, self.existing)

    @reported
    def start(self, *, transfer: TransferOptions = DEFAULT_TRANSFER) -> ImportResult:
        """Upload, create the import task, and return without waiting for it.

        The image of a task that has ended is completed; another run does that for a task that is
        still running.

        :raises Refused: if the plan has settings, which can only be set on the finished image.
        :raises TransferError: if the upload fails; a second run resumes it.
        """
        if self.settings and not self.existing:
            raise Refused(SETTINGS_NEED_WAIT)
        with self._resumable():
            begun = self._begin(transfer)
            if begun.found.task and not begun.found.task.ended:
                return self._started(begun.found.task, begun.own)
            return self._finish(begun, None)

    @reported
    def run(
        self, *, timeout: float | None = None, transfer: TransferOptions = DEFAULT_TRANSFER
    ) -> ImportResult:
        """Upload, import, apply the settings, and delete the staged object if that is wanted.

        An image that another run has imported is completed, not imported again.

        :param timeout: maximum number of seconds to wait for the task.
        :raises TransferError: if the upload fails; a second run resumes it.
        :raises TaskFailed: if the task fails; the object is kept.
        :raises TaskTimeout: after `timeout`; the task is still running, and the object is kept.
        :raises IntegrityError: if the image is not the one that the task created.
        """
        with self._resumable():
            return self._finish(self._begin(transfer), timeout)

    def _started(self, task: Task, own: Task | None) -> ImportResult:
        """Return the result of a run that does not wait; report a task that is a duplicate."""
        if own is None or own.id == task.id:
            return self._result(task)
        text = (
            f"Another run is already importing image '{self.name}' with task '{task.id}'. Task"
            f" '{own.id}' of this run cannot be cancelled; delete its image when it ends."
        )
        self.cloud.progress.message(Message(text, Hint.FOLLOW_TASK, {"task": own.id}))
        return dataclasses.replace(self._result(task), duplicate_task_id=own.id)

    def with_earlier_run(self) -> "ImportPlan":
        """Return the plan with the image or the task of an earlier run.

        The name of a staged object stands for its content and the image's name. A user's own object
        is distinguished from its former content by its ETag and its modification time.
        """
        return self.with_found(self.find_earlier())

    def with_found(self, found: Found) -> "ImportPlan":
        """Return the plan with what another run has done."""
        if found.image:
            return self.with_existing(found.image)
        return dataclasses.replace(self, task=found.task)

    def with_existing(self, image: ImageFacts) -> "ImportPlan":
        """Return the plan with the image that an earlier run has completed."""
        subject = self.source.name if self.source else str(self.object)
        text = f"'{subject}' was already imported as image '{image.label}' ({image.id})."
        warning = Message(text, Hint.IMPORT_NEW_COPY)
        return dataclasses.replace(self, existing=image, warnings=(*self.warnings, warning))

    def _resumable(self) -> contextlib.AbstractContextManager[None]:
        return resumable_job(f"importing image '{self.name}'")

    def keeping_object(self) -> "ImportPlan":
        """Return the plan that keeps the staged object, as an earlier run was asked to."""
        text = f"Object '{self.object}' was kept by an earlier import and will not be deleted."
        warning = Message(text)
        return dataclasses.replace(self, delete_object=False, warnings=(*self.warnings, warning))

    @property
    def _same(self) -> SameImport:
        return SameImport(
            cloud=self.cloud,
            object=self.object,
            name=self.name,
            mark=self.mark,
            written_at=self.content.info.last_modified if self.content else None,
            any_name=self.any_name,
        )

    def find_earlier(self) -> Found:
        """Return what other runs have done; for another copy, only a task that still runs."""
        return Found(task=self._same.find_running()) if self.new_copy else self._same.find()

    def _begin(self, transfer: TransferOptions) -> _Begun:
        """Return what an earlier run has done, or upload the disk and create a task."""
        if found := Found(self.existing, self.task):
            return _Begun(found)
        if self.create_container:
            self.cloud.objects.create_container(self.object.container)
        if self.source:
            try:
                self._upload(self.source, transfer)
            except TransferError:  # another run may have finished, and deleted the segments
                if found := self.find_earlier():
                    return _Begun(found)
                raise
        if found := self.find_earlier():
            return _Begun(found)
        return self._create_task()

    def _create_task(self) -> _Begun:
        """Create a task; return what is to be followed, which may be another run's earlier task."""
        own = self.cloud.tasks.create("import", task_input(self.object, self.name))
        others = self._find_others()
        return _Begun(others if others.precedes(own) else Found(task=own), own)

    def _find_others(self) -> Found:
        """Return what other runs have done that this one must not do again."""
        return Found() if self.new_copy else self._same.find()

    def _upload(self, source: ByteSource, transfer: TransferOptions) -> None:
        profile = self.cloud.profile
        doing = f"uploading '{source.name}' to '{self.object}'"
        with shown_in_use(self.cloud, self.object), resumable(doing):
            upload(
                self.cloud.objects,
                source,
                self.object,
                self.cloud.data_transfer(transfer),
                segment_size=profile.segment_size,
                expire_after=profile.staging_lifetime if self.delete_object else None,
                has_container=True,
            )

    def _finish(self, begun: _Begun, timeout: float | None) -> ImportResult:
        """Wait for the task, complete its image, and delete the staged object last."""

        def follow(task: Task) -> tuple[ImageFacts, Task]:
            return self._await_image(task, timeout)

        image, task = agreed_image(begun.found, follow, self._find_others)
        image = self._complete(image)
        if begun.own and (task is None or begun.own.id != task.id):
            delete_duplicate(self._same, begun.own, timeout)
        if self.delete_object:
            self._delete_object(task)
        return self._result(task, image)

    def _await_image(self, task: Task, timeout: float | None) -> tuple[ImageFacts, Task]:
        """Return the image that the task has created, once it has ended, and the ended task."""
        image = f"image '{self.name}'"
        hint = Hint.FOLLOW_TASK_AND_COMPLETE if self.source else Hint.FOLLOW_TASK
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
        found = imported_image(self.cloud, task, self._same.name_of(task))
        if self.mark.is_other_on(found):
            text = f"Task '{task.id}' imported former content of object '{self.object}'."
            raise IntegrityError(Message(text, Hint.RESUME))
        return found, task

    def _complete(self, image: ImageFacts) -> ImageFacts:
        """Apply the settings and the mark, and return the image as it is then."""
        mark = None if self._is_replaced() else self.mark
        return complete_image(self.cloud, image, self.settings.completed(self.found), mark)

    def _is_replaced(self) -> bool:
        """Return whether the object's content is no longer what the mark identifies."""
        if self.content is None:
            return False
        planned, now = self.content.info, self.cloud.objects.head_object(self.object)
        return now is not None and (now.size, now.etag) != (planned.size, planned.etag)

    def _delete_object(self, task: Task | None) -> None:
        """Delete the object, unless it has other content now, or another task reads it."""
        other = find_reader(self.cloud, self.object)
        if other and not (task and other.id == task.id):
            text = f"Keeping object '{self.object}': task '{other.id}' is reading it."
        elif self._is_replaced():
            text = f"Keeping object '{self.object}': it was replaced after the import had started."
        else:
            delete(self.cloud.objects, self.object)
            return
        self.cloud.progress.message(text)

    def _result(self, task: Task | None, image: ImageFacts | None = None) -> ImportResult:
        status = ALREADY_IMPORTED if image else "not started"
        is_deleted = image and self.delete_object
        return ImportResult(
            name=self.name,
            task_id=task.id if task else None,
            status=task.status if task else status,
            location=None if is_deleted else str(self.object),
            size=self.facts.virtual_size if self.facts else None,
            image_id=image.id if image else None,
        )


SETTINGS_NEED_WAIT = Message(
    "Properties, tags, minimum disk and memory, and visibility are set on the image after its"
    " import.",
    Hint.WAIT_FOR_IMAGE,
)
