# SPDX-License-Identifier: Apache-2.0
"""Transfer an image: export it, copy it to the target's Swift, import it; safe to repeat.

All state is in the clouds. The image at the target gets the coordinating property in the same
request as its other settings, so an image that has it is complete. Until then, the export, the
copied segments and the import task are found again by what they were made from.
"""

import dataclasses
import re

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import Refused, VhdError
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.jobs import exports, marks
from rackspace_imagetasks.jobs._in_use import shown_in_use
from rackspace_imagetasks.jobs._properties import settable
from rackspace_imagetasks.jobs._quotas import judge_copy, judge_unknown_size
from rackspace_imagetasks.jobs._resumable import resumable
from rackspace_imagetasks.jobs._same_import import SameImport
from rackspace_imagetasks.jobs.exports import ExportPlan
from rackspace_imagetasks.jobs.import_checks import check
from rackspace_imagetasks.jobs.imports import ImportPlan
from rackspace_imagetasks.jobs.inspected import Inspected, exported_disk, inspect_departing
from rackspace_imagetasks.jobs.names import CONTAINER_PREFIX
from rackspace_imagetasks.jobs.options import DEFAULT_PROPERTIES, PropertyOptions
from rackspace_imagetasks.jobs.transfer_run import TransferRun
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.objects.copy import copy
from rackspace_imagetasks.objects.data_transfer import TransferOptions
from rackspace_imagetasks.objects.deletion import delete, delete_segments, mark_as_kept
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.threads import in_background


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferPlan(TransferRun):
    """A checked transfer, ready to run.

    :ivar export: the export in the source region; the copy at the target has the same name.
    """

    export: ExportPlan

    @property
    def same_import(self) -> SameImport:
        """All imports of the image at the target."""
        return SameImport(
            cloud=self.target,
            object=self.export.target,
            name=self.image.label,
            mark=self.mark,
            any_name=True,
        )

    @property
    def _departure_warnings(self) -> tuple[Message, ...]:
        return self.export.warnings

    def _transfer(self, timeout: float | None, transfer: TransferOptions) -> str:
        if self.importing is None:  # else the object is staged, and a task may be reading it
            self._export(timeout)
        with shown_in_use(self.source, self.export.target):
            found = self._inspect()
            if self.importing is None:
                self._copy(transfer)
            return self._import(found, timeout)

    def _inspect(self) -> Inspected:
        """Return what is inside the exported disk.

        :raises Refused: if its licence does not allow the transfer.
        """
        if self.inspected or self.importing:
            return self.inspected or Inspected()
        return self._accepted(inspect_export(self.export, self.target, inspect=self.inspect))

    def _finish(self) -> None:
        if self.keep_objects:
            mark_as_kept(self.source.objects, self.export.target)
        else:
            self._delete_objects()

    def _export(self, timeout: float | None) -> None:
        with resumable(f"exporting image '{self.image.label}'"):
            self.export.run(timeout=timeout)

    def _copy(self, transfer: TransferOptions) -> None:
        """Check the VHD as the target's service does, and copy it."""
        exported = ObjectSource(self.source.objects, self.export.target)
        policy.judge_vhd(check(self.target, exported)).enforce()
        target, lifetime = self.export.target, self.target.profile.staging_lifetime
        judge_copy(self.source, self.target, target).enforce()
        self.target.objects.create_container(target.container)
        doing = f"copying image '{self.image.label}' to region '{self.target.region}'"
        with shown_in_use(self.target, target), resumable(doing):
            copy(
                self.source.objects,
                target,
                self.target.objects,
                target,
                self.source.data_transfer(transfer),
                expire_after=None if self.keep_objects else lifetime,
            )

    def _import(self, found: Inspected, timeout: float | None) -> str:
        """Return the ID of the image at the target, complete with its settings."""
        staged = ImportPlan(
            cloud=self.target,
            name=self.image.label,
            object=self.export.target,
            mark=self.mark,
            settings=self.settings,
            found=found.properties,
            task=self.importing,
            any_name=True,
        )
        with resumable(f"importing image '{self.image.label}' in region '{self.target.region}'"):
            imported = staged.run(timeout=timeout)
        return str(imported.image_id)

    def _delete_objects(self) -> None:
        """Delete the staged object, and last the exported one, from which all can be repeated."""
        delete(self.target.objects, self.export.target)
        delete_segments(self.target.objects, self.export.target)
        delete(self.source.objects, self.export.target)


