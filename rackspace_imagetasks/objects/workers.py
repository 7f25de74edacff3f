# SPDX-License-Identifier: Apache-2.0
"""Threads that can be left behind: an interrupt ends a transfer even while a socket is stalled.

`concurrent.futures` joins its threads when the interpreter ends; these are daemons, and all of
them see one `abort` event, at every chunk and in every wait.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from rackspace_imagetasks.exceptions import Cancelled

Item = TypeVar("Item")
Result = TypeVar("Result")

_POLL = 0.1
_GRACE = 0.2  # for what ends by itself after an interrupt
_PATIENCE = (
    5.0  # for requests under way when another one has failed: what they change is known then
)


def supervise(
    work: Callable[[threading.Event], Result], stop: threading.Event | None = None
) -> Result:
    """Run `work(abort)` in a thread; the caller's own thread only waits, so it can be interrupted.

    :param stop: set by the caller, from any thread, to end the work.
    :raises Cancelled: when `stop` was set before the work was done; it ends at its next chunk.
    :raises KeyboardInterrupt: likewise; both within a second.
    """
    abort = threading.Event()
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work(abort))
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive() and not (stop is not None and stop.is_set()):
            thread.join(_POLL)
    finally:
        abort.set()
        thread.join(_GRACE)
    if failure:
        raise failure[0]
    if outcome:
        return outcome[0]
    raise Cancelled("The transfer was stopped.")


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, abort: threading.Event
) -> list[Result]:
    """Do `work` for each item in up to `threads` threads; results come in the items' order.

    The first error sets `abort`, which ends the rest, and is raised; a thread that is stuck in a
    socket is not waited for to the end.
    """
    todo = list(items)
    jobs = enumerate(todo)
    lock = threading.Lock()
    results: dict[int, Result] = {}
    failure: list[BaseException] = []

    def run() -> None:
        while not abort.is_set():
            with lock:
                index, item = next(jobs, (-1, None))
            if index < 0:
                return
            try:
                result = work(item)  # type: ignore[arg-type]
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                with lock:
                    failure.append(error)
                abort.set()
                return
            with lock:
                results[index] = result

    team = [
        threading.Thread(target=run, daemon=True) for _ in range(min(max(threads, 1), len(todo)))
    ]
    for thread in team:
        thread.start()
    for thread in team:
        while thread.is_alive() and not abort.is_set():
            thread.join(_POLL)
    if abort.is_set():
        _join(team, _PATIENCE if failure else _GRACE)
        raise failure[0] if failure else Cancelled("The transfer was stopped.")
    return [results[index] for index in sorted(results)]


def _join(team: Iterable[threading.Thread], seconds: float) -> None:
    """Wait for all, so many seconds at most."""
    deadline = time.monotonic() + seconds
    for thread in team:
        thread.join(max(deadline - time.monotonic(), 0))


class InOrder:
    """Does `work(0)`, `work(1)`, ... one after the other, in whichever thread is free for it."""

    def __init__(self, work: Callable[[int], object]) -> None:
        self._work = work
        self._ready: set[int] = set()
        self._next = 0
        self._working = threading.Lock()

    def ready(self, index: int) -> None:
        """Let the work on `index` be done, once it is its turn; perhaps here and now."""
        self._ready.add(index)
        if self._working.acquire(blocking=False):
            try:
                self._go_on()
            finally:
                self._working.release()

    def finish(self) -> None:
        """Do what is left of all that is ready."""
        with self._working:
            self._go_on()

    def _go_on(self) -> None:
        while self._next in self._ready:
            self._work(self._next)
            self._next += 1
