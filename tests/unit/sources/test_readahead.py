# SPDX-License-Identifier: Apache-2.0
import random
from concurrent.futures import ThreadPoolExecutor

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, Extent
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.sources._readahead import ReadAhead

_EXTENTS = (Extent(100, 400), Extent(700, 100))


class CountingSource(BytesSource):
    """Data in two extents; it records the requests."""

    def __init__(self):
        content = bytearray(1000)
        for start, length in _EXTENTS:
            content[start : start + length] = random.Random(start).randbytes(length)
        super().__init__(bytes(content))
        self.content = bytes(content)
        self.requests = []

    def read_at(self, offset, length):
        self.requests.append((offset, length))
        return super().read_at(offset, length)

    def data_extents(self):
        return iter(_EXTENTS)


class TestReadAhead(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.source = CountingSource()
        self.disk = ReadAhead(self.source, 200)

    def test_reads_ahead_where_reading_goes_on(self):
        """The second of consecutive reads reads ahead; the next ones cause no request."""
        pieces = [self.disk.read_at(offset, 50) for offset in range(100, 400, 50)]
        self.assertEqual(self.source.content[100:400], b"".join(pieces))
        self.assertEqual([(100, 50), (150, 200), (350, 200)], self.source.requests)

    def test_does_not_read_ahead_elsewhere(self):
        """Random reads are not read ahead."""
        for offset in (400, 100, 300):
            self.disk.read_at(offset, 50)
        self.assertEqual([(400, 50), (100, 50), (300, 50)], self.source.requests)

    def test_not_beyond_an_extent(self):
        """Once the extents are known, nothing is read ahead beyond their ends."""
        self.assertEqual(list(_EXTENTS), list(self.disk.data_extents()))
        self.disk.read_at(400, 50)
        self.disk.read_at(450, 10)
        self.assertEqual([(400, 50), (450, 50)], self.source.requests)

    def test_zeros_at_the_end_of_a_read(self):
        """Known zeros at the end of a read are not requested."""
        list(self.disk.data_extents())
        self.assertEqual(self.source.content[450:650], self.disk.read_at(450, 200))
        self.assertEqual(self.source.content[650:1000], self.disk.read_at(650, 350))
        self.assertEqual([(450, 50), (650, 150)], self.source.requests)

    def test_known_zeros_cost_nothing(self):
        """Once the extents are known, zeros between them are not requested."""
        list(self.disk.data_extents())
        for offset, length in ((0, 100), (500, 200), (800, 200), (550, 1)):
            self.assertEqual(bytes(length), self.disk.read_at(offset, length))
        self.assertEqual([], self.source.requests)

    def test_outside_the_disk(self):
        """A read past the end is an error, whether the extents are known or not."""
        for _ in range(2):
            self.assertRaises(SourceError, self.disk.read_at, 990, 20)
            self.assertRaises(SourceError, self.disk.read_at, -1, 1)
            list(self.disk.data_extents())

    def test_any_order_and_any_thread(self):
        """Each read returns the disk's bytes, whatever was read before, in whichever thread."""
        list(self.disk.data_extents())
        chosen = random.Random(7)
        ranges = [(start, chosen.randrange(0, 1000 - start)) for start in range(0, 990, 3)]
        ranges += [(start, 10) for start in range(0, 990, 10)] * 3
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda r: self.disk.read_at(*r), ranges))
        self.assertEqual([self.source.content[o : o + n] for o, n in ranges], read)
