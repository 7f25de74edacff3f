# SPDX-License-Identifier: Apache-2.0
import threading

from oslotest import base

from rackspace_imagetasks.exceptions import Cancelled
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import DataTransfer, TransferOptions
from tests.unit.objects.base import Ledger


class TestTransfer(base.BaseTestCase):
    def test_cancellation(self):
        """Setting `stop` ends waits, checks, phases and threads, and reports the bytes kept."""
        for act in (
            lambda transfer, meter: transfer.wait(300),
            lambda transfer, meter: transfer.check(),
            lambda transfer, meter: meter.advance(1),
            lambda transfer, meter: transfer.each(lambda _item: transfer.wait(300), range(2)),
        ):
            stop = threading.Event()
            transfer = DataTransfer(stop=stop)
            cancelled = []

            def work(act=act, transfer=transfer, stop=stop, cancelled=cancelled):
                transfer.expect(10)
                transfer.keep(7)
                transfer.keep(-3)
                with transfer.phase("Testing", 10) as meter:
                    stop.set()
                    transfer._abort.wait(60)
                    try:
                        act(transfer, meter)
                    except Cancelled:
                        cancelled.append(act)
                        raise

            error = self.assertRaises(Cancelled, transfer.run, work)
            self.assertEqual((4, 10), (error.kept, error.total))
            self.assertEqual([act], cancelled)

    def test_total_unknown(self):
        """A cancellation before the size is known reports no bytes, and keeps its hint."""
        message = Message("stopped", Hint.TRY_AGAIN)

        def work():
            raise Cancelled(message)

        error = self.assertRaises(Cancelled, DataTransfer().run, work)
        self.assertEqual((None, None, (message,)), (error.kept, error.total, error.messages))

    def test_limit(self):
        """The rate limit delays a transfer of bytes, and not a check of bytes on this machine."""
        waits, ledger = [], Ledger()
        transfer = DataTransfer(TransferOptions(limit_rate=1000), ledger, sleep=waits.append)
        with transfer.checking(5000) as meter:
            meter.advance(5000)
            meter.advance(5000)
        self.assertEqual([], waits)
        with transfer.phase("Testing", 1000) as meter:
            meter.advance(1000)
            meter.advance(500)
            meter.take_back(200)
        self.assertAlmostEqual(1, sum(waits), 1)
        self.assertEqual({"Checking existing data": 10000, "Testing": 1300}, ledger.sums)

    def test_threads(self):
        """Items are processed by as many threads as the options allow; results are in order."""
        both = threading.Barrier(2, timeout=10)
        transfer = DataTransfer(TransferOptions(threads=2))

        def work(item):
            both.wait()
            return item

        self.assertEqual([0, 1, 2, 3], transfer.each(work, range(4)))
