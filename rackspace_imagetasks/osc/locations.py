# SPDX-License-Identifier: Apache-2.0
"""What a user means by `<source>`: a local file, or an object in a container."""

import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.osc.arguments import decoded
from rackspace_imagetasks.osc.usage import UsageError


@dataclass(frozen=True)
class Location:
    """A local file (`path`, as it was typed) or an object; exactly one of them is set."""

    path: str | None = None
    object: ObjectName | None = None

    def __str__(self) -> str:
        return self.path or str(self.object)

    @property
    def key(self) -> str | ObjectName:
        """A key that is equal for two spellings of the same location."""
        if self.path is None:
            return self.object or ""
        slash = "/" if self.path.endswith("/") else ""  # then it is no file
        return os.path.realpath(self.path) + slash

    @property
    def may_be_object(self) -> bool:
        """Whether this is a file, and an object could have the same name."""
        path = self.path or ""
        return _may_be_object(path) and path.partition("/")[2] != ""

    @property
    def image_name(self) -> str:
        """The default name of an image imported from here: the last part without its suffix.

        :raises Refused: if the file's name is not valid UTF-8.
        """
        last = PurePosixPath(self.path or (self.object.name if self.object else ""))
        name = decoded(last.stem)
        if name is None:
            raise Refused(Message(f"'{last.name}' is not valid UTF-8.", Hint.NAME_IMAGE))
        return name

    @classmethod
    def parse(cls, text: str) -> "Location":
        """Return the file or object that `text` names.

        `./disk.vhd`, `/srv/disk.vhd` and `disk.vhd` are files; `images/disk.vhd` is an object,
        unless there is a file with that name.

        :raises UsageError: if it names a container without an object, or if the name of the object
            is not valid UTF-8.
        """
        if not _may_be_object(text) or is_there(text):
            return cls(path=text)
        return cls.of_object(text)

    @classmethod
    def of_object(cls, text: str) -> "Location":
        """Return the object that `text` names, even if a file has the same name.

        :raises UsageError: if it names no object, or if the name is not valid UTF-8.
        """
        container, slash, name = text.partition("/")
        if not slash or not container:
            raise UsageError(f"'{text}' is not an object; expected '<container>/<object>'.")
        if not name:
            raise UsageError(f"'{text}' names a container; add the name of an object.")
        unicode = decoded(text)
        if unicode is None:
            raise UsageError(f"'{text}' is not valid UTF-8.")
        return cls(object=ObjectName.parse(unicode))


def _may_be_object(text: str) -> bool:
    container, slash, _ = text.partition("/")
    return bool(slash) and container not in ("", ".", "..")


def is_there(path: str) -> bool:
    """Return whether there is a file; one that cannot be looked up does not count.

    A symbolic link counts, wherever it leads, and a slash at the end does not make a difference.
    """
    return os.path.lexists(path.rstrip("/") or path)
