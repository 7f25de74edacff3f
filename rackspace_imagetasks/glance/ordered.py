# SPDX-License-Identifier: Apache-2.0
"""The data of an image, read mostly in order, once, and compared with its hash."""

from collections.abc import Iterator

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.glance.data_source import ImageDataSource
from rackspace_imagetasks.ordered import OrderedSource


class OrderedImage(OrderedSource):
    """The data of an active image.

    :raises SourceError: if the service does not return parts of the data.
    """

    def __init__(self, source: ImageDataSource) -> None:
        self._source = source
        if not source.supports_ranges:
            raise SourceError(
                f"The image service does not return parts of the data of image '{source.name}', so"
                " that the image cannot be converted while it is read."
            )
        self.etag = source.etag
        super().__init__(source.name, source.size, source.identity, [Extent(0, source.size)])

    def _receive(self, number: int) -> Iterator[bytes]:  # noqa: ARG002 - there is one part
        return self._source.chunks()

    def _read_range(self, extent: Extent) -> bytes:
        return self._source.read_at(*extent)

    def _verify_version(self) -> None:
        self._source.verify_unchanged()
