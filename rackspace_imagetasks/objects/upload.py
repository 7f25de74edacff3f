# SPDX-License-Identifier: Apache-2.0
"""Upload a byte source as one object or as a Static Large Object; resume without a journal."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError
from rackspace_imagetasks.objects._body import SENT_CHUNK, Body, read_chunks
from rackspace_imagetasks.objects._writing import write_segmented, write_whole
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.deletion import delete_unnamed
from rackspace_imagetasks.objects.meter import Meter
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.quotas import Need, needs_of_object, needs_of_segments
from rackspace_imagetasks.objects.segments import (
    Segment,
    plan_segments,
    segment_prefix,
    segment_size_for,
    segments_container,
)
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.target import Hashes, Target, Written
from rackspace_imagetasks.progress import PhaseKind, PhaseTitle


def upload(
    store: ObjectStore,
    source: ByteSource,
    target: ObjectName,
    transfer: DataTransfer,
    *,
    segment_size: int | None = None,
    expire_after: int | None = None,
    has_container: bool = False,
) -> Written:
    """Upload `source`, in segments if it is larger than one.

    The MD5 is computed while sending and compared with each response. After a failure, another
    upload sends only the segments that are missing. If the transfer's `cleanup` is set, an error
    deletes the segments that this run has sent; a cancellation does not, because it must end at
    once.

    :param segment_size: bytes; by default 128 MiB, and more for a source above 125 GiB.
    :param expire_after: seconds after which Swift deletes the object and its segments.
    :param has_container: whether the container of the target exists; else it is created.
    :raises SourceError: if the source cannot be read, or changes meanwhile.
    :raises TransferError: if the service refuses a request or the network fails.
    :raises Cancelled: when the transfer is cancelled.
    """
    segment_size = segment_size_for(source.size, segment_size)
    transfer.expect(source.size)
    written_to = Target(transfer.connect(store), target, transfer, expire_after, has_container)
    content = _SourceContent(source, segment_size, written_to)

    def work() -> Written:
        try:
            if source.size <= segment_size:
                return write_whole(written_to, content)
            return write_segmented(written_to, content)
        except ImageTasksError as error:
            if transfer.cleanup and not isinstance(error, Cancelled):
                _clean_up(store, written_to)
            raise

    return transfer.run(work)


def needs_of_upload(
    store: ObjectStore,
    source: ByteSource,
    target: ObjectName,
    present_size: int | None,
    segment_size: int | None = None,
) -> list[Need]:
    """Return what an upload would add to the containers, besides what an earlier run has sent.

    :param present_size: the size of the object that exists there, or None.
    :param segment_size: as for the upload.
    """
    segment_size = segment_size_for(source.size, segment_size)
    if source.size <= segment_size:
        return needs_of_object(target, source.size, present_size)
    written_to = Target(store, target, DataTransfer(), None)
    content = _SourceContent(source, segment_size, written_to)
    return needs_of_segments(store, target, content.segments)


@dataclass(frozen=True)
class _SourceContent:
    """A byte source as the content of an object."""

    source: ByteSource
    segment_size: int
    target: Target

    @property
    def title(self) -> PhaseTitle:
        return PhaseTitle(PhaseKind.UPLOAD, f"Uploading {self.source.name}")

    @property
    def size(self) -> int:
        return self.source.size

    def find_whole(self) -> str | None:
        whole = Segment(self.target.object.name, 0, self.size)
        info = self.target.store.head_object(self.target.object)
        if info is None or info.size != whole.length or not whole.length:
            return None
        with self.target.transfer.checking(whole.length) as meter:
            md5 = self._hash(whole, meter)
        self.source.verify_unchanged()
        return md5 if md5 == info.etag and self.target.reuse_whole() else None

    def whole_body(self, meter: Meter) -> Body:
        return Body(self._confirmed_chunks, self.size, meter)

    @cached_property
    def segments(self) -> list[Segment]:
        return plan_segments(self._prefix, self.size, self.segment_size)

    def find_present(self) -> Hashes:
        listed = self.target.list_segments(self._prefix)
        candidates = [
            segment
            for segment in self.segments
            if segment.name in listed and listed[segment.name].bytes == segment.length
        ]
        if not candidates:
            return {}
        with self.target.transfer.checking(sum(one.length for one in candidates)) as meter:

            def is_right(segment: Segment) -> bool:
                md5 = self._hash(segment, meter)
                return md5 == listed[segment.name].hash and self.target.reuse(segment)

            found = self.target.transfer.each(is_right, candidates)
        return {
            segment: listed[segment.name].hash
            for segment, right in zip(candidates, found, strict=True)
            if right
        }

    def segment_body(self, segment: Segment, meter: Meter) -> Body:
        return Body(
            lambda: read_chunks(self.source, segment.offset, segment.length), segment.length, meter
        )

    def verify_unchanged(self) -> None:
        self.source.verify_unchanged()

    @property
    def _prefix(self) -> str:
        name = self.target.object.name
        return segment_prefix(name, self.source.identity, self.size, self.segment_size)

    def _confirmed_chunks(self) -> Iterator[bytes]:
        """Yield all chunks, the last one only if the source is unchanged.

        A mixture of two versions is thus never stored.
        """
        last = max(self.size - SENT_CHUNK, 0)
        yield from read_chunks(self.source, 0, last)
        rest = list(read_chunks(self.source, last, self.size - last))
        self.source.verify_unchanged()
        yield from rest

    def _hash(self, segment: Segment, meter: Meter) -> str:
        md5 = hashlib.md5(usedforsecurity=False)
        for chunk in read_chunks(self.source, segment.offset, segment.length):
            md5.update(chunk)
            meter.advance(len(chunk))
        return md5.hexdigest()


def _clean_up(store: ObjectStore, target: Target) -> None:
    """Delete the segments that were sent; report a failure without hiding the original error."""
    try:
        delete_unnamed(store, target.object, target.sent)
    except ImageTasksError as error:
        container = segments_container(target.object.container)
        target.transfer.progress.message(f"Some segments remain in '{container}': {error.text}")
