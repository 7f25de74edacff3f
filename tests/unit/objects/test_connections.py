# SPDX-License-Identifier: Apache-2.0
import contextlib
import threading

from oslotest import base

from rackspace_imagetasks.exceptions import Cancelled
from rackspace_imagetasks.objects.connections import MAX_CONNECTIONS, Connections
from rackspace_imagetasks.objects.data_transfer import DataTransfer, TransferOptions

MIB = 1 << 20


class Line:
    """A line that carries so much for each connection, and so much in all; bytes a second."""

    def __init__(self, each, total, fixed=None):
        self.each, self.total = each, total
        self.now = 0.0
        self.used = contextlib.ExitStack()
        self.connections = Connections(fixed, clock=lambda: self.now)

    @property
    def rate(self):
        return min(self.each * self.connections.limit, self.total)

    def run(self, seconds, waiting=100, chunk=MIB):
        """Transfer for some seconds with all connections in use; return the numbers seen."""
        connections, seen = self.connections, []
        connections._waiting = waiting
        until = self.now + seconds
        while self.now < until:
            connections._used = connections.limit
            self.now += chunk / self.rate
            connections.count(chunk)
            if seen[-1:] != [connections.limit]:
                seen.append(connections.limit)
        return seen


class TestConnections(base.BaseTestCase):
    def test_long_line(self):
        """As long as each connection brings the same, their number grows to the maximum."""
        line = Line(each=25e6, total=1e9)
        self.assertEqual([4, 8, 16], line.run(4))
        self.assertEqual([MAX_CONNECTIONS], line.run(60))

    def test_full_line(self):
        """Connections that bring nothing are given up, and tried again after half a minute."""
        line = Line(each=500e6, total=500e6)
        self.assertEqual([4, 8, 4], line.run(25))
        self.assertEqual([4, 8, 4], line.run(20))

    def test_partly_full_line(self):
        """More connections are kept only if they bring half of what their number suggests."""
        line = Line(each=25e6, total=160e6)
        self.assertEqual([4, 8, 16, 8], line.run(20))

    def test_slow_line(self):
        """A rate is judged only by enough chunks, so that chance does not decide."""
        line = Line(each=100e3, total=1e9)
        self.assertEqual([4, 8], line.run(90))

    def test_idle(self):
        """A time without a transfer does not look like a slow one."""
        line = Line(each=25e6, total=1e9)
        line.run(1.3)
        line.now += 100
        self.assertEqual([8, 16], line.run(3))

    def test_nothing_waits(self):
        """The number does not grow if there is nothing more to transfer."""
        self.assertEqual([4], Line(each=25e6, total=1e9).run(10, waiting=0))

    def test_fixed(self):
        """A number that the user chose stays, also below the first and above the largest one."""
        for fixed in (1, 2, 4, 40):
            self.assertEqual([fixed], Line(each=25e6, total=1e9, fixed=fixed).run(10))

    def test_shared(self):
        """All jobs together use no more connections than one job alone."""
        connections = Connections(3)
        used, most, lock = [0], [0], threading.Lock()
        together = threading.Barrier(3, timeout=10)

        def work(_item):
            with lock:
                used[0] += 1
                most[0] = max(most[0], used[0])
            together.wait()
            with lock:
                used[0] -= 1

        jobs = [DataTransfer(TransferOptions(threads=connections)) for _ in range(3)]
        threads = [threading.Thread(target=job.each, args=(work, range(4))) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual((0, 3), (used[0], most[0]))

    def test_cancelled_while_waiting(self):
        """A job that waits for a connection of another job can be cancelled."""
        connections, stop = Connections(1), threading.Event()
        with connections.use(lambda: None):
            transfer = DataTransfer(TransferOptions(threads=connections), stop=stop)
            threading.Timer(0.2, stop.set).start()
            self.assertRaises(Cancelled, transfer.run, lambda: transfer.each(str, [1]))
        with connections.use(self.fail):
            self.assertEqual(1, connections.limit)
