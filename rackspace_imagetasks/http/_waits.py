# SPDX-License-Identifier: Apache-2.0
"""Waits that report themselves when they take long: a user who sees nothing is told what for.

One thread looks at all waits of the process. Only the innermost wait of a thread is reported: a
request that waits for a login is not the one that takes long. A connection that is not made at
once is reported much earlier than a response that does not come: its endpoint may be wrong.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

SILENCE = 20.0  # seconds of waiting between two reports
_CONNECTING = 2.0  # seconds without a connection until its endpoint is reported
_CHECK_INTERVAL = 1.0

Report = Callable[[str, float], bool]
"""Reports what is missing, and for how many seconds; returns whether the user was told."""
ReportEndpoint = Callable[[], object]
"""Reports which endpoint is being connected to, unless the user was told so before."""

_thread = threading.local()


class Wait:
    """Something that a thread waits for.

    :param missing: what does not come, such as "response from the image service".
    """

    def __init__(
        self,
        missing: str,
        report: Report,
        report_endpoint: ReportEndpoint,
        clock: Callable[[], float],
    ) -> None:
        self._report = report
        self._report_endpoint = report_endpoint
        self._clock = clock
        self._missing = missing
        self._connecting_since: float | None = None
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

    @contextlib.contextmanager
    def connecting(self) -> Iterator[None]:
        """Wait for a connection first, while this is entered."""
        self._connecting_since = self._clock()
        try:
            yield
        finally:
            self._connecting_since = None

    def check(self) -> None:
        """Report the wait if it takes long."""
        now = self._clock()
        connecting_since = self._connecting_since
        if connecting_since is not None and now - connecting_since >= _CONNECTING:
            self._report_endpoint()
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

    @contextlib.contextmanager
    def waiting(
        self, missing: str, report: Report, report_endpoint: ReportEndpoint = lambda: None
    ) -> Iterator[Wait]:
        """Yield a wait that is reported if it takes long; it lasts while it is entered."""
        outer = _innermost()
        if outer:
            outer.is_suspended = True
        wait = _thread.innermost = Wait(missing, report, report_endpoint, self.clock)
        self._add(wait)
        try:
            yield wait
        finally:
            with self._changed:
                self._waiting.remove(wait)
            _thread.innermost = outer
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


def connecting() -> contextlib.AbstractContextManager[None]:
    """Return a context in which this thread makes the connection for what it waits for."""
    wait = _innermost()
    return wait.connecting() if wait else contextlib.nullcontext()


@contextlib.contextmanager
def helping(wait: Wait | None) -> Iterator[None]:
    """Let this thread make the connection for a wait that another thread has entered."""
    outer, _thread.innermost = _innermost(), wait
    try:
        yield
    finally:
        _thread.innermost = outer


def _innermost() -> Wait | None:
    """Return the wait of this thread that no other one interrupts."""
    wait: Wait | None = getattr(_thread, "innermost", None)
    return wait


#: The waits of this process.
WAITS = Waits()
