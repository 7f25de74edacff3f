# SPDX-License-Identifier: Apache-2.0
"""The data of an image as a byte source, where the service returns parts of it.

Glance honours `Range` (answer 206) or ignores it (200), and its Swift store answers 400. Then the
data can only be read in order.
"""

import functools
import hashlib
import threading
from collections.abc import Iterator
from typing import Self

from rackspace_imagetasks.bytesource import BaseSource
from rackspace_imagetasks.exceptions import (
    IntegrityError,
    NotFound,
    SourceChanged,
    SourceError,
)
from rackspace_imagetasks.glance._data_words import download_words
from rackspace_imagetasks.glance.data import JSON_ERRORS, data_path
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.images import ImageClient
from rackspace_imagetasks.http.answers import Stream
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.http.ranges import resumed_chunks
from rackspace_imagetasks.messages import Hint, Message

_CHUNK = 256 * 1024  # small enough to be hashed from the processor's cache
_NO_RANGES = 400


class ImageDataSource(BaseSource):
    """The data of an active image; safe to use from threads.

    :param image: the image as the service has just described it.
    :param with_ranges: of which images, by ID, the service returns parts of the data; what is
        learnt is added.
    :raises SourceError: if the image has no data, or the service does not give their size.
    """

    def __init__(
        self, client: Client, image: ImageFacts, with_ranges: dict[str, bool] | None = None
    ) -> None:
        self._client = client.worded(download_words(client.words))
        self._place = client.words.place
        self._image = image
        self._with_ranges = {} if with_ranges is None else with_ranges
        self._learning = threading.Lock()
        self._action = f"read the data of image '{image.label}'"
        if image.status != "active" or image.size is None:
            status = f"its status is '{image.status}'"
            raise SourceError(
                f"{image.title} in {self._place} has no data that can be read: "
                f"{status if image.status != 'active' else 'its size is unknown'}."
            )
        identity = "".join(c for c in image.id if c.isalnum() or c in ".-")
        super().__init__(image.label, image.size, identity)

    def until(self, abort: threading.Event) -> Self:
        """Return the same source with requests that end with `Cancelled` when `abort` is set."""
        return type(self)(self._client.until(abort), self._image, self._with_ranges)

    @property
    def cancellation(self) -> Cancellation:
        """What ends its requests."""
        return self._client.cancellation

    @property
    def supports_ranges(self) -> bool:
        """Whether the service returns parts of the data, so that `read_at` works.

        :raises AccessDenied, NotFound, SourceError, ServiceError: if the data cannot be read.
        """
        if not self.size:
            return True  # nothing needs to be read
        with self._learning:
            if self._image.id not in self._with_ranges:
                with self._open(0, 1, frozenset({_NO_RANGES})) as stream:
                    self._with_ranges[self._image.id] = stream.status == 206
        return self._with_ranges[self._image.id]

    @property
    def etag(self) -> str:
        """The hash that the service has of the data; empty if it has none."""
        return self.hash[1] if self.hash else ""

    @functools.cached_property
    def hash(self) -> tuple[str, str] | None:
        """The algorithm and the hash of the data in hex, if the service has one to compare with.

        It is the MD5 if that is all the service has, or the other algorithm is unknown here.
        """
        image = self._image
        if image.hash_value and image.hash_algo in hashlib.algorithms_available:
            return image.hash_algo, image.hash_value.lower()
        return ("md5", image.checksum.lower()) if image.checksum else None

    def _read(self, offset: int, length: int) -> bytes:
        if not self.supports_ranges:
            raise SourceError(
                f"The image service of {self._place} does not return parts of image"
                f" '{self.name}', so its data can only be read from the start."
            )
        return b"".join(self.chunks_of(offset, length))

    def chunks(self) -> Iterator[bytes]:
        """Yield all data in order, the last chunk only if the hash of the image is right.

        If the connection breaks, reading resumes. Without ranges, it starts again, and the bytes
        that have been yielded are skipped.

        :raises IntegrityError: if the data are not those of the image.
        :raises AccessDenied, NotFound, SourceError, ServiceError: if the data cannot be read.
        """
        hashed = hashlib.new(self.hash[0], usedforsecurity=False) if self.hash else None
        held_back = b""
        for chunk in self.chunks_of(0, self.size):
            if held_back:
                yield held_back
            if hashed:
                hashed.update(chunk)
            held_back = chunk
        if hashed and hashed.hexdigest() != self.etag:
            raise self.corrupt(hashed.hexdigest())
        if held_back:
            yield held_back

    def corrupt(self, digest: str) -> IntegrityError:
        """Return the error that the data that were received have another hash."""
        algorithm = self.hash[0].upper() if self.hash else ""
        text = (
            f"The data of image '{self.name}' in {self._place} are corrupt: their {algorithm} is"
            f" {digest[:40]}, expected {self.etag[:40]}."
        )
        return IntegrityError(Message(text, Hint.TRY_AGAIN))

    def verify_unchanged(self) -> None:
        """Check that the image still exists, with the same data.

        :raises SourceChanged: if it does not.
        """
        try:
            image = ImageClient(self._client).get(self._image.id)
        except NotFound as error:
            raise SourceChanged(f"{self._title} was deleted while it was being read.") from error
        if image.status != self._image.status:
            raise SourceChanged(f"{self._title} became '{image.status}' while it was being read.")
        if _version(image) != _version(self._image):
            raise SourceChanged(f"{self._title} changed while it was being read.")

    @property
    def _title(self) -> str:
        return f"{self._image.title} in {self._place}"

    def chunks_of(self, start: int, length: int) -> Iterator[bytes]:
        """Yield the data of an extent in order, unverified.

        Without ranges, the data are read from their beginning, and those before are dropped.
        """

        def open_at(offset: int) -> Stream:
            end = start + length
            stream = self._open(offset, end) if self.supports_ranges else self._open(0, None)
            if stream.status == 200:
                _skip(stream, offset)
            return stream

        extent = (start, start + length)
        return resumed_chunks(self._client, self._action, open_at, extent, _CHUNK)

    def _open(self, start: int, end: int | None, accept: frozenset[int] = frozenset()) -> Stream:
        """Open the data from `start`; up to `end`, or all of them where that is None.

        :raises SourceError, IntegrityError: if the answer is not what was asked for.
        """
        headers = dict(JSON_ERRORS)
        if end is not None:
            headers["Range"] = f"bytes={start}-{end - 1}"
        stream = self._client.open(data_path(self._image.id), self._action, headers, accept)
        try:
            self._check_answer(stream, start, end)
        except BaseException:
            stream.close()
            raise
        return stream

    def _check_answer(self, stream: Stream, start: int, end: int | None) -> None:
        if stream.status == 204:
            raise SourceError(f"{self._title} has no data.")
        if end is not None and stream.status == 206:
            expected = f"bytes {start}-{end - 1}/{self.size}"
            if stream.headers.get("Content-Range") != expected:
                raise self._mismatch(stream.headers.get("Content-Range", "no range"), expected)
        elif stream.status == 200:
            length = stream.headers.get("Content-Length", str(self.size))
            if length != str(self.size):
                raise self._mismatch(f"{length} bytes", str(self.size))

    def _mismatch(self, found: str, expected: str) -> IntegrityError:
        return IntegrityError(
            f"Cannot {self._action}: the {self._client.words.service} returned {found[:60]},"
            f" expected {expected}."
        )


def _skip(stream: Stream, length: int) -> None:
    """Read the bytes before those that are wanted.

    :raises BrokenAnswerError: if the connection breaks; the stream is then closed.
    """
    try:
        for _ in stream.chunks(length, _CHUNK):
            pass
    except BaseException:
        stream.close()
        raise


def _version(image: ImageFacts) -> tuple[object, ...]:
    return (image.size, image.checksum, image.hash_value)
