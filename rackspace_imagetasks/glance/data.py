# SPDX-License-Identifier: Apache-2.0
"""The data of an image in a standard Glance: create an image, upload its data, verify them.

What a standard Glance does is described in the Images API v2 ("Image data"); what it does after a
failure is not, and was found by experiment with Glance 33:

- After an upload that breaks, the image is `queued` again, and the upload can be repeated.
- After data that Glance refuses (415), the image is `queued` with a hash. It can only be deleted.
- If Glance is killed, the image remains `saving`. It can only be deleted.
- Too few data can make an image active, so the size and a hash are always compared.
"""

import contextlib
import dataclasses
import itertools
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Self

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import (
    Cancelled,
    ImageTasksError,
    IntegrityError,
    NotFound,
    ServiceError,
)
from rackspace_imagetasks.glance._body import ImageBody, SentData
from rackspace_imagetasks.glance._data_words import upload_words
from rackspace_imagetasks.glance.api import described
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.images import ImageClient, read_facts
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.http.retry import TRANSIENT_STATUSES, backoff
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.progress import PhaseKind, PhaseTitle

#: Glance explains its errors in JSON to those who ask for it, and in HTML to all others.
JSON_ERRORS = {"Accept": "application/json"}
_ATTEMPTS = 3  # images to create before the job is given up
_UNFINISHED = frozenset({"queued", "saving", "uploading", "importing"})
_TOO_MANY_REQUESTS = 429  # after which the client itself sends the data again

Notify = Callable[[Message], None]


@dataclasses.dataclass(frozen=True)
class NewImage:
    """An image to create, without data.

    :ivar mark: the property by which a later run finds the image.
    """

    name: str
    disk_format: str
    mark: Mapping[str, str]
    container_format: str = "bare"

    def body(self) -> bytes:
        """Return the image's JSON object."""
        return json.dumps(
            {
                **self.mark,
                "name": self.name,
                "disk_format": self.disk_format,
                "container_format": self.container_format,
                "visibility": "private",
            }
        ).encode()

    def can_be(self, image: ImageFacts) -> bool:
        """Return whether an image is such a one, and is waiting for data."""
        formats = (image.disk_format, image.container_format)
        return (
            image.status == "queued"
            and not _has_hash(image)
            and formats == (self.disk_format, self.container_format)
            and not any(key.startswith("os_glance_") for key, value in image.properties.items()
                        if value)
        )  # fmt: skip


class ImageUnusable(ServiceError):
    """The image cannot receive data any more, but another one can."""


