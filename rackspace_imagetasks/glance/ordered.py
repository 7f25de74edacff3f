# SPDX-License-Identifier: Apache-2.0
"""The data of an image, read mostly in order, once, and compared with its hash."""

from collections.abc import Iterator

from rackspace_imagetasks.bytesource import ByteSource, Extent
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.glance.data_source import ImageDataSource
from rackspace_imagetasks.ordered import OrderedSource
from rackspace_imagetasks.shared_read import ONLY_READER, PartReader


class OrderedImage(OrderedSource):
    """The data of an active image.

    :param in_order: the data are read only in order, which every service supports.
    :param reader: reads the data, which are one part.
    :raises SourceError: if the service does not return parts of the data, and `in_order` is false.
    """

    def __init__(
        self, source: ImageDataSource, *, in_order: bool = False, reader: PartReader = ONLY_READER
    ) -> None:
        self._source = source
        self._reader = reader
        self.has_ranges = not in_order
        if not (in_order or source.supports_ranges):
            raise SourceError(
                f"The image service does not return parts of the data of image '{source.name}', so"
                " that the image cannot be converted while it is read."
            )
        self.etag = source.etag
        super().__init__(source.name, source.size, source.identity, [Extent(0, source.size)])

    def unordered(self) -> ByteSource:
        """Return the data for reads here and there."""
        return self._source

    def _receive(self, number: int) -> Iterator[bytes]:
        return self._reader.chunks(number, self._source, ImageDataSource.chunks)

    def _read_range(self, extent: Extent) -> bytes:
        return self._source.read_at(*extent)

    def _verify_version(self) -> None:
        self._reader.end()
        self._source.verify_unchanged()
