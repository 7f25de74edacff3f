# SPDX-License-Identifier: Apache-2.0
"""What the other examples share: progress as lines of text, and Ctrl-C that ends work well."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

Result = TypeVar("Result")


class ConsolePhase:
    """Prints a line each time that another tenth is done; called from many threads."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title, self._total = title, total
        self._done = self._tenths = 0
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        """Count bytes; `amount` is negative when a retry takes some back."""
        with self._lock:
            self._done += amount
            tenths = 10 * self._done // self._total if self._total else 0
            if tenths > self._tenths:
                self._tenths = tenths
                print(f"{self._title}: {10 * tenths} %", flush=True)

    def note(self, text: str) -> None:
        """Print a word about how it goes, such as a task's status."""
        print(f"{self._title}: {text}", flush=True)


class ConsoleProgress:
    """Give one to `ImageTasks(..., progress=...)`."""

    def phase(self, title: str, total: int | None = None) -> AbstractContextManager[ConsolePhase]:
        """Give a phase of `total` bytes, or of unknown length."""
        return nullcontext(ConsolePhase(title, total))

    def message(self, text: str) -> None:
        """Print what the user should know."""
        print(text, flush=True)


def run_cancellable(stop: threading.Event, job: Callable[[], Result]) -> Result:
    """Run the job in a thread; on Ctrl-C set `stop`, and give the job time to end well."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(job)
        try:
            return running.result()
        except KeyboardInterrupt:
            stop.set()
            return running.result()  # raises `Cancelled`, which says how to go on
