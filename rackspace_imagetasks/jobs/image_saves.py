# SPDX-License-Identifier: Apache-2.0
"""Save an image of a cloud without image tasks: its data become a file, verified.

The file has exactly the data, or is made of them in another format while they are received.
"""

import dataclasses
import os
from pathlib import Path
from typing import BinaryIO

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import Job, JobKind
from rackspace_imagetasks.exceptions import IntegrityError, SourceError
from rackspace_imagetasks.glance.download import (
    download_image,
    find_image_download,
    stream_image,
)
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.ordered import OrderedImage
from rackspace_imagetasks.jobs._departures import require_ranges
from rackspace_imagetasks.jobs._file_formats import format_of, misnamed
from rackspace_imagetasks.jobs._made_files import MadeFile, made_size
from rackspace_imagetasks.jobs._resumable import resumable
from rackspace_imagetasks.jobs.exports import ExportResult
from rackspace_imagetasks.jobs.options import SaveOptions
from rackspace_imagetasks.jobs.reported import image_job, reported
from rackspace_imagetasks.jobs.saves import ALREADY_SAVED, SAVED, require_vhd
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import (
    DEFAULT_TRANSFER,
    DataTransfer,
    TransferOptions,
)
from rackspace_imagetasks.objects.download import Downloaded
from rackspace_imagetasks.partfile import require_writable, target_path
from rackspace_imagetasks.sources import FORMATS, detect

_STREAM = "-"


@dataclasses.dataclass(frozen=True)
class ImageSavePlan:
    """A checked save of an image, ready to run.

    :ivar target: the file, or the stream.
    :ivar disk_format: the format of the file.
    """

    cloud: Cloud
    image: ImageFacts
    options: SaveOptions
    target: Path | BinaryIO
    disk_format: str
    warnings: tuple[Message, ...] = ()

    @property
    def job(self) -> Job:
        """What events say about the job."""
        return image_job(JobKind.SAVE, self.image, self.cloud)

    def preview(self) -> ExportResult:
        """Return the expected result of a run, without a request."""
        return self._result("not started", None)

    def start(self) -> ExportResult:
        """Save the image: without a task, there is nothing to continue in the cloud."""
        return self.run()

    @reported
    def run(
        self,
        *,
        timeout: float | None = None,  # noqa: ARG002 - there is no task to wait for
        transfer: TransferOptions = DEFAULT_TRANSFER,
    ) -> ExportResult:
        """Save the image; a file that already has its data, in its format, is left as it is.

        After a failure, a second run fetches only what is missing, if the service returns ranges
        and the file has the format of the image; otherwise it starts again.

        :raises TransferError, ServiceError, TargetError: if the data cannot be fetched or written.
        :raises IntegrityError: if the data are not those that the cloud has stored, or not in the
            format that the image has.
        """
        with resumable(f"saving image '{self.image.label}'", self._hint):
            existing = self._find_saved(self.cloud.data_transfer(transfer))
            done = existing or self._save(self.cloud.data_transfer(transfer))
        return self._result(ALREADY_SAVED if existing else SAVED, done.size)

    def is_saved(self, *, transfer: TransferOptions = DEFAULT_TRANSFER) -> bool:
        """Return whether the file already has the content, so that a run leaves it as it is.

        Nothing is changed. To compare a file in another format, the data are fetched.

        :raises TargetError: if the file has other content, and is not to be replaced.
        """
        if not isinstance(self.target, Path):
            return False
        if self._find_saved(self.cloud.data_transfer(transfer)):
            return True
        require_writable(self.target, overwrite=self.options.overwrite)
        return False

    @property
    def _converts(self) -> bool:
        return self.disk_format != self.image.disk_format

    @property
    def _hint(self) -> Hint:
        return Hint.RESUME if isinstance(self.target, Path) else Hint.START_OVER

    def _find_saved(self, context: DataTransfer) -> Downloaded | None:
        if self._converts:
            return self._made_file(context).find()
        if not isinstance(self.target, Path):
            return None
        return find_image_download(self.cloud.image_source(self.image), self.target, context)

    def _save(self, context: DataTransfer) -> Downloaded:
        if self._converts:
            return self._made_file(context).write(overwrite=self.options.overwrite)
        source = self.cloud.image_source(self.image)
        if not isinstance(self.target, Path):
            return stream_image(source, self.target, context)
        return download_image(
            source,
            self.target,
            context,
            overwrite=self.options.overwrite,
            validate=self._validate if self.options.validate else None,
        )

    def _made_file(self, context: DataTransfer) -> MadeFile:
        source = self.cloud.image_source(self.image)
        return MadeFile(
            lambda: OrderedImage(context.connect(source)),
            self.target,
            self.disk_format,
            context,
            own=self.image.disk_format,
            validate=self._require_format if self.options.validate else None,
        )

    def _validate(self, content: ByteSource) -> None:
        self._require_format(content)
        if self.disk_format == "vhd":
            require_vhd(content)

    def _require_format(self, content: ByteSource) -> None:
        """Check that the data are a disk in the format that the image has.

        :raises IntegrityError: if they are not.
        """
        form = self.image.disk_format
        if form not in FORMATS:
            return
        try:
            found = detect(content)
        except SourceError as error:
            problem = error.messages[0].text
        else:
            problem = "" if found == form else f"They look like {found}."
        if problem:
            raise IntegrityError(
                Message(
                    f"The data of image '{self.image.label}' are not a disk in its format"
                    f" '{form}'. {problem}",
                    Hint.SAVE_UNVALIDATED,
                )
            )

    def _result(self, status: str, size: int | None) -> ExportResult:
        location = str(self.target) if isinstance(self.target, Path) else _STREAM
        image = self.image
        return ExportResult(image.id, image.name, None, status, location, size)


def plan_image_save(cloud: Cloud, image: ImageFacts, options: SaveOptions) -> ImageSavePlan:
    """Check everything that would make the save of an image fail.

    :raises Refused: with all reasons.
    :raises SourceError: if the image has no data.
    :raises TargetError: if the file exists, unless it may be a copy of the data, or cannot be
        written.
    """
    form = format_of(options.target, options.disk_format, image.disk_format)
    converts = form != image.disk_format
    verdict = policy.judge_saved_data(image, convert=converts)
    if options.delete_object:
        verdict += policy.Verdict.refuse(
            f"The cloud has no image tasks in region '{cloud.region}', so saving an image writes no"
            " object that could be deleted."
        )
    verdict.enforce()
    if converts:
        require_ranges(cloud, image)
    target = options.target
    if isinstance(target, str | os.PathLike):
        target = _file_of(image, target_path(target), form)
        is_accepted = options.overwrite or (
            target.is_file() and target.stat().st_size == _size_as(cloud, image, form)
        )
        require_writable(target, overwrite=is_accepted)
    warnings = misnamed(target, form)
    return ImageSavePlan(cloud, image, options, target, form, warnings)


def _size_as(cloud: Cloud, image: ImageFacts, form: str) -> int | None:
    """Return the size of the file in which an image is saved."""
    if form == image.disk_format:
        return image.size
    return made_size(cloud.image_source(image), form, image.disk_format)


def _file_of(image: ImageFacts, target: Path, form: str) -> Path:
    """Return the file to write; in a directory, it is called after the ID of the image."""
    name = "".join(each for each in image.id if each.isalnum() or each == "-")
    return target / f"{name}.{form}" if target.is_dir() else target
