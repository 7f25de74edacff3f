# SPDX-License-Identifier: Apache-2.0
"""Which segments a large object is made of, and what they are called. Pure.

Swift holds at most 5 GB in one object; a Static Large Object names at most 1000 segments
(https://docs.openstack.org/swift/latest/overview_large_objects.html). The names follow
python-swiftclient: one listing of a prefix tells what is already there, so that a resume needs
no journal.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.text import format_size
from rackspace_imagetasks.units import GIB, MIB, divide_up, round_up

LARGEST_PUT = 5 * GIB
SMALLEST_SEGMENT = 128 * MIB
MOST_SEGMENTS = 1000


class Segment(NamedTuple):
    """A slice of the content, and the object that holds it."""

    name: str
    offset: int
    length: int


def segments_container(container: str) -> str:
    """Name the container of the segments of what is in `container`."""
    return f"{container}_segments"


def segment_size_for(size: int, wanted: int | None = None) -> int:
    """Return the bytes of a segment: `wanted` or 128 MiB, and so many that 1000 segments suffice.

    :raises Refused: when `size` bytes do not fit 1000 segments of 5 GiB.
    """
    if size > MOST_SEGMENTS * LARGEST_PUT:
        too_large = (
            f"{format_size(size)} do not fit one object: Swift takes {MOST_SEGMENTS} segments"
            f" of {format_size(LARGEST_PUT)}."
        )
        raise Refused(too_large)
    enough = round_up(divide_up(size, MOST_SEGMENTS), MIB) if size > MOST_SEGMENTS else 1
    if wanted is None:
        return max(SMALLEST_SEGMENT, enough)
    return min(max(wanted, 1 if wanted * MOST_SEGMENTS >= size else enough), LARGEST_PUT)


def segment_prefix(name: str, identity: str, size: int, segment_size: int) -> str:
    """Return what the names of all segments of this content begin with."""
    return f"{name}/slo/{identity}/{size}/{segment_size}/"


def plan_segments(prefix: str, size: int, segment_size: int) -> list[Segment]:
    """Cut `size` bytes into segments of `segment_size`, the last one shorter."""
    return [
        Segment(f"{prefix}{index:08d}", offset, min(segment_size, size - offset))
        for index, offset in enumerate(range(0, size, segment_size))
    ]


def slo_etag(md5s: Iterable[str]) -> str:
    """Return the ETag of a Static Large Object: the MD5 of its segments' MD5s in hex, joined."""
    return hashlib.md5("".join(md5s).encode(), usedforsecurity=False).hexdigest()