class ImageDataClient:
    """The image data of one cloud and region.

    :param client: sends the requests.
    :ivar place: the region and the cloud, for messages.
    :ivar images: the images themselves.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.place = client.words.place
        self.images = ImageClient(client)

    def until(self, abort: threading.Event) -> Self:
        """Return the same client with requests that end with `Cancelled` when `abort` is set."""
        return type(self)(self.client.until(abort))

    def unfinished(self, mark: Mapping[str, str]) -> list[ImageFacts]:
        """Return this project's images with a mark that do not have all of their data."""
        marked = self.images.select(self.client.project_id(), mark)
        return [image for image in marked if image.status in _UNFINISHED]

    def create(self, new: NewImage) -> ImageFacts:
        """Return an image that is waiting for data: one of an earlier run, or else a new one.

        If it is uncertain whether a request created an image, the images are listed before another
        one is created.

        :raises AccessDenied, QuotaExceeded, ServiceError: if the service refuses it.
        """
        for attempt in itertools.count(1):
            if found := self._waiting(new):
                return found
            try:
                return self._create(new)
            except ServiceError as error:
                if error.status is not None and 300 <= error.status < 500:
                    raise  # refused, so no image was created
                self.client.cancellation.wait(backoff(attempt))
                if attempt >= self.client.retry.attempts:
                    if found := self._waiting(new):
                        return found
                    raise
        raise AssertionError("unreachable")

    def create_from(self, new: NewImage, source: ByteSource, transfer: DataTransfer) -> ImageFacts:
        """Create an image with the data of `source`, and verify it.

        If the image becomes unusable, another one is created. Nothing is left of a failure; after
        a cancellation, the next run uses the image.

        :raises SourceError: if the source cannot be read, or changes meanwhile.
        :raises IntegrityError: if the image is not what was sent.
        :raises AccessDenied, NotFound, TransferError: if the service refuses the data or cannot be
            reached.
        :raises Cancelled: when the transfer is cancelled.
        """
        connected = transfer.connect(self)

        def work() -> ImageFacts:
            for _ in range(1, _ATTEMPTS):
                try:
                    return connected._create_from(new, source, transfer)  # noqa: SLF001
                except ImageUnusable as error:
                    for remark in error.messages[1:]:
                        transfer.progress.message(remark)
            return connected._create_from(new, source, transfer)  # noqa: SLF001

        return transfer.run(work)

    def upload(self, image_id: str, source: ByteSource, transfer: DataTransfer) -> SentData:
        """Upload all bytes of `source` as the data of an image, and return what was sent.

        After a failure that may not occur again, the upload is repeated from its start, if the
        image is still waiting for data. After any other failure the image is deleted.

        :raises ImageUnusable: if the image cannot receive data any more.
        :raises SourceError, AccessDenied, NotFound, TransferError, Cancelled: as `create_from`.
        """
        connected = transfer.connect(self)
        return transfer.run(lambda: connected._upload(image_id, source, transfer))  # noqa: SLF001

    def verify(
        self, image_id: str, sent: SentData, notify: Notify, disk_format: str = ""
    ) -> ImageFacts:
        """Return an image whose data are what was sent; delete it if they are not.

        :param notify: called with a message if the size is all that can be compared.
        :param disk_format: the format that was sent; a service may convert it.
        :raises IntegrityError: if the size or a hash differs.
        :raises ServiceError: if the image is not active.
        """
        image = self.images.get(image_id)
        if image.status != "active":
            raise ServiceError(
                f"Image '{image_id}' in {self.place} has received its data, but its status is"
                f" '{image.status}'."
            )
        if disk_format and image.disk_format != disk_format:
            notify(Message(
                f"The service converted image '{image_id}' to '{image.disk_format}', so its data"
                " cannot be compared with what was sent."
            ))  # fmt: skip
            return image
        if difference := _difference(image, sent):
            text = f"Image '{image_id}' in {self.place} is not what was sent: {difference}."
            error = IntegrityError(Message(text, Hint.TRY_AGAIN))
            self.discard(image_id, error)
            raise error
        if not _common_hashes(image, sent):
            notify(Message(
                f"The service has no hash of image '{image_id}' that could be compared; only the"
                " size was compared."
            ))  # fmt: skip
        return image

    def discard(self, image_id: str, error: ImageTasksError) -> None:
        """Delete an image after an error; if that fails, the error names the image as well."""
        try:
            self.images.delete(image_id)
        except ImageTasksError as failure:
            error.add(
                f"Image '{image_id}' in {self.place} is incomplete and could not be deleted:"
                f" {failure}"
            )

    def _waiting(self, new: NewImage) -> ImageFacts | None:
        return next(filter(new.can_be, self.unfinished(new.mark)), None)

    def _create(self, new: NewImage) -> ImageFacts:
        headers = {"Content-Type": "application/json", **JSON_ERRORS}
        action = "create an image"
        answer = self.client.send_once("images", action, new.body(), headers)
        return described(answer, read_facts, "an image")

    def _create_from(self, new: NewImage, source: ByteSource, transfer: DataTransfer) -> ImageFacts:
        image = self.create(new)
        sent = self._upload(image.id, source, transfer)
        return self.verify(image.id, sent, transfer.progress.message)

    def _upload(self, image_id: str, source: ByteSource, transfer: DataTransfer) -> SentData:
        with (
            self.discarding(image_id),
            transfer.phase(
                PhaseTitle(PhaseKind.UPLOAD, f"Uploading {source.name}"), source.size
            ) as meter,
        ):
            return self._send(image_id, ImageBody(source, meter))

    @contextlib.contextmanager
    def discarding(self, image_id: str) -> Iterator[None]:
        """Delete an image when an error passes, unless somebody else is writing the image."""
        try:
            yield
        except Cancelled:
            raise
        except ImageTasksError as error:
            if not isinstance(error, ServiceError) or error.status != 409:
                self.discard(image_id, error)
            raise

    def _send(self, image_id: str, body: ImageBody) -> SentData:
        """Send the data until the image has them."""
        for attempt in itertools.count(1):
            try:
                self._put(image_id, body)
                return body.sent
            except ServiceError as error:
                if not _is_uncertain(error):
                    raise
                if self._is_stored(image_id, error):
                    return body.sent
                if attempt >= self.client.retry.attempts:
                    raise
                self.client.cancellation.wait(backoff(attempt))
        raise AssertionError("unreachable")

    def _put(self, image_id: str, body: ImageBody) -> None:
        client = self.client.worded(upload_words(self.client.words))
        headers = {
            "Content-Type": "application/octet-stream",
            # Lets the service compare the size with the quota before it receives the data.
            "x-openstack-image-size": str(len(body)),
            **JSON_ERRORS,
        }
        action = f"upload the data of image '{image_id}'"
        client.put_once(data_path(image_id), action, body, headers)

    def _is_stored(self, image_id: str, failure: ServiceError) -> bool:
        """Return whether an image has its data after a failure, or else is waiting for them.

        The service may take a while to notice that a connection has broken.

        :raises ImageUnusable: if it is neither.
        """
        for attempt in range(1, self.client.retry.attempts + 1):
            try:
                image = self.images.get(image_id)
            except NotFound as error:
                text = f"Image '{image_id}' in {self.place} was deleted during the upload."
                raise NotFound(text) from error
            if image.status == "active" or (image.status == "queued" and not _has_hash(image)):
                return image.status == "active"
            if image.status != "saving":
                break
            self.client.cancellation.wait(backoff(attempt))
        raise ImageUnusable(
            f"{failure} The image can no longer receive data: its status is '{image.status}'"
            f"{', with a hash of data that were refused' if _has_hash(image) else ''}."
        ) from failure


