# SPDX-License-Identifier: Apache-2.0
import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st
from oslotest import base

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.exceptions import ServiceError, SourceError
from rackspace_imagetasks.sources._block_cache import BLOCK, BlockCache
from tests.unit.sources.disks import FaultySource

_CONTENT = b"".join(number.to_bytes(4, "big") * 4 for number in range(5 * BLOCK // 16)) + b"end"


class BlockCacheTest(base.BaseTestCase):
    def cache(self, content=_CONTENT):
        self.source = FaultySource(content)
        return BlockCache(self.source)

    @given(st.data())
    def test_any_reads(self, data):
        """Every read returns the source's bytes, whatever was read before."""
        cache = self.cache()
        for _ in range(5):
            offset = data.draw(st.integers(0, cache.size))
            length = data.draw(st.integers(0, min(cache.size - offset, 3 * BLOCK)))
            self.assertEqual(_CONTENT[offset : offset + length], cache.read_at(offset, length))

    def test_each_block_is_read_once(self):
        """Reading on reads each block once, and adjacent blocks with one request."""
        cache = self.cache()
        for offset in range(0, cache.size - 700, 700):
            cache.read_at(offset, 700)
        self.assertEqual([(n * BLOCK, BLOCK) for n in range(5)], self.source.reads[:5])
        cache = self.cache()
        cache.read_at(2 * BLOCK + 5, 1)
        cache.read_at(1, len(_CONTENT) - 1)
        self.assertEqual(
            [(2 * BLOCK, BLOCK), (0, 2 * BLOCK), (3 * BLOCK, 2 * BLOCK + 3)], self.source.reads
        )

    def test_the_last_used_blocks_are_kept(self):
        """Of a large source 16 blocks are kept: those that were used last."""
        cache = self.cache(bytes(20 * BLOCK))
        for number in (*range(16), 0, 16):
            cache.read_at(number * BLOCK, 1)
        self.source.reads.clear()
        for number in (16, 0, 15, 2):
            cache.read_at(number * BLOCK, 1)
        self.assertEqual([], self.source.reads)
        cache.read_at(BLOCK, 1)
        self.assertEqual([(BLOCK, BLOCK)], self.source.reads)

    def test_two_threads_need_one_block(self):
        """A block that another thread is reading is waited for."""
        cache = self.cache()
        arrived, released = threading.Event(), threading.Event()
        self.source.before_read = lambda: (arrived.set(), released.wait(30))
        with ThreadPoolExecutor(8) as pool:
            reads = [pool.submit(cache.read_at, number, 3) for number in range(8)]
            self.assertTrue(arrived.wait(30))
            released.set()
            self.assertEqual([_CONTENT[n : n + 3] for n in range(8)], [r.result() for r in reads])
        self.assertEqual([(0, BLOCK)], self.source.reads)

    def test_a_failure_is_not_kept(self):
        """A failed read raises the source's own error; the next one asks the source again."""
        cache = self.cache()
        cache.read_at(BLOCK, 1)
        self.source.fail(ServiceError("No."), times=2)
        self.assertRaises(ServiceError, cache.read_at, 0, 2 * BLOCK)
        self.assertRaises(ServiceError, cache.read_at, 0, 2 * BLOCK)
        self.assertEqual([2], self.source.fired())
        self.assertEqual(_CONTENT[: 2 * BLOCK], cache.read_at(0, 2 * BLOCK))

    def test_outside(self):
        """A read beyond the end is refused without a request."""
        cache = self.cache()
        self.assertRaises(SourceError, cache.read_at, len(_CONTENT), 1)
        self.assertEqual([], self.source.reads)
        self.assertEqual([Extent(0, len(_CONTENT))], list(cache.data_extents()))
