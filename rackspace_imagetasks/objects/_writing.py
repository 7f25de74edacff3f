# SPDX-License-Identifier: Apache-2.0
"""Write an object from any content: find what exists, send what is missing, verify the result."""

from typing import Protocol

from rackspace_imagetasks.exceptions import ServiceError
from rackspace_imagetasks.http.retry import backoff
from rackspace_imagetasks.objects._body import Body
from rackspace_imagetasks.objects.meter import Meter
from rackspace_imagetasks.objects.segments import Segment
from rackspace_imagetasks.objects.target import Hashes, Target, Written
from rackspace_imagetasks.progress import PhaseTitle

_ATTEMPTS = 3


class Content(Protocol):
    """What to write, and how to recognize what an earlier run has written of it."""

    @property
    def title(self) -> PhaseTitle:
        """The title of the progress while it is sent."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    def find_whole(self) -> str | None:
        """Return the MD5 of the target if an earlier run wrote all of it with one PUT."""

    def whole_body(self, meter: Meter) -> Body:
        """Return the body of a PUT of all of the content."""

    @property
    def segments(self) -> list[Segment]:
        """The segments to write."""

    def find_present(self) -> Hashes:
        """Return the segments that an earlier run has written correctly."""

    def segment_body(self, segment: Segment, meter: Meter) -> Body:
        """Return the body of the PUT of one segment."""

    def verify_unchanged(self) -> None:
        """Check that the content has not changed since it was opened.

        :raises SourceChanged: if it has.
        """


def write_whole(target: Target, content: Content) -> Written:
    """Write the content with one PUT, unless an earlier run has written it."""
    if etag := content.find_whole():
        return target.written(content.size, etag, segments=0, sent=0)
    with target.transfer.phase(content.title, content.size) as meter:
        return target.put_whole(content.whole_body(meter))


def write_segmented(target: Target, content: Content) -> Written:
    """Write the segments that are missing, then the manifest."""
    segments = content.segments
    target.create_containers()
    present = content.find_present()
    etag, sent = _complete(target, content, present)
    target.verify(etag, content.size)
    return target.written(content.size, etag, segments=len(segments), sent=sent)


def _complete(target: Target, content: Content, hashes: Hashes) -> tuple[str, int]:
    """Send missing segments until the service accepts the manifest; return ETag and bytes sent."""
    segments, sent = content.segments, 0
    for attempt in range(1, _ATTEMPTS + 1):
        missing = [segment for segment in segments if segment not in hashes]
        hashes |= _send(target, content, missing)
        sent += _length(missing)
        content.verify_unchanged()
        target.keep_segments(segments)
        try:
            return target.put_manifest({each: hashes[each] for each in segments}), sent
        except ServiceError as error:
            # A segment disappeared meanwhile (400), or the clocks of the servers differ (409).
            if error.status not in (400, 409) or attempt == _ATTEMPTS:
                raise
            target.transfer.wait(backoff(attempt))
            if error.status == 400:
                hashes = target.still_present(hashes)
    raise AssertionError("unreachable")


def _send(target: Target, content: Content, segments: list[Segment]) -> Hashes:
    if not segments:
        return {}
    with target.transfer.phase(content.title, _length(segments)) as meter:

        def send(segment: Segment) -> str:
            return target.put_segment(segment, content.segment_body(segment, meter))

        return dict(zip(segments, target.transfer.each(send, segments), strict=True))


def _length(segments: list[Segment]) -> int:
    return sum(segment.length for segment in segments)
