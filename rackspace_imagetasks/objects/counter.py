# SPDX-License-Identifier: Apache-2.0
"""How far a transfer is, for who interrupts it."""

import contextlib
import threading
from collections.abc import Iterator

from rackspace_imagetasks.exceptions import Cancelled


class TransferCounter:
    """Counts the bytes that an interrupt does not lose; safe to use from threads.

    :param total: the bytes of the whole, once they are known.
    """

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self._kept = 0
        self._lock = threading.Lock()

    def keep(self, amount: int) -> None:
        """Count `amount` bytes as done; negative when they turn out to be wrong."""
        with self._lock:
            self._kept += amount

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Have `Cancelled` say how far the transfer is."""
        try:
            yield
        except Cancelled as error:
            if self.total is None:
                raise
            raise Cancelled(str(error), kept=self._kept, total=self.total) from error
