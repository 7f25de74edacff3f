# SPDX-License-Identifier: Apache-2.0
"""Arrival: a disk becomes an image of a standard cloud, once, and complete with its settings.

The image is created with the property of its mark, and with a temporary name. It gets its final
name, the ID that completes the mark, and its settings in one request, when its data is verified.
"""

import dataclasses

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.formats.qcow2.layout import VirtualQcow2
from rackspace_imagetasks.glance.data import NewImage
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.jobs._completion import complete_image
from rackspace_imagetasks.jobs._marked import find_completed
from rackspace_imagetasks.jobs._resumable import resumable
from rackspace_imagetasks.jobs.marks import Mark
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.profile import ProviderProfile
from rackspace_imagetasks.sources import DiskSource
from rackspace_imagetasks.sources.convert import view_as_vhd

DISK_FORMATS = ("qcow2", "raw", "vhd")
_MAX_NAME_LENGTH = 255
_INCOMPLETE = " (incomplete)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arrival:
    """An image that a standard cloud gets.

    :ivar name: its final name.
    :ivar mark: the mark of the completed image, by which another run finds it.
    :ivar disk_format: one of `DISK_FORMATS`.
    :ivar new_copy: create another image even if there is one already.
    """

    cloud: Cloud
    name: str
    mark: Mark
    settings: ImageSettings
    disk_format: str
    new_copy: bool = False

    def run(self, file: ByteSource, transfer: DataTransfer) -> ImageFacts:
        """Upload a file in the image's format, verify the image, and return it completed.

        :raises IntegrityError: if the source or the image is not what it should be; the image is
            deleted.
        :raises AccessDenied, QuotaExceeded, TransferError: if the service refuses it.
        :raises Cancelled: when the transfer is cancelled.
        """
        if image := self.find():
            return image
        self._delete_unverified()
        data = self.cloud.image_data
        new = NewImage(self._temporary_name, self.disk_format, self.mark.wanted)
        where = f"image '{self.name}' in region '{self.cloud.region}'"
        with resumable(f"creating {where}", Hint.RESUME_UPLOAD):
            image = data.create_from(new, file, transfer)
        properties = policy.storable_properties(self.settings.properties)
        settings = dataclasses.replace(self.settings, name=self.name, properties=properties)
        image = complete_image(self.cloud, image, settings, self.mark)
        return self._agreed(image)

    def find(self) -> ImageFacts | None:
        """Return the image that a run has completed; the oldest one if there are several."""
        return None if self.new_copy else find_completed(self.cloud, self.mark)

    @property
    def _temporary_name(self) -> str:
        return self.name[: _MAX_NAME_LENGTH - len(_INCOMPLETE)] + _INCOMPLETE

    def _delete_unverified(self) -> None:
        """Delete images of earlier runs that have data, but were not completed."""
        for image in self.cloud.images.select(self.cloud.project_id, self.mark.wanted):
            if image.status == "active" and image.name == self._temporary_name:
                self.cloud.images.delete(image.id)
                self.cloud.progress.message(
                    f"Deleted image '{image.id}', which an earlier run did not complete."
                )

    def _agreed(self, image: ImageFacts) -> ImageFacts:
        """Return the image on which all runs agree; delete this run's if it is another one."""
        first = self.find()
        if first is None or first.id == image.id:
            return image
        self.cloud.images.delete(image.id)
        self.cloud.progress.message(
            f"Deleted image '{image.id}': another run has created '{self.name}' from the same"
            " content."
        )
        return first


def view_as(disk_format: str, disk: DiskSource) -> ByteSource:
    """Return the file of a disk in one of `DISK_FORMATS`, which is read without being written."""
    if disk_format == "qcow2":
        return VirtualQcow2(disk)
    if disk_format == "vhd":
        return view_as_vhd(disk, scan=False)
    return disk


def judge_format(disk_format: str, profile: ProviderProfile) -> Verdict:
    """Judge whether a cloud can get an image in a format."""
    formats = (profile.disk_format,) if profile.uses_tasks else DISK_FORMATS
    if disk_format in formats:
        return Verdict()
    return Verdict.refuse(
        f"Disk format '{disk_format}' is not available for this cloud. Available formats:"
        f" {', '.join(formats)}."
    )
