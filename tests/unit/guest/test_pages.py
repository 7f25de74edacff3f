# SPDX-License-Identifier: Apache-2.0
"""The pages of a disk, of which none is requested twice as long as it is kept."""

from unittest import mock

from oslotest import base

from rackspace_imagetasks.guest.fence import Limits, _pages
from rackspace_imagetasks.guest.fence._pages import PAGE, BudgetSpent, PagedSource
from rackspace_imagetasks.guest.filesystems.base import Damaged

CONTENT = bytes(range(251)) * 12_000  # 46 pages, the last one short
MAX_READ = 16 * PAGE


class PagesTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.requests = []

    def source(self, limits=None):
        return PagedSource(len(CONTENT), self.fetch, limits or Limits())

    def fetch(self, offset, length):
        self.requests.append((offset, length))
        return CONTENT[offset : offset + length]

    def check(self, source, offset, length, *requests):
        """Read and compare; expect these requests for it."""
        self.requests.clear()
        self.assertEqual(CONTENT[offset : offset + length], source.read_at(offset, length))
        self.assertEqual(list(requests), self.requests)

    def test_whole_pages(self):
        """A read requests the pages that it touches, and only once."""
        source = self.source()
        self.check(source, PAGE - 1, 2, (0, 2 * PAGE))
        self.check(source, 0, 2 * PAGE)
        self.check(source, PAGE, 0)
        self.check(source, 2 * PAGE, 1, (2 * PAGE, PAGE))

    def test_missing_pages(self):
        """Pages that are known are not requested again with their neighbours."""
        source = self.source()
        self.check(source, 2 * PAGE, 1, (2 * PAGE, PAGE))
        self.check(source, 0, 5 * PAGE, (0, 2 * PAGE), (3 * PAGE, 2 * PAGE))

    def test_end_of_disk(self):
        """The last page can be shorter."""
        last = len(CONTENT) - len(CONTENT) % PAGE
        source = self.source()
        self.check(source, len(CONTENT) - 1, 1, (last, len(CONTENT) - last))
        self.check(source, last - 1, len(CONTENT) - last + 1, (last - PAGE, PAGE))

    def test_long_reads(self):
        """A long read is done in requests of at most 1 MiB."""
        self.check(
            self.source(), 1, 33 * PAGE,
            (0, MAX_READ), (MAX_READ, MAX_READ), (2 * MAX_READ, 2 * PAGE),
        )  # fmt: skip

    def test_bounded_memory(self):
        """The page that was not used for the longest time is forgotten first."""
        source = self.source()
        with mock.patch.object(_pages, "MAX_PAGES", 2):
            self.check(source, 0, 1, (0, PAGE))
            self.check(source, PAGE, 1, (PAGE, PAGE))
            self.check(source, 0, 1)
            self.check(source, 2 * PAGE, 1, (2 * PAGE, PAGE))
            self.check(source, 0, 1)
            self.check(source, PAGE, 1, (PAGE, PAGE))

    def test_reads_longer_than_memory(self):
        """A read of more pages than are kept is complete."""
        with mock.patch.object(_pages, "MAX_PAGES", 16):
            source = self.source()
            self.assertEqual(CONTENT, source.read_at(0, len(CONTENT)))
            self.check(source, 30 * PAGE, 1)
            self.check(source, 0, 1, (0, PAGE))

    def test_budget(self):
        """A budget that is spent looks like a structure that is damaged, and stays spent."""
        source = self.source(Limits(reads=2))
        self.check(source, 0, 1, (0, PAGE))
        self.check(source, PAGE, 1, (PAGE, PAGE))
        for _ in range(2):
            error = self.assertRaises(Damaged, source.read_at, 2 * PAGE, 1)
            self.assertIn("more than 2 reads", str(error))
        self.check(source, 0, 2 * PAGE)
        source = self.source(Limits(read_bytes=PAGE))
        self.assertRaises(BudgetSpent, source.read_at, 0, PAGE + 1)
