# SPDX-License-Identifier: Apache-2.0
"""Check everything that would make an import fail, before anything is sent."""

import dataclasses

from rackspace_imagetasks import policy
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import NotFound
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import NO_SETTINGS, ImageSettings
from rackspace_imagetasks.jobs import marks
from rackspace_imagetasks.jobs._containers import judge_container
from rackspace_imagetasks.jobs._contents import judge_content
from rackspace_imagetasks.jobs._quotas import judge_upload
from rackspace_imagetasks.jobs.imports import ImportPlan
from rackspace_imagetasks.jobs.inspected import Inspected, inspect_vhd
from rackspace_imagetasks.jobs.marks import Mark
from rackspace_imagetasks.jobs.options import DEFAULT_DISK, DiskOptions
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.deletion import is_kept
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.quotas import Usages
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.sources.confirmed import check_vhd, confirmed


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
    is_upload = request.source is not None
    verdict = policy.judge_import(request.name, request.settings, cloud.profile)
    container = request.object.container
    usages, judged = judge_container(
        cloud,
        container,
        may_create=is_upload and request.create_container,
        hint=Hint.CREATE_CONTAINER if is_upload else None,
    )
    exists = usages.get(container) is not None
    plan = _unchecked(cloud, request, create_container=not exists)
    staged = cloud.objects.head_object(plan.object) if is_upload and exists else None
    if not is_upload and exists:
        plan, missing = _with_content(plan)
        judged += missing
    content = plan.source or plan.content
    if content is None and not plan.new_copy and (image := _find_image_of_object(plan)):
        verdict.enforce()
        return dataclasses.replace(plan, delete_object=False).with_existing(image)
    verdict += judged
    facts = None
    if plan.source:
        report = check(cloud, plan.source)
        facts = report.facts
        verdict += policy.judge_vhd(report)
        if not judged.refusals:
            verdict += _judge_quotas(plan, staged.size if staged else None, usages)
    elif content:
        facts, found = _check_object(cloud, content, allow_truncated=request.disk.allow_truncated)
        verdict += found
    inspected = inspect_vhd(cloud, content, request.disk) if content else Inspected()
    verdict += inspected.verdict
    verdict.enforce()
    plan = dataclasses.replace(
        plan, facts=facts, found=inspected.properties, warnings=verdict.warnings
    )
    if plan.delete_object and staged and is_kept(staged):
        plan = plan.keeping_object()
    return plan.with_earlier_run()


def _judge_quotas(plan: ImportPlan, staged_size: int | None, known: Usages) -> Verdict:
    """Judge whether the quotas allow the upload, unless another run has made it unnecessary."""
    assert plan.source
    judged = judge_upload(plan.cloud, plan.source, plan.object, staged_size, known)
    return judged if judged.refusals and not plan.is_begun() else Verdict()


def _unchecked(cloud: Cloud, request: ImportRequest, *, create_container: bool) -> ImportPlan:
    """Return the plan of a request before anything is checked."""
    return ImportPlan(
        cloud=cloud,
        name=request.name,
        object=request.object,
        mark=request.mark,
        settings=request.settings,
        source=request.source,
        new_copy=request.new_copy,
        create_container=create_container,
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
