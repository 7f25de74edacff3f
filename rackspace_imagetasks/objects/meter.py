# SPDX-License-Identifier: Apache-2.0
"""What every chunk passes: the stop, the rate limit and the progress."""

import threading
import time
from collections.abc import Callable

from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.progress import Phase
from rackspace_imagetasks.units import MIB

_LARGEST_PORTION = MIB
_SMALL_PORTION = 64 * 1024
_SMALLEST_PORTION = 4 * 1024
_TURNS = 16  # a second: so many threads each have one


class RateLimit:
    """A token bucket that all threads of a transfer share, or of several transfers.

    :param rate: bytes a second, or None for no limit.
    """

    def __init__(self, rate: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()

    @classmethod
    def of(cls, limit: "int | RateLimit | None") -> "RateLimit":
        """Return a limit of one's own for a number of bytes a second, or the shared one given."""
        return limit if isinstance(limit, RateLimit) else cls(limit)

    @property
    def portion(self) -> int:
        """How many bytes to book at once, so that no thread waits for more than a second or so.

        A service hangs up on a connection that is silent for too long (Swift, after 60 s).
        """
        if not self._rate:
            return _LARGEST_PORTION
        return min(max(self._rate // _TURNS, _SMALLEST_PORTION), _LARGEST_PORTION)

    def delay(self, amount: int) -> float:
        """Book `amount` bytes and give the seconds to wait before they may pass."""
        if not self._rate:
            return 0.0
        with self._lock:
            now = self._clock()
            wait = max(self._free_at - now, 0.0)
            self._free_at = now + wait + amount / self._rate
        return wait


class Meter:
    """Counts the bytes of a transfer in a phase of its progress."""

    def __init__(self, phase: Phase, cancellation: Cancellation, limit: RateLimit) -> None:
        self._phase = phase
        self._cancellation = cancellation
        self._limit = limit
        self.portion = limit.portion
        """How many bytes to hand to a connection at once."""

    def let_pass(self, amount: int) -> None:
        """Count `amount` bytes, once the rate limit allows them.

        :raises Cancelled: when the transfer is called off.
        """
        self._cancellation.wait(self._limit.delay(amount))
        self._phase.advance(amount)

    def take_back(self, amount: int) -> None:
        """Count `amount` bytes as not done, before they are sent or fetched again.

        What is sent from now on goes in small portions: on a slow line, a large one does not leave
        before the time-out.
        """
        if amount:
            self.portion = min(self.portion, _SMALL_PORTION)
        self._phase.advance(-amount)
