# SPDX-License-Identifier: Apache-2.0
"""Where a download comes from: content in parts, each with a hash."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from rackspace_imagetasks.exceptions import IntegrityError


class Part(NamedTuple):
    """`length` bytes of the content, from its byte `offset`, and their hash in hex.

    :ivar digest: None if the service has no hash of it.
    """

    number: int
    offset: int
    length: int
    digest: str | None

    def matches(self, digest: str) -> bool:
        """Return whether bytes with this hash can be the part."""
        return self.digest in (None, digest)


class Origin(Protocol):
    """Content that is received in parts, from any thread."""

    @property
    def name(self) -> str:
        """What is downloaded, for the progress."""

    @property
    def size(self) -> int:
        """The bytes of all parts."""

    @property
    def etag(self) -> str:
        """A text that changes with the content."""

    @property
    def algorithm(self) -> str:
        """The name of the hash function, as `hashlib` knows it."""

    @property
    def parts(self) -> Sequence[Part]:
        """The parts in order."""

    @property
    def has_ranges(self) -> bool:
        """Whether a range of a part can be requested without all bytes before it."""

    def receive(self, part: Part, start: int, length: int) -> Iterator[bytes]:
        """Yield exactly `length` bytes from byte `start` of a part, unverified, in chunks."""

    def corrupt(self, part: Part, digest: str) -> IntegrityError:
        """Return the error that bytes of a part with another hash were received repeatedly."""
