# SPDX-License-Identifier: Apache-2.0
"""Waits that report themselves when they take long: a user who sees nothing is told what for.

One thread looks at all waits of the process. Only the innermost wait of a thread is reported: a
request that waits for a login is not the one that takes long.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

SILENCE = 20.0  # seconds of waiting between two reports
_CHECK_INTERVAL = 2.0

Report = Callable[[str, float], bool]
"""Reports what is missing, and for how many seconds; returns whether the user was told."""


class Wait:
    """Something that a thread waits for.

    :param missing: what does not come, such as "response from the image service".
    """

    def __init__(self, missing: str, report: Report, clock: Callable[[], float]) -> None:
        self._report = report
        self._clock = clock
        self._missing = missing
        self._since = self._reported = clock()
        self.is_suspended = False

    def restart(self, missing: str) -> None:
        """Wait for something else from now on, or for the same after it came."""
        self._missing = missing
        self._since = self._reported = self._clock()

    def resume(self) -> None:
        """Wait again, after an inner wait."""
        self.restart(self._missing)
        self.is_suspended = False

    def check(self) -> None:
        """Report the wait if it takes long."""
        now = self._clock()
        is_due = now - self._reported >= SILENCE and not self.is_suspended
        if is_due and self._report(self._missing, now - self._since):
            self._reported = now


class Waits:
    """The waits of all threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._waiting: list[Wait] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._local = threading.local()

    @contextlib.contextmanager
    def waiting(self, missing: str, report: Report) -> Iterator[Wait]:
        """Yield a wait that is reported if it takes long; it lasts while it is entered."""
        outer: Wait | None = getattr(self._local, "innermost", None)
        if outer:
            outer.is_suspended = True
        wait = self._local.innermost = Wait(missing, report, self.clock)
        self._add(wait)
        try:
            yield wait
        finally:
            with self._changed:
                self._waiting.remove(wait)
            self._local.innermost = outer
            if outer:
                outer.resume()

    def check(self) -> None:
        """Report the waits that take long."""
        with self._changed:
            waiting = list(self._waiting)
        for wait in waiting:
            with contextlib.suppress(Exception):  # of whoever shows the report
                wait.check()

    def _add(self, wait: Wait) -> None:
        with self._changed:
            self._waiting.append(wait)
            self._changed.notify()
            if self._thread is None or not self._thread.is_alive():  # perhaps after a fork
                self._thread = threading.Thread(target=self._run, daemon=True)
                with contextlib.suppress(RuntimeError):  # no thread to spare
                    self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
            time.sleep(_CHECK_INTERVAL)
            self.check()


#: The waits of this process.
WAITS = Waits()
