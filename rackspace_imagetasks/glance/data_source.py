# SPDX-License-Identifier: Apache-2.0
"""The data of an image as a byte source, where the service returns parts of it.

Glance honours `Range` (answer 206) or ignores it (200), and its Swift store answers 400. Then the
data can only be read in order.
"""

import functools
import hashlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

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
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.http.ranges import resumed_chunks
from rackspace_imagetasks.messages import Hint, Message

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_CHUNK = 256 * 1024  # small enough to be hashed from the processor's cache
_NO_RANGES = 400


class ImageDataSource(BaseSource):
    """The data of an active image; safe to use from threads.

    :param image: the image as the service has just described it.
    :param place: the cloud and region in messages; by default only the region.
    :raises SourceError: if the image has no data, or the service does not give their size.
    """

    def __init__(self, client: Client, image: ImageFacts, place: str = "") -> None:
        self._client = client.worded(download_words(client.words))
        self._place = place or f"region '{client.words.region}'"
        self._image = image
        self._action = f"read the data of image '{image.label}' in {self._place}"
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
        return type(self)(self._client.until(abort), self._image, self._place)

    @functools.cached_property
    def supports_ranges(self) -> bool:
        """Whether the service returns parts of the data, so that `read_at` works.

        :raises AccessDenied, NotFound, SourceError, ServiceError: if the data cannot be read.
        """
        if not self.size:
            return True  # nothing needs to be read
        with self._open(0, 1, frozenset({_NO_RANGES})) as stream:
            return stream.status == 206

    def _read(self, offset: int, length: int) -> bytes:
        if not self.supports_ranges:
            raise SourceError(
                f"The image service of {self._place} does not return parts of image"
                f" '{self.name}', so its data can only be read from the start."
            )
        return b"".join(self._chunks(offset, offset + length))

    def chunks(self) -> Iterator[bytes]:
        """Yield all data in order, the last chunk only if the hash of the image is right.

        If the connection breaks, reading resumes. Without ranges, it starts again, and the bytes
        that have been yielded are skipped.

        :raises IntegrityError: if the data are not those of the image.
        :raises AccessDenied, NotFound, SourceError, ServiceError: if the data cannot be read.
        """
        check = _Check.of(self._image)
        held_back = b""
        for chunk in self._chunks(0, self.size):
            if held_back:
                yield held_back
            if check:
                check.update(chunk)
            held_back = chunk
        if check and (problem := check.problem()):
            text = f"The data of image '{self.name}' in {self._place} are corrupt: {problem}."
            raise IntegrityError(Message(text, Hint.TRY_AGAIN))
        if held_back:
            yield held_back

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

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        def open_at(offset: int) -> Stream:
            stream = self._open(offset, end) if self.supports_ranges else self._open(0, None)
            if stream.status == 200:
                _skip(stream, offset)
            return stream

        return resumed_chunks(self._client, self._action, open_at, (start, end), _CHUNK)

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
            f"Cannot {self._action}: the service returned {found[:60]}, expected {expected}."
        )


class _Check:
    """Compares data that pass with the hash of an image, or with its MD5 if that is all it has."""

    def __init__(self, algorithm: str, expected: str) -> None:
        self._algorithm = algorithm
        self._expected = expected.lower()
        self._hash: Hash = hashlib.new(algorithm, usedforsecurity=False)

    @classmethod
    def of(cls, image: ImageFacts) -> Self | None:
        """Return the check of an image's data; None if it has no hash that can be computed."""
        if image.hash_value and image.hash_algo in hashlib.algorithms_available:
            return cls(image.hash_algo, image.hash_value)
        return cls("md5", image.checksum) if image.checksum else None

    def update(self, chunk: bytes) -> None:
        """Add data."""
        self._hash.update(chunk)

    def problem(self) -> str:
        """Return in which way all data differ from those of the image; empty if they do not."""
        found = self._hash.hexdigest()
        if found == self._expected:
            return ""
        return f"their {self._algorithm.upper()} is {found[:40]}, expected {self._expected[:40]}"


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
