# SPDX-License-Identifier: Apache-2.0
"""Download the data of an image into a file, several ranges at once where the service has them."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import IntegrityError
from rackspace_imagetasks.glance.data_source import ImageDataSource
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.download import (
    Downloaded,
    download_from,
    find_download_from,
)
from rackspace_imagetasks.objects.origin import Part
from rackspace_imagetasks.partfile import output_errors


class _ImageOrigin:
    """The data of an image as one part, with the hash that the service has stored."""

    def __init__(self, source: ImageDataSource) -> None:
        self._source = source
        self.name = source.name
        self.size = source.size
        self.etag = source.etag
        self.algorithm, digest = source.hash or ("md5", None)
        self.parts: Sequence[Part] = [Part(0, 0, source.size, digest)] if source.size else []

    @property
    def has_ranges(self) -> bool:
        """Whether the service returns ranges; one request shows it."""
        return self._source.supports_ranges

    def receive(self, part: Part, start: int, length: int) -> Iterator[bytes]:  # noqa: ARG002
        """Yield bytes of the data."""
        return self._source.chunks_of(start, length)

    def corrupt(self, part: Part, digest: str) -> IntegrityError:  # noqa: ARG002
        """Return the error of data that do not match their hash."""
        return self._source.corrupt(digest)


def download_image(
    source: ImageDataSource,
    path: str | os.PathLike[str],
    transfer: DataTransfer,
    *,
    overwrite: bool = False,
    validate: Callable[[ByteSource], None] | None = None,
) -> Downloaded:
    """Download the data of an image into the file `path`, as `objects.download` does an object.

    What an earlier run left in `FILE.part` is hashed with the rest. If the service does not return
    ranges, the data is received from the beginning again.
    """
    return download_from(
        lambda: _ImageOrigin(transfer.connect(source)),
        path,
        transfer,
        overwrite=overwrite,
        validate=validate,
    )


def find_image_download(
    source: ImageDataSource, path: str | os.PathLike[str], transfer: DataTransfer
) -> Downloaded | None:
    """Return the result of an earlier download if `path` has exactly the data of the image."""
    return find_download_from(lambda: _ImageOrigin(transfer.connect(source)), path, transfer)


def stream_image(source: ImageDataSource, output: BinaryIO, transfer: DataTransfer) -> Downloaded:
    """Write the data of an image to `output` in order; use it only after this returns."""
    fetching = transfer.connect(source)

    def work() -> Downloaded:
        with transfer.downloading(source.name, source.size) as meter:
            for chunk in fetching.chunks():
                with output_errors():
                    output.write(chunk)
                meter.advance(len(chunk))
        with output_errors():
            output.flush()
        return Downloaded.of(_ImageOrigin(fetching))

    return transfer.run(work)
