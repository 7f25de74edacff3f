# SPDX-License-Identifier: Apache-2.0
"""Arrival: a disk becomes an image of a standard cloud, once, and complete with its settings.

The image is created with the property of its mark, and with a temporary name. It gets its final
name, the ID that completes the mark, and its settings in one request, when its data is verified.
"""

import dataclasses

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import TransferError
from rackspace_imagetasks.formats.qcow2.layout import VirtualQcow2
from rackspace_imagetasks.glance.data import NewImage
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.jobs._arrival_methods import Delivery, choose, judge_method
from rackspace_imagetasks.jobs._completion import complete_image
from rackspace_imagetasks.jobs._marked import completed_of, find_completed
from rackspace_imagetasks.jobs._unverified import find_unverified
from rackspace_imagetasks.jobs.marks import Mark
from rackspace_imagetasks.jobs.options import AUTO_METHOD
from rackspace_imagetasks.objects.data_transfer import TransferOptions
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.policy import Verdict
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
    :ivar staged: the object for the file, if it is not sent directly.
    :ivar method: one of `options.METHODS`.
    :ivar in_order: whether the file is itself received, and therefore read once and in order.
    :ivar new_copy: create another image even if there is one already.
    """

    cloud: Cloud
    name: str
    mark: Mark
    settings: ImageSettings
    disk_format: str
    staged: ObjectName
    method: str = AUTO_METHOD
    in_order: bool = False
    new_copy: bool = False

    def run(self, file: ByteSource, options: TransferOptions) -> ImageFacts:
        """Upload a file in the image's format, verify the image, and return it completed.

        :raises IntegrityError: if the source or the image is not what it should be; the image is
            deleted.
        :raises AccessDenied, QuotaExceeded, TransferError: if the service refuses it.
        :raises Cancelled: when the transfer is cancelled.
        """
        marked = list(self.cloud.images.select(self.cloud.project_id, self.mark.wanted))
        if not self.new_copy and (image := completed_of(marked, self.mark)):
            return image
        delivery = Delivery(
            cloud=self.cloud,
            name=self.name,
            new=NewImage(self._temporary_name, self.disk_format, self.mark.wanted),
            file=file,
            staged=self.staged,
            options=dataclasses.replace(options, threads=1) if self.in_order else options,
            find=self.find,
        )
        method = choose(self.method, self.cloud, file.size)
        try:
            image = find_unverified(delivery, marked) or method.run(delivery)
        except TransferError:  # another run may have finished, and deleted the segments
            if not (image := self.find()):
                raise
        image = self._completed(image)
        method.clean_up(delivery)
        return image

    def find(self) -> ImageFacts | None:
        """Return the image that a run has completed; the oldest one if there are several."""
        return None if self.new_copy else find_completed(self.cloud, self.mark)

    @property
    def _temporary_name(self) -> str:
        return self.name[: _MAX_NAME_LENGTH - len(_INCOMPLETE)] + _INCOMPLETE

    def with_settings(self, image: ImageFacts) -> ImageFacts:
        """Return an image that a run has completed, with the settings that it lacks.

        :raises AccessDenied, QuotaExceeded, ServiceError: if the service refuses them.
        """
        return complete_image(self.cloud, image, self._settings, self.mark)

    @property
    def _settings(self) -> ImageSettings:
        properties = policy.storable_properties(self.settings.properties)
        return dataclasses.replace(self.settings, properties=properties)

    def _completed(self, image: ImageFacts) -> ImageFacts:
        settings = dataclasses.replace(self._settings, name=self.name)
        return self._agreed(complete_image(self.cloud, image, settings, self.mark))

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


def judge_arrival(cloud: Cloud, disk_format: str, method: str) -> Verdict:
    """Judge whether a cloud can get an image in a format, by a method."""
    profile = cloud.profile
    verdict = judge_method(method, cloud)
    formats = (profile.disk_format,) if profile.uses_tasks else DISK_FORMATS
    if disk_format not in formats:
        verdict += Verdict.refuse(
            f"Disk format '{disk_format}' is not available in {cloud.image_data.place}. Available"
            f" formats: {', '.join(formats)}."
        )
    return verdict
