# SPDX-License-Identifier: Apache-2.0
"""The segments of a large object to write, and their names. Pure.

Swift stores at most 5 GB in one object; a Static Large Object names at most 1000 segments
(https://docs.openstack.org/swift/latest/overview_large_objects.html). The names follow
python-swiftclient: listing one prefix shows which segments exist, so a resumed transfer needs no
journal.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.text import format_size
from rackspace_imagetasks.units import GIB, MIB, divide_up, round_up

MAX_PUT = 5 * GIB
MIN_SEGMENT = 128 * MIB
MAX_SEGMENTS = 1000


class Segment(NamedTuple):
    """A range of the content, and the name of the object that holds it."""

    name: str
    offset: int
    length: int


def segments_container(container: str) -> str:
    """Return the container for the segments of the objects in `container`."""
    return f"{container}_segments"


def segment_size_for(size: int, wanted: int | None = None) -> int:
    """Return the size of a segment in bytes: `wanted` or 128 MiB, or more if 1000 are not enough.

    :raises Refused: if `size` bytes do not fit into 1000 segments of 5 GiB.
    """
    if size > MAX_SEGMENTS * MAX_PUT:
        too_large = (
            f"{format_size(size)} do not fit into one object: an object can have at most"
            f" {MAX_SEGMENTS} segments of {format_size(MAX_PUT)}."
        )
        raise Refused(too_large)
    enough = round_up(divide_up(size, MAX_SEGMENTS), MIB) if size > MAX_SEGMENTS else 1
    if wanted is None:
        return max(MIN_SEGMENT, enough)
    return min(max(wanted, 1 if wanted * MAX_SEGMENTS >= size else enough), MAX_PUT)


def segment_prefix(name: str, identity: str, size: int, segment_size: int) -> str:
    """Return the prefix of the names of all segments of this content."""
    return f"{name}/slo/{identity}/{size}/{segment_size}/"


def plan_segments(prefix: str, size: int, segment_size: int) -> list[Segment]:
    """Divide `size` bytes into segments of `segment_size`; the last one may be shorter."""
    return [
        Segment(f"{prefix}{index:08d}", offset, min(segment_size, size - offset))
        for index, offset in enumerate(range(0, size, segment_size))
    ]


def slo_etag(md5s: Iterable[str]) -> str:
    """Return the ETag of a Static Large Object: the MD5 of the MD5s of its segments, joined."""
    return hashlib.md5("".join(md5s).encode(), usedforsecurity=False).hexdigest()
