# SPDX-License-Identifier: Apache-2.0
"""A running transfer: its options, its progress, and how it is cancelled."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, Self, TypeVar

from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.objects._counter import TransferCounter
from rackspace_imagetasks.objects.connections import Connections
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.progress import SILENT, PhaseKind, PhaseTitle, Progress
from rackspace_imagetasks.threads import in_parallel, supervise

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cancellable(Protocol):
    """A service whose requests end when an event is set."""

    def until(self, abort: threading.Event) -> Self:
        """Return the same service with requests that end when `abort` is set."""


Service = TypeVar("Service", bound=Cancellable)


@dataclasses.dataclass(frozen=True)
class TransferOptions:
    """How to transfer data in any job.

    :ivar threads: how many segments to transfer at the same time, or None for a number that adapts
        to what it brings; jobs with the same `Connections` share it.
    :ivar limit_rate: maximum bytes per second, or None; jobs with the same `RateLimit` share it.
    :ivar cleanup: whether a failed upload deletes the segments that it has sent.
    """

    threads: int | Connections | None = None
    limit_rate: int | RateLimit | None = None
    cleanup: bool = False


DEFAULT_TRANSFER = TransferOptions()


class DataTransfer:
    """One running upload, copy or download, and what all of its threads share.

    :param stop: set it from any thread to cancel the transfer within a second.
    :param sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        options: TransferOptions = DEFAULT_TRANSFER,
        progress: Progress = SILENT,
        stop: threading.Event | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.connections = Connections.of(options.threads)
        self.cleanup = options.cleanup
        self.progress = progress
        self._stop = stop
        self._limit = RateLimit.of(options.limit_rate)
        self._abort = threading.Event()
        self._cancellation = Cancellation(sleep, self._abort)
        self._counter = TransferCounter()

    def run(self, work: Callable[[], Result]) -> Result:
        """Call `work` in such a way that `stop` or an interrupt ends it within a second.

        :raises Cancelled: when it is stopped, with the bytes that are kept.
        """
        with self._counter.reported():
            return supervise(work, self._abort, self._stop)

    def connect(self, service: Service) -> Service:
        """Return the same service with requests that end when this transfer is cancelled."""
        return service.until(self._abort)

    def check(self) -> None:
        """Raise an error if the transfer is cancelled.

        :raises Cancelled: if it is.
        """
        self._cancellation.check()

    def wait(self, seconds: float) -> None:
        """Wait `seconds`.

        :raises Cancelled: as soon as the transfer is cancelled.
        """
        self._cancellation.wait(seconds)

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Call `work` for each item, several at a time; return the results in order."""

        def connected(item: Item) -> Result:
            with self.connections.use(self.check):
                return work(item)

        return in_parallel(connected, items, self.connections.maximum, self._abort)

    @contextlib.contextmanager
    def phase(self, title: PhaseTitle, total: int) -> Iterator[Meter]:
        """Yield the meter of a phase that transfers `total` bytes, within the rate limit."""
        with self.progress.phase(title, total) as phase:
            yield Meter(phase, self._cancellation, self._limit, self.connections.count)

    def downloading(self, name: str, total: int) -> contextlib.AbstractContextManager[Meter]:
        """Return the meter of a phase that downloads `total` bytes of what has this name."""
        return self.phase(PhaseTitle(PhaseKind.DOWNLOAD, f"Downloading {name}"), total)

    def comparing(self, path: Path, total: int) -> contextlib.AbstractContextManager[Meter]:
        """Return the meter of a phase that downloads `total` bytes to compare them with a file."""
        return self.phase(PhaseTitle(PhaseKind.CHECK, f"Checking {path.name}"), total)

    @contextlib.contextmanager
    def checking(self, total: int) -> Iterator[Meter]:
        """Yield the meter of a phase that reads `total` bytes on this machine, without a limit."""
        with self.progress.phase(
            PhaseTitle(PhaseKind.CHECK, "Checking existing data"), total
        ) as phase:
            yield Meter(phase, self._cancellation, RateLimit(None))

    def expect(self, total: int) -> None:
        """Set the number of bytes to transfer, so that `Cancelled` reports how many are kept."""
        self._counter.total = total

    def keep(self, amount: int) -> None:
        """Count `amount` bytes that the next run can use; negative if they turn out to be wrong."""
        self._counter.keep(amount)
