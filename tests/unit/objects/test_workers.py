# SPDX-License-Identifier: Apache-2.0
import threading
from unittest import mock

from oslotest import base

from rackspace_imagetasks.objects.workers import InOrder, in_parallel, supervise


class TestSupervise(base.BaseTestCase):
    def test_stopped_too_late(self):
        """What is done when the stop is seen is done, and no interrupt is claimed."""
        stop = threading.Event()

        def work(abort):
            stop.set()
            abort.wait(60)
            return "done"

        self.assertEqual("done", supervise(work, stop))


class TestInParallel(base.BaseTestCase):
    def test_no_idle_threads(self):
        """There are no more threads than items, and no more than wanted."""
        for items, threads, started in ((3, 1000, 3), (3, 2, 2), (3, 0, 1), (0, 4, 0)):
            with mock.patch("threading.Thread", wraps=threading.Thread) as thread:
                results = in_parallel(str, iter(range(items)), threads, threading.Event())
            self.assertEqual([str(item) for item in range(items)], results)
            self.assertEqual(started, thread.call_count)


class TestInOrder(base.BaseTestCase):
    def test_order(self):
        """Whatever is ready first, the work is done in order, and what can be is done at once."""
        done = []
        behind = InOrder(done.append)
        behind.ready(2)
        behind.ready(1)
        self.assertEqual([], done)
        behind.ready(0)
        self.assertEqual([0, 1, 2], done)

    def test_ready_meanwhile(self):
        """What becomes ready while another thread works is left to that thread, or the end."""
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
