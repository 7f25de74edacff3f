# SPDX-License-Identifier: Apache-2.0
"""Send a byte source as one object, or as a Static Large Object; resume without a journal."""

import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError
from rackspace_imagetasks.objects.body import SENT_CHUNK, Body, read_chunks
from rackspace_imagetasks.objects.counter import TransferCounter
from rackspace_imagetasks.objects.deletion import delete_unnamed
from rackspace_imagetasks.objects.meter import Meter, RateLimit
from rackspace_imagetasks.objects.segments import (
    Segment,
    plan_segments,
    segment_prefix,
    segment_size_for,
    segments_container,
)
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.target import Hashes, Target, Written
from rackspace_imagetasks.objects.workers import supervise
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.text import printable


def upload(
    store: ObjectStore,
    source: ByteSource,
    container: str,
    name: str,
    *,
    segment_size: int | None = None,
    threads: int = 4,
    expire_after: int | None = None,
    limit_rate: int | RateLimit | None = None,
    cleanup: bool = False,
    progress: Progress = SILENT,
    stop: threading.Event | None = None,
) -> Written:
    """Send `source` as `container/name`, in segments if it is longer than one.

    The MD5 is taken while sending and compared with each answer. Running it again after any
    failure sends only the segments that are missing.

    :param segment_size: bytes; at least 128 MiB by default, and more above 125 GiB.
    :param threads: how many segments travel at once.
    :param expire_after: seconds after which Swift deletes the object and its segments.
    :param limit_rate: bytes a second, over all threads; or a `RateLimit` that several share.
    :param cleanup: on an error, delete the segments that this run has sent instead of leaving them
        for the next one; an interrupt leaves them, because it has no time.
    :param stop: set it from another thread to end within a second.
    :raises SourceError: when the source cannot be read, or changed meanwhile.
    :raises TransferError: when the service refuses or the network gives up.
    :raises Cancelled: after `stop`.
    """
    segment_size = segment_size_for(source.size, segment_size)
    prefix = segment_prefix(name, source.identity, source.size, segment_size)
    counter = TransferCounter(source.size)

    def work(abort: threading.Event) -> Written:
        target = Target(store.until(abort), container, name, expire_after, threads, abort, counter)
        sender = _Upload(target, source, RateLimit.of(limit_rate), progress)
        try:
            if source.size <= segment_size:
                return sender.send_whole()
            return sender.send_segments(prefix, plan_segments(prefix, source.size, segment_size))
        except ImageTasksError as error:
            if cleanup and not isinstance(error, Cancelled):
                _clean_up(store, container, name, target.sent, progress)
            raise

    with counter.told():
        return supervise(work, stop)


@dataclass
class _Upload:
    """One upload in progress."""

    target: Target
    source: ByteSource
    limit: RateLimit
    progress: Progress

    def send_whole(self) -> Written:
        """Send all in one PUT, unless the same is there."""
        size = self.source.size
        if held := self._held_whole():
            return self.target.written(size, held, segments=0, sent=0)
        with self.progress.phase(f"Sending {self.source.name}", size) as phase:
            meter = Meter(phase, self.target.store.cancellation, self.limit)
            return self.target.put_whole(Body(self._confirmed_chunks, size, meter))

    def _held_whole(self) -> str | None:
        """Return the MD5 of the object, if an earlier run sent all of it."""
        whole = Segment(self.target.name, 0, self.source.size)
        info = self.target.store.head_object(self.target.container, self.target.name)
        if info is None or info.size != whole.length or not whole.length:
            return None
        with self.progress.phase("Checking what is already there", whole.length) as phase:
            md5 = self._hash(whole, Meter(phase, self.target.store.cancellation, RateLimit(None)))
        self.source.verify_unchanged()
        return md5 if md5 == info.etag and self.target.reuse_whole() else None

    def _confirmed_chunks(self) -> Iterator[bytes]:
        """Yield all chunks, the last one only of an unchanged source: a mixture gets no name."""
        size = self.source.size
        last = max(size - SENT_CHUNK, 0)
        yield from read_chunks(self.source, 0, last)
        rest = list(read_chunks(self.source, last, size - last))
        self.source.verify_unchanged()
        yield from rest

    def send_segments(self, prefix: str, plan: list[Segment]) -> Written:
        """Send the segments that are missing, and the manifest."""
        return self.target.put_segmented(
            plan,
            lambda: self._present(prefix, plan),
            self._send,
            self.source.verify_unchanged,
        )

    def _present(self, prefix: str, plan: list[Segment]) -> Hashes:
        """Return the segments that an earlier run sent and that have the source's MD5."""
        listed = self.target.listed(prefix)
        candidates = [
            segment
            for segment in plan
            if segment.name in listed and listed[segment.name].bytes == segment.length
        ]
        if not candidates:
            return {}
        total = sum(segment.length for segment in candidates)
        with self.progress.phase("Checking what is already there", total) as phase:
            meter = Meter(phase, self.target.store.cancellation, RateLimit(None))

            def right(segment: Segment) -> bool:
                md5 = self._hash(segment, meter)
                return md5 == listed[segment.name].hash and self.target.reuse(segment)

            found = self.target.each(right, candidates)
        return {
            segment: listed[segment.name].hash
            for segment, is_right in zip(candidates, found, strict=True)
            if is_right
        }

    def _hash(self, segment: Segment, meter: Meter) -> str:
        md5 = hashlib.md5(usedforsecurity=False)
        for chunk in read_chunks(self.source, segment.offset, segment.length):
            md5.update(chunk)
            meter.let_pass(len(chunk))
        return md5.hexdigest()

    def _send(self, missing: list[Segment]) -> Hashes:
        if not missing:
            return {}
        total = sum(segment.length for segment in missing)
        with self.progress.phase(f"Sending {self.source.name}", total) as phase:
            meter = Meter(phase, self.target.store.cancellation, self.limit)

            def send(segment: Segment) -> str:
                body = self._body(segment.offset, segment.length, meter)
                return self.target.put_segment(segment.name, body)

            hashes = self.target.each(send, missing)
        return dict(zip(missing, hashes, strict=True))

    def _body(self, offset: int, length: int, meter: Meter) -> Body:
        return Body(lambda: read_chunks(self.source, offset, length), length, meter)


def _clean_up(
    store: ObjectStore, container: str, name: str, sent: Iterable[str], progress: Progress
) -> None:
    """Delete the segments sent; a failure is told, but not in the place of what came before it."""
    try:
        delete_unnamed(store, container, name, sent)
    except ImageTasksError as error:
        left = printable(segments_container(container))
        progress.message(f"Some segments are left in '{left}': {error}")
