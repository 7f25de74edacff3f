# SPDX-License-Identifier: Apache-2.0
"""What a user means by `<source>`: a local file, or an object in a container."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.text import printable


@dataclass(frozen=True)
class Location:
    """A local file (`path`), or an object (`container` and `object_name`)."""

    path: Path | None = None
    container: str = ""
    object_name: str = ""

    def __str__(self) -> str:
        return str(self.path or f"{self.container}/{self.object_name}")

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for two ways to name the same."""
        return (str(self.path.resolve()) if self.path else "", self.container, self.object_name)

    @property
    def image_name(self) -> str:
        """The name that an image from here gets: the last part, without its suffix."""
        return PurePosixPath(self.path or self.object_name).stem

    @classmethod
    def parse(cls, text: str) -> "Location":
        """Tell a file from an object.

        `./disk.vhd`, `/srv/disk.vhd` and `disk.vhd` are files; `images/disk.vhd` is an object.

        :raises Refused: when it may be either, or is neither.
        """
        container, slash, name = text.partition("/")
        if not slash or container in ("", ".", ".."):
            return cls(path=Path(text))
        if is_there(Path(text)):
            raise Refused(
                f"'{printable(text)}' is a file here, and may be an object too; write"
                f" './{printable(text)}' for the file."
            )
        if not name:
            raise Refused(f"'{printable(text)}' names a container; add the object's name.")
        return cls(container=container, object_name=name)


def is_there(path: Path) -> bool:
    """Say whether there is a file; one that cannot even be looked for is not."""
    try:
        return path.exists()
    except OSError:  # a name that is too long, a directory that may not be searched
        return False
