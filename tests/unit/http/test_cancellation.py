# SPDX-License-Identifier: Apache-2.0
import io
import threading

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import Cancelled
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.objects.body import Body
from rackspace_imagetasks.objects.copy import copy
from rackspace_imagetasks.objects.download import download, download_stream
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.progress import SilentPhase
from rackspace_imagetasks.units import MIB
from tests.unit.objects.base import SwiftCase


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


class TestRateLimit(base.BaseTestCase):
    def test_shared(self):
        """Whoever asks, the bytes let pass by any time do not exceed the rate."""
        now = [0.0]
        limit = RateLimit(1000, clock=lambda: now[0])
        self.assertEqual([0, 1.0, 1.5], [limit.delay(1000), limit.delay(500), limit.delay(500)])
        now[0] = 10.0
        self.assertEqual(0, limit.delay(500))

    def test_none(self):
        """Without a rate nothing waits."""
        self.assertEqual(0, RateLimit(None).delay(10**12))


class TestPortions(base.BaseTestCase):
    def portions(self, meter):
        return [len(each) for each in Body(lambda: iter([bytes(MIB)]), MIB, meter)]

    def test_limited(self):
        """Under a limit, what is sent at once takes a sixteenth of a second: none waits long."""
        for rate, portion in ((16 * 48 * 1024, 48 * 1024), (1000, 4096), (10**12, MIB)):
            limit = RateLimit(rate, clock=lambda: 0.0)
            sent = self.portions(Meter(SilentPhase(), Cancellation(lambda _seconds: None), limit))
            self.assertEqual((portion, MIB), (sent[0], sum(sent)))

    def test_a_slow_line(self):
        """What was broken off, perhaps by a time-out, and all that follows goes in small pieces."""
        meter = Meter(SilentPhase(), Cancellation(), RateLimit(None))
        body = Body(lambda: iter([bytes(MIB)]), MIB, meter)
        self.assertEqual([MIB], [len(portion) for portion in body])
        self.assertEqual([65536] * 16, [len(portion) for portion in body])
        self.assertEqual([65536] * 16, self.portions(meter))


class TestSharedLimit(SwiftCase):
    def test_shared_by_transfers(self):
        """Transfers that share a limit have the rate together, each waiting for those before."""
        limit, store = RateLimit(1000, clock=lambda: 0.0), self.store
        for waited, transfer in (
            (0, lambda: upload(store, BytesSource(bytes(1000)), "c", "a", limit_rate=limit)),
            (1, lambda: copy(store, store, "c", "a", "c", "b", limit_rate=limit)),
            (2, lambda: download(store, "c", "a", self.dir / "a", limit_rate=limit)),
            (3, lambda: download_stream(store, "c", "a", io.BytesIO(), limit_rate=limit)),
        ):
            self.waits.clear()
            transfer()
            self.assertEqual(waited, sum(self.waits))
