# SPDX-License-Identifier: Apache-2.0
"""Transfer an image to several targets: it is exported once, and each part of it is read once.

The transfers run at the same time, because they take what is read from the same buffer. One that
fails does not stop the others. The exported object is deleted when all targets have their copy.
"""

import contextlib
import dataclasses
from collections.abc import Iterator

from rackspace_imagetasks.batch import Outcome, run_each
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError
from rackspace_imagetasks.jobs._resumable import resumable_job
from rackspace_imagetasks.jobs.sharing import Shared, SharedSteps
from rackspace_imagetasks.jobs.transfer_run import TransferResult, TransferRun
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.objects.connections import Connections
from rackspace_imagetasks.objects.data_transfer import DEFAULT_TRANSFER, TransferOptions
from rackspace_imagetasks.objects.meter import RateLimit
from rackspace_imagetasks.shared_read import ONLY_READER, PartReader, SharedRead


@dataclasses.dataclass(frozen=True)
class TransferBatch:
    """Checked transfers of an image to several targets, ready to run.

    :ivar planned: for each target, by its name, the plan, or the error if there is none.
    """

    source: Cloud
    planned: tuple[Outcome[str, TransferRun], ...]

    @property
    def warnings(self) -> tuple[Message, ...]:
        """What the user should know before the transfers, each message once."""
        each = (message for plan in self._plans.values() for message in plan.warnings)
        return tuple({str(message): message for message in each}.values())

    def preview(self) -> list[Outcome[str, TransferResult]]:
        """Return the expected results of a run, without a request."""
        return [
            Outcome(one.subject, one.result.preview() if one.result else None, one.error)
            for one in self.planned
        ]

    def run(
        self, *, timeout: float | None = None, transfer: TransferOptions = DEFAULT_TRANSFER
    ) -> list[Outcome[str, TransferResult]]:
        """Transfer the image, or finish what an earlier run began; return each target's outcome.

        :param timeout: maximum number of seconds to wait for each task.
        :param transfer: its threads are those of each target.
        :raises Cancelled: when the transfers are stopped; a second run resumes.
        """
        if all(one.error for one in self.planned):
            return self.preview()
        outcomes = self._run_each(timeout, transfer)
        if not any(outcome.error for outcome in outcomes):
            outcomes = self._without_export(outcomes)
        return outcomes

    @property
    def _plans(self) -> dict[str, TransferRun]:
        return {one.subject: one.result for one in self.planned if one.result}

    def _run_each(
        self, timeout: float | None, transfer: TransferOptions
    ) -> list[Outcome[str, TransferResult]]:
        """Run all transfers at the same time: each takes what the others have read."""
        plans, refusals = self._plans, {one.subject: one.error for one in self.planned}
        width = Connections.of(transfer.threads).limit
        limit = RateLimit.of(transfer.limit_rate)
        steps = SharedSteps(self.source.stop)

        def run(name: str) -> TransferResult:
            if refusal := refusals[name]:
                raise refusal
            sharing = Shared(steps, readers.get(name, ONLY_READER))
            plan = dataclasses.replace(plans[name], sharing=sharing)
            own = dataclasses.replace(transfer, limit_rate=limit)
            if name in readers:
                # Others that read in turn must not take the connections of this target.
                own = dataclasses.replace(own, threads=Connections(width))
            return plan.run(timeout=timeout, transfer=own)

        with self._shared_read(width) as readers:
            return run_each(list(refusals), run, concurrency=len(refusals))

    @contextlib.contextmanager
    def _shared_read(self, width: int) -> Iterator[dict[str, PartReader]]:
        """Yield the readers of the targets for which the image is read, if there are several."""
        reading = {name: plan for name, plan in self._plans.items() if plan.needs_source}
        if len(reading) < 2:
            yield {}
            return
        shared = SharedRead([plan.reads_in_order for plan in reading.values()], width)
        try:
            yield dict(zip(reading, shared.readers, strict=True))
        finally:
            shared.close()

    def _without_export(
        self, outcomes: list[Outcome[str, TransferResult]]
    ) -> list[Outcome[str, TransferResult]]:
        """Delete the export; if that fails, say so for each target, as it is to be done again."""
        plans = list(self._plans.values())
        plan = plans[0]
        try:
            with resumable_job(f"transferring image '{plan.image.label}'"):
                plan.clean_source([each.user for each in plans])
        except Cancelled:
            raise
        except ImageTasksError as error:
            return [dataclasses.replace(one, error=error) for one in outcomes]
        return outcomes
