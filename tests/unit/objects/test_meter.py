# SPDX-License-Identifier: Apache-2.0
import io

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.objects._body import Body
from rackspace_imagetasks.objects.copy import copy
from rackspace_imagetasks.objects.download import download, download_stream
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.progress import SilentPhase
from rackspace_imagetasks.units import MIB
from tests.unit.objects.base import NAME, SwiftCase


class TestRateLimit(base.BaseTestCase):
    def test_shared(self):
        """Together, the bytes sent at any time do not exceed the rate."""
        now = [0.0]
        limit = RateLimit(1000, clock=lambda: now[0])
        self.assertEqual([0, 1.0, 1.5], [limit.delay(1000), limit.delay(500), limit.delay(500)])
        now[0] = 10.0
        self.assertEqual(0, limit.delay(500))

    def test_none(self):
        """Without a rate, nothing waits."""
        self.assertEqual(0, RateLimit(None).delay(10**12))


class TestChunks(base.BaseTestCase):
    def chunks(self, meter):
        return [len(each) for each in Body(lambda: iter([bytes(MIB)]), MIB, meter)]

    def test_limited(self):
        """Under a limit, a chunk takes a sixteenth of a second, so that no thread waits long."""
        for rate, first in ((16 * 48 * 1024, 48 * 1024), (1000, 4096), (10**12, MIB)):
            limit = RateLimit(rate, clock=lambda: 0.0)
            sent = self.chunks(Meter(SilentPhase(), Cancellation(lambda _seconds: None), limit))
            self.assertEqual((first, MIB), (sent[0], sum(sent)))

    def test_slow_connection(self):
        """After a body was interrupted, perhaps by a timeout, chunks are small."""
        meter = Meter(SilentPhase(), Cancellation(), RateLimit(None))
        body = Body(lambda: iter([bytes(MIB)]), MIB, meter)
        self.assertEqual([MIB], [len(chunk) for chunk in body])
        self.assertEqual([65536] * 16, [len(chunk) for chunk in body])
        self.assertEqual([65536] * 16, self.chunks(meter))


class TestSharedLimit(SwiftCase):
    def test_shared_by_transfers(self):
        """Transfers that share a limit keep to it together: each waits for those before."""
        limit, store = RateLimit(1000, clock=lambda: 0.0), self.store
        other, path = ObjectName("images", "b"), self.dir / "a"
        for waited, start in (
            (0, lambda transfer: upload(store, BytesSource(bytes(1000)), NAME, transfer)),
            (1, lambda transfer: copy(store, NAME, store, other, transfer)),
            (2, lambda transfer: download(store, NAME, path, transfer)),
            (3, lambda transfer: download_stream(store, NAME, io.BytesIO(), transfer)),
        ):
            self.waits.clear()
            start(self.transfer(limit_rate=limit))
            self.assertEqual(waited, sum(self.waits))
