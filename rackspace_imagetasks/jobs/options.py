# SPDX-License-Identifier: Apache-2.0
"""Options that several jobs share."""

import dataclasses
import os
from collections.abc import Mapping
from typing import BinaryIO

AUTO_METHOD = "auto"
AUTO_BOOT_PROFILE = "auto"
"""The boot profile that the content of the disk decides."""
METHODS = (AUTO_METHOD, "direct", "web-download")
"""How the data of an image reaches a cloud without image tasks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiskOptions:
    """How a disk is read before an import; the format and the conversion are those of a local one.

    :ivar format: one of `sources.FORMATS`; None to detect it.
    :ivar convert: convert a disk that is not a resizable VHD; False sends the file unchanged.
    :ivar allow_truncated: accept a disk that is shorter than its partitions or its file system.
    :ivar inspect: look inside the disk: refuse what the licence forbids, warn of what keeps a
        server from working, and set the properties of the image.
    :ivar boot_profile: one of the boot profiles of the cloud, or `auto` to choose it by the content
        of the disk.
    """

    format: str | None = None
    convert: bool = True
    allow_truncated: bool = False
    inspect: bool = True
    boot_profile: str = AUTO_BOOT_PROFILE


DEFAULT_DISK = DiskOptions()


@dataclasses.dataclass(frozen=True, kw_only=True)
class StagingOptions:
    """Where a local disk is staged for an import.

    :ivar container: the container; None for the profile's, which is created if it does not exist.
    :ivar create_container: create the named container, too, if it does not exist.
    :ivar keep_object: keep the staged object after the import.
    """

    container: str | None = None
    create_container: bool = False
    keep_object: bool = False


DEFAULT_STAGING = StagingOptions()


@dataclasses.dataclass(frozen=True, kw_only=True)
class PropertyOptions:
    """Which properties the copy of an image gets.

    :ivar adapt: adapt those of the image to another hypervisor.
    :ivar chosen: properties that have precedence over those of the image.
    """

    adapt: bool = True
    chosen: Mapping[str, str] = dataclasses.field(default_factory=dict)


DEFAULT_PROPERTIES = PropertyOptions()


@dataclasses.dataclass(frozen=True, kw_only=True)
class CopyOptions:
    """How an image is copied to another cloud.

    :ivar properties: which properties the copy gets.
    :ivar keep_objects: keep the exported and the staged object.
    :ivar disk_format: qcow2, raw or vhd; None for the format of the target's profile.
    :ivar method: one of `METHODS`, at the target.
    :ivar inspect: look inside the disk before it is sent.
    """

    properties: PropertyOptions = DEFAULT_PROPERTIES
    keep_objects: bool = False
    disk_format: str | None = None
    method: str = AUTO_METHOD
    inspect: bool = True


DEFAULT_COPY = CopyOptions()


@dataclasses.dataclass(frozen=True, kw_only=True)
class SaveOptions:
    """Where and how an exported VHD, or the data of an image, is saved.

    :ivar target: a file, a directory that receives a file with the object's name, or a binary
        stream.
    :ivar overwrite: replace an existing file.
    :ivar validate: check that the object is a valid VHD before the file gets its name, or before
        the stream receives a byte.
    :ivar delete_object: delete the object and its segments once it is saved.
    :ivar disk_format: vhd, qcow2, or raw; by default the one that the suffix of the file names, or
        else the one in which the disk is stored.
    """

    target: str | os.PathLike[str] | BinaryIO
    overwrite: bool = False
    validate: bool = True
    delete_object: bool = False
    disk_format: str | None = None
