# SPDX-License-Identifier: Apache-2.0
"""Code that the other examples share: progress as lines of text, and a clean end after Ctrl-C."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from rackspace_imagetasks import Message

Result = TypeVar("Result")


class ConsolePhase:
    """Print a line for every tenth of the work; called from many threads."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title, self._total = title, total
        self._done = self._tenths = 0
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        """Count bytes; `amount` is negative if a retry has to repeat some."""
        with self._lock:
            self._done += amount
            tenths = 10 * self._done // self._total if self._total else 0
            if tenths > self._tenths:
                self._tenths = tenths
                print(f"{self._title}: {10 * tenths} %", flush=True)

    def note(self, text: str) -> None:
        """Print a short status, such as the status of a task."""
        print(f"{self._title}: {text}", flush=True)


class ConsoleProgress:
    """Progress for `ImageTasks(..., progress=...)` that prints lines."""

    def phase(self, title: str, total: int | None = None) -> AbstractContextManager[ConsolePhase]:
        """Return a phase of `total` bytes, or of unknown length."""
        return nullcontext(ConsolePhase(title, total))

    def message(self, message: str | Message) -> None:
        """Print a message to the user."""
        print(message, flush=True)


def run_cancellable(stop: threading.Event, job: Callable[[], Result]) -> Result:
    """Run the job in a thread; on Ctrl-C, set `stop` and give the job time to end."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(job)
        try:
            return running.result()
        except KeyboardInterrupt:
            stop.set()
            return running.result()  # raises `Cancelled`, which tells how to resume
