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
from rackspace_imagetasks.jobs import marks
from rackspace_imagetasks.jobs._departures import TaskDeparture, exported, plan_export
from rackspace_imagetasks.jobs._in_use import shown_in_use
from rackspace_imagetasks.jobs._properties import settable
from rackspace_imagetasks.jobs._quotas import judge_copy, judge_unknown_size
from rackspace_imagetasks.jobs._resumable import resumable
from rackspace_imagetasks.jobs._same_import import SameImport
from rackspace_imagetasks.jobs.import_checks import check
from rackspace_imagetasks.jobs.imports import ImportPlan
from rackspace_imagetasks.jobs.inspected import Inspected, exported_disk, inspect_departing
from rackspace_imagetasks.jobs.names import CONTAINER_PREFIX, exported_object
from rackspace_imagetasks.jobs.options import DEFAULT_COPY, CopyOptions
from rackspace_imagetasks.jobs.sharing import ALONE, Sharing
from rackspace_imagetasks.jobs.transfer_run import TransferRun
from rackspace_imagetasks.objects.copy import copy
from rackspace_imagetasks.objects.data_transfer import TransferOptions
from rackspace_imagetasks.objects.deletion import delete, delete_segments
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import segments_container
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.threads import in_background


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransferPlan(TransferRun):
    """A checked transfer, ready to run.

    :ivar staged: the copy of the exported VHD at the target.
    """

    reads_in_order = False

    departure: TaskDeparture
    staged: ObjectName

    @property
    def same_import(self) -> SameImport:
        """All imports of the image at the target."""
        return SameImport(
            cloud=self.target,
            object=self.staged,
            name=self.image.label,
            mark=self.mark,
            any_name=True,
        )

    def _transfer(self, timeout: float | None, transfer: TransferOptions) -> str:
        if self.importing:  # the object is staged, and a task may be reading it
            return self._import(Inspected(), timeout)
        self._prepare(timeout)
        with self._in_use():
            found = self.inspected or self._accepted(inspect_export(self))
            self._copy(transfer)
            self.sharing.reader.end()
            return self._import(found, timeout)

    def _clean_target(self) -> None:
        if not self.keep_objects:
            delete(self.target.objects, self.staged)
            delete_segments(self.target.objects, self.staged)

    def _copy(self, transfer: TransferOptions) -> None:
        """Check the VHD as the target's service does, and copy it."""
        exported, staged = self.departure.object, self.staged
        content = ObjectSource(self.source.objects, exported)
        policy.judge_vhd(check(self.target, content)).enforce()
        judge_copy(self.source, exported, self.target, staged).enforce()
        self.target.objects.create_container(staged.container)
        lifetime = self.target.profile.staging_lifetime
        doing = f"copying image '{self.image.label}' to region '{self.target.region}'"
        with shown_in_use(self.target, staged), resumable(doing):
            copy(
                self.source.objects,
                exported,
                self.target.objects,
                staged,
                self.source.data_transfer(transfer),
                expire_after=None if self.keep_objects else lifetime,
                reader=self.sharing.reader,
            )

    def _import(self, found: Inspected, timeout: float | None) -> str:
        """Return the ID of the image at the target, complete with its settings."""
        plan = ImportPlan(
            cloud=self.target,
            name=self.image.label,
            object=self.staged,
            mark=self.mark,
            settings=self.settings,
            found=found.properties,
            task=self.importing,
            any_name=True,
        )
        with resumable(f"importing image '{self.image.label}' in region '{self.target.region}'"):
            return str(plan.run(timeout=timeout).image_id)


def plan_transfer(
    source: Cloud,
    target: Cloud,
    image: ImageFacts,
    options: CopyOptions = DEFAULT_COPY,
    sharing: Sharing = ALONE,
) -> TransferPlan:
    """Check everything that would make the export here or the import there fail.

    :param sharing: takes steps once for several targets.
    :raises Refused: with all reasons.
    :raises NotFound: if the target region lacks a service.
    :raises AccessDenied: if the caller may not run tasks there.
    """
    judge_place(source, target, image).enforce()
    source.require_apart(target)
    plan = TransferPlan(
        source=source,
        target=target,
        image=image,
        origin=marks.origin_of(image, source.place),
        departure=exported(source, image),
        staged=exported_object(container_for(source, target), image.id),
        settings=settable(image, source.profile, target.profile, options.properties),
        keep_objects=options.keep_objects,
        inspect=options.inspect,
        sharing=sharing,
    )
    departing = in_background(lambda: _plan_departure(plan))
    found = plan.same_import.find()
    if found:
        return dataclasses.replace(plan, existing=found.image, importing=found.task)
    plan = departing()
    if not (plan.inspect and plan.departure.export.is_exported):
        return plan
    inspected = inspect_export(plan)
    inspected.verdict.enforce()
    return dataclasses.replace(plan, inspected=inspected)


def inspect_export(plan: TransferPlan) -> Inspected:
    """Look inside the disk of an exported image; what is not a VHD is refused elsewhere."""
    try:
        disk = exported_disk(plan.source, plan.departure.object)
    except VhdError:
        return Inspected()
    return inspect_departing(plan.source, plan.target, disk, plan.sharing, inspect=plan.inspect)


def _plan_departure(plan: TransferPlan) -> TransferPlan:
    """Plan the export, and report its problems together with those of the import."""
    planning = in_background(lambda: plan_export(plan.source, plan.image, plan.sharing))
    room = _judge_room(plan)  # raises without access
    arrival = _judge_arrival(plan)
    try:
        departure = planning()
    except Refused as error:
        raise Refused(*error.messages, *arrival.refusals, *room.refusals) from error
    if departure.export.is_exported:
        room = judge_copy(plan.source, departure.object, plan.target, plan.staged)
    (arrival + room).enforce()
    return dataclasses.replace(plan, departure=departure)


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
    container = plan.staged.container
    return judge_unknown_size(plan.target, container, segments_container(container))


def container_for(source: Cloud, target: Cloud) -> str:
    """Return the container, at the target, of transfers from this source."""
    (host, region), (source_host, _) = target.place, source.place
    words = [region] if host == source_host else [host, region]
    if target.project_id != source.project_id:
        words.append(target.project_id)
    return CONTAINER_PREFIX + re.sub(r"[^A-Za-z0-9-]", "-", "-".join(words))
