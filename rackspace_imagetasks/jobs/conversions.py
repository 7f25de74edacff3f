# SPDX-License-Identifier: Apache-2.0
"""A transfer between clouds of which one, or both, hold image data: departure, view, arrival.

Unless both clouds have image tasks, the image is not copied as it is stored: its disk is read from
one cloud while it is written to the other, in the format that the other cloud needs.
"""

import dataclasses
from typing import Self

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.jobs import marks, transfers
from rackspace_imagetasks.jobs._arrival_methods import delete_left
from rackspace_imagetasks.jobs._departures import departure_of, plan_departure
from rackspace_imagetasks.jobs._properties import settable
from rackspace_imagetasks.jobs._resumable import kept_in
from rackspace_imagetasks.jobs._same_import import Found, SameImport, find_reader
from rackspace_imagetasks.jobs.arrivals import Arrival, judge_arrival, view_as
from rackspace_imagetasks.jobs.imports import ImportPlan
from rackspace_imagetasks.jobs.inspected import Inspected, inspect_departing, report_no_inspection
from rackspace_imagetasks.jobs.names import exported_object, staged_file
from rackspace_imagetasks.jobs.options import AUTO_METHOD, DEFAULT_COPY, CopyOptions
from rackspace_imagetasks.jobs.sharing import ALONE, Sharing
from rackspace_imagetasks.jobs.transfer_run import TransferRun
from rackspace_imagetasks.objects.data_transfer import DataTransfer, TransferOptions
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.sources import DiskSource
from rackspace_imagetasks.sources.convert import report_content, view_as_vhd
from rackspace_imagetasks.threads import in_background


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConversionPlan(TransferRun):
    """A checked transfer of a disk from cloud to cloud, ready to run.

    :ivar staged: the object at the target, if the image is not sent directly.
    :ivar method: one of `options.METHODS`.
    """

    reads_in_order = True

    disk_format: str
    staged: ObjectName
    method: str = AUTO_METHOD

    def _clean_target(self) -> None:
        if self.existing and not self.keep_objects and not self._is_read():
            delete_left(self.target, self.staged)

    def _is_read(self) -> bool:
        """Return whether a task at the target reads the staged object."""
        return self.target.profile.uses_tasks and bool(find_reader(self.target, self.staged))

    def _transfer(self, timeout: float | None, transfer: TransferOptions) -> str:
        if self.importing:
            return self._import(None, timeout, transfer)
        self._prepare(timeout)
        with self._in_use():
            return self._send(timeout, transfer)

    def _send(self, timeout: float | None, transfer: TransferOptions) -> str:
        context = self.source.data_transfer(transfer)
        if data := self._undivided(context):
            report_no_inspection(self.source, self.image.label)
            return self.arrival.run(data, transfer).id
        with self.departure.open(context, self.sharing.reader) as disk:
            report_content(disk, self.target.progress, allow_truncated=False)
            return self._with_settings_of(disk).arrive(disk, timeout, transfer)

    def _with_settings_of(self, disk: DiskSource) -> Self:
        """Return the plan with the settings that follow from the content of the disk.

        :raises Refused: if its licence does not allow the transfer.
        """
        if self.inspected:
            return self.completed(self.inspected)
        found = inspect_departing(
            self.source, self.target, disk, self.sharing, inspect=self.inspect
        )
        return self.completed(self._accepted(found))

    def completed(self, found: Inspected) -> Self:
        """Return the plan with what an inspection has shown."""
        settings = self.settings.completed(found.properties)
        return dataclasses.replace(self, settings=settings, inspected=found)

    def arrive(self, disk: DiskSource, timeout: float | None, transfer: TransferOptions) -> str:
        """Return the ID of the image at the target, which gets this disk."""
        if self.target.profile.uses_tasks:
            return self._import(disk, timeout, transfer)
        return self.arrival.run(view_as(self.disk_format, disk), transfer).id

    def _undivided(self, transfer: DataTransfer) -> ByteSource | None:
        """Return data that become those of the copy without their disk being read, if they must."""
        if self.target.profile.uses_tasks:
            return None
        return self.departure.undivided(self.disk_format, transfer, self.sharing.reader)

    @property
    def arrival(self) -> Arrival:
        """The image at a target without image tasks."""
        return Arrival(
            cloud=self.target,
            name=self.image.label,
            mark=self.mark,
            settings=self.settings,
            disk_format=self.disk_format,
            staged=self.staged,
            method=self.method,
            in_order=True,
        )

    def _import(
        self, disk: DiskSource | None, timeout: float | None, options: TransferOptions
    ) -> str:
        """Stage the disk as a VHD and import it, or finish the import of an earlier run."""
        profile = self.target.profile
        view = disk and view_as_vhd(
            disk,
            max_virtual_size=profile.max_virtual_size,
            max_physical_size=profile.max_physical_size,
            scan=False,  # the disk is received only once
        )
        plan = ImportPlan(
            cloud=self.target,
            name=self.image.label,
            object=self.staged,
            mark=self.mark,
            settings=self.settings,
            source=view,
            create_container=True,
            delete_object=not self.keep_objects,
            task=self.importing,
            any_name=True,
        )
        # The disk is read in order, so that each part of it is received once and verified.
        in_order = dataclasses.replace(options, threads=1)
        with kept_in(self.staged.container, self.target.image_data.place):
            return str(plan.run(timeout=timeout, transfer=in_order).image_id)


