# SPDX-License-Identifier: Apache-2.0
"""`ImageTasks`: what the commands do, for Python programs with an openstacksdk connection."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from openstack import connection as sdk_connection

from rackspace_imagetasks.batch import run_each
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import JobKind, OnEvent, with_events
from rackspace_imagetasks.exceptions import TaskFailed
from rackspace_imagetasks.glance.failures import failure_of
from rackspace_imagetasks.glance.settings import NO_SETTINGS, ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.guest.facts import DiskFacts
from rackspace_imagetasks.jobs import (
    cleanup,
    conversions,
    exports,
    image_saves,
    inspections,
    saves,
    transfers,
    uploads,
)
from rackspace_imagetasks.jobs.arrivals import judge_arrival
from rackspace_imagetasks.jobs.cleanup import CleanPlan
from rackspace_imagetasks.jobs.conversions import ConversionPlan
from rackspace_imagetasks.jobs.exports import ExportPlan
from rackspace_imagetasks.jobs.image_saves import ImageSavePlan
from rackspace_imagetasks.jobs.import_checks import ImportRequest, plan_import
from rackspace_imagetasks.jobs.imports import ImportPlan
from rackspace_imagetasks.jobs.inspected import report_no_inspection
from rackspace_imagetasks.jobs.marks import import_mark, object_prefix
from rackspace_imagetasks.jobs.names import staged_name
from rackspace_imagetasks.jobs.options import (
    AUTO_METHOD,
    DEFAULT_COPY,
    DEFAULT_DISK,
    DEFAULT_PROPERTIES,
    DEFAULT_STAGING,
    CopyOptions,
    DiskOptions,
    PropertyOptions,
    SaveOptions,
    StagingOptions,
)
from rackspace_imagetasks.jobs.reported import observed, planned
from rackspace_imagetasks.jobs.saves import SavePlan
from rackspace_imagetasks.jobs.sharing import ALONE, Shared, SharedSteps, Sharing
from rackspace_imagetasks.jobs.transfer_batch import TransferBatch
from rackspace_imagetasks.jobs.transfer_run import TransferRun
from rackspace_imagetasks.jobs.transfers import TransferPlan
from rackspace_imagetasks.jobs.uploads import UploadPlan
from rackspace_imagetasks.jobs.waits import wait_for_each
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.ordered import OrderedObject
from rackspace_imagetasks.profile import ProviderProfile
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.sources.staging import open_for_import
from rackspace_imagetasks.threads import in_background


class ImageTasks:
    """Images into, out of and between clouds, from one cloud and region.

    A `plan_...` method checks everything that would make the job fail, changes nothing, and
    returns a plan. `plan.run()` finishes the job; run again, it finishes what an earlier run began.
    Every method raises an `ImageTasksError` with messages for the user.

    :param connection: an openstacksdk connection; its region is the one to work in.
    :param profile: the provider's rules; by default, those in the cloud's entry in clouds.yaml.
    :param progress: where the progress of long work is shown.
    :param on_event: called with each `Event` of the jobs, one at a time, from any thread. It must
        return soon. After an exception that it raises, it is not called again.
    :param stop: set it, from any thread, to end running work with `Cancelled`.
    """

    def __init__(
        self,
        connection: sdk_connection.Connection,
        *,
        profile: ProviderProfile | None = None,
        progress: Progress = SILENT,
        on_event: OnEvent | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        progress = with_events(progress, on_event)
        self.cloud = Cloud(connection, stop or threading.Event(), profile, progress)

    @planned(JobKind.EXPORT, "image")
    def plan_export(
        self,
        image: str,
        *,
        container: str | None = None,
        create_container: bool = False,
        save: SaveOptions | None = None,
        inspect: bool = True,
    ) -> ExportPlan | ImageSavePlan:
        """Find an image by name or ID, and check that it can be exported, or saved to a file.

        In a cloud without image tasks, an image cannot be exported to a container. With `save`, its
        data are read from the Image service.

        :param container: the container to export to; by default the profile's, which is created if
            it does not exist.
        :param create_container: create a named container, too, if it does not exist.
        :param save: save the VHD afterwards, or its disk in another format; a VHD from an earlier
            export is used.
        :param inspect: look inside the disk once its VHD is there.
        :raises Refused: with all reasons.
        """
        get_ready = in_background(self.cloud.get_ready)
        facts = self.cloud.images.find(image)
        uses_tasks = get_ready().uses_tasks
        if save and container is None and not uses_tasks:
            return image_saves.plan_image_save(self.cloud, facts, save)
        if not inspect:
            report_no_inspection(self.cloud, facts.label)
        return exports.plan_export(
            self.cloud,
            facts,
            container,
            create_container=create_container,
            save=save,
            inspect=inspect,
        )

    @planned(JobKind.IMPORT, "name")
    def plan_import_file(
        self,
        path: str | os.PathLike[str],
        name: str,
        *,
        settings: ImageSettings = NO_SETTINGS,
        staging: StagingOptions = DEFAULT_STAGING,
        disk: DiskOptions = DEFAULT_DISK,
        new_copy: bool = False,
        disk_format: str | None = None,
        method: str = AUTO_METHOD,
    ) -> ImportPlan | UploadPlan:
        """Check that a local disk can be imported as an image called `name`.

        A disk is converted to what the cloud accepts while it is uploaded. The plan keeps the
        file open until its `close()`. A file that was imported before under this name, and was not
        changed since, is not imported again: the plan has its image.

        :param new_copy: import it even so, as another image.
        :param disk_format: the image's format: qcow2, raw or vhd; by default the cloud's.
        :param method: how a cloud without image tasks gets the data: `direct`, `web-download`, or
            `auto`, which depends on the size.
        :raises Refused, SourceError: with all reasons.
        """
        if not self.cloud.profile.uses_tasks:
            uploads.judge_options(disk, staging).enforce()
            return uploads.plan_upload(
                self.cloud,
                FileSource(path),
                name,
                settings,
                disk=disk,
                disk_format=disk_format,
                method=method,
                new_copy=new_copy,
            )
        self._judge_arrival(disk_format, method)
        source = open_for_import(
            path,
            self.cloud.profile,
            self.cloud.progress,
            convert=disk.convert,
            source_format=disk.format,
            allow_truncated=disk.allow_truncated,
        )
        container = staging.container
        try:
            staged = staged_name(source, name)
            request = ImportRequest(
                name=name,
                object=ObjectName(
                    self.cloud.profile.import_container if container is None else container,
                    staged,
                ),
                mark=import_mark(staged),
                settings=settings,
                source=source,
                new_copy=new_copy,
                disk=disk,
                create_container=staging.create_container or container is None,
                delete_object=not staging.keep_object,
            )
            return plan_import(self.cloud, request)
        except BaseException:
            source.close()
            raise

    @planned(JobKind.IMPORT, "name")
    def plan_import_object(
        self,
        source: ObjectName,
        name: str,
        *,
        settings: ImageSettings = NO_SETTINGS,
        delete_object: bool = False,
        new_copy: bool = False,
        disk: DiskOptions = DEFAULT_DISK,
        disk_format: str | None = None,
        method: str = AUTO_METHOD,
    ) -> ImportPlan | UploadPlan:
        """Check that a VHD in a container can be imported as an image called `name`.

        An object that was imported before under this name, and was not replaced since, is not
        imported again: the plan has its image.

        :param delete_object: delete the object after the import.
        :param new_copy: import the object even if it was imported before, as another image.
        :param disk: what is accepted, and whether the disk is inspected.
        :param disk_format: the image's format: qcow2, raw or vhd; by default the cloud's.
        :param method: how a cloud without image tasks gets the data: `direct`, `web-download`, or
            `auto`, which depends on the size.
        :raises Refused: with all reasons.
        """
        if not self.cloud.profile.uses_tasks:
            uploads.judge_options(disk, delete_object=delete_object).enforce()
            return uploads.plan_upload(
                self.cloud,
                OrderedObject(self.cloud.objects.until(self.cloud.stop), source),
                name,
                settings,
                disk=disk,
                disk_format=disk_format,
                method=method,
                new_copy=new_copy,
            )
        self._judge_arrival(disk_format, method)
        request = ImportRequest(
            name=name,
            object=source,
            mark=import_mark(object_prefix(source, name)),
            settings=settings,
            new_copy=new_copy,
            delete_object=delete_object,
            disk=disk,
        )
        return plan_import(self.cloud, request)

    @planned(JobKind.SAVE, "export")
    def plan_save(self, export: str | ObjectName, options: SaveOptions) -> SavePlan:
        """Check that an exported VHD can be saved, as it is or in another format.

        :param export: `container/object`, or the ID of an export task.
        :raises Refused, NotFound, TargetError: if it cannot.
        """
        return saves.plan_save(self.cloud, export, options)

    def plan_transfer(
        self,
        image: str,
        target: "ImageTasks",
        *,
        keep_objects: bool = False,
        properties: PropertyOptions = DEFAULT_PROPERTIES,
        disk_format: str | None = None,
        method: str = AUTO_METHOD,
        inspect: bool = True,
    ) -> TransferPlan | ConversionPlan:
        """Find an image by name or ID, and check that it can be transferred to `target`.

        :param keep_objects: keep the exported and the staged object.
        :param properties: which properties the copy gets.
        :param disk_format: the copy's format: qcow2, raw or vhd; by default the target's.
        :param method: as for an import, at the target.
        :param inspect: look inside the disk before it is sent.
        :raises Refused, NotFound: with all reasons.
        """
        options = CopyOptions(
            properties=properties,
            keep_objects=keep_objects,
            disk_format=disk_format,
            method=method,
            inspect=inspect,
        )
        return self._plan_transfer(image, target, options)

    def plan_transfers(
        self,
        image: str,
        targets: "Mapping[str, ImageTasks]",
        options: CopyOptions = DEFAULT_COPY,
    ) -> TransferBatch:
        """Find an image by name or ID, and check that it can be transferred to several targets.

        The image is exported and read once for all of them. A target to which it cannot be
        transferred does not prevent the transfers to the others: the plan has the error.

        :param targets: each another region or project, by names of your choice, which the outcomes
            have.
        """
        sharing = Shared(SharedSteps(self.cloud.stop))

        def plan(name: str) -> TransferRun:
            return self._plan_transfer(image, targets[name], options, sharing)

        planned = run_each(list(targets), plan, concurrency=len(targets))
        return TransferBatch(self.cloud, tuple(planned))

    @planned(JobKind.TRANSFER, "image")
    def _plan_transfer(
        self,
        image: str,
        target: "ImageTasks",
        options: CopyOptions,
        sharing: Sharing = ALONE,
    ) -> TransferPlan | ConversionPlan:
        here, there = self.cloud, target.cloud
        get_ready = [in_background(cloud.get_ready) for cloud in (here, there)]
        facts = sharing.once("find", lambda: here.images.find(image))
        if all(ready().uses_tasks for ready in get_ready):
            target._judge_arrival(options.disk_format, options.method)  # noqa: SLF001
            return transfers.plan_transfer(here, there, facts, options, sharing)
        return conversions.plan_conversion(here, there, facts, options, sharing)

    def _judge_arrival(self, disk_format: str | None, method: str) -> None:
        form = disk_format or self.cloud.profile.disk_format
        judge_arrival(self.cloud, form, method).enforce()

    def plan_clean(
        self, container: str | None = None, *, older_than: timedelta = cleanup.DAY
    ) -> CleanPlan:
        """Find what imports, exports and transfers left behind, and what of it is unneeded.

        :param container: where to look; by default, all staging containers.
        :param older_than: objects written later may belong to a running transfer.
        """
        return cleanup.plan_clean(self.cloud, container, older_than)

    def inspect_object(self, source: ObjectName, *, deep: bool = False) -> DiskFacts:
        """Look inside the disk in an object, such as an exported VHD; only ranges are read.

        :param deep: read the contents of initramfs files, too: some 60 MiB.
        :raises NotFound, SourceError, VhdError, InspectionFailed: if that is not possible.
        """
        with observed(self.cloud.progress), inspections.open_object(self.cloud, source) as disk:
            return inspections.inspect_disk(disk, deep=deep)

    def inspect_image(self, image: str, *, deep: bool = False) -> DiskFacts:
        """Look inside the disk in the data of an image; only ranges are read.

        :param deep: as for `inspect_object`.
        :raises Refused: if this cloud does not give access to the data of images.
        :raises NotFound, SourceError, VhdError, InspectionFailed: if that is not possible.
        """
        with observed(self.cloud.progress), inspections.open_image(self.cloud, image) as disk:
            return inspections.inspect_disk(disk, deep=deep)

    def image_id(self, image: str) -> str:
        """Return the ID of the image with this name or ID.

        :raises NotFound, Refused: if there is no such image, or more than one.
        """
        with observed(self.cloud.progress):
            return self.cloud.images.find(image).id

    def select(self, properties: Mapping[str, str]) -> list[str]:
        """Return the IDs of this project's images with these property values."""
        with observed(self.cloud.progress):
            images = self.cloud.images.select(self.cloud.project_id, properties)
            return [image.id for image in images]

    def wait(
        self,
        task_ids: Sequence[str],
        *,
        timeout: float | None = None,
        on_status: Callable[[Task], None] = lambda _task: None,
    ) -> Iterator[Task]:
        """Yield each task when it ends, whether it succeeds or fails.

        :param timeout: maximum number of seconds to wait for all of them.
        :raises NotFound, TaskTimeout: see `TaskClient.follow`.
        """
        each = tuple(dict.fromkeys(task_ids))
        return wait_for_each(self.cloud, each, timeout, on_status)

    def failure_of(self, task: Task) -> TaskFailed:
        """Return the error that explains a failed task's message and what to do."""
        return failure_of(task, self.cloud.profile)
