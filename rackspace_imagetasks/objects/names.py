# SPDX-License-Identifier: Apache-2.0
"""Names of containers and objects as paths of the service's URL. Pure."""

from urllib.parse import quote

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.text import printable

_LONGEST_CONTAINER_NAME = 256  # bytes; api-ref/object-store, "Create container"


def container_path(name: str) -> str:
    """Quote a container's name.

    :raises Refused: when no container has such a name; the service would take a part of it for an
        object's.
    """
    if not name or "/" in name or len(_utf8(name)) > _LONGEST_CONTAINER_NAME:
        raise Refused(
            f"'{printable(name)}' names no container; its name has 1 to"
            f" {_LONGEST_CONTAINER_NAME} bytes in UTF-8 and no slash."
        )
    return _quote(name)


def object_path(container: str, name: str) -> str:
    """Quote a path.

    :raises Refused: when no object is so called; without a name it is the container's own path.
    """
    path = container_path(container)
    if not name:
        raise Refused(f"In container '{printable(container)}' no object has an empty name.")
    _utf8(name)
    return "/".join([path, *map(_quote, name.split("/"))])


def _utf8(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"'{printable(name)}' is not UTF-8, as the service wants names.") from error


def _quote(step: str) -> str:
    """Quote; `.` and `..` too, which urllib3 would otherwise resolve."""
    return step.replace(".", "%2E") if not step.strip(".") else quote(step, "")
