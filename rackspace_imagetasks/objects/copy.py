# SPDX-License-Identifier: Apache-2.0
"""Copy an object between regions or clouds: the response of a GET is the body of a PUT."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.objects._body import Body
from rackspace_imagetasks.objects._manifest import Layout, StoredSegment, read_layout
from rackspace_imagetasks.objects._verified import verified_chunks
from rackspace_imagetasks.objects._writing import write_segmented, write_whole
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.meter import Meter
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.quotas import Need, needs_of_object, needs_of_segments
from rackspace_imagetasks.objects.segments import MAX_PUT, MAX_SEGMENTS, Segment, segment_prefix
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.target import Hashes, Target, Written
from rackspace_imagetasks.progress import PhaseKind, PhaseTitle
from rackspace_imagetasks.shared_read import ONLY_READER, PartReader
from rackspace_imagetasks.text import format_size
from rackspace_imagetasks.units import divide_up


def copy(
    source_store: ObjectStore,
    source: ObjectName,
    target_store: ObjectStore,
    target: ObjectName,
    transfer: DataTransfer,
    *,
    expire_after: int | None = None,
    reader: PartReader = ONLY_READER,
) -> Written:
    """Copy an object to another store; after a failure, copy only what is missing.

    The MD5 of each segment is compared with the manifest of the source and with the response of
    the target. A segment that arrives corrupt is read again.

    :param expire_after: seconds after which Swift deletes the copy and its segments.
    :param reader: reads the segments of the object.
    :raises NotFound: if the object does not exist.
    :raises IntegrityError: if a segment is missing, extra, corrupt or short.
    :raises TransferError: if a service refuses a request or the network fails.
    :raises Cancelled: when the transfer is cancelled.
    """

    def work() -> Written:
        reading = transfer.connect(source_store)
        layout = read_layout(reading, source)
        transfer.expect(layout.info.size)
        written_to = Target(transfer.connect(target_store), target, transfer, expire_after)
        content = _ObjectContent(reading, layout, written_to, reader)
        if len(layout.segments) < 2:
            return write_whole(written_to, content)
        return write_segmented(written_to, content)

    return transfer.run(work)


def needs_of_copy(
    source_store: ObjectStore, source: ObjectName, target_store: ObjectStore, target: ObjectName
) -> list[Need]:
    """Return what a copy would add to the containers, besides what an earlier run has copied.

    :raises NotFound: if the object does not exist.
    :raises IntegrityError: if a segment is missing, extra or short.
    """
    layout = read_layout(source_store, source)
    if len(layout.segments) < 2:
        present = target_store.head_object(target)
        return needs_of_object(target, layout.info.size, present.size if present else None)
    written_to = Target(target_store, target, DataTransfer(), None)
    content = _ObjectContent(source_store, layout, written_to, ONLY_READER)
    return needs_of_segments(target_store, target, content.segments)


def group_segments(segments: list[StoredSegment]) -> list[list[StoredSegment]]:
    """Join neighbouring segments until there are at most 1000 groups; usually none is joined.

    :raises Refused: if a group would be larger than one PUT may be.
    """
    if len(segments) <= MAX_SEGMENTS:
        return [[segment] for segment in segments]
    # Any two neighbouring groups exceed this size together, so there are fewer than 1000.
    full = 2 * divide_up(_length(segments), MAX_SEGMENTS)
    groups: list[list[StoredSegment]] = [[]]
    for segment in segments:
        if groups[-1] and _length(groups[-1]) + segment.length > full:
            groups.append([])
        groups[-1].append(segment)
    if any(_length(group) > MAX_PUT for group in groups):
        raise Refused(
            f"The object cannot be copied: it does not fit into {MAX_SEGMENTS} segments of"
            f" {format_size(MAX_PUT)}."
        )
    return groups


def _length(segments: list[StoredSegment]) -> int:
    return sum(segment.length for segment in segments)


@dataclass(frozen=True)
class _ObjectContent:
    """An object of another store as the content of an object."""

    store: ObjectStore
    layout: Layout
    target: Target
    reader: PartReader

    @property
    def title(self) -> PhaseTitle:
        return PhaseTitle(PhaseKind.COPY, f"Copying {self.layout.info.object.name}")

    @property
    def size(self) -> int:
        return self.layout.info.size

    def find_whole(self) -> str | None:
        segments, info = self.layout.segments, self.layout.info
        md5 = segments[0].md5 if segments else info.etag
        present = self.target.store.head_object(self.target.object)
        same = present is not None and (present.size, present.etag) == (info.size, md5)
        return md5 if same and self.target.reuse_whole() else None

    def whole_body(self, meter: Meter) -> Body:
        return self._body(self.layout.segments, meter)

    @property
    def segments(self) -> list[Segment]:
        return list(self._parts)

    def find_present(self) -> Hashes:
        """Find segments by the MD5 of the source; the MD5 of a group of several is not known."""
        listed = self.target.list_segments(self._prefix)
        candidates = {
            segment: group[0].md5
            for segment, group in self._parts.items()
            if len(group) == 1
            and (entry := listed.get(segment.name))
            and (entry.bytes, entry.hash) == (segment.length, group[0].md5)
        }
        found = self.target.transfer.each(self.target.reuse, candidates)
        pairs = zip(candidates.items(), found, strict=True)
        hashes = {segment: md5 for (segment, md5), present in pairs if present}
        for number, segment in enumerate(self.segments):
            if segment in hashes:
                self._reader.skip(number)
        return hashes

    def segment_body(self, segment: Segment, meter: Meter) -> Body:
        return self._body(self._parts[segment], meter)

    def verify_unchanged(self) -> None:
        """Do nothing: each segment has the MD5 that the manifest names."""

    @cached_property
    def _reader(self) -> PartReader:
        """The reader of the segments, one of which at a time is the content of a request."""
        if len(self.layout.segments) <= MAX_SEGMENTS:
            return self.reader
        self.reader.end()
        return ONLY_READER

    @cached_property
    def _prefix(self) -> str:
        info = self.layout.info
        largest = max(map(_length, self._groups))
        return segment_prefix(self.target.object.name, info.etag, info.size, largest)

    @cached_property
    def _groups(self) -> list[list[StoredSegment]]:
        return group_segments(self.layout.segments)

    @cached_property
    def _numbers(self) -> dict[StoredSegment, int]:
        return {segment: number for number, segment in enumerate(self.layout.segments)}

    @cached_property
    def _parts(self) -> dict[Segment, list[StoredSegment]]:
        """The segments to write, each with the segments of the source that it consists of."""
        return {
            Segment(f"{self._prefix}{index:08d}", group[0].offset, _length(group)): group
            for index, group in enumerate(self._groups)
        }

    def _body(self, group: list[StoredSegment], meter: Meter) -> Body:
        numbers = [self._numbers[segment] for segment in group]

        def chunks() -> Iterator[bytes]:
            for number, segment in zip(numbers, group, strict=True):
                receive = partial(verified_chunks, segment=segment)
                yield from self._reader.chunks(number, self.store, receive)

        for number in numbers:
            self._reader.wait_for(number, self.store)
        md5 = group[0].md5 if len(group) == 1 else None  # to compute it twice would double the CPU
        return Body(chunks, _length(group), meter, md5)
