# SPDX-License-Identifier: Apache-2.0
"""Glance tasks: create them, find them again, and follow them to their end."""

import itertools
import json
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from rackspace_imagetasks.exceptions import (
    Cancelled,
    ImageTasksError,
    NotFound,
    QuotaExceeded,
    ServiceError,
    TaskTimeout,
)
from rackspace_imagetasks.glance.api import described, items_of, page_of
from rackspace_imagetasks.glance.failures import failure_of
from rackspace_imagetasks.glance.task import RUNNING, SUCCESS, Task
from rackspace_imagetasks.glance.words import task_words
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.http.retry import backoff
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.profile import ProviderProfile
from rackspace_imagetasks.threads import in_background

if TYPE_CHECKING:
    from rackspace_imagetasks.http.answers import Answer

_TOLERATED_POLLS = 10  # failed polls in a row: hours of work outlast minutes of an outage
_CREATION_TOLERANCE = timedelta(seconds=30)  # between the clocks of the service's machines
_NO_TASKS = frozenset({403, 404})
_NEWEST_FIRST = {"sort_key": "created_at", "sort_dir": "desc"}
_FRESH = 30.0  # seconds for which the first page of a listing is used
_AT_ONCE = 8  # tasks whose details are requested at the same time
_JSON = {"Content-Type": "application/json"}


class _UnknownStatusError(ServiceError):
    """The service describes a task with a status that tasks do not have."""


