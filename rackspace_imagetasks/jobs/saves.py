# SPDX-License-Identifier: Apache-2.0
"""Save: an exported VHD in a container becomes a local file, verified segment by segment.

The file is the VHD itself, or is made of it in another format while it is received.
"""

import dataclasses
import os
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.events import Job, JobKind
from rackspace_imagetasks.exceptions import (
    Cancelled,
    ImageTasksError,
    IntegrityError,
    Refused,
    ServiceError,
    TransferError,
)
from rackspace_imagetasks.glance.failures import require_success
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.jobs._file_formats import Target, file_name, format_of, misnamed
from rackspace_imagetasks.jobs._in_use import shown_in_use
from rackspace_imagetasks.jobs._made_files import MadeFile, made_size
from rackspace_imagetasks.jobs._resumable import resumable
from rackspace_imagetasks.jobs.names import exported_object
from rackspace_imagetasks.jobs.options import SaveOptions
from rackspace_imagetasks.jobs.reported import reported
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import DEFAULT_TRANSFER, TransferOptions
from rackspace_imagetasks.objects.deletion import delete
from rackspace_imagetasks.objects.download import (
    Downloaded,
    download,
    download_stream,
    find_download,
)
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.ordered import OrderedObject
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.partfile import require_writable, target_path
from rackspace_imagetasks.sources import detect
from rackspace_imagetasks.sources.confirmed import check_vhd

EXPORT_FORMAT = "vhd"
SAVED = "saved"
ALREADY_SAVED = "already saved"


@dataclasses.dataclass(frozen=True)
class SaveResult:
    """A saved object; sizes in bytes.

    :ivar path: None if the object was written to a stream.
    :ivar size: the length of the file.
    :ivar fetched_bytes: bytes that this run fetched.
    :ivar status: "saved", or "already saved" if the file had exactly this content before.
    """

    location: str
    path: Path | None
    size: int
    fetched_bytes: int
    status: str = SAVED


