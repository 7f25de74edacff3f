# SPDX-License-Identifier: Apache-2.0
"""What every transfer does around the way its image takes: resume, mark, clean up, and report."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import Job, JobKind
from rackspace_imagetasks.exceptions import TaskTimeout
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs import marks
from rackspace_imagetasks.jobs._completion import mark_source
from rackspace_imagetasks.jobs._resumable import resumable_job
from rackspace_imagetasks.jobs.inspected import Inspected
from rackspace_imagetasks.jobs.marks import Mark
from rackspace_imagetasks.jobs.reported import image_job, reported
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.objects.data_transfer import DEFAULT_TRANSFER, TransferOptions


@dataclasses.dataclass(frozen=True)
class TransferResult:
    """An image and its copy in another place.

    :ivar status: "transferred", "already there", "not started", or "in progress" after a time-out.
    :ivar properties: what the copy would get, as far as that is known before the transfer; empty
        afterwards.
    """

    image_id: str
    name: str | None
    region: str
    status: str
    target_image_id: str | None = None
    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferRun(ABC):
    """A checked transfer, whatever the way of its image.

    :ivar origin: the value of the coordinating property.
    :ivar settings: those of the copy.
    :ivar existing: the image at the target, if an earlier run has completed it.
    :ivar importing: the import task of an earlier run; the source is not needed any more.
    :ivar keep_objects: keep the exported and the staged object.
    :ivar inspect: look inside the disk before it is sent.
    :ivar inspected: what that has shown; None before the disk can be read.
    """

    source: Cloud
    target: Cloud
    image: ImageFacts
    origin: str
    settings: ImageSettings
    existing: ImageFacts | None = None
    importing: Task | None = None
    keep_objects: bool = False
    inspect: bool = True
    inspected: Inspected | None = None

    @property
    def job(self) -> Job:
        """What events say about the job."""
        return image_job(JobKind.TRANSFER, self.image, self.source, self.target)

    @property
    def cloud(self) -> Cloud:
        """The cloud that the job is asked of."""
        return self.source

    @property
    def mark(self) -> Mark:
        """The mark of the image and of its copies."""
        return marks.transfer_mark(self.origin)

    @property
    def properties(self) -> dict[str, str]:
        """The properties that the copy gets, besides its mark, as far as they are known."""
        found = self.inspected.properties if self.inspected else {}
        return policy.storable_properties(self.settings.completed(found).properties)

    @property
    def warnings(self) -> tuple[Message, ...]:
        """What the user should know before the transfer."""
        found = self.inspected.verdict.warnings if self.inspected else ()
        return (*self._departure_warnings, *found)

    @property
    @abstractmethod
    def _departure_warnings(self) -> tuple[Message, ...]:
        """What the user should know before the image leaves the source."""

    @abstractmethod
    def _transfer(self, timeout: float | None, transfer: TransferOptions) -> str:
        """Return the ID of the image at the target, complete with its settings."""

    @abstractmethod
    def _finish(self) -> None:
        """Delete the objects that are not needed any more, or mark them as kept."""

    def _accepted(self, found: Inspected) -> Inspected:
        """Return what an inspection has shown during a run, once its warnings are reported.

        :raises Refused: if the licence of what is inside does not allow the transfer.
        """
        found.verdict.enforce()
        for warning in found.verdict.warnings:
            self.target.progress.message(warning)
        return found

    def preview(self) -> TransferResult:
        """Return the expected result of a run, without a request."""
        if self.existing:
            return self._result("already there", self.existing.id)
        return dataclasses.replace(self._result("not started"), properties=self.properties)

    @reported
    def run(
        self, *, timeout: float | None = None, transfer: TransferOptions = DEFAULT_TRANSFER
    ) -> TransferResult:
        """Transfer the image, or finish what an earlier run began.

        :param timeout: maximum number of seconds to wait for each task.
        :raises TaskError, TransferError, Refused: what was done is kept, and a second run resumes.
        """
        image, region = self.image, self.target.region
        with resumable_job(f"transferring image '{image.label}' to region '{region}'"):
            try:
                target_id = self.existing.id if self.existing else self._transfer(timeout, transfer)
            except TaskTimeout as error:
                error.result = self._result("in progress")
                raise
            mark_source(self.source, image, self.mark, region)
            self._finish()
        return self._result("already there" if self.existing else "transferred", target_id)

    def _result(self, status: str, target_id: str | None = None) -> TransferResult:
        return TransferResult(self.image.id, self.image.name, self.target.region, status, target_id)
