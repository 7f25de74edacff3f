# SPDX-License-Identifier: Apache-2.0
"""Departure: how an image leaves a cloud as a disk that can be read."""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import Refused, SourceError
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.ordered import OrderedImage
from rackspace_imagetasks.jobs import exports
from rackspace_imagetasks.jobs._in_use import shown_in_use
from rackspace_imagetasks.jobs._resumable import resumable
from rackspace_imagetasks.jobs.exports import ExportPlan
from rackspace_imagetasks.jobs.names import EXPORTS_CONTAINER
from rackspace_imagetasks.jobs.sharing import Sharing
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.deletion import delete, mark_as_kept
from rackspace_imagetasks.objects.heartbeat import is_in_use
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.ordered import OrderedObject
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.shared_read import PartReader
from rackspace_imagetasks.sources import DiskSource, open_disk_of


class Departure(Protocol):
    """How one image leaves its cloud."""

    @property
    def warnings(self) -> tuple[Message, ...]:
        """What the user should know before."""

    def prepare(self, timeout: float | None) -> None:
        """Have the cloud provide the image's disk.

        :param timeout: maximum number of seconds to wait for a task.
        """

    def in_use(self, user: str) -> "contextlib.AbstractContextManager[None]":
        """Show in a `with` block that what the cloud provides is in use.

        :param user: the transfer that uses it.
        """

    def open(
        self, transfer: DataTransfer, reader: PartReader
    ) -> "contextlib.AbstractContextManager[DiskSource]":
        """Return the image's disk, to be read in order within a `with` block.

        Its `verify_unchanged()` compares what was read with the hashes that the cloud has stored.

        :param reader: reads what the cloud provides.
        """

    def present(self) -> "contextlib.AbstractContextManager[DiskSource | None]":
        """Return the disk, for small reads within a `with` block, if it can be read already."""

    def undivided(self, form: str, transfer: DataTransfer, reader: PartReader) -> ByteSource | None:
        """Return the image's data, to be read in order, if that is the only way to read them.

        :param form: the format that the image must have; data in another one are of no use.
        :param reader: as for `open`.
        """

    def finish(self, users: Collection[str], *, keep_objects: bool) -> None:
        """Delete what the departure has left in the cloud, once the image has arrived.

        :param users: the transfers that are complete; a killed run may have left their markers.
        """


@dataclasses.dataclass(frozen=True)
class TaskDeparture:
    """An image leaves as the VHD that an export task writes."""

    export: ExportPlan

    @property
    def warnings(self) -> tuple[Message, ...]:
        """The warnings of the export."""
        return self.export.warnings

    @property
    def object(self) -> ObjectName:
        """The exported VHD."""
        return self.export.target

    def prepare(self, timeout: float | None) -> None:
        """Export the image."""
        with resumable(f"exporting image '{self.export.image.label}'"):
            self.export.run(timeout=timeout)

    def in_use(self, user: str) -> contextlib.AbstractContextManager[None]:
        """Show that the VHD is in use."""
        return shown_in_use(self.export.cloud, self.object, user)

    @contextlib.contextmanager
    def open(self, transfer: DataTransfer, reader: PartReader) -> Iterator[DiskSource]:
        """Open the disk in the VHD."""
        store = transfer.connect(self.export.cloud.objects)
        with open_disk_of(OrderedObject(store, self.object, reader)) as disk:
            yield disk

    @contextlib.contextmanager
    def present(self) -> Iterator[DiskSource | None]:
        """Open the disk in the VHD of an earlier export."""
        if not self.export.is_exported:
            yield None
            return
        with open_disk_of(ObjectSource(self.export.cloud.objects, self.object)) as disk:
            yield disk

    def undivided(self, form: str, transfer: DataTransfer, reader: PartReader) -> None:
        """Return None: every part of an object can be read."""

    def finish(self, users: Collection[str], *, keep_objects: bool) -> None:
        """Delete the exported VHD, unless it is to be kept or another transfer needs it."""
        store = self.export.cloud.objects
        if keep_objects:
            mark_as_kept(store, self.object)
        elif is_in_use(store, self.object, users):
            self.export.cloud.progress.message(
                f"Keeping object '{self.object}': a transfer to another target is using it."
            )
        else:
            delete(store, self.object)


