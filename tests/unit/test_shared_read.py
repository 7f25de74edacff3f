# SPDX-License-Identifier: Apache-2.0
"""Several readers of the same parts: what each gets, what is received, and who waits for whom."""

import random
import threading

from oslotest import base

from rackspace_imagetasks.exceptions import Cancelled, IntegrityError
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.shared_read import ONLY_READER, SharedRead
from rackspace_imagetasks.threads import ThreadPool

PATIENCE = 60  # seconds until a test takes a thread to be stuck
CHUNKS = 8  # of each part


def part(number):
    """Return the chunks of a part, of 16 bytes each."""
    return [f"part {number} chunk {index}".encode().ljust(16) for index in range(CHUNKS)]


class Source:
    """A service that counts what is received from it, and for whom.

    :ivar received: the parts, in the order in which they were begun.
    :ivar sent: the chunks of each part that were sent.
    """

    def __init__(self, abort=None, origin=None):
        self.abort = abort or threading.Event()
        self.cancellation = Cancellation(abort=self.abort)
        self.origin = origin or self
        self.received = []
        self.sent = {}
        self.failing = {}  # by part: the chunk before which it fails once, and the error

    def until(self, abort):
        return Source(abort, self.origin)

    def receive(self, number):
        def chunks(service):
            origin = service.origin
            origin.received.append(number)
            fails_at, error = origin.failing.pop(number, (None, None))
            for index, chunk in enumerate(part(number)):
                if index == fails_at:
                    raise error
                service.cancellation.check()
                origin.sent[number] = origin.sent.get(number, 0) + 1
                yield chunk

        return chunks


class SharedReadCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.source = Source()

    def share(self, in_order, width=1, **limits):
        """Return a shared read, its readers, and a service for each of them."""
        self.shared = SharedRead(in_order, width, **limits)
        self.addCleanup(self.shared.close)
        self.own = [self.source.until(threading.Event()) for _ in in_order]
        return self.shared.readers

    def chunks(self, reader, number):
        own = self.own[self.shared.readers.index(reader)]
        return reader.chunks(number, own, self.source.receive(number))

    def assert_complete(self, reader, number):
        self.assertEqual(part(number), list(self.chunks(reader, number)))

    def thread(self, work):
        """Start work in a thread; give a function that waits for its end and raises its error."""
        pool = ThreadPool(lambda _: work(), [None], 1, threading.Event())

        def end():
            pool.join(PATIENCE)
            if pool.failure:
                raise pool.failure
            self.assertEqual(1, len(pool.results), "it is stuck")

        return end


