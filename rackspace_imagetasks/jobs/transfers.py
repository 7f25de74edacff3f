# SPDX-License-Identifier: Apache-2.0
"""Transfer: export here, copy from Swift to Swift, import there; safe to run again at any point.

State is in the clouds alone. The image at the target gets the coordinating property in the same
request as all its other settings, so an image that has it is complete; until then the export, the
copy's segments and the import task are found again by what they were made from.
"""

import dataclasses
import re
import urllib.parse

from rackspace_imagetasks import policy
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.glance.facts import ImageFacts
from rackspace_imagetasks.glance.settings import NO_SETTINGS, ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs import exports, imports
from rackspace_imagetasks.jobs.exports import ExportPlan
from rackspace_imagetasks.jobs.imports import ImportPlan
from rackspace_imagetasks.jobs.names import CONTAINER_PREFIX
from rackspace_imagetasks.jobs.options import DEFAULT_TRANSFER, TransferOptions
from rackspace_imagetasks.jobs.resumable import resumable
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.objects.copy import copy
from rackspace_imagetasks.objects.deletion import delete, delete_segments, mark_as_kept
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.progress import Progress
from rackspace_imagetasks.text import printable

COORDINATING_PROPERTY = "image_task_source"
"""On an image and its copies: identity service, region and image ID of the first of them."""
MARKED_PROPERTY = "image_task_marked"
"""On the same images: the ID of the image that was marked.

A snapshot of a server inherits the properties of the image that the server was made from; what
names another image than the one it is on was inherited, and does not count.
"""
_OURS = (COORDINATING_PROPERTY, MARKED_PROPERTY)
_GLANCES_OWN = "os_glance"  # a prefix that Glance lets nobody set


@dataclasses.dataclass(frozen=True)
class TransferPlan:
    """A transfer that nothing known stands in the way of."""

    image: ImageFacts
    origin: str
    """The coordinating property's value."""
    export: ExportPlan
    existing: ImageFacts | None = None
    """The image at the target, if it is there already."""
    importing: Task | None = None
    """The import task of an earlier run, which needs no export any more."""

    @property
    def warnings(self) -> tuple[str | Message, ...]:
        """What the user should know all the same."""
        return self.export.warnings

    def preview(self, target: Cloud) -> "TransferResult":
        """Return what a run would give, as far as it is known."""
        status = "already there" if self.existing else "not started"
        return self.result(target, status, self.existing.id if self.existing else None)

    def result(self, target: Cloud, status: str, target_id: str | None) -> "TransferResult":
        """Return the row of this transfer."""
        return TransferResult(self.image.id, self.image.name, target.region, status, target_id)

    def marks(self, image_id: str) -> dict[str, str]:
        """Return the properties that mark image `image_id` as the origin or a copy of it."""
        return {COORDINATING_PROPERTY: self.origin, MARKED_PROPERTY: image_id}

    @property
    def staged_import(self) -> ImportPlan:
        """The import at the target; its object has the export's name."""
        return ImportPlan(
            name=self.image.name or self.image.id,
            settings=NO_SETTINGS,
            container=self.export.container,
            object_name=self.export.object_name,
            task=self.importing,
        )


@dataclasses.dataclass(frozen=True)
class TransferResult:
    """An image and its copy in another region. `status`: "transferred", "already there"."""

    image_id: str
    name: str | None
    region: str
    status: str
    target_image_id: str | None = None


def plan_transfer(source: Cloud, target: Cloud, image: ImageFacts) -> TransferPlan:
    """Check everything that would make the export here or the import there fail.

    :raises Refused: with all the reasons.
    :raises NotFound: when the target region lacks a service.
    :raises AccessDenied: when the caller may not run tasks there.
    """
    _judge_place(source, target, image).enforce()
    origin = _origin(source, image)
    started = ExportPlan(image, _container(source, target))
    if existing := _copy_of(target, origin):
        return TransferPlan(image, origin, started, existing=existing)
    if importing := imports.earlier_import(target, started.location, include_succeeded=True):
        return TransferPlan(image, origin, started, importing=importing)
    arrival = _judge_arrival(source, target, image)
    try:
        export = exports.plan_export(
            source, image, started.container, create_container=True, reuse=True
        )
    except Refused as error:
        raise Refused(*error.messages, *arrival.refusals) from error
    arrival.enforce()
    return TransferPlan(image, origin, export)


def _judge_place(source: Cloud, target: Cloud, image: ImageFacts) -> Verdict:
    if (_place(source), source.project_id) != (_place(target), target.project_id):
        return Verdict()
    return Verdict.refuse(f"{image.title} is in region '{source.region}' already.")


def _judge_arrival(source: Cloud, target: Cloud, image: ImageFacts) -> Verdict:
    """Judge whether the image could be imported at the target."""
    target.objects.head_container(_container(source, target))  # raises where we have no access
    properties = _settable_properties(source, target, image)
    return policy.judge_import(
        image.name or image.id, ImageSettings(properties), target.profile
    ) + policy.judge_disk_size(image, target.region, target.profile)


