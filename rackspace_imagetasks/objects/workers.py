# SPDX-License-Identifier: Apache-2.0
"""Threads that can be left behind: an interrupt ends a transfer even while a socket is stalled.

`concurrent.futures` joins its threads when the interpreter ends; these are daemons, and all of
them see one `abort` event, at every chunk and in every wait.
"""

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from rackspace_imagetasks.exceptions import Cancelled

Item = TypeVar("Item")
Result = TypeVar("Result")

_POLL = 0.1
_GRACE = 0.5


def supervise(
    work: Callable[[threading.Event], Result], stop: threading.Event | None = None
) -> Result:
    """Run `work(abort)` in a thread; the caller's own thread only waits, so it can be interrupted.

    :param stop: set by the caller, from any thread, to end the work.
    :raises Cancelled: when `stop` was set; the work is over, or ends at its next chunk.
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
        while thread.is_alive():
            thread.join(_POLL)
            if stop is not None and stop.is_set() and thread.is_alive():
                raise Cancelled("The transfer was stopped.")
    except BaseException:
        abort.set()
        thread.join(_GRACE)
        raise
    if failure:
        raise failure[0]
    return outcome[0]


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, abort: threading.Event
) -> list[Result]:
    """Do `work` for each item in up to `threads` threads; results come in the items' order.

    The first error sets `abort`, which ends the rest, and is raised; a thread that is stuck in a
    socket is not waited for.
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
        for thread in team:
            thread.join(_GRACE / len(team))
        raise failure[0] if failure else Cancelled("The transfer was stopped.")
    return [results[index] for index in sorted(results)]
