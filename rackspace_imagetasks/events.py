# SPDX-License-Identifier: Apache-2.0
"""Events of jobs, for programs that follow them."""

import contextlib
import contextvars
import dataclasses
import enum
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.progress import (
    SILENT,
    Phase,
    PhaseKind,
    PhaseTitle,
    Progress,
    SilentProgress,
)

LOG = logging.getLogger(__name__)

SCHEMA_VERSION = 1

# Of this process: the two clouds of a transfer may report to the same callback.
_PHASE_IDS = itertools.count(1)
_NUMBERING = threading.Lock()
_BYTES_INTERVAL = 1.0  # seconds between two reports of the bytes of a phase


class EventKind(enum.StrEnum):
    """What has happened."""

    PLANNED = "planned"
    PHASE_STARTED = "phase_started"
    BYTES = "bytes"
    TASK_STATUS = "task_status"
    PHASE_ENDED = "phase_ended"
    RETRIED = "retried"
    MESSAGE = "message"
    WARNING = "warning"
    DONE = "done"
    FAILED = "failed"


class JobKind(enum.StrEnum):
    """What a job does."""

    IMPORT = "import"
    EXPORT = "export"
    SAVE = "save"
    TRANSFER = "transfer"
    WAIT = "wait"
    CLEAN = "clean"


@dataclasses.dataclass(frozen=True)
class Place:
    """A cloud and a region.

    :ivar cloud: its name in clouds.yaml, if it has one.
    """

    cloud: str | None
    region: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What all events of a job say about it.

    :ivar image: the image's name, or how the caller named it; for a saved or deleted object, its
        location; for a wait, the ID of the task.
    """

    job: JobKind
    image: str | None
    image_id: str | None = None
    source: Place | None = None
    target: Place | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """One event; what does not apply to it is None.

    :ivar time: when it happened, in UTC.
    :ivar job: the kind of job, one of `import`, `export`, `save`, `transfer`, `wait` and `clean`.
    :ivar image: the image's name; for a saved or deleted object, its location; for a wait, the ID
        of the task.
    :ivar image_id: the ID of an image that is exported or transferred.
    :ivar source: the cloud and region that data is read from.
    :ivar target: the cloud and region that data is sent to.
    :ivar phase_id: a number that all events of a phase have in common.
    :ivar phase: the kind of work of the phase.
    :ivar title: the title of the phase, for people.
    :ivar total: the number of bytes of the phase.
    :ivar done: bytes so far; fewer than before if a retry repeats some.
    :ivar task_id: the task that is waited for.
    :ivar status: the status of the task, or of the result.
    :ivar delay: seconds until the retry.
    :ivar new_image_id: the ID of the image that the job created, or found to exist.
    :ivar error: the name of the exception's class.
    :ivar text: the message, for people.
    """

    event: EventKind
    time: datetime
    version: int = SCHEMA_VERSION
    job: JobKind | None = None
    image: str | None = None
    image_id: str | None = None
    source: Place | None = None
    target: Place | None = None
    phase_id: int | None = None
    phase: PhaseKind | None = None
    title: str | None = None
    total: int | None = None
    done: int | None = None
    task_id: str | None = None
    status: str | None = None
    delay: float | None = None
    new_image_id: str | None = None
    error: str | None = None
    text: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the fields that apply, ready for JSON; the time as RFC 3339 has it."""
        fields = {
            name: _without_none(value) if isinstance(value, dict) else value
            for name, value in dataclasses.asdict(self).items()
        }
        instant = self.time.astimezone(UTC).isoformat(timespec="milliseconds")
        return _without_none({**fields, "time": instant.replace("+00:00", "Z")})


OnEvent = Callable[[Event], None]


class EventDisplay(SilentProgress):
    """Progress that shows events; the phases that it is asked for are not shown twice."""

    def on_event(self, event: Event) -> None:
        """Show what has happened; called for one event at a time, from any thread."""
        raise NotImplementedError