class TaskClient:
    """The tasks of one cloud and region; safe to use from threads.

    The service is polled once every `profile.poll_interval`, however many tasks and threads there
    are.
    """

    def __init__(
        self,
        client: Client,
        profile: ProviderProfile,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client.worded(task_words(client.words))
        self._profile = profile
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._followed: dict[str, Task | None] = {}
        self._polled_at = float("-inf")
        self._inputs: dict[str, Task] = {}
        self._first_page: list[tuple[float, Answer]] = []

    def exist(self) -> bool:
        """Return whether the service lets this user list tasks; a standard Glance does not.

        The answer is the first page of a listing. The next search that follows soon begins with it.

        :raises ServiceError: if the service does not respond as either kind does.
        """
        action, page = "find out whether the cloud has image tasks", page_of(_NEWEST_FIRST)
        answer = self._client.request("GET", "tasks", action, params=page, accept=_NO_TASKS)
        if answer.status in _NO_TASKS:
            return False
        self._first_page = [(self._clock(), answer)]
        return True

    def create(self, kind: str, given: Mapping[str, Any]) -> Task:
        """Start a task of `kind` ("import", "export").

        If it is uncertain whether a request created a task, the tasks are listed. A task with the
        same input that is running, or that has succeeded since the request was sent, is the one;
        the request is repeated only if there is none.

        :raises AccessDenied, QuotaExceeded, ServiceError: if the service refuses it.
        """
        self._first_page.clear()
        started = self._clock()
        for attempt in itertools.count(1):
            try:
                return self._create(kind, given)
            except ServiceError as error:
                if error.status is not None and 300 <= error.status < 500:
                    raise  # refused, so no task was created
                self._client.pause(str(error), attempt)
                task = self._find_created(kind, given, started)
                if task is not None:
                    return task
                said_created = error.status is not None and error.status < 300
                if said_created or attempt >= self._client.retry.attempts:
                    message = Message(f"{error.text} No such task is running.", Hint.TRY_AGAIN)
                    raise ServiceError(message, status=error.status) from error
        raise AssertionError("unreachable")

    def _find_created(self, kind: str, given: Mapping[str, Any], started: float) -> Task | None:
        """Return a task with this input that is running, or has succeeded since a moment.

        :param started: the moment by this process's clock; its age is used, because the clock of
            the service may differ.
        """

        def matches(other: Mapping[str, Any]) -> bool:
            return given.items() <= other.items()

        if task := self.find(kind, matches, running=True):
            return task
        since = self._now() - timedelta(seconds=self._clock() - started) - _CREATION_TOLERANCE
        task = self.find(kind, matches, running=False)
        created = task.created if task else None
        return task if created and created >= since else None

    def _now(self) -> datetime:
        """Return the time by the clock of the service, or of this machine if it does not say."""
        answer = self._client.request("GET", "tasks", "list the tasks", params={"limit": "1"})
        try:
            return parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, ValueError):
            return datetime.now(UTC)

    def _create(self, kind: str, given: Mapping[str, Any]) -> Task:
        body = json.dumps({"type": kind, "input": dict(given)}).encode()
        answer = self._client.send_once("tasks", f"create an {kind} task", body, _JSON)
        return described(answer, Task.parse, "a task")

    def get(self, task_id: str) -> Task:
        """Return a task with all its details.

        :raises NotFound: if there is none, or its record was deleted after its `expires_at`.
        """
        path = f"tasks/{urllib.parse.quote(task_id, safe='')}"
        try:
            answer = self._client.request("GET", path, f"read task '{task_id}'")
        except NotFound as error:
            raise NotFound(
                f"Task '{task_id}' not found in {self._client.words.place}. The service"
                " deletes a task's record about two days after the task ends, but not the image or"
                " object that it created."
            ) from error
        return described(answer, Task.parse, "a task")

    def list(self, **filters: str) -> Iterator[Task]:
        """Return the tasks, newest first, without input, result and message."""
        query = {**_NEWEST_FIRST, **filters}
        return items_of(self._client, "tasks", "tasks", query, Task.parse)

    def _of_kinds(self, kinds: tuple[str, ...]) -> Iterator[Task]:
        """Return the tasks of some kinds, newest first; the first page may be known already."""
        try:
            received_at, first = self._first_page.pop()
        except IndexError:
            received_at, first = self._clock(), None
        if self._clock() - received_at > _FRESH:
            first = None
        if first is None and len(kinds) == 1:
            return self.list(type=kinds[0])
        tasks = items_of(self._client, "tasks", "tasks", _NEWEST_FIRST, Task.parse, first=first)
        return (task for task in tasks if task.type in kinds)

    def find(
        self, kind: str, matches: Callable[[Mapping[str, Any]], bool], *, running: bool
    ) -> Task | None:
        """Return the newest task of `kind` whose input matches: a running or a successful one.

        This is how a command that is run again finds the task that its first run started.
        """
        tasks = self.with_inputs(kind, running=running)
        return next((task for task in tasks if matches(task.input)), None)

    def with_inputs(self, *kinds: str, running: bool | None = None) -> Iterator[Task]:
        """Yield this project's tasks with all details, newest first.

        An administrator of the cloud sees the tasks of all projects.

        :param running: yield running tasks, or successful ones if it is false; None for both.
        """
        wanted = {True: RUNNING, False: {SUCCESS}, None: RUNNING | {SUCCESS}}[running]
        listed = (task for task in self._of_kinds(kinds) if task.status in wanted)
        while some := list(itertools.islice(listed, _AT_ONCE)):
            for look_up in [in_background(partial(self._detailed, task)) for task in some]:
                task = look_up()
                if task and task.status in wanted and task.owner in ("", self._client.project_id()):
                    yield task

    def follow(
        self,
        task_ids: Iterable[str],
        *,
        timeout: float | None = None,
        on_status: Callable[[Task], None] = lambda _task: None,
    ) -> Iterator[Task]:
        """Yield each task as it ends, successfully or not.

        :param timeout: seconds to wait for all of them; None to wait without a limit.
        :param on_status: called with each task after each poll.
        :raises TaskTimeout: if the time has passed before the last one ends.
        :raises Cancelled: if `stop` is set.
        :raises NotFound, ServiceError: if there is no such task, or its status is an unknown one
            for many polls; the other tasks are yielded first.
        """
        left = list(dict.fromkeys(task_ids))
        given_up: list[ImageTasksError] = []
        failed_polls = 0
        unknown_statuses: Counter[str] = Counter()
        deadline = self._clock() + timeout if timeout is not None else float("inf")
        self._watch(left)
        try:
            while left:
                for task_id in tuple(left):
                    try:
                        task = self._current(task_id)
                    except (NotFound, _UnknownStatusError) as error:
                        unknown_statuses[task_id] += 1
                        count = unknown_statuses[task_id]
                        if isinstance(error, NotFound) or count > _TOLERATED_POLLS:
                            self._unwatch([task_id])
                            left.remove(task_id)
                            given_up.append(error)
                        continue
                    except (QuotaExceeded, ServiceError):
                        failed_polls += 1
                        if failed_polls > _TOLERATED_POLLS:
                            raise
                        break
                    failed_polls = 0
                    on_status(task)
                    if task.ended:
                        left.remove(task_id)
                        yield self._get_again(task_id)
                if left:
                    self._pause(left, deadline)
        except Cancelled as error:
            text = "Stopped; the work continues in the cloud."
            raise Cancelled(Message(text, *_follow(left))) from error
        finally:
            self._unwatch(left)
        if given_up:
            kind = NotFound if isinstance(given_up[0], NotFound) else ServiceError
            raise kind(*(message for error in given_up for message in error.messages))

    def wait(
        self,
        task_id: str,
        *,
        timeout: float | None = None,
        on_status: Callable[[Task], None] = lambda _task: None,
    ) -> Task:
        """Return the task once it has succeeded.

        :raises TaskFailed: with the documented meaning of its failure.
        :raises TaskTimeout, Cancelled, NotFound: as `follow`.
        """
        (task,) = self.follow([task_id], timeout=timeout, on_status=on_status)
        if task.status != SUCCESS:
            raise failure_of(task, self._profile)
        return task

    def _detailed(self, listed: Task) -> Task | None:
        """Return a listed task with its input, which is kept: an input never changes."""
        known = self._inputs.get(listed.id)
        if known is None or known.status != listed.status:
            try:
                known = self._inputs[listed.id] = self._get_again(listed.id)
            except NotFound:  # deleted since it was listed
                return None
        return known

    def _watch(self, task_ids: Iterable[str]) -> None:
        with self._lock:
            for task_id in task_ids:
                self._followed.setdefault(task_id, None)

    def _unwatch(self, task_ids: Iterable[str]) -> None:
        with self._lock:
            for task_id in task_ids:
                self._followed.pop(task_id, None)

    def _get_again(self, task_id: str) -> Task:
        """Return a task that the service has described before, even if one answer denies it.

        :raises NotFound: if a second answer denies it as well.
        """
        try:
            return self.get(task_id)
        except NotFound:
            self._client.cancellation.wait(backoff(1))
            return self.get(task_id)

    def _current(self, task_id: str) -> Task:
        """Return a followed task as of the last poll; poll the service if that is due."""
        with self._lock:
            if self._clock() - self._polled_at >= self._profile.poll_interval:
                self._poll()
            task = self._followed.get(task_id) or self.get(task_id)
            if not task.status_is_known:
                raise _UnknownStatusError(
                    f"Task '{task_id}' has the unknown status '{task.status}'."
                )
            if task.ended:
                self._followed.pop(task_id, None)
            else:
                self._followed[task_id] = task
            return task

    def _poll(self) -> None:
        """Ask for all followed tasks with one listing; for a single one, by its ID."""
        self._polled_at = self._clock()
        if len(self._followed) == 1:
            ((task_id, known),) = self._followed.items()
            self._followed[task_id] = self._get_again(task_id) if known else self.get(task_id)
            return
        missing = set(self._followed)
        for task in self.list():
            if task.id in missing:
                self._followed[task.id] = task
                missing.remove(task.id)
            if not missing:
                return
        for task_id in missing:  # deleted, if a request for it by its ID says so, too
            self._followed[task_id] = self._unlisted(task_id)

    def _unlisted(self, task_id: str) -> Task | None:
        """Return a followed task that a listing left out; None if it was deleted."""
        if self._followed[task_id] is None:
            return None
        try:
            return self._get_again(task_id)
        except NotFound:
            return None

    def _pause(self, left: Iterable[str], deadline: float) -> None:
        remaining = deadline - self._clock()
        if remaining <= 0:
            text = "Timed out waiting; the work continues in the cloud."
            raise TaskTimeout(Message(text, *_follow(left)), task_id=" ".join(left))
        if self._stop.wait(min(self._profile.poll_interval, remaining)):
            raise Cancelled


def _follow(task_ids: Iterable[str]) -> tuple[Hint, Mapping[str, object]]:
    return Hint.FOLLOW_TASK, {"task": list(task_ids)}
