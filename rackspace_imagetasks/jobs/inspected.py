# SPDX-License-Identifier: Apache-2.0
"""What follows from what is inside a disk: whether it may move, and what its image says."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.content_policy import (
    boot_profile_for,
    found_properties,
    judge_arriving,
    judge_leaving,
)
from rackspace_imagetasks.exceptions import SourceError, TransferError, VhdError
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.guest.facts import DiskFacts
from rackspace_imagetasks.guest.fence import InspectionFailed
from rackspace_imagetasks.jobs.inspections import inspect_disk
from rackspace_imagetasks.jobs.options import AUTO_BOOT_PROFILE, DEFAULT_DISK, DiskOptions
from rackspace_imagetasks.jobs.sharing import ALONE, Sharing
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.ordered import OrderedSource
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.sources import DiskSource, open_disk_of

_NOT_CHECKED = "Licences were not checked inside the disk."


@dataclasses.dataclass(frozen=True)
class Inspected:
    """What follows from the content of a disk.

    :ivar properties: those of the image, unless the user has chosen other values.
    """

    verdict: Verdict = dataclasses.field(default_factory=Verdict)
    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)


def inspect_for_import(
    cloud: Cloud, disk: ByteSource, options: DiskOptions = DEFAULT_DISK
) -> Inspected:
    """Look inside a disk that is to be an image of a cloud, unless the options forbid it.

    What cannot be inspected is reported, and is no reason to refuse the disk.

    :raises Refused: if the cloud does not have the boot profile.
    """
    facts = _facts(cloud, disk, inspect=options.inspect)
    chosen = options.boot_profile
    if chosen == AUTO_BOOT_PROFILE:
        chosen = boot_profile_for(facts, cloud.profile)
    properties = cloud.profile.boot_properties(chosen)
    if facts is None:
        return Inspected(properties=properties)
    return Inspected(
        verdict=judge_arriving(disk.name, facts, cloud.profile),
        properties={**found_properties(facts, cloud.profile), **properties},
    )


def inspect_departing(
    source: Cloud,
    target: Cloud,
    disk: ByteSource,
    sharing: Sharing = ALONE,
    *,
    inspect: bool = True,
) -> Inspected:
    """Look inside the disk of an image that is to move from one cloud to another.

    :param sharing: looks once for several targets.
    """
    facts = sharing.once("inspect", lambda: _facts(source, disk, inspect=inspect))
    if facts is None:
        return Inspected()
    return Inspected(
        verdict=judge_leaving(disk.name, facts, source.profile)
        + judge_arriving(disk.name, facts, target.profile),
        properties=found_properties(facts, target.profile),
    )


def inspect_vhd(
    cloud: Cloud, content: ByteSource, options: DiskOptions = DEFAULT_DISK
) -> Inspected:
    """Look inside the disk in a VHD; see `inspect_for_import`. What is not a VHD has no disk."""
    try:
        disk = vhd.open_disk(vhd.VhdFile(content))
    except VhdError:
        return Inspected()
    return inspect_for_import(cloud, disk, options)


def judge_exported(cloud: Cloud, exported: ObjectName) -> Verdict:
    """Judge by its content whether the disk of an exported image may leave the cloud."""
    if not cloud.profile.licensed_systems:
        return Verdict()
    try:
        disk = exported_disk(cloud, exported)
        facts = _facts(cloud, disk, inspect=True)
    except VhdError:
        return Verdict()
    except TransferError as error:  # no reason for an export to fail that has succeeded
        cloud.progress.message(f"{error.text} {_NOT_CHECKED}")
        return Verdict()
    return judge_leaving(disk.name, facts, cloud.profile) if facts else Verdict()


def exported_disk(cloud: Cloud, exported: ObjectName) -> ByteSource:
    """Return the disk in an exported VHD, for reads here and there.

    :raises VhdError: if the object is not a VHD.
    """
    return vhd.open_disk(vhd.VhdFile(ObjectSource(cloud.objects, exported)))


def _facts(cloud: Cloud, disk: ByteSource, *, inspect: bool) -> DiskFacts | None:
    """Return what is inside a disk, or None if that is not known, which is reported."""
    if not inspect:
        report_no_inspection(cloud, disk.name)
        return None
    try:
        with _for_reads_anywhere(disk) as readable:
            return inspect_disk(readable, stop=cloud.stop)
    except (InspectionFailed, SourceError) as error:
        cloud.progress.message(f"{error.text} {_NOT_CHECKED}")
        return None


def report_no_inspection(cloud: Cloud, name: str) -> None:
    """Tell the user what follows from the choice not to look inside a disk."""
    cloud.progress.message(f"'{name}' is not inspected. {_NOT_CHECKED}")


@contextlib.contextmanager
def _for_reads_anywhere(disk: ByteSource) -> Iterator[ByteSource]:
    """Yield a disk that is not read in order, which is what the inspection cannot do."""
    if isinstance(disk, DiskSource) and isinstance(disk.file, OrderedSource):
        with open_disk_of(disk.file.unordered()) as other:
            yield other
    else:
        yield disk
