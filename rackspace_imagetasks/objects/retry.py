# SPDX-License-Identifier: Apache-2.0
"""When a request is worth sending again, and how long to wait before."""

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from rackspace_imagetasks.exceptions import Cancelled

#: 498 is Swift's own: the account sends requests faster than it may.
RETRIED_STATUSES = frozenset({408, 429, 498, 500, 502, 503, 504})
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
LONGEST_RETRY_AFTER = 300.0
_GLANCE_AT_ABORT = 0.25


def backoff(attempt: int, retry_after: str | None = None) -> float:
    """Give the seconds to wait after failed attempt `attempt` (1, 2, ...), with jitter.

    :param retry_after: the answer's header of that name; honoured up to five minutes.
    """
    growing = min(FIRST_DELAY * float(2 ** min(attempt - 1, 20)), LONGEST_DELAY)
    jittered = growing * random.uniform(0.5, 1.0)  # noqa: S311
    return max(jittered, min(_seconds(retry_after), LONGEST_RETRY_AFTER))


def _seconds(retry_after: str | None) -> float:
    """Read seconds, or a date (RFC 9110, 10.2.3); 0 for nonsense."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return (date - datetime.now(UTC)).total_seconds() if date.tzinfo else 0.0


class Pause:
    """Waiting that ends when the transfer is called off."""

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, abort: threading.Event | None = None
    ) -> None:
        self.sleep = sleep
        self._abort = abort

    def check(self) -> None:
        """Go on, unless the transfer is called off.

        :raises Cancelled: when it is.
        """
        if self._abort is not None and self._abort.is_set():
            raise Cancelled("The transfer was stopped.")

    def wait(self, seconds: float) -> None:
        """Wait `seconds`.

        :raises Cancelled: as soon as the transfer is called off.
        """
        self.check()
        while seconds > 0:
            self.sleep(min(seconds, _GLANCE_AT_ABORT))
            seconds -= _GLANCE_AT_ABORT
            self.check()
