# SPDX-License-Identifier: Apache-2.0
"""Read a segment and verify its MD5."""

import hashlib
from collections.abc import Iterator

from rackspace_imagetasks.exceptions import IntegrityError
from rackspace_imagetasks.objects._manifest import StoredSegment
from rackspace_imagetasks.objects.store import ObjectStore


class SegmentCorrupt(IntegrityError):
    """The content of a segment does not match its MD5; reading it again may help.

    :param md5: the MD5 of the content, in hex.
    """

    def __init__(self, segment: StoredSegment, md5: str) -> None:
        super().__init__(
            f"Segment '{segment.object}' is corrupt: its MD5 is {md5}, expected {segment.md5[:40]}."
        )


def verified_chunks(store: ObjectStore, segment: StoredSegment) -> Iterator[bytes]:
    """Yield a segment in chunks, the last one only if the MD5 is correct.

    :raises SegmentCorrupt: if it is not; a PUT of these chunks then remains incomplete.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    held_back = b""
    for chunk in store.get_range(segment.object, 0, segment.length, segment.md5):
        if held_back:
            yield held_back
        md5.update(chunk)
        held_back = chunk
    if md5.hexdigest() != segment.md5:
        raise SegmentCorrupt(segment, md5.hexdigest())
    yield held_back
