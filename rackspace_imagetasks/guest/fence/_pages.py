# SPDX-License-Identifier: Apache-2.0
"""The disk as the helper process sees it: pages that are requested from the parent once."""

from collections import OrderedDict
from collections.abc import Callable

from rackspace_imagetasks.bytesource import BaseSource
from rackspace_imagetasks.guest.fence._protocol import MAX_READ, Limits, budget_spent
from rackspace_imagetasks.guest.filesystems.base import Damaged

PAGE = 64 * 2**10
"""Small enough for what is scattered, large enough that most structures are in one page."""
MAX_PAGES = 512
"""The most pages that are kept: 32 MiB."""


class BudgetSpent(Damaged):
    """The disk was read as often, or as much of it, as is allowed.

    Structures that are not damaged do not lead to that, so that whoever can do without a damaged
    structure can do without what was still to be read.
    """


class PagedSource(BaseSource):
    """A disk that is read in pages, of which adjacent ones are requested together.

    :param fetch: returns the bytes at an offset, at most `MAX_READ`.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes], limits: Limits) -> None:
        super().__init__("the disk", size, "disk")
        self._fetch = fetch
        self._limits = limits
        self._reads = self._read_bytes = 0
        self._pages = OrderedDict[int, bytes]()

    def _read(self, offset: int, length: int) -> bytes:
        end = offset + length
        pieces = []
        while offset < end:
            start = offset - offset % PAGE
            page = self._page(start, end)
            pieces.append(page[offset - start : end - start])
            offset = start + PAGE
        return b"".join(pieces)

    def _page(self, start: int, end: int) -> bytes:
        """Return the page from `start`; request those up to `end` with it that are missing."""
        page = self._pages.get(start)
        if page is None:
            self._request(start, self._missing(start, end))
            page = self._pages[start]
        self._pages.move_to_end(start)
        return page

    def _missing(self, start: int, end: int) -> int:
        """Return the length of the missing pages from `start`, as many as one read may have."""
        stop = min(start + MAX_READ, end, self.size)
        following = range(start + PAGE, stop, PAGE)
        present = next((page for page in following if page in self._pages), None)
        if present is None:
            present = min(start + PAGE * (len(following) + 1), self.size)
        return present - start

    def _request(self, start: int, length: int) -> None:
        self._reads += 1
        self._read_bytes += length
        if self._reads > self._limits.reads or self._read_bytes > self._limits.read_bytes:
            raise BudgetSpent(f"The disk was not read to the end: {budget_spent(self._limits)}.")
        content = self._fetch(start, length)
        for offset in range(0, length, PAGE):
            self._pages[start + offset] = content[offset : offset + PAGE]
        while len(self._pages) > MAX_PAGES:
            self._pages.popitem(last=False)
