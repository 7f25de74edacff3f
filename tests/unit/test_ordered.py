# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.ordered import OrderedSource
from rackspace_imagetasks.units import MIB

_CHUNK = MIB // 4
_SIZE = 80 * MIB


class Recorded(OrderedSource):
    """Zeros in one part; the requests are recorded."""

    def __init__(self, size=_SIZE):
        super().__init__("zeros", size, "zeros", [Extent(0, size)])
        self.streams = 0
        self.ranges = []

    def _receive(self, number):
        self.streams += 1
        for _ in range(0, self.size, _CHUNK):
            yield bytes(_CHUNK)

    def _read_range(self, extent):
        self.ranges.append(extent)
        return bytes(extent.length)

    def _verify_version(self):
        pass


class OrderedTest(base.BaseTestCase):
    def test_last_block_first(self):
        """A block at the end, which holds a footer, is read on its own: nothing follows it.

        The only part is received once nevertheless, in order, and is not read in ranges.
        """
        for size in (_SIZE, 20 * MIB):
            source = Recorded(size)
            self.addCleanup(source.close)
            source.read_at(0, MIB)
            source.read_at(size - MIB, MIB)
            for offset in range(MIB, size - MIB, MIB):
                source.read_at(offset, MIB)
            source.verify_unchanged()
            self.assertEqual(1, source.streams)
            self.assertEqual([Extent(size - MIB, MIB)], source.ranges)
