# SPDX-License-Identifier: Apache-2.0
"""How many segments are transferred at the same time: as many as make the transfer faster.

On a long line, each connection brings only a part of what the line could carry. On a short one, a
few connections fill it, and more only cost CPU time. Which it is shows only in the transfer.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

MAX_CONNECTIONS = 16
"""The most connections of all jobs that share a number that adapts."""

_FIRST = 4
_WINDOW = 0.5  # seconds in which a rate is measured, at least
_COUNTS = 4  # by which each connection has to contribute to a measured rate
_WORTH = 0.5  # the part of a proportional gain that more connections have to bring
_PAUSE = 30.0  # seconds until more connections are tried again
_IDLE = 5.0  # seconds without a byte, after which a rate is measured anew
_POLL = 0.1  # seconds


class Connections:
    """A number of connections that the jobs of a batch share; safe to use from threads.

    The number is fixed, or starts at 4 and doubles up to `MAX_CONNECTIONS` for as long as that
    makes the transfer faster by half of what the number would suggest. Otherwise it returns to the
    former number, and more are tried again after half a minute, because lines change.

    :param fixed: the number, or None for a number that adapts.
    """

    def __init__(
        self, fixed: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.maximum = MAX_CONNECTIONS if fixed is None else max(fixed, 1)
        self._limit = _FIRST if fixed is None else self.maximum
        self._clock = clock
        self._lock = threading.Condition()
        self._used = 0
        self._waiting = 0
        self._former: tuple[int, float] | None = None  # the number before, and its rate
        self._quiet_until = -1.0
        self._bytes = 0
        self._counts = 0
        self._started = self._counted_at = clock()
        self._settling = True  # the number has just changed, so that the first rate tells nothing

    @classmethod
    def of(cls, number: "int | Connections | None") -> "Connections":
        """Return new connections for a number or None; return `Connections` as they are."""
        return number if isinstance(number, Connections) else cls(number)

    @property
    def limit(self) -> int:
        """The number at present."""
        return self._limit

    @contextlib.contextmanager
    def use(self, check: Callable[[], None]) -> Iterator[None]:
        """Wait for a connection, which is used while the context lasts.

        :param check: called while waiting; what it raises is raised.
        """
        with self._lock:
            self._waiting += 1
            try:
                while self._used >= self._limit:
                    self._lock.wait(_POLL)
                    check()
            finally:
                self._waiting -= 1
            self._used += 1
        try:
            yield
        finally:
            with self._lock:
                self._used -= 1
                self._lock.notify()

    def count(self, amount: int) -> None:
        """Count bytes that were transferred, and change the number if their rate suggests it."""
        if self.maximum <= _FIRST and self._limit == self.maximum:
            return
        with self._lock:
            now = self._clock()
            if now - self._counted_at > _IDLE:
                self._begin_window(settling=True)
            self._counted_at = now
            self._bytes += amount
            self._counts += 1
            elapsed = now - self._started
            if elapsed < _WINDOW or self._counts < _COUNTS * self._limit:
                return
            if not self._settling and now >= self._quiet_until:
                self._judge(self._bytes / elapsed, now)
            else:
                self._begin_window()

    def _judge(self, rate: float, now: float) -> None:
        """Keep, raise or lower the number by the rate that it brings, in bytes per second."""
        busy = self._used >= self._limit
        if self._former and busy:
            number, before = self._former
            expected = before * (1 + _WORTH * (self._limit / number - 1))
            if rate < expected:
                self._limit, self._former = number, None
                self._quiet_until = now + _PAUSE
                self._begin_window(settling=True)
                return
        if busy and self._waiting and self._limit < self.maximum:
            self._former = (self._limit, rate)
            self._limit = min(self._limit * 2, self.maximum)
            self._lock.notify_all()
            self._begin_window(settling=True)
            return
        self._begin_window()

    def _begin_window(self, *, settling: bool = False) -> None:
        """Measure from now on."""
        self._started = self._counted_at = self._clock()
        self._bytes = 0
        self._counts = 0
        self._settling = settling
