# SPDX-License-Identifier: Apache-2.0
"""An object that is read mostly in order, each of its segments once, compared with its MD5."""

from collections.abc import Iterator
from functools import partial

from rackspace_imagetasks.bytesource import ByteSource, Extent
from rackspace_imagetasks.exceptions import IntegrityError, SourceChanged
from rackspace_imagetasks.objects._manifest import read_layout
from rackspace_imagetasks.objects._verified import verified_chunks
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.ordered import OrderedSource
from rackspace_imagetasks.shared_read import ONLY_READER, PartReader


class OrderedObject(OrderedSource):
    """One version of an object of any kind.

    :param reader: reads its segments.
    :raises NotFound: if the object does not exist.
    :raises IntegrityError: if its segments do not make up the whole, and later if the MD5 of a
        segment is wrong.
    """

    def __init__(
        self, store: ObjectStore, name: ObjectName, reader: PartReader = ONLY_READER
    ) -> None:
        self._store = store
        self._reader = reader
        self._layout = read_layout(store, name)
        info, segments = self._layout
        identity = "".join(filter(str.isalnum, info.etag)) or "object"
        parts = [Extent(segment.offset, segment.length) for segment in segments]
        self.etag = info.etag
        super().__init__(str(name), info.size, identity, parts)

    def unordered(self) -> ByteSource:
        """Return the object for reads here and there."""
        return ObjectSource(self._store, self._layout.info.object)

    def _verify_version(self) -> None:
        self._reader.end()
        planned = self._layout.info
        info = self._store.head_object(planned.object)
        if info is None or (info.size, info.etag) != (planned.size, planned.etag):
            raise SourceChanged(f"Object '{self.name}' changed while it was being read.")

    def _receive(self, number: int) -> Iterator[bytes]:
        receive = partial(verified_chunks, segment=self._layout.segments[number])
        return self._reader.chunks(number, self._store, receive)

    def _read_range(self, extent: Extent) -> bytes:
        info = self._layout.info
        try:
            return b"".join(self._store.get_range(info.object, *extent, info.etag))
        except IntegrityError as error:
            raise SourceChanged(*error.messages) from error