def plan_transfer(
    source: Cloud,
    target: Cloud,
    image: ImageFacts,
    *,
    properties: PropertyOptions = DEFAULT_PROPERTIES,
    keep_objects: bool = False,
    inspect: bool = True,
) -> TransferPlan:
    """Check everything that would make the export here or the import there fail.

    :param properties: which properties the copy gets.
    :param inspect: look inside the disk before it is sent.
    :raises Refused: with all reasons.
    :raises NotFound: if the target region lacks a service.
    :raises AccessDenied: if the caller may not run tasks there.
    """
    judge_place(source, target, image).enforce()
    source.require_apart(target)
    container = container_for(source, target)
    plan = TransferPlan(
        source=source,
        target=target,
        image=image,
        origin=marks.origin_of(image, source.place),
        export=ExportPlan(source, image, container),
        settings=settable(image, source.profile, target.profile, properties),
        keep_objects=keep_objects,
        inspect=inspect,
    )
    plan_export = in_background(lambda: _plan_export(plan, container))
    found = plan.same_import.find()
    if found:
        return dataclasses.replace(plan, existing=found.image, importing=found.task)
    export = plan_export()
    inspected = None
    if inspect and export.is_exported:
        inspected = inspect_export(export, target)
        inspected.verdict.enforce()
    return dataclasses.replace(plan, export=export, inspected=inspected)


def inspect_export(export: ExportPlan, target: Cloud, *, inspect: bool = True) -> Inspected:
    """Look inside the disk of an exported image; what is not a VHD is refused elsewhere."""
    try:
        disk = exported_disk(export.cloud, export.target)
    except VhdError:
        return Inspected()
    return inspect_departing(export.cloud, target, disk, inspect=inspect)


def _plan_export(plan: TransferPlan, container: str) -> ExportPlan:
    """Plan the export, and report its problems together with those of the import."""
    plan_export = in_background(
        lambda: exports.plan_export(
            plan.source, plan.image, container, create_container=True, reuse=True
        )
    )
    room = _judge_room(plan)  # raises without access
    arrival = _judge_arrival(plan)
    try:
        export = plan_export()
    except Refused as error:
        raise Refused(*error.messages, *arrival.refusals, *room.refusals) from error
    if export.is_exported:
        room = judge_copy(plan.source, plan.target, export.target)
    (arrival + room).enforce()
    return export


def judge_place(source: Cloud, target: Cloud, image: ImageFacts) -> Verdict:
    """Judge whether the target is another place than the source."""
    if source.project_place != target.project_place:
        return Verdict()
    return Verdict.refuse(f"{image.title} is already in region '{source.region}'.")


def _judge_arrival(plan: TransferPlan) -> Verdict:
    """Judge whether the image could be imported at the target."""
    target, image = plan.target, plan.image
    return policy.judge_import(image.label, plan.settings, target.profile) + policy.judge_disk_size(
        image, target.region, target.profile
    )


def _judge_room(plan: TransferPlan) -> Verdict:
    """Judge whether the target has room for a copy whose size is not known before the export."""
    container = plan.export.container
    return judge_unknown_size(plan.target, container, segments_container(container))


def container_for(source: Cloud, target: Cloud) -> str:
    """Return the container, the same here and there, of transfers to this target.

    Each target has its own, so that a transfer never deletes what a transfer to another target
    still needs.
    """
    (host, region), (source_host, _) = target.place, source.place
    words = [region] if host == source_host else [host, region]
    if target.project_id != source.project_id:
        words.append(target.project_id)
    return CONTAINER_PREFIX + re.sub(r"[^A-Za-z0-9-]", "-", "-".join(words))
