# SPDX-License-Identifier: Apache-2.0
"""Look inside a disk that is in an object or an image, or anywhere else."""

import threading

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.cloud import Cloud
from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.formats.signatures import recognise
from rackspace_imagetasks.formats.window import Window
from rackspace_imagetasks.guest.facts import DiskFacts
from rackspace_imagetasks.guest.fence import run_fenced
from rackspace_imagetasks.guest.inspection import inspect
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.sources import DiskSource, open_disk_of
from rackspace_imagetasks.threads import in_background

_INSPECT = f"{inspect.__module__}:{inspect.__name__}"


def inspect_disk(
    disk: ByteSource, *, deep: bool = False, stop: threading.Event | None = None
) -> DiskFacts:
    """Look inside a disk, in a process that can do nothing but read it.

    :param deep: read the contents of initramfs files, too: some 60 MiB.
    :param stop: set by any thread to end the inspection.
    :raises Cancelled: if `stop` is set.
    :raises InspectionFailed: if that fails for a reason that is not the disk's source.
    :raises SourceError: if the disk cannot be read.
    """
    return run_fenced(disk, _INSPECT, DiskFacts, deep=deep, stop=stop).value


def open_disk_in(file: ByteSource) -> DiskSource:
    """Open the disk in a file of any format; a CD image, which cannot be imported, is one, too.

    :raises SourceError, VhdError: if there is no readable disk in it.
    """
    formats = {signature.format for signature in recognise(Window(file))}
    return open_disk_of(file, format="raw" if formats == {"iso"} else None)


def open_object(cloud: Cloud, name: ObjectName) -> DiskSource:
    """Open the disk in an object, of which only ranges are read.

    :raises NotFound: if there is no such object.
    :raises SourceError, VhdError: if there is no readable disk in it.
    """
    return open_disk_in(ObjectSource(cloud.objects, name))


def open_image(cloud: Cloud, image: str) -> DiskSource:
    """Open the disk in the data of an image, of which only ranges are read.

    :param image: its name or ID.
    :raises Refused: if the cloud does not give access to the data of images, or to ranges of them.
    :raises NotFound, Refused: if there is no such image, or more than one.
    :raises SourceError, VhdError: if there is no readable disk in it.
    """
    get_ready = in_background(cloud.get_ready)
    facts = cloud.images.find(image)
    if get_ready().uses_tasks:
        text = f"The data of {facts.title} cannot be read: this cloud exports images by tasks."
        raise Refused(Message(text, Hint.EXPORT_IMAGE))
    return open_disk_in(cloud.image_source(facts))
