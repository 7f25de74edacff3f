# SPDX-License-Identifier: Apache-2.0
"""Waits that end when the work is cancelled."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from rackspace_imagetasks.exceptions import Cancelled
from rackspace_imagetasks.threads import supervise

_CHECK_INTERVAL = 0.25  # seconds

Result = TypeVar("Result")


class Cancellation:
    """Checks and waits that end with `Cancelled` once `abort` is set."""

    def __init__(
        self, sleep: Callable[[float], object] = time.sleep, abort: threading.Event | None = None
    ) -> None:
        self.sleep = sleep
        self._abort = abort

    def check(self) -> None:
        """Return unless the work is cancelled.

        :raises Cancelled: if it is.
        """
        if self._abort is not None and self._abort.is_set():
            raise Cancelled("Stopped on request.")

    def run(self, work: Callable[[], Result]) -> Result:
        """Return the result of work that cannot be interrupted, unless it is cancelled before.

        :raises Cancelled: as soon as the work is cancelled; it continues in a thread.
        """
        if self._abort is None:
            return work()
        self.check()
        try:
            return supervise(work, threading.Event(), self._abort)
        except Cancelled:
            self.check()
            raise

    def wait(self, seconds: float) -> None:
        """Wait for a number of seconds.

        :raises Cancelled: as soon as the work is cancelled.
        """
        self.check()
        while seconds > 0:
            self.sleep(min(seconds, _CHECK_INTERVAL))
            seconds -= _CHECK_INTERVAL
            self.check()
