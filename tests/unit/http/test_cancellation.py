# SPDX-License-Identifier: Apache-2.0
import threading

from oslotest import base

from rackspace_imagetasks.exceptions import Cancelled
from rackspace_imagetasks.http.cancellation import Cancellation


class TestPause(base.BaseTestCase):
    def test_abort_ends_wait(self):
        """A long wait ends at the next glance at the event."""
        abort, slept = threading.Event(), []

        def sleep(seconds):
            slept.append(seconds)
            if len(slept) == 3:
                abort.set()

        self.assertRaises(Cancelled, Cancellation(sleep, abort).wait, 300)
        self.assertEqual(3, len(slept))
        self.assertLess(max(slept), 0.5)

    def test_abort_ends_what_does_not_wait(self):
        """Where nothing limits the rate, each chunk is a glance at the event all the same."""
        abort = threading.Event()
        Cancellation(abort=abort).wait(0)
        abort.set()
        self.assertRaises(Cancelled, Cancellation(abort=abort).wait, 0)