@dataclasses.dataclass(frozen=True)
class SavePlan:
    """A checked save, ready to run.

    :ivar source: the object to save.
    :ivar task: the export task that writes the object, if one was named and still runs.
    :ivar disk_format: the format of the file.
    """

    cloud: Cloud
    source: ObjectName
    options: SaveOptions
    task: Task | None = None
    disk_format: str = EXPORT_FORMAT
    warnings: tuple[Message, ...] = ()

    @property
    def job(self) -> Job:
        """What events say about the job."""
        return Job(job=JobKind.SAVE, image=str(self.source), source=self.cloud.event_place)

    @reported
    def run(
        self, *, timeout: float | None = None, transfer: TransferOptions = DEFAULT_TRANSFER
    ) -> SaveResult:
        """Fetch the object; after a failure, a second run fetches only what is missing.

        A file that already has exactly the object's content, or its disk in another format, is left
        as it is. To compare a file in another format, the object is fetched.

        :param timeout: maximum number of seconds to wait for the export task.
        :raises TaskFailed: if the export task fails.
        :raises TaskTimeout: after `timeout`; the task is still running.
        :raises TransferError, TargetError: what was fetched stays in `FILE.part`.
        :raises IntegrityError: if the object is not a valid VHD, or was replaced before its
            deletion.
        """
        if self.task:
            require_consistent(self._await(self.task, timeout))
        with shown_in_use(self.cloud, self.source):
            converts = self._converts()
            existing = self._find_saved(transfer, converts=converts)
            done = existing or (self._convert(transfer) if converts else self._save(transfer))
        if self.options.delete_object:
            self._delete(done)
        status = ALREADY_SAVED if existing else SAVED
        return SaveResult(str(self.source), done.path, done.size, done.fetched_bytes, status)

    def is_saved(self, *, transfer: TransferOptions = DEFAULT_TRANSFER) -> bool:
        """Return whether the file already has the content, so that a run leaves it as it is.

        Nothing is changed. To compare a file in another format, the object is fetched.

        :raises TargetError: if the file has other content, and is not to be replaced.
        """
        target = self.options.target
        if self.task or not isinstance(target, str | os.PathLike):
            return False
        if self._find_saved(transfer, converts=self._converts()):
            return True
        require_writable(self._file(Path(target)), overwrite=self.options.overwrite)
        return False

    def _await(self, task: Task, timeout: float | None) -> Task:
        """Return the export task once it has succeeded."""
        doing = f"waiting for the export to '{self.source}'"
        with resumable(doing, Hint.FOLLOW_TASK_AND_SAVE, task=task.id):
            return self.cloud.wait_for(task, f"Waiting for task '{task.id}'", timeout)

    def _converts(self) -> bool:
        """Return whether the file has another format than the object."""
        if self.disk_format == EXPORT_FORMAT:
            return False
        return detect(ObjectSource(self.cloud.objects, self.source)) != self.disk_format

    def _convert(self, transfer: TransferOptions) -> Downloaded:
        is_file = isinstance(self.options.target, str | os.PathLike)
        hint = Hint.RESUME if is_file else Hint.START_OVER
        with resumable(f"saving '{self.source}' as {self.disk_format}", hint):
            return self._made_file(transfer).write(overwrite=self.options.overwrite)

    def _made_file(self, transfer: TransferOptions) -> MadeFile:
        context = self.cloud.data_transfer(transfer)
        target: Target = self.options.target
        if isinstance(target, str | os.PathLike):
            target = self._file(Path(target))
        return MadeFile(
            lambda: OrderedObject(context.connect(self.cloud.objects), self.source),
            target,
            self.disk_format,
            context,
        )

    def _file(self, target: Path) -> Path:
        return _file_for(self.source, target, self.disk_format)

    @property
    def _validates(self) -> bool:
        return self.options.validate and self.disk_format == EXPORT_FORMAT

    def _find_saved(self, transfer: TransferOptions, *, converts: bool) -> Downloaded | None:
        """Return what an earlier run has saved, if the file has exactly the content."""
        target = self.options.target
        if not isinstance(target, str | os.PathLike):
            return None
        file = self._file(Path(target))
        with resumable(f"comparing '{file}' with '{self.source}'"):
            if converts:
                return self._made_file(transfer).find()
            saved = find_download(
                self.cloud.objects, self.source, file, self.cloud.data_transfer(transfer)
            )
        if saved and self._validates:
            with FileSource(file) as content:
                require_vhd(content)
        return saved

    def _save(self, transfer: TransferOptions) -> Downloaded:
        target = self.options.target
        if isinstance(target, str | os.PathLike):
            return self._to_file(self._file(Path(target)), transfer)
        return self._to_stream(target, transfer)

    def _to_file(self, file: Path, transfer: TransferOptions) -> Downloaded:
        with resumable(f"saving '{self.source}'"):
            return download(
                self.cloud.objects,
                self.source,
                file,
                self.cloud.data_transfer(transfer),
                overwrite=self.options.overwrite,
                validate=require_vhd if self._validates else None,
            )

    def _to_stream(self, output: BinaryIO, transfer: TransferOptions) -> Downloaded:
        if self._validates:
            require_vhd(ObjectSource(self.cloud.objects, self.source))
        with resumable(f"writing '{self.source}' to the output", Hint.START_OVER):
            return download_stream(
                self.cloud.objects,
                self.source,
                output,
                self.cloud.data_transfer(transfer),
            )

    def _delete(self, saved: Downloaded) -> None:
        """Delete the object that was saved, but not an object that has replaced it since.

        :raises TransferError: if not all of it can be deleted; the saved file is complete.
        """
        store = self.cloud.objects
        info = store.head_object(self.source)
        if info is not None and info.etag != saved.etag:
            raise IntegrityError(
                f"Object '{self.source}' was replaced after it was saved, so it was not deleted."
                " The saved data is complete."
            )
        hint, values = Hint.CLEAN_CONTAINER, {"container": self.source.container}
        try:
            with resumable(f"deleting '{self.source}' after it was saved", hint, **values):
                delete(store, self.source)
        except Cancelled:
            raise
        except ImageTasksError as error:
            raise TransferError(
                Message(
                    f"'{self.source}' is saved, but could not be deleted completely: {error.text}",
                    hint,
                    values,
                )
            ) from error


