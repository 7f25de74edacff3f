# SPDX-License-Identifier: Apache-2.0
"""Names of containers and objects, and the URL paths that they become. Pure."""

from typing import NamedTuple, Self
from urllib.parse import quote

from rackspace_imagetasks.exceptions import Refused

_MAX_CONTAINER_NAME = 256  # bytes; api-ref/object-store, "Create container"


class ObjectName(NamedTuple):
    """The name of an object and the container that holds it."""

    container: str
    name: str

    def __str__(self) -> str:
        return f"{self.container}/{self.name}"

    @classmethod
    def split(cls, text: str) -> Self:
        """Split `container/name` at the first slash; either part may turn out to be empty."""
        container, _, name = text.partition("/")
        return cls(container, name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `container/name`.

        :raises Refused: if either part is empty.
        """
        parsed = cls.split(text)
        if not all(parsed):
            raise Refused(f"'{text}' is not an object; expected '<container>/<object>'.")
        return parsed

    @property
    def path(self) -> str:
        """The path, quoted for a URL.

        :raises Refused: if no object can have this name; without a name, the path would be that
            of the container.
        """
        path = container_path(self.container)
        if not self.name:
            raise Refused(f"An object in container '{self.container}' cannot have an empty name.")
        _require_utf8(self.name)
        return "/".join([path, *map(_quote, self.name.split("/"))])


def container_path(name: str) -> str:
    """Quote a container name for a URL.

    :raises Refused: if no container can have this name; the service would read a part of it as the
        name of an object.
    """
    if not name or "/" in name or len(_require_utf8(name)) > _MAX_CONTAINER_NAME:
        raise Refused(
            f"Container name '{name}' is not valid: it must have 1 to {_MAX_CONTAINER_NAME} bytes"
            " in UTF-8 and cannot contain '/'."
        )
    return _quote(name)


def _require_utf8(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"'{name}' is not valid UTF-8, which object and container names must be."
                      ) from error  # fmt: skip


def _quote(step: str) -> str:
    """Quote a path segment; also `.` and `..`, which urllib3 would otherwise resolve."""
    return step.replace(".", "%2E") if not step.strip(".") else quote(step, "")
