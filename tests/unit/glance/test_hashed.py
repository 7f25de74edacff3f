# SPDX-License-Identifier: Apache-2.0
"""The hashes of a source that something else reads."""

import hashlib

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import SourceChanged
from rackspace_imagetasks.glance.hashed import HashedSource
from tests.unit.objects.base import noise

SIZE = 3 * 2**20 + 5


class Source(BytesSource):
    """Bytes that count how many of them are read."""

    changed = False
    read = 0

    def read_at(self, offset, length):
        self.read += length
        return super().read_at(offset, length)

    def verify_unchanged(self):
        if self.changed:
            raise SourceChanged("changed")


class HashedSourceTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.content = noise(SIZE)
        self.source = Source(self.content)
        self.hashed = HashedSource(self.source)

    def read(self, *starts, length=2**20):
        for start in starts:
            data = self.hashed.read_at(start, min(length, SIZE - start))
            self.assertEqual(self.content[start : start + length], data)

    def assert_hashes(self):
        md5, sha512 = hashlib.md5(self.content), hashlib.sha512(self.content)
        self.assertEqual((SIZE, md5.hexdigest(), sha512.hexdigest()), self.hashed.sent)

    def test_in_order(self):
        """A source that is read in order is read only once."""
        self.read(*range(0, SIZE, 2**20))
        self.assertEqual(0, self.hashed.unhashed)
        self.hashed.hash_rest(lambda _: self.fail("read again"))
        self.assertEqual(SIZE, self.source.read)
        self.assert_hashes()

    def test_again_and_overlapping(self):
        """Bytes that are read again, as by a retry, count once."""
        self.read(0, 0, 5, 2**20, 2**19)
        self.assertEqual(SIZE - 2**21, self.hashed.unhashed)
        self.read(2**21 - 7, 0, length=SIZE)
        self.assert_hashes()

    def test_out_of_order(self):
        """What threads have read ahead of the others is read again for the hashes."""
        self.read(2**20, 0, 2**21)
        advanced = []
        self.hashed.hash_rest(advanced.append)
        self.assertEqual(SIZE - 2**20, sum(advanced))
        self.assert_hashes()

    def test_change(self):
        """A source that changes meanwhile is an error, not another hash."""
        self.source.changed = True
        self.assertRaises(SourceChanged, self.hashed.hash_rest, int)
