# SPDX-License-Identifier: Apache-2.0
import io
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import Cancelled
from rackspace_imagetasks.objects.copy import copy
from rackspace_imagetasks.objects.download import download, download_stream
from rackspace_imagetasks.objects.meter import RateLimit
from rackspace_imagetasks.objects.retry import Pause, backoff
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.tests.unit.objects.base import SwiftCase


class TestBackoff(base.BaseTestCase):
    def test_grows(self):
        """Waits double up to half a minute, and no two clients wait in step."""
        for attempt, longest in ((1, 0.5), (2, 1), (5, 8), (7, 30), (2000, 30)):
            waits = {backoff(attempt) for _ in range(50)}
            self.assertGreater(len(waits), 1)
            self.assertTrue(all(longest / 2 <= wait <= longest for wait in waits))

    def test_retry_after(self):
        """Retry-After is honoured in seconds and as a date, but not without end."""
        self.assertEqual(17, backoff(1, "17"))
        self.assertEqual(300, backoff(1, "86400"))
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
        self.assertTrue(95 < backoff(1, date) <= 100)

    def test_senseless_retry_after(self):
        """What is no time to come is no reason to fail or to hurry."""
        past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
        for value in ("", "soon", "-5", "1e400", "\u00b2", "9" * 400, past, "Mon, 99 Foo"):
            self.assertTrue(0.25 <= backoff(1, value) <= 300, value)


class TestPause(base.BaseTestCase):
    def test_abort_ends_wait(self):
        """A long wait ends at the next glance at the event."""
        abort, slept = threading.Event(), []

        def sleep(seconds):
            slept.append(seconds)
            if len(slept) == 3:
                abort.set()

        self.assertRaises(Cancelled, Pause(sleep, abort).wait, 300)
        self.assertEqual(3, len(slept))


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