def data_path(image_id: str) -> str:
    """Return the path of an image's data."""
    return f"images/{urllib.parse.quote(image_id, safe='')}/file"


def _is_uncertain(error: ServiceError) -> bool:
    """Return whether an upload may have had an effect, or can succeed the next time."""
    retried = error.status == _TOO_MANY_REQUESTS
    return error.status is None or (error.status in TRANSIENT_STATUSES and not retried)


def _has_hash(image: ImageFacts) -> bool:
    return bool(image.checksum or image.hash_value)


def _common_hashes(image: ImageFacts, sent: SentData) -> dict[str, tuple[str, str]]:
    """Return the hashes that both sides have: by algorithm, the one stored and the one sent."""
    stored = {image.hash_algo: image.hash_value, "md5": image.checksum}
    computed = {"md5": sent.md5, "sha512": sent.sha512}
    return {
        algorithm: (stored[algorithm], value)
        for algorithm, value in computed.items()
        if value and stored.get(algorithm)
    }


def _difference(image: ImageFacts, sent: SentData) -> str:
    """Return in which way an image is not what was sent; empty if there is none."""
    if image.size != sent.size:
        return f"it has {image.size} bytes, and {sent.size} were sent"
    for algorithm, (stored, computed) in _common_hashes(image, sent).items():
        if stored.lower() != computed:
            return f"its {algorithm.upper()} is {stored[:40]}, expected {computed[:40]}"
    return ""
