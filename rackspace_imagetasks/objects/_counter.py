# SPDX-License-Identifier: Apache-2.0
"""Count how much of a transfer is kept after an interrupt."""

import contextlib
import threading
from collections.abc import Iterator

from rackspace_imagetasks.exceptions import Cancelled


class TransferCounter:
    """Count the bytes that the next run does not have to transfer; safe to use from threads.

    :ivar total: the number of bytes to transfer, or None while it is not known.
    """

    def __init__(self) -> None:
        self.total: int | None = None
        self._kept = 0
        self._lock = threading.Lock()

    def keep(self, amount: int) -> None:
        """Count `amount` bytes as kept; negative if they turn out to be wrong."""
        with self._lock:
            self._kept += amount

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """Add the number of kept bytes to a `Cancelled` that the work raises."""
        try:
            yield
        except Cancelled as error:
            if self.total is None:
                raise
            raise Cancelled(*error.messages, kept=self._kept, total=self.total) from error
