# SPDX-License-Identifier: Apache-2.0
"""What every transfer does around the way its image takes: resume, mark, clean up, and report."""

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import ClassVar

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import Job, JobKind
from rackspace_imagetasks.exceptions import TaskTimeout
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs import marks
from rackspace_imagetasks.jobs._completion import mark_source
from rackspace_imagetasks.jobs._departures import Departure
from rackspace_imagetasks.jobs._resumable import resumable_job
from rackspace_imagetasks.jobs.inspected import Inspected
from rackspace_imagetasks.jobs.marks import Mark
from rackspace_imagetasks.jobs.reported import image_job, reported
from rackspace_imagetasks.jobs.sharing import ALONE, Sharing
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

    :ivar departure: how the image leaves the source.
    :ivar origin: the value of the coordinating property.
    :ivar settings: those of the copy.
    :ivar existing: the image at the target, if an earlier run has completed it.
    :ivar importing: the import task of an earlier run; the source is not needed any more.
    :ivar keep_objects: keep the exported and the staged object.
    :ivar inspect: look inside the disk before it is sent.
    :ivar inspected: what that has shown; None before the disk can be read.
    :ivar sharing: what it has in common with transfers of the image to other targets.
    :cvar reads_in_order: whether the image is read as one stream, not segment by segment.
    """

    reads_in_order: ClassVar[bool]

    source: Cloud
    target: Cloud
    image: ImageFacts
    departure: Departure
    origin: str
    settings: ImageSettings
    existing: ImageFacts | None = None
    importing: Task | None = None
    keep_objects: bool = False
    inspect: bool = True
    inspected: Inspected | None = None
    sharing: Sharing = ALONE

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
        return (*self.departure.warnings, *found)

    @property
    def needs_source(self) -> bool:
        """Whether the image is read, because the target has nothing of it yet."""
        return self.existing is None and self.importing is None

    @abstractmethod
    def _transfer(self, timeout: float | None, transfer: TransferOptions) -> str:
        """Return the ID of the image at the target, complete with its settings."""

    @abstractmethod
    def _clean_target(self) -> None:
        """Delete the staged object, unless it is to be kept."""

    @property
    def user(self) -> str:
        """What the transfer to this target is called where it shows that it uses an object."""
        return "/".join((*self.target.place, self.target.project_id))

    def clean_source(self, users: Collection[str]) -> None:
        """Delete what the departure has left, or mark it as kept.

        :param users: the transfers that are complete.
        """
        self.departure.finish(users, keep_objects=self.keep_objects)

    def _prepare(self, timeout: float | None) -> None:
        """Have the source provide the disk."""
        self.sharing.once("export", lambda: self.departure.prepare(timeout))

    def _in_use(self) -> contextlib.AbstractContextManager[None]:
        """Show that the transfer to this target uses what the source provides."""
        return self.departure.in_use(self.user)

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
            finally:
                self.sharing.reader.end()
            with self.sharing.turn:
                mark_source(self.source, image, self.mark, region)
            self._clean_target()
            self.sharing.at_end(lambda: self.clean_source([self.user]))
        return self._result("already there" if self.existing else "transferred", target_id)

    def _result(self, status: str, target_id: str | None = None) -> TransferResult:
        return TransferResult(self.image.id, self.image.name, self.target.region, status, target_id)
