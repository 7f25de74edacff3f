# SPDX-License-Identifier: Apache-2.0
"""How the data of an image reaches a standard cloud: the methods, and the choice of one.

`direct` is one stream into the Image service. If it breaks, it starts again from the first byte.

`web-download` uploads the file into the Object Store, in segments of which none is sent twice, and
lets the Image service download it from a temporary URL. It takes more requests, and the cloud
stores the data twice for a while, so `auto` uses it only for large files, and then sends the file
directly if the download fails.

The Image service hashes all bytes in their order. A file that is sent by several threads is not
read in order, so what could not be hashed on the way is read again while the service downloads.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    Cancelled,
    ImageTasksError,
    NotFound,
    QuotaExceeded,
    ServiceError,
)
from rackspace_imagetasks.glance.data import NewImage
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.hashed import HashedSource
from rackspace_imagetasks.glance.web_download import WEB_DOWNLOAD, WebDownload, import_methods
from rackspace_imagetasks.jobs._in_use import shown_in_use
from rackspace_imagetasks.jobs._resumable import kept_in, resumable
from rackspace_imagetasks.jobs.options import AUTO_METHOD, METHODS
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import TransferOptions
from rackspace_imagetasks.objects.deletion import delete, delete_segments
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.tempurl import temporary_url, tempurl_digest
from rackspace_imagetasks.objects.upload import upload
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.progress import PhaseKind, PhaseTitle

_CONFLICT = 409
_NO_TEMPORARY_URLS = "its Object Store has no temporary URLs"

_OnStatus = Callable[[ImageFacts], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Delivery:
    """The file of a new image, and where it goes.

    :ivar name: the final name of the image.
    :ivar staged: the object from which the service can download the file.
    :ivar find: returns the image if another run has completed it.
    """

    cloud: Cloud
    name: str
    new: NewImage
    file: ByteSource
    staged: ObjectName
    options: TransferOptions
    find: Callable[[], ImageFacts | None]

    @property
    def where(self) -> str:
        """The image and its region, in messages."""
        return f"image '{self.name}' in region '{self.cloud.region}'"


class Method(Protocol):
    """A way for data to become an image."""

    def run(self, delivery: Delivery) -> ImageFacts:
        """Return the active and verified image."""

    def clean_up(self, delivery: Delivery) -> None:
        """Delete what is not needed once the image is completed."""


class Direct:
    """One stream into the Image service."""

    def run(self, delivery: Delivery) -> ImageFacts:
        """Upload the file, again from its start if the stream breaks."""
        cloud = delivery.cloud
        transfer = cloud.data_transfer(delivery.options)
        with resumable(f"creating {delivery.where}", Hint.RESUME_UPLOAD):
            return cloud.image_data.create_from(delivery.new, delivery.file, transfer)

    def clean_up(self, delivery: Delivery) -> None:
        """Do nothing: nothing was staged."""


class Staged:
    """An object in the cloud's Object Store, which the Image service downloads."""

    def run(self, delivery: Delivery) -> ImageFacts:
        """Upload what an earlier run has not uploaded, and have the service download it."""
        cloud, staged = delivery.cloud, delivery.staged
        with kept_in(staged.container, cloud.image_data.place):
            return self._arrived(delivery, HashedSource(delivery.file))

    def _arrived(self, delivery: Delivery, file: HashedSource) -> ImageFacts:
        _stage(delivery, file)
        return _downloaded(delivery, file)

    def clean_up(self, delivery: Delivery) -> None:
        """Delete the object and all its segments; the image is complete even if that fails."""
        _delete_staged(delivery.cloud, delivery.staged)


class StagedOrDirect(Staged):
    """`Staged` and, if the project cannot stage or the service cannot download, `Direct`.

    If an upload to the Object Store breaks, another run resumes it; that is no reason to start
    again by the other method.
    """

    def _arrived(self, delivery: Delivery, file: HashedSource) -> ImageFacts:
        """Return the image that one of the two creates, or that another run has completed."""
        try:
            _stage(delivery, file)
        except (AccessDenied, QuotaExceeded) as error:
            return self._instead(delivery, error)
        try:
            return _downloaded(delivery, file)
        except (AccessDenied, ServiceError) as error:
            return self._instead(delivery, error)

    def _instead(self, delivery: Delivery, error: ImageTasksError) -> ImageFacts:
        if image := delivery.find():
            return image
        delivery.cloud.progress.message(
            f"{error} Uploading '{delivery.file.name}' to the Image service directly instead."
        )
        return Direct().run(delivery)


def delete_left(cloud: Cloud, staged: ObjectName) -> None:
    """Delete the object that a killed run has left, although its image is complete."""
    try:
        if cloud.objects.head_object(staged) is None:
            return
    except (AccessDenied, NotFound):  # then nothing was staged
        return
    _delete_staged(cloud, staged)


def _delete_staged(cloud: Cloud, staged: ObjectName) -> None:
    store = cloud.objects.until(cloud.stop)
    try:
        delete(store, staged)
        delete_segments(store, staged)
        cloud.account_key.remove_left(store.client, cloud.progress)
    except Cancelled:
        raise
    except ImageTasksError as error:
        cloud.progress.message(f"Object '{staged}' could not be deleted: {error}")


