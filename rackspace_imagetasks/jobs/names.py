# SPDX-License-Identifier: Apache-2.0
"""The names of staged and exported objects, and how to tell them from others. Pure."""

import hashlib
import re
from pathlib import PurePath

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.objects.names import ObjectName

CONTAINER_PREFIX = "image-transfers-"
"""Prefix of the names of all containers that transfers use."""
EXPORTS_CONTAINER = f"{CONTAINER_PREFIX}exports"
"""The container of the exports of all transfers, whatever their targets: they share an export."""
_SAMPLE = 4096  # bytes


def staged_name(source: ByteSource, name: str) -> str:
    """Return the name of the staged object of an upload.

    The same content and image name always give the same object name, so that a second run finds
    the object and the image. It is safe in any URL: letters, digits, `.`, `_` and `-`.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(name).stem).strip(".-")[:80] or "disk"
    key = f"{source.size}\0{source.identity}\0{name}".encode()
    return f"{stem}-{hashlib.sha256(key + _sample(source)).hexdigest()[:16]}.vhd"


def staged_file(name: str, disk_format: str) -> str:
    """Return the name of a staged object that is not a VHD but a file of another format.

    :param name: the name of the VHD.
    """
    return f"{name.removesuffix('.vhd')}.{disk_format}"


def _sample(source: ByteSource) -> bytes:
    """Return the beginning and the end, which hold a VHD's unique ID.

    Files can have the same identity on machines that were set up in the same way.
    """
    length = min(_SAMPLE, source.size)
    return source.read_at(0, length) + source.read_at(source.size - length, length)


def is_staged_name(name: str) -> bool:
    """Return whether an import names its staged object so."""
    return re.fullmatch(r"[A-Za-z0-9._-]{1,80}-[0-9a-f]{16}\.(vhd|qcow2|raw)", name) is not None


def exported_object(container: str, image_id: str) -> ObjectName:
    """Return the object to which the service exports an image (developer guide, "Export task")."""
    return ObjectName(container, f"{image_id}.vhd")


def is_transferred_name(name: str) -> bool:
    """Return whether an export or a transfer names its object so: by an image ID."""
    pattern = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(vhd|qcow2|raw)"
    return re.fullmatch(pattern, name) is not None


def is_own_name(name: str) -> bool:
    """Return whether the name is that of a staged or exported object, not a user's own."""
    return is_staged_name(name) or is_transferred_name(name)
