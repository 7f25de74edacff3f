# SPDX-License-Identifier: Apache-2.0
"""Import into a standard cloud: a disk in a file or an object becomes an image, without a task."""

import contextlib
import dataclasses

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import Job, JobKind
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.jobs._arrival_methods import delete_left
from rackspace_imagetasks.jobs.arrivals import Arrival, judge_arrival, view_as
from rackspace_imagetasks.jobs.imports import ALREADY_IMPORTED, ImportResult
from rackspace_imagetasks.jobs.inspected import inspect_for_import
from rackspace_imagetasks.jobs.marks import import_mark
from rackspace_imagetasks.jobs.names import staged_file, staged_name
from rackspace_imagetasks.jobs.options import (
    AUTO_METHOD,
    DEFAULT_DISK,
    DEFAULT_STAGING,
    DiskOptions,
    StagingOptions,
)
from rackspace_imagetasks.jobs.reported import reported
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import DEFAULT_TRANSFER, TransferOptions
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.sources import DiskSource, open_disk_of
from rackspace_imagetasks.sources.convert import report_content, require_size
from rackspace_imagetasks.sources.staging import require_recognised


@dataclasses.dataclass(frozen=True, kw_only=True)
class UploadPlan:
    """A checked import into a standard cloud, ready to run.

    :ivar disk: the disk; the plan keeps it open until its `close()`.
    :ivar existing: the image that an earlier run has completed.
    """

    arrival: Arrival
    disk: DiskSource
    existing: ImageFacts | None = None
    warnings: tuple[Message, ...] = ()

    @property
    def job(self) -> Job:
        """What events say about the job."""
        return Job(job=JobKind.IMPORT, image=self.arrival.name, target=self.cloud.event_place)

    @property
    def cloud(self) -> Cloud:
        """The cloud of the image."""
        return self.arrival.cloud

    def close(self) -> None:
        """Close the disk."""
        self.disk.close()

    def preview(self) -> ImportResult:
        """Return the result of a run, as far as it is known now."""
        return self._result(self.existing, ALREADY_IMPORTED if self.existing else "not started")

    def start(self, *, transfer: TransferOptions = DEFAULT_TRANSFER) -> ImportResult:
        """Upload the disk: without a task, the image is complete at the end of the upload."""
        return self.run(transfer=transfer)

    @reported
    def run(
        self,
        *,
        timeout: float | None = None,  # noqa: ARG002 - there is no task to wait for
        transfer: TransferOptions = DEFAULT_TRANSFER,
    ) -> ImportResult:
        """Upload the disk, verify the image, and apply the settings.

        The image of an earlier run only gets the settings.

        :raises TransferError: if the upload fails; a second run resumes it, or starts again.
        :raises IntegrityError: if the image is not what was sent; it is deleted.
        """
        if self.existing:
            delete_left(self.arrival.cloud, self.arrival.staged)
            return self._result(self.arrival.with_settings(self.existing), ALREADY_IMPORTED)
        cloud, form = self.arrival.cloud, self.arrival.disk_format
        if form != self.disk.format:
            cloud.progress.message(
                f"Converting '{self.disk.name}' ({self.disk.description}) to {form} during upload."
            )
        image = self.arrival.run(view_as(form, self.disk), transfer)
        return self._result(image, "success")

    def _result(self, image: ImageFacts | None, status: str) -> ImportResult:
        return ImportResult(
            name=self.arrival.name,
            task_id=None,
            status=status,
            location=None,
            size=self.disk.size,
            image_id=image.id if image else None,
        )


def judge_options(
    disk: DiskOptions, staging: StagingOptions = DEFAULT_STAGING, *, delete_object: bool = False
) -> Verdict:
    """Judge options that have no effect in a cloud without tasks.

    Objects are staged only briefly there, and every disk is written in the format of the image.

    :param delete_object: whether the object that is imported is to be deleted.
    """
    chosen = staging.container is not None or staging.create_container
    wishes = (
        (not disk.convert, "a disk is always converted to the format of the image"),
        (chosen, "the container for uploads cannot be chosen"),
        (staging.keep_object, "no object is kept"),
        (delete_object, "an imported object is not deleted"),
    )
    return Verdict.refuse(
        *(f"This cloud has no image tasks, so {what}." for is_wanted, what in wishes if is_wanted)
    )


def plan_upload(
    cloud: Cloud,
    file: ByteSource,
    name: str,
    settings: ImageSettings,
    *,
    disk: DiskOptions = DEFAULT_DISK,
    disk_format: str | None = None,
    method: str = AUTO_METHOD,
    new_copy: bool = False,
) -> UploadPlan:
    """Check everything that would make the import of a disk fail.

    :param file: the file of the disk; it is closed with the plan, and after an error.
    :param disk_format: one of `arrivals.DISK_FORMATS`; by default the one of the cloud's profile.
    :param method: one of `options.METHODS`.
    :param new_copy: create another image even if there is one from the same file.
    :raises Refused, SourceError: with all reasons.
    """
    form = disk_format or cloud.profile.disk_format
    with contextlib.ExitStack() as on_error:
        opened = on_error.enter_context(open_disk_of(file, format=disk.format))
        arrival_verdict = judge_arrival(cloud, form, method)
        (policy.judge_standard(name, settings) + arrival_verdict).enforce()
        require_recognised(opened, disk.format)
        require_size(opened, cloud.profile.max_virtual_size)
        report_content(opened, cloud.progress, allow_truncated=disk.allow_truncated)
        inspected = inspect_for_import(cloud, opened, disk)
        settings = settings.completed(inspected.properties)
        verdict = policy.judge_standard(name, settings) + inspected.verdict
        verdict.enforce()
        content = staged_name(opened, name)
        arrival = Arrival(
            cloud=cloud,
            name=name,
            mark=import_mark(content),
            settings=settings,
            disk_format=form,
            staged=ObjectName(cloud.profile.import_container, staged_file(content, form)),
            method=method,
            in_order=not isinstance(file, FileSource),
            new_copy=new_copy,
        )
        plan = UploadPlan(arrival=arrival, disk=opened, warnings=verdict.warnings)
        if existing := arrival.find():
            plan = _with_existing(plan, existing)
        on_error.pop_all()
    return plan


def _with_existing(plan: UploadPlan, image: ImageFacts) -> UploadPlan:
    text = f"'{plan.disk.name}' was already imported as image '{image.label}' ({image.id})."
    warning = Message(text, Hint.IMPORT_NEW_COPY)
    return dataclasses.replace(plan, existing=image, warnings=(*plan.warnings, warning))