def plan_save(cloud: Cloud, export: str | ObjectName, options: SaveOptions) -> SavePlan:
    """Check that an export can be saved.

    :param export: `container/object`, or the ID of an export task.
    :raises Refused: if it is neither, or the task is not an export, or the cloud has no tasks, or
        the format of the file cannot be written.
    :raises NotFound: if the task does not exist.
    :raises TargetError: if the file exists, unless it may be a copy of the object, or cannot be
        written.
    :raises IntegrityError: if a task reports another object than its input names.
    """
    task = None
    target, form = options.target, format_of(options.target, options.disk_format, EXPORT_FORMAT)
    if isinstance(export, str):
        export, task = _find_export(cloud, export)
    if isinstance(target, str | os.PathLike):
        file = _file_for(export, target_path(target), form)
        is_accepted = options.overwrite or (
            task is None and _has_size_of(cloud, export, file, form)
        )
        require_writable(file, overwrite=is_accepted)
    return SavePlan(cloud, export, options, task, form, misnamed(target, form))


def _has_size_of(cloud: Cloud, source: ObjectName, file: Path, form: str) -> bool:
    """Return whether a file may be what an object is saved as: the run compares them."""
    if not file.is_file():
        return False
    info = cloud.objects.head_object(source)
    if info is None:
        return False
    size = info.size
    if form != EXPORT_FORMAT:
        content = ObjectSource(cloud.objects, source)
        size = size if detect(content) == form else made_size(content, form)
    return size == file.stat().st_size


def _find_export(cloud: Cloud, text: str) -> tuple[ObjectName, Task | None]:
    """Return the object that `container/object` or a task's ID names, and a task that runs."""
    if "/" in text:
        return ObjectName.parse(text), None
    if not cloud.profile.uses_tasks:
        problem = (
            f"The cloud has no image tasks in region '{cloud.region}', so there are no exports."
        )
        raise Refused(Message(problem, Hint.SAVE_IMAGE))
    task = cloud.tasks.get(text)
    if task.type != "export":
        raise Refused(
            f"Task '{text}' is an {task.type} task; only the VHD of an export task can be saved."
        )
    if not task.ended:
        return _expected_object(task), task
    return require_consistent(require_success(task, cloud.profile)), None


def export_location(task: Task) -> ObjectName:
    """Return the object that an export task reports to have written.

    :raises ServiceError: if it reports none.
    """
    location = task.result.get("export_location")
    if not isinstance(location, str) or not all(location.partition("/")[::2]):
        raise ServiceError(f"Export task '{task.id}' does not report the location of its VHD.")
    return ObjectName.parse(location)


def require_consistent(task: Task) -> ObjectName:
    """Return the object of an export task, if it is the one that the task's input names.

    :raises IntegrityError: if it is another one.
    """
    location = export_location(task)
    if location != _expected_object(task):
        raise IntegrityError(
            f"Export task '{task.id}' reports its VHD at '{location}', which is not the location"
            " in its input. Check that object, and specify it instead of the task if it is correct."
        )
    return location


def _expected_object(task: Task) -> ObjectName:
    container, image = map(task.input.get, ("receiving_swift_container", "image_uuid"))
    return exported_object(str(container), str(image))


def _file_for(source: ObjectName, target: Path, form: str) -> Path:
    """Return the file to write; in a directory, its name is the last part of the object's."""
    if not target.is_dir():
        return target
    last = PurePosixPath(source.name).name
    if last in ("", ".", "..") or not last.isprintable():
        text = f"'{source.name}' cannot be used as a file name."
        raise Refused(Message(text, Hint.NAME_FILE))
    return target / file_name(last, EXPORT_FORMAT, form)


def require_vhd(source: ByteSource) -> None:
    """Check that what was saved is a valid VHD.

    :raises IntegrityError: with all errors.
    """
    report = check_vhd(source)
    if report.errors:
        raise IntegrityError(
            f"'{source.name}' is not a valid VHD:",
            *(f"- {finding.detail}" for finding in report.errors),
            Message("The cloud has stored exactly these bytes.", Hint.SAVE_UNVALIDATED),
        )
