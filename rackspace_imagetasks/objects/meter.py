# SPDX-License-Identifier: Apache-2.0
"""Apply the cancellation, the rate limit, and the progress to every chunk."""

import threading
import time
from collections.abc import Callable

from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.progress import Phase
from rackspace_imagetasks.units import MIB

_MAX_CHUNK = MIB
_MAX_RETRIED_CHUNK = 64 * 1024
_MIN_CHUNK = 4 * 1024
_CHUNKS_PER_SECOND = 16  # enough for as many threads to send one each


class RateLimit:
    """A token bucket that the threads of one transfer, or of several transfers, share.

    :param rate: bytes per second, or None for no limit.
    """

    def __init__(self, rate: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()

    @classmethod
    def of(cls, limit: "int | RateLimit | None") -> "RateLimit":
        """Return a new limit for a number of bytes per second; return a `RateLimit` as it is."""
        return limit if isinstance(limit, RateLimit) else cls(limit)

    @property
    def chunk_size(self) -> int:
        """How many bytes to book at once, so that no thread waits much longer than a second.

        A service closes a connection that is silent for too long (Swift: 60 s).
        """
        if not self._rate:
            return _MAX_CHUNK
        return min(max(self._rate // _CHUNKS_PER_SECOND, _MIN_CHUNK), _MAX_CHUNK)

    def delay(self, amount: int) -> float:
        """Book `amount` bytes and return the seconds to wait before sending them."""
        if not self._rate:
            return 0.0
        with self._lock:
            now = self._clock()
            wait = max(self._free_at - now, 0.0)
            self._free_at = now + wait + amount / self._rate
        return wait


class Meter:
    """Count the bytes of one phase of a transfer, and keep them within the rate limit.

    :param count: called with each number of bytes that were transferred.
    """

    def __init__(
        self,
        phase: Phase,
        cancellation: Cancellation,
        limit: RateLimit,
        count: Callable[[int], None] = lambda _amount: None,
    ) -> None:
        self._phase = phase
        self._cancellation = cancellation
        self._limit = limit
        self._count = count
        self.chunk_size = limit.chunk_size
        """How many bytes to pass to a connection at once."""

    def advance(self, amount: int) -> None:
        """Wait until the rate limit allows `amount` more bytes, then count them.

        :raises Cancelled: when the transfer is cancelled.
        """
        self._cancellation.wait(self._limit.delay(amount))
        self._phase.advance(amount)
        self._count(amount)

    def take_back(self, amount: int) -> None:
        """Count `amount` bytes as not done, before they are sent or received again.

        From now on, bytes are sent in small chunks: on a slow connection, a large chunk is not
        sent before the timeout.
        """
        if amount:
            self.chunk_size = min(self.chunk_size, _MAX_RETRIED_CHUNK)
        self._phase.advance(-amount)
