# SPDX-License-Identifier: Apache-2.0
"""Save: an exported VHD in a container becomes a local file, proven segment by segment."""

import dataclasses
import os
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import (
    Cancelled,
    ImageTasksError,
    IntegrityError,
    Refused,
    TransferError,
)
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.jobs.exports import export_location
from rackspace_imagetasks.jobs.resumable import resumable
from rackspace_imagetasks.objects.deletion import delete
from rackspace_imagetasks.objects.download import Downloaded, download, download_stream
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.transfer import DEFAULT_TRANSFER, Transfer, TransferOptions
from rackspace_imagetasks.partfile import require_writable
from rackspace_imagetasks.progress import Progress
from rackspace_imagetasks.text import printable

_BEGIN_ANEW = "What was written is not complete; the same command begins anew."


@dataclasses.dataclass(frozen=True)
class SaveResult:
    """A saved object; sizes in bytes. `path` is None for a stream."""

    location: str
    path: Path | None
    size: int
    fetched_bytes: int


def find_export(cloud: Cloud, text: str, progress: Progress) -> tuple[str, str]:
    """Return the container and object that `container/object`, or an export task's ID, names.

    A task that still runs is waited for.

    :raises NotFound, TaskFailed: as the task ends.
    :raises Refused: when the task is no export.
    :raises IntegrityError: when the task points elsewhere than its own input says.
    """
    container, slash, name = text.partition("/")
    if slash:
        if not container or not name:
            raise Refused(f"'{printable(text)}' names no object; write <container>/<object>.")
        return container, name
    with progress.phase(f"Waiting for task {printable(text)}") as phase:
        task = cloud.tasks.wait(text, on_status=lambda current: phase.note(current.status))
    if task.type != "export":
        raise Refused(
            f"The task '{printable(text)}' is an {printable(task.type)}; only an export has a VHD"
            " to save."
        )
    container, _, name = export_location(task).partition("/")
    expected = (task.input.get("receiving_swift_container"), f"{task.input.get('image_uuid')}.vhd")
    if (container, name) != expected:
        raise IntegrityError(
            f"The export task {task.id} says that its VHD is at"
            f" '{printable(f'{container}/{name}')}', which is not where it was to write; look at"
            " it, and name the object itself if it is right."
        )
    return container, name


def save_object(
    cloud: Cloud,
    container: str,
    name: str,
    target: str | os.PathLike[str] | BinaryIO,
    progress: Progress,
    *,
    overwrite: bool = False,
    validate: bool = True,
    delete_object: bool = False,
    transfer: TransferOptions = DEFAULT_TRANSFER,
) -> SaveResult:
    """Fetch an object into a file, or in order into a stream.

    :param target: a file, a directory that takes the object's name, or a binary stream.
    :param validate: check that it is a VHD: the file before it gets its name, the object before
        the stream gets a byte.
    :param delete_object: delete the object and its segments once the file is complete.
    :raises TransferError, TargetError: what arrived stays in `FILE.part` for the next run.
    :raises IntegrityError: when it is no VHD, or when another object has its name by the time it
        is to be deleted.
    """
    location = ObjectName(container, name)
    if isinstance(target, str | os.PathLike):
        with resumable(f"saving '{location}'"):
            done = download(
                cloud.objects,
                location,
                _file(Path(target), name),
                Transfer(transfer, progress, cloud.stop),
                overwrite=overwrite,
                validate=_require_vhd if validate else None,
            )
    else:
        if validate:
            _require_vhd(ObjectSource(cloud.objects, location))
        with resumable(f"writing '{location}' to the output", _BEGIN_ANEW):
            done = download_stream(
                cloud.objects, location, target, Transfer(transfer, progress, cloud.stop)
            )
    if delete_object:
        _delete_saved(cloud.objects.until(cloud.stop), location, done)
    return _result(str(location), done)


def check_target(location: str, target: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Check that `container/object` can be saved there, before long work.

    :raises TargetError: see `require_writable`.
    """
    require_writable(_file(Path(target), location), overwrite=overwrite)


def _delete_saved(store: ObjectStore, name: ObjectName, saved: Downloaded) -> None:
    """Delete the object that was saved, and not one that has replaced it meanwhile.

    :raises TransferError: when a part of it cannot be deleted; what was saved is complete.
    """
    info = store.head_object(name)
    if info is not None and (info.etag, info.size) != (saved.etag, saved.size):
        raise IntegrityError(
            f"The object '{name}' was replaced after it was saved, so it is not deleted; what"
            " was saved is complete and is kept."
        )
    rest = f"`openstack image task clean --container {name.container} --delete` deletes the"
    rest += " rest."
    try:
        with resumable(f"deleting '{name}', which is saved", rest):
            delete(store, name)
    except Cancelled:
        raise
    except ImageTasksError as error:
        raise TransferError(
            f"'{name}' is saved, but not all of it is deleted: {error} {rest}"
        ) from error


def _file(target: Path, name: str) -> Path:
    """Return the file to write: in a directory, by the last part of the object's name."""
    if not target.is_dir():
        return target
    last = PurePosixPath(name).name
    if last in ("", ".", "..") or not last.isprintable():
        raise Refused(f"'{printable(name)}' is not a name for a file; give one with --file.")
    return target / last


def _require_vhd(source: ByteSource) -> None:
    report = vhd.check(source)
    if report.errors:
        raise IntegrityError(
            f"'{printable(source.name)}' is not a VHD that can be imported:",
            *(f"- {finding.detail}" for finding in report.errors),
            "The object holds just these bytes; to save them all the same, use --no-validate.",
        )


def _result(location: str, done: Downloaded) -> SaveResult:
    return SaveResult(location, done.path, done.size, done.fetched_bytes)