class SharedReadTest(SharedReadCase):
    def test_each_part_once(self):
        """Readers that take one, two and three parts at a time get all of them."""
        readers = self.share([False] * 3, width=1, buffer=64)
        got = [{}, {}, {}]

        def read(task):
            who, number = task
            got[who][number] = list(self.chunks(readers[who], number))

        pools = [
            ThreadPool(read, [(who, n) for n in range(9)], who + 1, threading.Event())
            for who in range(3)
        ]
        for pool in pools:
            pool.join(PATIENCE)
            self.assertIsNone(pool.failure)
        self.assertEqual([{n: part(n) for n in range(9)}] * 3, got)
        self.assertEqual(list(range(9)), sorted(self.source.received))
        self.assertLessEqual(self.shared.peak, 64)

    def test_in_every_order(self):
        """Readers that skip, end, repeat, fail and run ahead never wait for each other for ever."""
        for seed in range(40):
            chance = random.Random(seed)
            in_order = [chance.random() < 0.3 for _ in range(chance.randint(2, 4))]
            width = chance.randint(1, 3)
            readers = self.share(in_order, width, buffer=chance.choice((48, 400)))
            ends = [
                self.thread(self.some_reader(readers[who], random.Random(f"{seed}.{who}"), width))
                for who in range(len(readers))
            ]
            for end in ends:
                end()

    def some_reader(self, reader, chance, width):
        """Return the work of a reader that is not a good one."""

        def read(number):
            if chance.random() < 0.1:
                reader.skip(number)
                return
            own = self.own[self.shared.readers.index(reader)]
            reader.wait_for(number, own)
            chunks = self.chunks(reader, number)
            if chance.random() < 0.1:
                next(chunks)  # broken off, and begun again
                chunks = self.chunks(reader, number)
            self.assertEqual(part(number), list(chunks))

        def work():
            last = chance.choice((3, 12, 12))
            threads = 1 if reader.in_order else width
            pool = ThreadPool(read, range(last), threads, threading.Event())
            pool.join(PATIENCE)
            reader.end()
            if pool.failure:
                raise pool.failure
            self.assertEqual(last, len(pool.results), "it is stuck")

        return work

    def test_memory(self):
        """The fastest gets as far ahead of the slowest as the limit says, and no chunk further."""
        fast, slow = self.share([False, False], buffer=3 * 16)
        ahead, behind = self.chunks(fast, 0), self.chunks(slow, 0)
        self.assertEqual(part(0)[:3], [next(ahead) for _ in range(3)])
        self.assertLessEqual(self.source.sent[0], 4)  # the fourth is there, and has to wait
        self.assertEqual(part(0)[0], next(behind))
        self.assertEqual(part(0)[3], next(ahead))
        self.assertEqual(3 * 16, self.shared.peak)
        ended = self.thread(lambda: self.assertEqual(part(0)[4:], list(ahead)))
        self.assertEqual(part(0)[1:], list(behind))
        ended()
        self.assertEqual(3 * 16, self.shared.peak)
        self.assertEqual([0], self.source.received)

    def test_no_part_before_its_turn(self):
        """A part is received when all others have come near to it."""
        for in_order, width, allowed in (([False, False], 2, 1), ([False, True], 2, 0)):
            self.source.received.clear()
            first, other = self.share(in_order, width)
            for number in range(allowed + 1):
                self.assert_complete(first, number)
            waited = threading.Event()

            def wait(reader=first, number=allowed + 1, waited=waited):
                reader.wait_for(number, self.own[0])
                waited.set()

            end = self.thread(wait)
            self.assertFalse(waited.is_set())
            self.assert_complete(other, 0)
            end()
            self.assertEqual(list(range(allowed + 1)), self.source.received)
            self.assertTrue(waited.is_set())

    def test_a_reader_that_skips(self):
        """What a target has already is not kept for it, and nobody waits for it."""
        first, other = self.share([False, False], buffer=16)
        for number in (0, 1):
            other.skip(number)
            self.assert_complete(first, number)
        self.assertEqual(16, self.shared.peak)
        self.assertEqual((0, 0), (first.alone, other.alone))

    def test_a_reader_that_ends(self):
        """The others go on, also from within a part; its own thread ends."""
        fast, slow = self.share([True, True], buffer=2 * 16)
        chunks, left = self.chunks(fast, 0), self.chunks(slow, 0)
        next(left)
        got = []
        end = self.thread(lambda: got.extend(chunks))
        slow.end()
        end()
        self.assertEqual(part(0), got)
        self.assert_complete(fast, 1)
        self.assertRaises(Cancelled, list, left)
        self.assertEqual([0, 1], self.source.received)

    def test_again(self):
        """A part that is needed again is received for that reader, and the others do not wait."""
        first, other = self.share([True, True], buffer=2 * 16)
        broken = self.chunks(first, 0)
        next(broken)
        self.assert_complete(first, 0)
        self.assert_complete(other, 0)
        self.assertEqual([0, 0], self.source.received)
        self.assertEqual((1, 0), (first.alone, other.alone))
        ended = self.thread(lambda: self.assert_complete(first, 1))
        self.assert_complete(other, 1)
        ended()
        self.assertEqual([0, 0, 1], self.source.received)

    def test_out_of_order(self):
        """One that reads in order and jumps reads that part alone, and shares the next one."""
        first, other = self.share([True, True])
        self.assert_complete(first, 3)
        self.assertEqual(1, first.alone)
        for number in range(4):
            self.assert_complete(other, number)
        ended = self.thread(lambda: self.assert_complete(first, 4))
        self.assert_complete(other, 4)
        ended()
        self.assert_complete(first, 1)
        self.assertEqual([3, 0, 1, 2, 3, 4, 1], self.source.received)

    def test_a_failure(self):
        """All get the error, each its own, and can receive the part by themselves."""
        error = IntegrityError("Segment 0 is corrupt.")
        self.source.failing[0] = (3, error)
        readers = self.share([False, False])
        raised = []
        for reader in readers:
            raised.append(self.assertRaises(IntegrityError, list, self.chunks(reader, 0)))
            self.assert_complete(reader, 0)
        for one in raised:
            self.assertEqual("Segment 0 is corrupt.", str(one))
            one.add("It happened to me.")
            self.assertEqual(2, len(one.messages))
        self.assertEqual(1, len(error.messages))
        self.assertEqual([0, 0, 0], self.source.received)

    def test_cancelled(self):
        """One that waits ends when its own requests are cancelled, and the others go on."""
        first, other = self.share([True, True], buffer=16)
        chunks = self.chunks(first, 0)
        next(chunks)
        self.own[0].abort.set()
        self.assertRaises(Cancelled, list, chunks)
        self.assert_complete(other, 0)
        self.assertRaises(Cancelled, first.wait_for, 2, self.own[0])
        self.assertEqual([0], self.source.received)

    def test_closed(self):
        """When all is over, nothing is received any more."""
        first, _ = self.share([False, False], buffer=16)
        chunks = self.chunks(first, 0)
        next(chunks)
        self.shared.close()
        self.assertRaises(Cancelled, list, chunks)
        self.assertLess(self.source.sent[0], CHUNKS)

    def test_only_reader(self):
        """One that nobody shares with receives what it asks for, in whatever order."""
        for number in (2, 0, 2):
            ONLY_READER.wait_for(number, self.source)
            receive = self.source.receive(number)
            self.assertEqual(part(number), list(ONLY_READER.chunks(number, self.source, receive)))
        ONLY_READER.skip(1)
        ONLY_READER.end()
        self.assertEqual([2, 0, 2], self.source.received)