@dataclasses.dataclass(frozen=True)
class DataDeparture:
    """An image of a standard Glance leaves as its data."""

    cloud: Cloud
    image: ImageFacts

    @property
    def warnings(self) -> tuple[Message, ...]:
        """None."""
        return ()

    def prepare(self, timeout: float | None) -> None:
        """Do nothing: the data are there."""

    def in_use(self, user: str) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002
        """Do nothing: nobody cleans up images."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def open(self, transfer: DataTransfer, reader: PartReader) -> Iterator[DiskSource]:
        """Open the disk in the image's data."""
        data = transfer.connect(self.cloud.image_source(self.image))
        source = OrderedImage(data, reader=reader)
        with open_disk_of(source) as disk:
            _require_declared(disk, self.image, self.cloud.image_data.place)
            yield disk

    @contextlib.contextmanager
    def present(self) -> Iterator[DiskSource | None]:
        """Open the disk in the image's data, unless they can only be read from the start."""
        data = self.cloud.image_source(self.image)
        if not data.supports_ranges:
            yield None
            return
        with open_disk_of(data) as disk:
            yield disk

    def undivided(
        self, form: str, transfer: DataTransfer, reader: PartReader
    ) -> OrderedImage | None:
        """Return the data if they are in the format and the service does not return parts."""
        source = transfer.connect(self.cloud.image_source(self.image))
        if form != self.image.disk_format or source.supports_ranges:
            return None
        return OrderedImage(source, in_order=True, reader=reader)

    def finish(self, users: Collection[str], *, keep_objects: bool) -> None:
        """Do nothing: nothing was left."""


def _require_declared(disk: DiskSource, image: ImageFacts, place: str) -> None:
    """Check that the data of an image is in the image's disk format.

    A server can write the header of another format to its own raw disk. Whoever then believes the
    header reads another disk than the server did (CVE-2024-32498).

    :raises SourceError: if the data is in another format.
    """
    found = disk.format.partition("-")[0]  # without the kind of a VHD
    if found != image.disk_format:
        raise SourceError(
            f"{image.title} in {place} has the disk format '{image.disk_format}', but its data is"
            f" in the format '{found}'. Create the image again with the format of its data."
        )


def require_ranges(cloud: Cloud, image: ImageFacts) -> None:
    """Check that any part of the data can be read, as every reader of a format has to.

    :raises Refused: if it cannot.
    """
    if not cloud.image_source(image).supports_ranges:
        text = (
            f"The Image service in {cloud.image_data.place} does not return parts of the data of"
            f" image '{image.label}', so the image cannot be converted while it is received."
        )
        hint, values = Hint.SAVE_IN_OWN_FORMAT, {"format": image.disk_format}
        raise Refused(Message(text, hint, values))


def exported(cloud: Cloud, image: ImageFacts) -> TaskDeparture:
    """Return the departure of an image whose export is not planned."""
    return TaskDeparture(ExportPlan(cloud, image, EXPORTS_CONTAINER))


def plan_export(cloud: Cloud, image: ImageFacts, sharing: Sharing) -> TaskDeparture:
    """Check everything that would prevent the export of an image, once for all its targets.

    :raises Refused: with all reasons.
    """

    def plan() -> ExportPlan:
        return exports.plan_export(
            cloud, image, EXPORTS_CONTAINER, create_container=True, reuse=True
        )

    return TaskDeparture(sharing.once("plan the export", plan))


def departure_of(cloud: Cloud, image: ImageFacts) -> Departure:
    """Return the departure of an image that an earlier run has planned."""
    return exported(cloud, image) if cloud.profile.uses_tasks else DataDeparture(cloud, image)


def plan_departure(
    cloud: Cloud,
    image: ImageFacts,
    judge_arrival: Callable[[], Verdict],
    form: str | None,
    sharing: Sharing,
) -> Departure:
    """Check everything that would prevent an image from leaving its cloud.

    :param form: the format in which data are of use as they are; None if there is none.
    :param judge_arrival: returns the judgement of the target, which is reported together with it.
    :raises Refused: with all reasons.
    """
    if not cloud.profile.uses_tasks:
        (policy.judge_image_data(image, cloud.project_id) + judge_arrival()).enforce()
        if form != image.disk_format:
            require_ranges(cloud, image)
        return DataDeparture(cloud, image)
    try:
        departure = plan_export(cloud, image, sharing)
    except Refused as error:
        raise Refused(*error.messages, *judge_arrival().refusals) from error
    judge_arrival().enforce()
    return departure
