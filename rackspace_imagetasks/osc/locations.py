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
        return os.path.realpath(self.path) if self.path else self.object or ""

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

        `./disk.vhd`, `/srv/disk.vhd` and `disk.vhd` are files; `images/disk.vhd` is an object.

        :raises UsageError: if it could be either, if it names a container without an object, or if
            the name of the object is not valid UTF-8.
        """
        container, slash, name = text.partition("/")
        if not slash or container in ("", ".", ".."):
            return cls(path=text)
        if is_there(text):
            raise UsageError(
                f"'{text}' names an existing file and could also be an object; write './{text}' for"
                " the file."
            )
        if not name:
            raise UsageError(f"'{text}' names a container; add the name of an object.")
        unicode = decoded(text)
        if unicode is None:
            raise UsageError(f"'{text}' is not valid UTF-8.")
        return cls(object=ObjectName.parse(unicode))


def is_there(path: str) -> bool:
    """Return whether there is a file; one that cannot be looked up does not count.

    A symbolic link counts, wherever it leads, and a slash at the end does not make a difference.
    """
    return os.path.lexists(path.rstrip("/") or path)
