# SPDX-License-Identifier: Apache-2.0
"""Daemon threads, which an interrupt can abandon even while they are blocked in a socket.

The interpreter joins the threads of `concurrent.futures` before it exits; it does not join these.
"""

import contextlib
import contextvars
import functools
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from rackspace_imagetasks.exceptions import Cancelled

Item = TypeVar("Item")
Result = TypeVar("Result")

_POLL = 0.1  # seconds
#: How long to wait after an interrupt for work that ends by itself.
_GRACE = 0.2
#: How long to wait after a failure for requests in progress, so that their effect is known.
_PATIENCE = 5.0


class ThreadPool(Generic[Item, Result]):
    """Daemon threads that process items in order.

    :param threads: the maximum number of threads; there are never more than items.
    :param ending: once set, no further item is started; an exception raised by `work` sets it.
    :ivar failure: the first exception that `work` raised, or None.
    """

    def __init__(
        self,
        work: Callable[[Item], Result],
        items: Iterable[Item],
        threads: int,
        ending: threading.Event,
    ) -> None:
        items = list(items)
        self._work = work
        self._numbered = enumerate(items)
        self._ending = ending
        self._results: dict[int, Result] = {}
        self._lock = threading.Lock()
        self.failure: BaseException | None = None
        count = min(max(threads, 1), len(items))
        self._threads = [daemon_thread(self._run) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def results(self) -> list[Result]:
        """The results so far, in the order of their items."""
        with self._lock:
            return [self._results[number] for number in sorted(self._results)]

    def wait(self) -> None:
        """Wait until every item is processed or `ending` is set."""
        for thread in self._threads:
            while thread.is_alive() and not self._ending.is_set():
                thread.join(_POLL)

    def join(self, seconds: float | None = None) -> None:
        """Wait until the threads have ended, for at most `seconds` in all.

        Python calls a signal's handler in the main thread, and only between two instructions. If
        the system delivers the signal to another thread, a `join` without a time limit would
        delay the handler until that thread ends. Therefore this wait is done in short steps.
        """
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            while thread.is_alive() and (remaining := deadline - time.monotonic()) > 0:
                thread.join(min(remaining, _POLL))

    def _run(self) -> None:
        while not self._ending.is_set():
            with self._lock:
                numbered = next(self._numbered, None)
            if numbered is None:
                return
            self._process(*numbered)

    def _process(self, number: int, item: Item) -> None:
        try:
            result = self._work(item)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            with self._lock:
                self.failure = self.failure or error
            self._ending.set()
        else:
            with self._lock:
                self._results[number] = result


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, abort: threading.Event
) -> list[Result]:
    """Call `work` for each item in up to `threads` threads; return the results in order.

    The first exception sets `abort`, which ends the other calls, and is raised. A thread that is
    blocked in a socket is abandoned.

    :raises Cancelled: when `abort` is set from outside.
    """
    pool = ThreadPool(work, items, threads, abort)
    pool.wait()
    if not abort.is_set():
        return pool.results
    pool.join(_PATIENCE if pool.failure else _GRACE)
    raise pool.failure or Cancelled("The transfer was stopped.")


def in_background(work: Callable[[], Result]) -> Callable[[], Result]:
    """Call `work` in a thread; return a function that waits for its result.

    The function raises the exception that `work` raised. Whoever starts several lookups, and asks
    for their results in a fixed order, reports the same problem whichever answer comes first.
    """
    pool = ThreadPool(lambda _: work(), [None], 1, threading.Event())

    def result() -> Result:
        pool.join()
        if pool.failure:
            raise pool.failure
        return pool.results[0]

    return result


def supervise(
    work: Callable[[], Result], abort: threading.Event, stop: threading.Event | None = None
) -> Result:
    """Call `work` in a thread, so that the caller's thread only waits and can be interrupted.

    :param abort: set on every way out; `work` must end soon after that.
    :param stop: set by the caller, from any thread, to end the work.
    :raises Cancelled: when `stop` is set before the work is done.
    :raises KeyboardInterrupt: when the caller's thread is interrupted; both within a second.
    """
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failure.append(error)

    thread = daemon_thread(run)
    thread.start()
    try:
        while thread.is_alive() and not (stop is not None and stop.is_set()):
            thread.join(_POLL)
    finally:
        abort.set()
        thread.join(_GRACE)
    if failure:
        raise failure[0]
    if outcome:
        return outcome[0]
    raise Cancelled("The transfer was stopped.")


class InOrder:
    """Calls `work(0)`, `work(1)`, ... one after the other, in whichever thread is available."""

    def __init__(self, work: Callable[[int], object]) -> None:
        self._work = work
        self._ready: set[int] = set()
        self._next = 0
        self._working = threading.Lock()

    def ready(self, index: int) -> None:
        """Mark `index` as ready, and do all work whose turn it is unless a thread is doing so."""
        self._ready.add(index)
        if self._working.acquire(blocking=False):
            try:
                self._catch_up()
            finally:
                self._working.release()

    def finish(self) -> None:
        """Do the remaining work that is ready."""
        with self._working:
            self._catch_up()

    def _catch_up(self) -> None:
        while self._next in self._ready:
            self._work(self._next)
            self._next += 1


class SharedProperty(functools.cached_property[Result]):
    """A cached property that is computed once, however many threads ask for it.

    `functools.cached_property` has no lock since Python 3.12, and one for all objects before.
    """

    if not TYPE_CHECKING:

        def __get__(self, instance: object, owner: type | None = None) -> Result:
            """Return the value; wait while another thread computes it."""
            if instance is None:
                return self
            values = vars(instance)
            with values.setdefault(f"_{self.attrname}_lock", threading.RLock()):
                if self.attrname not in values:
                    values[self.attrname] = self.func(instance)
                return values[self.attrname]


@contextlib.contextmanager
def ahead(items: Iterable[Item], count: int) -> Iterator[Iterator[Item]]:
    """Yield an iterator over `items`, which a thread takes before they are needed.

    An exception that `items` raises is raised by the iterator, in its turn. When the context ends,
    the thread takes no further item.

    :param count: the most items that exist at the same time.
    """
    taken: queue.SimpleQueue[list[Item]] = queue.SimpleQueue()
    failures: list[BaseException] = []
    places = threading.Semaphore(count - 1)
    ending = threading.Event()

    def take() -> None:
        try:
            for item in items:
                taken.put([item])
                places.acquire()
                if ending.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(error)
        taken.put([])

    def give() -> Iterator[Item]:
        while one := taken.get():
            yield one[0]
            places.release()
        if failures:
            raise failures[0]

    daemon_thread(take).start()
    try:
        yield give()
    finally:
        ending.set()
        places.release()


def daemon_thread(work: Callable[[], None]) -> threading.Thread:
    """Return a thread that has the context variables of its creator, such as the running job."""
    return threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)


def own_copy(error: BaseException) -> BaseException:
    """Return a copy of an error that several threads raise, each of which may add to it."""
    other = type(error).__new__(type(error))
    other.args = error.args
    other.__dict__.update(error.__dict__)
    return other