def plan_conversion(
    source: Cloud,
    target: Cloud,
    image: ImageFacts,
    options: CopyOptions = DEFAULT_COPY,
    sharing: Sharing = ALONE,
) -> ConversionPlan:
    """Check everything that would prevent the departure here or the arrival there.

    :param options: the disk format is one of `DISK_FORMATS`.
    :param sharing: takes steps once for several targets.
    :raises Refused: with all reasons.
    :raises NotFound: if the target lacks a service.
    """
    transfers.judge_place(source, target, image).enforce()
    source.require_apart(target)
    container = transfers.container_for(source, target)
    form = options.disk_format or target.profile.disk_format
    plan = ConversionPlan(
        source=source,
        target=target,
        image=image,
        origin=marks.origin_of(image, source.place),
        settings=settable(image, source.profile, target.profile, options.properties),
        disk_format=form,
        staged=ObjectName(container, staged_file(exported_object(container, image.id).name, form)),
        method=options.method,
        departure=departure_of(source, image),
        keep_objects=options.keep_objects,
        inspect=options.inspect,
        sharing=sharing,
    )
    usable = None if target.profile.uses_tasks else form
    judge = in_background(lambda: _judge_arrival(plan))
    depart = in_background(lambda: plan_departure(source, image, judge, usable, sharing))
    found = _find(plan)
    if found:
        return dataclasses.replace(plan, existing=found.image, importing=found.task)
    judge()
    return _inspected(dataclasses.replace(plan, departure=depart()))


def _inspected(plan: ConversionPlan) -> ConversionPlan:
    """Return the plan with what its disk contains, if that can be read already.

    :raises Refused: if the licence of what is inside does not allow the transfer.
    """
    if not plan.inspect:
        return plan
    with plan.departure.present() as disk:
        if disk is None:
            return plan
        found = inspect_departing(plan.source, plan.target, disk, plan.sharing)
    found.verdict.enforce()
    return plan.completed(found)


def _find(plan: ConversionPlan) -> Found:
    """Return what earlier runs have done at the target."""
    if not plan.target.profile.uses_tasks:
        return Found(image=plan.arrival.find())
    same = SameImport(cloud=plan.target, object=plan.staged, name=plan.image.label, mark=plan.mark)
    return same.find()


def _judge_arrival(plan: ConversionPlan) -> Verdict:
    """Judge whether the image could be created at the target."""
    target, image = plan.target, plan.image
    verdict = judge_arrival(target, plan.disk_format, plan.method)
    verdict += policy.judge_disk_size(image, target.region, target.profile)
    if not target.profile.uses_tasks:
        return verdict + policy.judge_standard(image.label, plan.settings)
    target.objects.head_container(plan.staged.container)  # raises if we have no access
    return verdict + policy.judge_import(image.label, plan.settings, target.profile)