def follow(delivery: Delivery, image: ImageFacts) -> ImageFacts:
    """Return an image of an earlier run, once it is active and verified.

    :raises DownloadFailed, IntegrityError: if it does not become active, or has other data; it is
        deleted.
    """
    cloud = delivery.cloud
    cloud.progress.message(
        f"Verifying image '{image.id}', which an earlier run has created but not completed."
    )

    def act(download: WebDownload, timeout: float, on_status: _OnStatus) -> ImageFacts:
        return download.follow(image.id, timeout, on_status)

    return _received(delivery, HashedSource(delivery.file), image.id, act)


def choose(method: str, cloud: Cloud, size: int) -> Method:
    """Return the method for a file of some size."""
    if method == WEB_DOWNLOAD:
        return Staged()
    if method == AUTO_METHOD and size >= cloud.profile.web_download_above and _can_stage(cloud):
        return StagedOrDirect()
    return Direct()


def judge_method(method: str, cloud: Cloud) -> Verdict:
    """Judge whether a cloud can get images by a method."""
    if method not in METHODS:
        return Verdict.refuse(
            f"Unknown method '{method}'. Available methods: {', '.join(METHODS)}."
        )
    if method == AUTO_METHOD:
        return Verdict()
    if cloud.profile.uses_tasks:
        text = _unavailable(cloud, "it has image tasks", method)
    elif method == WEB_DOWNLOAD and (missing := _missing(cloud)):
        text = _unavailable(cloud, missing)
    else:
        return Verdict()
    return Verdict.refuse(Message(text, Hint.CHOOSE_METHOD))


def _can_stage(cloud: Cloud) -> bool:
    try:
        return not _missing(cloud)
    except ServiceError as error:
        cloud.progress.message(f"{error} Method '{WEB_DOWNLOAD}' is not used.")
        return False


def _missing(cloud: Cloud) -> str:
    """Return what a cloud lacks for `web-download`; empty if nothing."""
    try:
        if WEB_DOWNLOAD not in import_methods(cloud.image_data.client):
            return "its Image service does not offer this import method"
        if tempurl_digest(cloud.objects.until(cloud.stop)) is None:
            return _NO_TEMPORARY_URLS
    except NotFound:
        return "its catalog has no Object Store"
    except AccessDenied as error:
        return f"its capabilities cannot be read: {error}".rstrip(".")
    return ""


def _unavailable(cloud: Cloud, reason: str, method: str = WEB_DOWNLOAD) -> str:
    return f"Method '{method}' is not available in {cloud.image_data.place}: {reason}."


def _stage(delivery: Delivery, file: ByteSource) -> None:
    cloud = delivery.cloud
    with resumable(f"uploading '{file.name}' to '{delivery.staged}'"):
        upload(
            cloud.objects,
            file,
            delivery.staged,
            cloud.data_transfer(delivery.options),
            segment_size=cloud.profile.segment_size,
            expire_after=cloud.profile.staging_lifetime,
        )


def _downloaded(delivery: Delivery, file: HashedSource) -> ImageFacts:
    """Return an image whose data the service has downloaded from the staged object."""
    cloud = delivery.cloud
    store = cloud.objects.until(cloud.stop)
    digest = tempurl_digest(store)
    if digest is None:
        raise ServiceError(_unavailable(cloud, _NO_TEMPORARY_URLS))
    with (
        shown_in_use(cloud, delivery.staged),
        temporary_url(
            store, delivery.staged, digest, progress=cloud.progress, account_key=cloud.account_key
        ) as url,
    ):
        new = cloud.image_data.create(delivery.new)  # when nothing else can refuse

        def act(download: WebDownload, timeout: float, on_status: _OnStatus) -> ImageFacts:
            try:
                return download.run(new.id, url, timeout, on_status)
            except ServiceError as error:
                if error.status != _CONFLICT:
                    raise
            # Another run of the same job has started the download meanwhile.
            return download.follow(new.id, timeout, on_status)

        return _received(delivery, file, new.id, act)


def _received(
    delivery: Delivery,
    file: HashedSource,
    image_id: str,
    act: Callable[[WebDownload, float, _OnStatus], ImageFacts],
) -> ImageFacts:
    """Return an image whose data the service receives by an act, once it is verified.

    What is not hashed yet is read meanwhile.
    """
    cloud = delivery.cloud
    transfer = cloud.data_transfer(dataclasses.replace(delivery.options, threads=2))

    def receive() -> None:
        download = cloud.web_download(transfer)
        with cloud.progress.phase(
            PhaseTitle(PhaseKind.IMPORT, f"Importing image '{delivery.name}'")
        ) as phase:
            timeout = cloud.profile.web_download_timeout
            act(download, timeout, lambda image: phase.note(image.status))

    def compute_hashes() -> None:
        if file.unhashed:
            with cloud.image_data.discarding(image_id), transfer.checking(file.unhashed) as meter:
                file.hash_rest(meter.advance)

    with resumable(f"creating {delivery.where}"):
        transfer.run(lambda: transfer.each(lambda work: work(), (receive, compute_hashes)))
    notify = cloud.progress.message
    return cloud.image_data.verify(image_id, file.sent, notify, delivery.new.disk_format)