class EventProgress:
    """Progress that reports events, and shows them in another progress, too.

    Events are reported one at a time, in the order of their times. Their callback must not harm
    the job: once it has raised an exception, it is not called again.

    :param on_event: called with each event, from any thread.
    :param shown: where the same work is shown; an `EventDisplay` shows the same events.
    """

    def __init__(
        self,
        on_event: OnEvent | None,
        shown: Progress = SILENT,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listeners = [] if on_event is None else [on_event]
        if isinstance(shown, EventDisplay):
            self._listeners.append(shown.on_event)
        self._shown = shown
        self._lock = threading.RLock()  # the callback may itself do what is reported
        self.clock = clock

    @contextlib.contextmanager
    def phase(self, title: str, total: int | None = None) -> Iterator[Phase]:
        """Report the start, the bytes and the end of a phase."""
        with _NUMBERING:
            phase_id = next(_PHASE_IDS)
        fields: dict[str, Any] = {"phase_id": phase_id, "total": total, "title": _safe(title)}
        if isinstance(title, PhaseTitle):
            fields |= {"phase": title.kind, "task_id": title.task_id}
        with self._shown.phase(title, total) as shown:
            reported = _ReportedPhase(self, shown, fields)
            try:
                yield reported
            finally:
                reported.end()

    def message(self, message: str | Message) -> None:
        """Report a message."""
        self.emit(EventKind.MESSAGE, running_job(), text=_safe(message))
        self._shown.message(message)

    def emit(self, kind: EventKind, job: Job | None, **fields: Any) -> None:  # noqa: ANN401
        """Report an event of a job."""
        about = {} if job is None else {name: getattr(job, name) for name in _JOB_FIELDS}
        with self._lock:
            if not self._listeners:
                return
            event = Event(event=kind, time=datetime.now(UTC), **{**about, **fields})
            for listener in tuple(self._listeners):
                try:
                    listener(event)
                except Exception as error:  # noqa: BLE001 - the job goes on, whatever it raises
                    self._listeners.remove(listener)
                    problem = f"{type(error).__name__}: {error}"
                    LOG.warning("%s", Message(f"No more events are reported: {problem}"))

    def emit_failure(self, job: Job, error: BaseException) -> None:
        """Report that a job has failed, or was stopped."""
        text = _safe(" ".join(str(error).split("\n")))
        self.emit(EventKind.FAILED, job, error=type(error).__name__, text=text)


def with_events(progress: Progress, on_event: OnEvent | None = None) -> Progress:
    """Return progress that reports events to a callback, and to what shows them.

    :param progress: where the work is shown; what reports events already, or shows nothing, is
        returned as it is if there is no callback.
    """
    if on_event is None and (progress is SILENT or isinstance(progress, EventProgress)):
        return progress
    return EventProgress(on_event, progress)


class _ReportedPhase:
    def __init__(self, progress: EventProgress, shown: Phase, fields: dict[str, Any]) -> None:
        self._progress, self._shown, self._fields = progress, shown, fields
        self._job = running_job()
        self._lock = threading.Lock()
        self._done = 0
        self._status: str | None = None
        self._emit(EventKind.PHASE_STARTED)
        self._reported = progress.clock()

    def advance(self, amount: int) -> None:
        """Report the bytes at most once a second, but each step back."""
        self._shown.advance(amount)
        with self._lock:
            self._done += amount
            now = self._progress.clock()
            if amount < 0 or now - self._reported >= _BYTES_INTERVAL:
                self._reported = now
                self._emit(EventKind.BYTES, done=self._done)

    def note(self, text: str) -> None:
        """Report a status when it is new."""
        self._shown.note(text)
        with self._lock:
            if text == self._status:
                return
            self._status = text
            self._emit(EventKind.TASK_STATUS, status=_safe(text))

    def end(self) -> None:
        """Report the end."""
        with self._lock:
            counted = self._done or self._fields["total"] is not None
            self._emit(EventKind.PHASE_ENDED, done=self._done if counted else None)

    def _emit(self, kind: EventKind, **fields: Any) -> None:  # noqa: ANN401
        self._progress.emit(kind, self._job, **{**self._fields, **fields})


@dataclasses.dataclass(frozen=True)
class _Running:
    """What runs in this context, and in the threads that were started in it: a job, or not."""

    progress: EventProgress
    job: Job | None


_RUNNING: contextvars.ContextVar[_Running | None] = contextvars.ContextVar("running", default=None)
_JOB_FIELDS = tuple(field.name for field in dataclasses.fields(Job))


@contextlib.contextmanager
def running(progress: EventProgress, job: Job) -> Iterator[None]:
    """Have the events of this context and its threads say that they belong to a job.

    Its failure is reported.
    """
    try:
        with _context(progress, job):
            yield
    except BaseException as error:
        progress.emit_failure(job, error)
        raise


@contextlib.contextmanager
def running_no_job(progress: EventProgress) -> Iterator[None]:
    """Have retries of this context and its threads reported, unless it belongs to a job."""
    with contextlib.nullcontext() if is_running() else _context(progress, None):
        yield


@contextlib.contextmanager
def _context(progress: EventProgress, job: Job | None) -> Iterator[None]:
    token = _RUNNING.set(_Running(progress, job))
    try:
        yield
    finally:
        _RUNNING.reset(token)


def is_running() -> bool:
    """Return whether this context belongs to a job, of which other jobs are steps."""
    return running_job() is not None


def report_retry(problem: str, delay: float) -> None:
    """Report that a request of this context is repeated.

    :param problem: the sentence that says why.
    :param delay: seconds until the retry.
    """
    if (found := _RUNNING.get()) is not None:
        found.progress.emit(
            EventKind.RETRIED, found.job, delay=round(delay, 3), text=_safe(problem)
        )


def running_job() -> Job | None:
    """Return the job of this context, if there is one."""
    found = _RUNNING.get()
    return found.job if found else None


def _safe(message: str | Message) -> str:
    """Return a message as one printable line without credentials."""
    return str(Message.of(message))


def _without_none(fields: dict[str, Any]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
