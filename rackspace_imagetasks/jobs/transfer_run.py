# SPDX-License-Identifier: Apache-2.0
"""What every transfer does around the way its image takes: resume, mark, clean up, and report."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import TaskTimeout
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs._completion import mark_source
from rackspace_imagetasks.jobs._resumable import resumable_job
from rackspace_imagetasks.jobs.marks import Mark
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

    :ivar existing: the image at the target, if an earlier run has completed it.
    :ivar importing: the import task of an earlier run; the source is not needed any more.
    :ivar keep_objects: keep the exported and the staged object.
    """

    source: Cloud
    target: Cloud
    image: ImageFacts
    existing: ImageFacts | None = None
    importing: Task | None = None
    keep_objects: bool = False

    @property
    @abstractmethod
    def mark(self) -> Mark:
        """The mark of the image and of its copies."""

    @property
    @abstractmethod
    def properties(self) -> dict[str, str]:
        """The properties that the copy gets, besides its mark, as far as they are known."""

    @abstractmethod
    def _transfer(self, timeout: float | None, transfer: TransferOptions) -> str:
        """Return the ID of the image at the target, complete with its settings."""

    @abstractmethod
    def _finish(self) -> None:
        """Delete the objects that are not needed any more, or mark them as kept."""

    def preview(self) -> TransferResult:
        """Return the expected result of a run, without a request."""
        if self.existing:
            return self._result("already there", self.existing.id)
        return dataclasses.replace(self._result("not started"), properties=self.properties)

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
