# SPDX-License-Identifier: Apache-2.0
"""Copy an object between regions or clouds: segment by segment, GET into PUT, through memory."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.objects.body import Body
from rackspace_imagetasks.objects.counter import TransferCounter
from rackspace_imagetasks.objects.download import checked_chunks
from rackspace_imagetasks.objects.manifest import Layout, StoredSegment, read_layout
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.objects.segments import (
    LARGEST_PUT,
    MOST_SEGMENTS,
    Segment,
    segment_prefix,
)
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.target import Hashes, Target, Written
from rackspace_imagetasks.objects.workers import supervise
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.text import printable
from rackspace_imagetasks.units import divide_up


def copy(  # noqa: PLR0917 - from where, to where
    source_store: ObjectStore,
    target_store: ObjectStore,
    container: str,
    name: str,
    target_container: str,
    target_name: str,
    *,
    threads: int = 4,
    expire_after: int | None = None,
    limit_rate: int | RateLimit | None = None,
    progress: Progress = SILENT,
    stop: threading.Event | None = None,
) -> Written:
    """Copy `container/name` to another store; run again, it copies only what is missing.

    The MD5 of each segment is compared with the source's manifest and with the target's answer.

    :param threads: how many segments travel at once.
    :param expire_after: seconds after which Swift deletes the copy and its segments.
    :param limit_rate: bytes a second, over all threads; or a `RateLimit` that several share.
    :param stop: set it from another thread to end within a second.
    :raises NotFound: when there is no such object.
    :raises IntegrityError: when a segment is missing, extra, altered or short.
    :raises TransferError: when a service refuses or the network gives up.
    :raises Cancelled: after `stop`.
    """
    counter = TransferCounter()

    def work(abort: threading.Event) -> Written:
        reading = source_store.until(abort)
        layout = read_layout(reading, container, name)
        counter.total = layout.info.size
        writing = target_store.until(abort)
        target = Target(
            writing, target_container, target_name, expire_after, threads, abort, counter
        )
        job = _Copy(reading, layout, target, RateLimit.of(limit_rate), progress)
        return job.copy_whole() if len(layout.segments) < 2 else job.copy_segments()

    with counter.told():
        return supervise(work, stop)


def group_segments(segments: list[StoredSegment]) -> list[list[StoredSegment]]:
    """Join neighbours until 1000 groups suffice; usually each segment is a group of its own.

    :raises Refused: when the groups would be larger than one PUT may be.
    """
    total = sum(segment.length for segment in segments)
    if len(segments) <= MOST_SEGMENTS:
        return [[segment] for segment in segments]
    # Two neighbouring groups exceed this size together, so that there are fewer than 1000.
    full = 2 * divide_up(total, MOST_SEGMENTS)
    groups: list[list[StoredSegment]] = [[]]
    for segment in segments:
        if groups[-1] and sum(s.length for s in groups[-1]) + segment.length > full:
            groups.append([])
        groups[-1].append(segment)
    if any(sum(s.length for s in group) > LARGEST_PUT for group in groups):
        raise Refused("The object does not fit 1000 segments of 5 GiB.")
    return groups


@dataclass
class _Copy:
    """One copy in progress."""

    source: ObjectStore
    layout: Layout
    target: Target
    limit: RateLimit
    progress: Progress

    def copy_whole(self) -> Written:
        """Copy with one PUT, unless the same is there."""
        info = self.layout.info
        held = self.target.store.head_object(self.target.container, self.target.name)
        same = held is not None and (held.size, held.etag) == (info.size, self._md5_of_whole())
        if same and self.target.reuse_whole():
            return self.target.written(info.size, self._md5_of_whole(), segments=0, sent=0)
        with self.progress.phase(self._title, info.size) as phase:
            meter = Meter(phase, self.target.store.cancellation, self.limit)
            return self.target.put_whole(self._body(self.layout.segments, meter))

    def _md5_of_whole(self) -> str:
        return self.layout.segments[0].md5 if self.layout.segments else self.layout.info.etag

    def copy_segments(self) -> Written:
        """Copy the segments that are missing, and write a manifest."""
        groups = group_segments(self.layout.segments)
        lengths = [sum(segment.length for segment in group) for group in groups]
        info = self.layout.info
        prefix = segment_prefix(self.target.name, info.etag, info.size, max(lengths))
        parts = {
            Segment(f"{prefix}{index:08d}", group[0].offset, length): group
            for index, (group, length) in enumerate(zip(groups, lengths, strict=True))
        }
        return self.target.put_segmented(
            list(parts),
            lambda: self._present(prefix, parts),
            lambda missing: self._send({segment: parts[segment] for segment in missing}),
            lambda: None,  # each segment's MD5 is the one that was asked for
        )

    def _present(self, prefix: str, parts: dict[Segment, list[StoredSegment]]) -> Hashes:
        """Return what an earlier run copied; the MD5 of a group of several is not known before."""
        listed = self.target.listed(prefix)
        candidates = [
            part
            for part, group in parts.items()
            if len(group) == 1
            and part.name in listed
            and (listed[part.name].bytes, listed[part.name].hash) == (part.length, group[0].md5)
        ]
        found = zip(candidates, self.target.each(self.target.reuse, candidates), strict=True)
        return {part: parts[part][0].md5 for part, is_there in found if is_there}

    def _send(self, parts: dict[Segment, list[StoredSegment]]) -> Hashes:
        if not parts:
            return {}
        with self.progress.phase(self._title, sum(part.length for part in parts)) as phase:
            meter = Meter(phase, self.target.store.cancellation, self.limit)
            hashes = self.target.each(
                lambda part: self.target.put_segment(part.name, self._body(parts[part], meter)),
                parts,
            )
        return dict(zip(parts, hashes, strict=True))

    def _body(self, group: list[StoredSegment], meter: Meter) -> Body:
        def chunks() -> Iterator[bytes]:
            for segment in group:
                yield from checked_chunks(self.source, segment)

        md5 = group[0].md5 if len(group) == 1 else None  # taking it twice would double the CPU
        return Body(chunks, sum(segment.length for segment in group), meter, md5)

    @property
    def _title(self) -> str:
        return f"Copying {printable(self.layout.info.name)}"
