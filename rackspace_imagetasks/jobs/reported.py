# SPDX-License-Identifier: Apache-2.0
"""The events of jobs: what was planned, and how it ended."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import (
    EventKind,
    EventProgress,
    Job,
    JobKind,
    is_running,
    running,
    running_no_job,
)
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.progress import Progress


class ReportedPlan(Protocol):
    """A plan whose run is reported."""

    @property
    def job(self) -> Job:
        """What its events say about it."""

    @property
    def cloud(self) -> Cloud:
        """The cloud that it is asked of, which knows where to report."""

    @property
    def warnings(self) -> tuple[Message, ...]:
        """What the user should know before the run."""


class Planner(Protocol):
    """What makes plans for a cloud."""

    @property
    def cloud(self) -> Cloud:
        """The cloud."""


Params = ParamSpec("Params")
Result = TypeVar("Result")
SomePlan = TypeVar("SomePlan", bound=ReportedPlan)
SomePlanner = TypeVar("SomePlanner", bound=Planner)


def image_job(kind: JobKind, image: ImageFacts, source: Cloud, target: Cloud | None = None) -> Job:
    """Return what events say about a job for an image of a cloud."""
    return Job(
        job=kind,
        image=image.label,
        image_id=image.id,
        source=source.event_place,
        target=target.event_place if target else None,
    )


def reported(
    run: Callable[Concatenate[SomePlan, Params], Result],
) -> Callable[Concatenate[SomePlan, Params], Result]:
    """Report how the run of a plan ends, unless it is a step of another job."""

    @functools.wraps(run)
    def run_reported(plan: SomePlan, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        progress = plan.cloud.progress
        if is_running() or not isinstance(progress, EventProgress):
            return run(plan, *args, **kwargs)
        job = plan.job
        with running(progress, job):
            result = run(plan, *args, **kwargs)
        progress.emit(EventKind.DONE, job, **_facts(job, result))
        return result

    return run_reported


def planned(
    kind: JobKind, image: str
) -> Callable[
    [Callable[Concatenate[SomePlanner, Params], SomePlan]],
    Callable[Concatenate[SomePlanner, Params], SomePlan],
]:
    """Return a decorator that reports a plan with its warnings, or why there is none.

    :param image: the parameter by which the caller names the image.
    """

    def decorate(
        plan: Callable[Concatenate[SomePlanner, Params], SomePlan],
    ) -> Callable[Concatenate[SomePlanner, Params], SomePlan]:
        signature = inspect.signature(plan)

        @functools.wraps(plan)
        def plan_reported(
            planner: SomePlanner, /, *args: Params.args, **kwargs: Params.kwargs
        ) -> SomePlan:
            progress = planner.cloud.progress
            if not isinstance(progress, EventProgress):
                return plan(planner, *args, **kwargs)
            given = signature.bind(planner, *args, **kwargs).arguments
            asked = _asked(kind, str(given[image]), planner.cloud, given.get("target"))
            with running(progress, asked):
                made = plan(planner, *args, **kwargs)
            progress.emit(EventKind.PLANNED, made.job)
            for warning in made.warnings:
                progress.emit(EventKind.WARNING, made.job, text=str(warning))
            return made

        return plan_reported

    return decorate


@contextlib.contextmanager
def reporting(progress: Progress, job: Job) -> Iterator[None]:
    """Have the events of this context say that they belong to a job; its failure is reported."""
    with running(progress, job) if isinstance(progress, EventProgress) else nullcontext():
        yield


@contextlib.contextmanager
def observed(progress: Progress) -> Iterator[None]:
    """Report the retries of work that is not a job."""
    with running_no_job(progress) if isinstance(progress, EventProgress) else nullcontext():
        yield


def emit(progress: Progress, kind: EventKind, job: Job, **facts: object) -> None:
    """Report an event of a job, if events are reported."""
    if isinstance(progress, EventProgress):
        progress.emit(kind, job, **facts)


def emit_failure(progress: Progress, job: Job, error: BaseException) -> None:
    """Report why a job has failed, if events are reported."""
    if isinstance(progress, EventProgress):
        progress.emit_failure(job, error)


def _asked(kind: JobKind, image: str, cloud: Cloud, target: Planner | None) -> Job:
    """Return what is known about a job before it is planned.

    :param target: where a transfer goes.
    """
    here = cloud.event_place
    if kind is JobKind.IMPORT:
        return Job(job=kind, image=image, target=here)
    return Job(
        job=kind, image=image, source=here, target=target.cloud.event_place if target else None
    )


def _facts(job: Job, result: object) -> dict[str, object]:
    """Return what the last event says about the result of a job."""
    new = {JobKind.IMPORT: "image_id", JobKind.TRANSFER: "target_image_id"}.get(job.job)
    return {
        "status": getattr(result, "status", None),
        "new_image_id": getattr(result, new, None) if new else None,
    }
