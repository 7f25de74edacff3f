# SPDX-License-Identifier: Apache-2.0
"""Check everything that would make an import fail, before anything is sent."""

import dataclasses

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import NotFound, Refused
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import NO_SETTINGS, ImageSettings
from rackspace_imagetasks.jobs import marks
from rackspace_imagetasks.jobs._containers import judge_container
from rackspace_imagetasks.jobs._contents import judge_content
from rackspace_imagetasks.jobs._quotas import judge_upload
from rackspace_imagetasks.jobs.imports import ImportPlan
from rackspace_imagetasks.jobs.inspected import inspect_vhd
from rackspace_imagetasks.jobs.marks import Mark
from rackspace_imagetasks.jobs.options import DEFAULT_DISK, DiskOptions
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.deletion import is_kept
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.quotas import ACCOUNT
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.sources.confirmed import check_vhd, confirmed
from rackspace_imagetasks.threads import in_background


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What to import, before anything is known about it.

    :ivar name: the name of the image.
    :ivar object: the object to import.
    :ivar mark: the mark of the image; without a `source`, the object's content completes it.
    :ivar source: the VHD to upload to the object first; None to import the object as it is. It is
        checked for completeness already.
    :ivar create_container: whether a container that does not exist is created for the upload.
    :ivar delete_object: delete the object once the image is complete.
    :ivar new_copy: create another image even if there is one already.
    :ivar disk: what is accepted, and whether the disk is inspected.
    """

    name: str
    object: ObjectName
    mark: Mark
    settings: ImageSettings = NO_SETTINGS
    source: ByteSource | None = None
    create_container: bool = False
    delete_object: bool = False
    new_copy: bool = False
    disk: DiskOptions = DEFAULT_DISK


def plan_import(cloud: Cloud, request: ImportRequest) -> ImportPlan:
    """Check everything that would make an import fail, and find what an earlier run has done.

    :raises Refused: with all reasons.
    """
    verdict = policy.judge_import(request.name, request.settings, cloud.profile)
    if request.source is None:
        return _plan_object(cloud, request, verdict)
    return _plan_upload(cloud, request, request.source, verdict)


def _plan_upload(
    cloud: Cloud, request: ImportRequest, source: ByteSource, verdict: Verdict
) -> ImportPlan:
    """Check an import of a VHD that is uploaded first."""
    plan = _unchecked(cloud, request)
    find_earlier = in_background(plan.find_earlier)
    find_staged = in_background(lambda: cloud.objects.head_object(request.object))
    read_account = in_background(cloud.objects.account_usage)
    container = request.object.container
    usages, judged = judge_container(cloud, container, may_create=request.create_container)
    exists = usages.get(container) is not None
    staged = find_staged() if exists else None
    report = check(cloud, source)
    verdict += judged + policy.judge_vhd(report)
    if not judged.refusals:
        known = {**usages, ACCOUNT: read_account()}
        room = judge_upload(cloud, source, plan.object, staged.size if staged else None, known)
        if room.refusals and not find_earlier():  # else another run has made the upload unnecessary
            verdict += room
    inspected = inspect_vhd(cloud, source, request.disk)
    verdict += inspected.verdict
    verdict.enforce()
    plan = dataclasses.replace(
        plan,
        create_container=not exists,
        facts=report.facts,
        found=inspected.properties,
        warnings=verdict.warnings,
    )
    if plan.delete_object and staged and is_kept(staged):
        plan = plan.keeping_object()
    return plan.with_found(find_earlier())


def _plan_object(cloud: Cloud, request: ImportRequest, verdict: Verdict) -> ImportPlan:
    """Check an import of a VHD that is in a container."""
    plan = _unchecked(cloud, request)
    open_content = in_background(lambda: _with_content(plan))
    container = request.object.container
    usages, judged = judge_container(
        cloud, container, may_create=False, hint=Hint.FIND_IMPORT_CONTAINER
    )
    if usages.get(container) is not None:
        plan, missing = open_content()
        judged += missing
    content = plan.content
    if content is None and not plan.new_copy and (image := _find_image_of_object(plan)):
        verdict.enforce()
        return dataclasses.replace(plan, delete_object=False).with_existing(image)
    verdict += judged
    if content is None:
        raise Refused(*verdict.refusals)
    find_earlier = in_background(plan.find_earlier)
    facts, found = _check_object(cloud, content, allow_truncated=request.disk.allow_truncated)
    inspected = inspect_vhd(cloud, content, request.disk)
    verdict += found + inspected.verdict
    verdict.enforce()
    plan = dataclasses.replace(
        plan, facts=facts, found=inspected.properties, warnings=verdict.warnings
    )
    return plan.with_found(find_earlier())


def _unchecked(cloud: Cloud, request: ImportRequest) -> ImportPlan:
    """Return the plan of a request before anything is checked."""
    return ImportPlan(
        cloud=cloud,
        name=request.name,
        object=request.object,
        mark=request.mark,
        settings=request.settings,
        source=request.source,
        new_copy=request.new_copy,
        delete_object=request.delete_object,
    )


def _with_content(plan: ImportPlan) -> tuple[ImportPlan, Verdict]:
    """Return the plan with the object's present content, or a verdict that it does not exist."""
    cloud, name = plan.cloud, plan.object
    try:
        content = ObjectSource(cloud.objects, name)
    except NotFound:
        text = f"Object '{name}' not found in region '{cloud.region}'."
        return plan, Verdict.refuse(Message(text, Hint.FIND_IMPORT_OBJECT, name._asdict()))
    mark = marks.import_mark(marks.object_content(name, content.info.etag, plan.name))
    return dataclasses.replace(plan, content=content, mark=mark), Verdict()


def _find_image_of_object(plan: ImportPlan) -> ImageFacts | None:
    """Return the image that was imported from an object that no longer exists."""
    prefix = marks.object_prefix(plan.object, plan.name)
    for image in plan.cloud.images.owned(plan.cloud.project_id, plan.name):
        if image.status == "active" and marks.is_marked_for_import(image, prefix):
            return image
    return None


def _check_object(
    cloud: Cloud, content: ByteSource, *, allow_truncated: bool = False
) -> tuple[vhd.VhdFacts | None, Verdict]:
    """Check a VHD in an object store, and the disk in it, as this cloud's import service does.

    :raises SourceError: if the object cannot be read, or changes between reads.
    """

    def judged(source: ByteSource) -> tuple[vhd.VhdFacts | None, Verdict]:
        parsed = vhd.VhdFile(source)
        report = vhd.check(parsed, **_limits(cloud))
        verdict = policy.judge_vhd(report)
        return report.facts, verdict + judge_content(parsed, allow_truncated=allow_truncated)

    return confirmed(content, judged, lambda result: not result[1].refusals)


def check(cloud: Cloud, content: ByteSource) -> vhd.Report:
    """Check a VHD as this cloud's import service does."""
    return check_vhd(content, **_limits(cloud))


def _limits(cloud: Cloud) -> dict[str, int]:
    return {
        "max_virtual_size": cloud.profile.max_virtual_size,
        "max_physical_size": cloud.profile.max_physical_size,
    }
