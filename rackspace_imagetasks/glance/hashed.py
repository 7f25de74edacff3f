# SPDX-License-Identifier: Apache-2.0
"""A byte source that is hashed while something else reads it."""

import hashlib
import threading
from collections.abc import Callable

from rackspace_imagetasks.bytesource import ByteSource, SourceView
from rackspace_imagetasks.glance._body import SentData
from rackspace_imagetasks.units import MIB

_CHUNK = MIB


class HashedSource(SourceView):
    """A byte source with the hashes that Glance computes, which are of all bytes in their order.

    A read that begins where the hashed bytes end, or before, is hashed. If the whole source is read
    in order, no byte of it is read again for the hashes.
    """

    def __init__(self, source: ByteSource) -> None:
        super().__init__(source)
        self._hashed = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha512 = hashlib.sha512()
        self._lock = threading.Lock()

    @property
    def unhashed(self) -> int:
        """The number of bytes that `hash_rest()` has to read."""
        return self.size - self._hashed

    @property
    def sent(self) -> SentData:
        """The size and the hashes, once all bytes are hashed."""
        return SentData(self.size, self._md5.hexdigest(), self._sha512.hexdigest())

    def _read(self, offset: int, length: int) -> bytes:
        data = self._source.read_at(offset, length)
        with self._lock:
            known = self._hashed - offset
            if 0 <= known < length:
                new = memoryview(data)[known:]
                self._md5.update(new)
                self._sha512.update(new)
                self._hashed += len(new)
        return data

    def hash_rest(self, advance: Callable[[int], object]) -> None:
        """Read the bytes that were not read in order, and verify that the source is unchanged.

        :param advance: called with the length of each part.
        """
        while self.unhashed:
            advance(len(self.read_at(self._hashed, min(_CHUNK, self.unhashed))))
        self.verify_unchanged()
