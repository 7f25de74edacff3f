# SPDX-License-Identifier: Apache-2.0
import signal
import threading
from unittest import mock

import fixtures
from oslotest import base

from rackspace_imagetasks.exceptions import Cancelled
from rackspace_imagetasks.threads import (
    InOrder,
    SharedProperty,
    ThreadPool,
    ahead,
    in_background,
    in_parallel,
    supervise,
)


class TestSupervise(base.BaseTestCase):
    def test_stopped_too_late(self):
        """Work that completes although it was stopped returns its result, not an interrupt."""
        abort, stop = threading.Event(), threading.Event()

        def work():
            stop.set()
            abort.wait(60)
            return "done"

        self.assertEqual("done", supervise(work, abort, stop))


class TestThreadPool(base.BaseTestCase):
    def test_signal_to_a_worker(self):
        """A signal that the system delivers to a worker thread ends the wait for that thread."""

        class SignalledError(Exception):
            pass

        def handler(_number, _frame):
            raise SignalledError

        def work(_item):
            joining.wait(10)
            released.wait(0.2)
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            released.wait(10)

        self.addCleanup(signal.signal, signal.SIGUSR1, signal.signal(signal.SIGUSR1, handler))
        joining, released = threading.Event(), threading.Event()
        self.addCleanup(released.set)
        pool = ThreadPool(work, [1], 1, threading.Event())
        joining.set()
        self.assertRaises(SignalledError, pool.join)
        self.assertEqual([], pool.results)


class TestInBackground(base.BaseTestCase):
    def test_order_of_failures(self):
        """Results are asked for in one order, so the same failure is raised whichever came first.

        The works end only when all of them have begun.
        """
        together = threading.Barrier(3, timeout=60)
        second = threading.Event()

        def fail(error, before, after):
            together.wait()
            before()
            after()
            raise error

        late = in_background(lambda: fail(KeyError(1), lambda: second.wait(60), lambda: None))
        early = in_background(lambda: fail(KeyError(2), lambda: None, second.set))
        fine = in_background(together.wait)
        self.assertEqual("1", str(self.assertRaises(KeyError, late)))
        self.assertEqual("2", str(self.assertRaises(KeyError, early)))
        self.assertIn(fine(), range(3))


class _Counting:
    """Has a property that ends when the lock of another thread's computation is waited for."""

    def __init__(self, end):
        self.end, self.calls = end, 0

    @SharedProperty
    def value(self):
        self.calls += 1
        self.end(self)
        return self.calls


class _WatchedLock:
    """A lock that tells when a thread has to wait for it."""

    contended = threading.Event()

    def __init__(self):
        self.lock = threading.Lock()

    def __enter__(self):
        if not self.lock.acquire(blocking=False):
            self.contended.set()
            self.lock.acquire()

    def __exit__(self, *_error):
        self.lock.release()


class TestSharedProperty(base.BaseTestCase):
    def test_one_computation(self):
        """A second thread that asks for the value waits for the first one's computation."""

        def end(counting):
            if counting.calls > 1:
                contended.set()
            contended.wait(60)

        contended = self.useFixture(
            fixtures.MonkeyPatch(f"{__name__}._WatchedLock.contended", threading.Event())
        ).new_value
        self.useFixture(fixtures.MonkeyPatch("threading.RLock", _WatchedLock))
        counting = _Counting(end)
        lookups = [in_background(lambda: counting.value) for _ in range(2)]
        self.assertEqual([1, 1], [look_up() for look_up in lookups])
        self.assertTrue(contended.is_set())

    def test_several_objects(self):
        """The values of several objects are computed at the same time."""
        together = threading.Barrier(2, timeout=60)
        lookups = [
            in_background(lambda: _Counting(lambda _counting: together.wait()).value)
            for _ in range(2)
        ]
        self.assertEqual([1, 1], [look_up() for look_up in lookups])

    def test_failure(self):
        """A failure is not kept: the next thread computes the value again."""
        counting = _Counting(mock.Mock(side_effect=[KeyError, None]))
        self.assertRaises(KeyError, lambda: counting.value)
        self.assertEqual(2, counting.value)


class TestInParallel(base.BaseTestCase):
    def test_no_idle_threads(self):
        """There are no more threads than items, and no more than requested."""
        for items, threads, started in ((3, 1000, 3), (3, 2, 2), (3, 0, 1), (0, 4, 0)):
            with mock.patch("threading.Thread", wraps=threading.Thread) as thread:
                results = in_parallel(str, iter(range(items)), threads, threading.Event())
            self.assertEqual([str(item) for item in range(items)], results)
            self.assertEqual(started, thread.call_count)

    def test_failure(self):
        """The first exception is raised, and no further item is started."""
        started, abort = [], threading.Event()

        def work(item):
            started.append(item)
            if item == 1:
                raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, in_parallel, work, range(9), 1, abort)
        self.assertEqual([0, 1], started)
        self.assertTrue(abort.is_set())

    def test_abort(self):
        """Setting `abort` ends the wait for a thread that is blocked."""
        abort, released = threading.Event(), threading.Event()
        self.addCleanup(released.set)

        def work(_item):
            abort.set()
            released.wait(60)

        self.assertRaises(Cancelled, in_parallel, work, range(2), 2, abort)


class TestInOrder(base.BaseTestCase):
    def test_order(self):
        """Work is done in order, whatever is ready first, and as soon as possible."""
        done = []
        behind = InOrder(done.append)
        behind.ready(2)
        behind.ready(1)
        self.assertEqual([], done)
        behind.ready(0)
        self.assertEqual([0, 1, 2], done)

    def test_ready_meanwhile(self):
        """Work that becomes ready meanwhile is left to the thread that works, or to `finish`."""
        done = []

        def work(index):
            done.append(index)
            if index == 0:
                thread = threading.Thread(target=behind.ready, args=(1,))
                thread.start()
                thread.join()  # it does not wait for this work

        behind = InOrder(work)
        behind.ready(0)
        behind.finish()
        self.assertEqual([0, 1], done)


class TestAhead(base.BaseTestCase):
    def test_order(self):
        """All items come in order, and nothing comes from nothing."""
        for items in (range(20), ()):
            with ahead(items, 3) as taken:
                self.assertEqual(list(items), list(taken))

    def test_bound(self):
        """A thread takes items before they are needed, but not more than allowed."""
        done, existing, taken_ahead = [], [], threading.Event()

        def items():
            for number in range(50):
                existing.append(number + 1 - len(done))
                if number == 2:
                    taken_ahead.set()
                yield number

        with ahead(items(), 3) as taken:
            self.assertTrue(taken_ahead.wait(10))
            done.extend(taken)
        self.assertEqual(list(range(50)), done)
        self.assertLessEqual(max(existing), 3)

    def test_failure(self):
        """An exception is raised after the items before it."""

        def items():
            yield 1
            raise ValueError

        with ahead(items(), 3) as taken:
            self.assertEqual(1, next(taken))
            self.assertRaises(ValueError, next, taken)

    def test_end(self):
        """When the context ends early, the thread ends as well."""
        ended = threading.Event()

        def items():
            try:
                yield from range(10)
            finally:
                ended.set()

        with ahead(items(), 2) as taken:
            next(taken)
        self.assertTrue(ended.wait(10))
