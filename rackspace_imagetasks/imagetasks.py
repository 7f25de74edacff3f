# SPDX-License-Identifier: Apache-2.0
"""`ImageTasks`: what the commands do, for Python programs that have an openstacksdk connection."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import BinaryIO

from openstack import connection as sdk_connection

from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import Refused, TaskFailed
from rackspace_imagetasks.glance.failures import failure_of
from rackspace_imagetasks.glance.settings import NO_SETTINGS, ImageSettings
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs import (
    cleanup,
    exports,
    imports,
    saves,
    transfers,
)
from rackspace_imagetasks.jobs.cleanup import CleanResult
from rackspace_imagetasks.jobs.exports import ExportPlan, ExportResult
from rackspace_imagetasks.jobs.imports import ImportPlan, ImportResult
from rackspace_imagetasks.jobs.names import staged_name
from rackspace_imagetasks.jobs.saves import SaveResult
from rackspace_imagetasks.jobs.transfers import TransferPlan, TransferResult
from rackspace_imagetasks.objects.transfer import DEFAULT_TRANSFER, TransferOptions
from rackspace_imagetasks.profile import ProviderProfile
from rackspace_imagetasks.progress import SILENT, Progress
from rackspace_imagetasks.sources.staging import open_for_import
from rackspace_imagetasks.text import printable


class ImageTasks:
    """Images in and out of one cloud and region.

    Every method raises a `rackspace_imagetasks.exceptions.ImageTasksError` whose text is a
    sentence for the user, or returns when the job is done; run again, it finishes what was begun.

    :param connection: an openstacksdk connection; its region is the one worked in.
    :param profile: the provider's rules; by default what the cloud's entry in clouds.yaml says.
    :param progress: where long work is reported.
    :param stop: set it, from any thread, to end running work with `Cancelled`.
    """

    SETTINGS_NEED_WAIT = (
        "Properties, tags, --min-disk, --min-ram and visibility are set on the image after its"
        " import; add --wait."
    )

    def __init__(
        self,
        connection: sdk_connection.Connection,
        *,
        profile: ProviderProfile | None = None,
        progress: Progress = SILENT,
        stop: threading.Event | None = None,
    ) -> None:
        self.stop = stop or threading.Event()
        self.progress = progress
        self.cloud = Cloud(connection, self.stop, profile, progress)

    def plan_export(
        self,
        image: str,
        *,
        container: str | None = None,
        create_container: bool = False,
        reuse: bool = False,
    ) -> ExportPlan:
        """Find an image by name or ID and check that it can be exported.

        :param reuse: take the VHD that an earlier export left in the container.
        :raises Refused: with all that stands in the way; nothing was changed.
        """
        facts = self.cloud.images.find(image)
        return exports.plan_export(
            self.cloud, facts, container, create_container=create_container, reuse=reuse
        )

    def start_export(self, plan: ExportPlan) -> ExportResult:
        """Create the export task (or take what an earlier run has done), and do not wait."""
        return exports.start_export(self.cloud, plan)

    def export_image(self, plan: ExportPlan, *, timeout: float | None = None) -> ExportResult:
        """Export the image and wait until its VHD is in the container.

        :param timeout: seconds to wait at most.
        :raises TaskFailed: as the service says, with what the code means.
        :raises TaskTimeout: when time is over; the task goes on.
        """
        return exports.export(self.cloud, plan, self.progress, timeout)

    def plan_import_file(
        self,
        path: str | os.PathLike[str],
        name: str,
        *,
        settings: ImageSettings = NO_SETTINGS,
        container: str | None = None,
        create_container: bool = False,
        keep_object: bool = False,
        convert: bool = True,
        source_format: str | None = None,
    ) -> ImportPlan:
        """Check that a local disk can be imported as an image called `name`.

        A disk that is no VHD, or one that would not grow, is converted while it is sent. The plan
        holds the file open until its `close()`.

        :param container: where it is staged; the profile's by default, made if absent.
        :param keep_object: keep the staged object after the import.
        :param convert: False sends the file as it is.
        :param source_format: one of `sources.FORMATS`; None to find out.
        :raises Refused, SourceError: with all that stands in the way; nothing was sent.
        """
        source = open_for_import(
            path,
            self.cloud.profile,
            self.progress,
            convert=convert,
            source_format=source_format,
        )
        try:
            return imports.plan_import(
                self.cloud,
                name=name,
                settings=settings,
                container=self.cloud.profile.import_container if container is None else container,
                object_name=staged_name(source, name),
                source=source,
                create_container=create_container or container is None,
                delete_object=not keep_object,
            )
        except BaseException:
            source.close()
            raise

    def plan_import_object(
        self,
        container: str,
        object_name: str,
        name: str,
        *,
        settings: ImageSettings = NO_SETTINGS,
        delete_object: bool = False,
    ) -> ImportPlan:
        """Check that a VHD in a container can be imported as an image called `name`.

        :param delete_object: delete the object after the import.
        :raises Refused: with all that stands in the way; nothing was changed.
        """
        return imports.plan_import(
            self.cloud,
            name=name,
            settings=settings,
            container=container,
            object_name=object_name,
            delete_object=delete_object,
        )

    def start_import(
        self, plan: ImportPlan, *, transfer: TransferOptions = DEFAULT_TRANSFER
    ) -> ImportResult:
        """Upload, create the import task, and do not wait for it.

        What the task cannot set (`plan.settings`) needs the end of the task.

        :raises Refused: when the plan has such settings.
        """
        if plan.settings:
            raise Refused(self.SETTINGS_NEED_WAIT)
        task = imports.start_import(self.cloud, plan, self.progress, transfer)
        if task.ended:  # an earlier run's: there is nothing to wait for
            return imports.finish_import(self.cloud, plan, task, self.progress)
        return plan.result(task)

    def import_image(
        self,
        plan: ImportPlan,
        *,
        timeout: float | None = None,
        transfer: TransferOptions = DEFAULT_TRANSFER,
    ) -> ImportResult:
        """Upload, import, wait, set what the task cannot set, and clean up.

        :param timeout: seconds to wait for the task at most.
        :raises TransferError: when the upload fails; calling again goes on with it.
        :raises TaskFailed: as the service says, with what the code means.
        :raises TaskTimeout: when time is over; the task goes on.
        """
        task = imports.start_import(self.cloud, plan, self.progress, transfer)
        return imports.finish_import(self.cloud, plan, task, self.progress, timeout)

    def check_target(
        self, location: str, target: str | os.PathLike[str], *, overwrite: bool = False
    ) -> None:
        """Check that an export can be saved there, before it is made.

        :param location: `container/object`.
        :raises TargetError: when the file exists or its directory takes none.
        """
        saves.check_target(location, target, overwrite=overwrite)

    def image_id(self, image: str) -> str:
        """Return the ID of the image with this name or ID.

        :raises NotFound, Refused: when there is none, or several.
        """
        return self.cloud.images.find(image).id

    def save_export(
        self,
        export: str,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        overwrite: bool = False,
        validate: bool = True,
        delete_object: bool = False,
        transfer: TransferOptions = DEFAULT_TRANSFER,
    ) -> SaveResult:
        """Fetch an exported VHD into a file, or in order into a binary stream.

        :param export: `container/object`, or an export task's ID; a running task is waited for.
        :param validate: check that the file is a VHD before it gets its name.
        :param delete_object: delete the object and its segments once the file is complete.
        :raises TransferError, TargetError: calling again fetches only what is missing.
        """
        container, name = saves.find_export(self.cloud, export, self.progress)
        return saves.save_object(
            self.cloud,
            container,
            name,
            target,
            self.progress,
            overwrite=overwrite,
            validate=validate,
            delete_object=delete_object,
            transfer=transfer,
        )

    def plan_transfer(self, image: str, target: "ImageTasks") -> TransferPlan:
        """Find an image by name or ID and check that it can be moved to the target's region.

        :raises Refused, NotFound: with all that stands in the way; nothing was changed.
        """
        return transfers.plan_transfer(self.cloud, target.cloud, self.cloud.images.find(image))

    def transfer_image(
        self,
        plan: TransferPlan,
        target: "ImageTasks",
        *,
        keep_objects: bool = False,
        timeout: float | None = None,
        transfer: TransferOptions = DEFAULT_TRANSFER,
    ) -> TransferResult:
        """Export here, copy, import there; called again at any point, it finishes the job.

        :param keep_objects: keep the exported and the staged object.
        :param timeout: seconds to wait for each task.
        """
        return transfers.run_transfer(
            self.cloud,
            target.cloud,
            plan,
            self.progress,
            keep_objects=keep_objects,
            timeout=timeout,
            transfer=transfer,
        )

    def find_orphans(
        self, container: str | None = None, *, older_than: timedelta = cleanup.DAY
    ) -> list[CleanResult]:
        """Find what imports, exports and transfers left, and which of it nothing needs any more.

        :param container: where to look; by default in all staging containers.
        :param older_than: what was written later may belong to a transfer under way.
        """
        return cleanup.find_orphans(self.cloud, container, older_than)

    def clean(self, found: Iterable[CleanResult]) -> Iterator[CleanResult]:
        """Delete those of `find_orphans()` that nothing needs; give each with its new status."""
        return cleanup.clean(self.cloud, found)

    def select(self, properties: Mapping[str, str]) -> list[str]:
        """Return the IDs of this project's images whose properties have these values."""
        images = self.cloud.images.select(self.cloud.project_id, properties)
        return [image.id for image in images]

    def wait(
        self,
        task_ids: Sequence[str],
        *,
        timeout: float | None = None,
        on_status: Callable[[Task], None] = lambda _task: None,
    ) -> Iterator[Task]:
        """Return each task as it ends, well or not.

        :raises NotFound, TaskTimeout: see `TaskClient.follow`.
        """
        return self.cloud.tasks.follow(task_ids, timeout=timeout, on_status=on_status)

    def failure_of(self, task: Task) -> TaskFailed:
        """Return the error that says what a failed task's message means and what to do."""
        return failure_of(task, self.cloud.profile)

    def boot_properties(self, boot_profile: str) -> dict[str, str]:
        """Return the image properties of a named boot profile.

        :raises Refused: when the provider has none of that name.
        """
        profiles = self.cloud.profile.boot_profiles
        if boot_profile not in profiles:
            raise Refused(
                f"There is no boot profile '{printable(boot_profile)}'; choose one of"
                f" {', '.join(sorted(profiles))}."
            )
        return dict(profiles[boot_profile])
