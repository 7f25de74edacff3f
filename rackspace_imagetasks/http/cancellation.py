# SPDX-License-Identifier: Apache-2.0
"""Waiting in work that may be cancelled."""

import threading
import time
from collections.abc import Callable

from rackspace_imagetasks.exceptions import Cancelled

_CHECK_INTERVAL = 0.25  # seconds


class Cancellation:
    """Checks and waits that end with `Cancelled` once `abort` is set."""

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, abort: threading.Event | None = None
    ) -> None:
        self.sleep = sleep
        self._abort = abort

    def check(self) -> None:
        """Return, unless the work is cancelled.

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
            self.sleep(min(seconds, _CHECK_INTERVAL))
            seconds -= _CHECK_INTERVAL
            self.check()
