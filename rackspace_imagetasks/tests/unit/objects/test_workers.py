# SPDX-License-Identifier: Apache-2.0
import threading
from unittest import mock

from oslotest import base

from rackspace_imagetasks.objects.workers import in_parallel


class TestInParallel(base.BaseTestCase):
    def test_no_idle_threads(self):
        """There are no more threads than items, and no more than wanted."""
        for items, threads, started in ((3, 1000, 3), (3, 2, 2), (3, 0, 1), (0, 4, 0)):
            with mock.patch("threading.Thread", wraps=threading.Thread) as thread:
                results = in_parallel(str, iter(range(items)), threads, threading.Event())
            self.assertEqual([str(item) for item in range(items)], results)
            self.assertEqual(started, thread.call_count)