def _container(source: Cloud, target: Cloud) -> str:
    """Name the container, the same here and there, of transfers to this target.

    One for each target: a transfer that ends deletes nothing that another one needs.
    """
    (host, region), here = _place(target), _place(source)[0]
    words = [region] if host == here else [host, region]
    if target.project_id != source.project_id:
        words.append(target.project_id)
    return CONTAINER_PREFIX + re.sub(r"[^A-Za-z0-9-]", "-", "-".join(words))


def _origin(cloud: Cloud, image: ImageFacts) -> str:
    """Return what the image is a copy of, or else itself."""
    copied = image.properties.get(COORDINATING_PROPERTY) if _is_marked(image) else None
    return copied or f"{'/'.join(_place(cloud))}/{image.id}"


def _is_marked(image: ImageFacts) -> bool:
    return image.properties.get(MARKED_PROPERTY) == image.id


def _place(cloud: Cloud) -> tuple[str, str]:
    """Return identity service and region; what clouds.yaml calls a cloud differs by machine."""
    auth_url = str(cloud.connection.config.config.get("auth", {}).get("auth_url", ""))
    return urllib.parse.urlsplit(auth_url).netloc, cloud.region


def _copy_of(target: Cloud, origin: str) -> ImageFacts | None:
    copies = target.images.select(target.project_id, {COORDINATING_PROPERTY: origin})
    return next((image for image in copies if image.status == "active" and _is_marked(image)), None)


def _settable_properties(source: Cloud, target: Cloud, image: ImageFacts) -> dict[str, str]:
    """Return the properties that the target may be asked to set."""
    prefixes = (source.profile.protected_prefix, target.profile.protected_prefix, _GLANCES_OWN)
    fixed = tuple(filter(None, prefixes))
    return {k: v for k, v in image.properties.items() if not k.startswith(fixed) and k not in _OURS}


def run_transfer(
    source: Cloud,
    target: Cloud,
    plan: TransferPlan,
    progress: Progress,
    *,
    keep_objects: bool = False,
    timeout: float | None = None,
    transfer: TransferOptions = DEFAULT_TRANSFER,
) -> TransferResult:
    """Bring the image to the target, or finish what an earlier run began.

    :param keep_objects: keep the exported and the staged object.
    :param timeout: seconds to wait for each task.
    :raises TaskError, TransferError, Refused: what was done is kept, and the next run goes on.
    """
    if plan.existing:
        target_id = plan.existing.id
    else:
        if plan.importing is None:  # else the object is staged, and a task may be reading it
            _export(source, target, plan, progress, timeout)
            _copy(source, target, plan, progress, transfer, keep_objects=keep_objects)
        target_id = _import(source, target, plan, progress, timeout)
    if not (_is_marked(plan.image) and COORDINATING_PROPERTY in plan.image.properties):
        source.images.complete(plan.image.id, ImageSettings(plan.marks(plan.image.id)))
    if keep_objects:
        mark_as_kept(source.objects, plan.export.container, plan.export.object_name)
    else:
        _clean(source, target, plan.export)
    status = "already there" if plan.existing else "transferred"
    return plan.result(target, status, target_id)


def _export(
    source: Cloud, target: Cloud, plan: TransferPlan, progress: Progress, timeout: float | None
) -> None:
    """Export, and judge the VHD as the target's service will."""
    with resumable(f"exporting {_named(plan.image)}"):
        exports.export(source, plan.export, progress, timeout)
    exported = ObjectSource(source.objects, plan.export.container, plan.export.object_name)
    policy.judge_vhd(imports.check(target, exported)).enforce()


def _copy(
    source: Cloud,
    target: Cloud,
    plan: TransferPlan,
    progress: Progress,
    transfer: TransferOptions,
    *,
    keep_objects: bool,
) -> None:
    container, name = plan.export.container, plan.export.object_name
    target.objects.create_container(container)
    with resumable(f"copying {_named(plan.image)} to region '{target.region}'"):
        copy(
            source.objects,
            target.objects,
            container,
            name,
            container,
            name,
            threads=transfer.threads,
            limit_rate=transfer.limit_rate,
            expire_after=None if keep_objects else target.profile.staging_lifetime,
            progress=progress,
            stop=source.stop,
        )


def _import(
    source: Cloud, target: Cloud, plan: TransferPlan, progress: Progress, timeout: float | None
) -> str:
    """Return the ID of the image at the target, complete with its settings."""
    staged, image = plan.staged_import, plan.image
    # Again: while this run copied, another one of the same command may have come further.
    task = staged.task or imports.earlier_import(target, staged.location)
    task = task or target.tasks.create("import", staged.task_input)
    with resumable(f"importing {_named(image)} in region '{target.region}'"):
        _task, image_id = imports.await_image(target, staged, task, progress, timeout)
    settings = ImageSettings(
        properties=_settable_properties(source, target, image) | plan.marks(image_id),
        tags=image.tags,
        min_disk=image.min_disk or None,
        min_ram=image.min_ram or None,
    )
    target.images.complete(image_id, settings)
    return image_id


def _named(image: ImageFacts) -> str:
    return f"image '{printable(image.name or image.id)}'"


def _clean(source: Cloud, target: Cloud, export: ExportPlan) -> None:
    """Delete what was staged, here last: without it, nothing is left to begin again with."""
    delete(target.objects, export.container, export.object_name)
    delete_segments(target.objects, export.container, export.object_name)
    delete(source.objects, export.container, export.object_name)
