# SPDX-License-Identifier: Apache-2.0
"""Run one job for many subjects, several at a time; a failure does not affect the others."""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError, reportable
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.threads import ThreadPool

S = TypeVar("S")
R = TypeVar("R")


@dataclasses.dataclass(frozen=True)
class Outcome(Generic[S, R]):
    """The result of the job for one subject, or its error."""

    subject: S
    result: R | None = None
    error: ImageTasksError | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages of the error, each with the subject's name in front."""
        messages = self.error.messages if self.error else ()
        return tuple(dataclasses.replace(m, text=f"{self.subject}: {m.text}") for m in messages)

    @property
    def reason(self) -> str:
        """The messages as text, one per line."""
        return "\n".join(map(str, self.messages))


def run_each(
    subjects: Sequence[S], job: Callable[[S], R], *, concurrency: int = 4
) -> list[Outcome[S, R]]:
    """Run the job for each subject and return the outcomes in the order of the subjects.

    An exception that is not an `ImageTasksError` becomes one, with the original as its cause.

    :param concurrency: the maximum number of jobs that run at the same time.
    :raises Cancelled: when a job was cancelled; no further job is started. The messages say which
        jobs were cancelled or failed, and how many were completed.
    """
    ending = threading.Event()

    def run(subject: S) -> Outcome[S, R]:
        outcome = _run(subject, job)
        if isinstance(outcome.error, Cancelled):
            ending.set()
        return outcome

    pool = ThreadPool(run, subjects, concurrency, ending)
    pool.join()
    if pool.failure:
        raise pool.failure
    outcomes = pool.results
    if any(isinstance(outcome.error, Cancelled) for outcome in outcomes):
        raise Cancelled(*_summary(outcomes, len(subjects)))
    return outcomes


def _run(subject: S, job: Callable[[S], R]) -> Outcome[S, R]:
    try:
        return Outcome(subject, result=job(subject))
    except Exception as error:  # noqa: BLE001  # it becomes the outcome of this one
        return Outcome(subject, error=reportable(error))


def _summary(outcomes: Sequence[Outcome[S, R]], total: int) -> list[Message | str]:
    """Return what the jobs of a cancelled batch reported, and how many were completed."""
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if total == 1:
        return list(errors[0].messages)
    reported = [message for outcome in outcomes for message in outcome.messages]
    done, not_started = len(outcomes) - len(errors), total - len(outcomes)
    summary = (
        f"{done} of {total} jobs succeeded, {len(errors)} failed or stopped, {not_started} not"
        " started."
    )
    return [*reported, summary]
