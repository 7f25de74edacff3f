# SPDX-License-Identifier: Apache-2.0
"""What the user is told: a sentence, and a hint that each front end words in its own way.

A message may quote a file or a server. It is made safe to print here, when it is turned into text,
so that no other module has to remember to do so.
"""

import dataclasses
import enum
from collections.abc import Callable, Mapping

from rackspace_imagetasks.text import printable

_MAX_LENGTH = 2000  # characters of one message; a task's message may be as long as a server likes
_MAX_VALUE_LENGTH = 300


class Hint(enum.Enum):
    """What the user can do next, by name; the value words it for a Python program.

    `{name}` in a wording stands for one of the message's values. The commands have wordings of
    their own that name options and commands (`osc.hints`).
    """

    CREATE_CONTAINER = "Create the container first, or allow its creation."
    CHOOSE_CONTAINER = "Choose another container."

    # Local files
    NAME_DISK_FILE = "Specify a disk image file."
    WAIT_FOR_WRITER = "Wait until nothing writes to the file, then try again."
    DOWNLOAD_FILE = "Download the file first, then specify the local file."
    SAVE_PIPE = "Save its output to a file first, then specify that file."
    GET_FILE_AGAIN = "Copy the file again from its source."
    TRUNCATE_FILE = "Truncate the file to {size} bytes."
    PAD_FILE = "If it is a raw disk, it is incomplete: copy it again, or pad it to whole sectors."
    REPLACE_FILE = "Choose another file, or allow the existing file to be replaced."
    REPLACE_PART_FILE = "Remove the file, or allow it to be replaced."
    CHOOSE_FILE = "Choose another file."
    CREATE_DIRECTORY = "Create the directory first."
    WAIT_FOR_OTHER_PROCESS = "Wait until the other process ends, then try again."
    FREE_MEMORY = "Free or allow more memory, processes or threads, then try again."

    # Disk image formats
    DECOMPRESS_GZIP = "Decompress the file first, with gzip."
    DECOMPRESS_XZ = "Decompress the file first, with xz."
    DECOMPRESS_ZSTD = "Decompress the file first, with zstd."
    DECOMPRESS_BZIP2 = "Decompress the file first, with bzip2."
    UNPACK_7Z = "Extract the disk image from the 7z archive first."
    UNPACK_ZIP = "Extract the disk image from the ZIP archive first."
    UNPACK_TAR = "Extract the disk image from the tar archive first."
    INSTALL_FROM_CD = "Install the system from the CD image to a disk first."
    SPECIFY_FORMAT = "Specify the source format."
    SPECIFY_RAW_FORMAT = "If it is a raw disk, specify the source format 'raw'."
    OMIT_FORMAT = "Omit the source format, or allow conversion."
    FLATTEN_DISK = "Convert the disk to a single qcow2 file first."
    FLATTEN_DESCRIPTOR = "Convert the disk to a single qcow2 file first, from {descriptor}."
    FLATTEN_PARALLELS = "Convert the Parallels disk to qcow2 first."
    FLATTEN_DMG = "Convert the Apple disk image to qcow2 first."
    DECRYPT_DISK = "Decrypt the disk first."
    REPAIR_DISK = "Check and repair the disk while no other program uses it."
    REPLAY_LOG = "Replay the log of a copy of the file with QEMU, or start and stop it in Hyper-V."
    COMPARE_WITH_ORIGINAL = "Compare the file with its original, and copy it again if they differ."
    INSTALL_QEMU = "Install the package qemu-utils (Debian, Ubuntu) or qemu-img (RHEL, Fedora)."
    ALLOW_TRUNCATED = (
        "Get the complete disk, or allow a truncated disk if the missing part is not needed."
    )

    # VHDs
    CONVERT_VHD = "Convert the file to a dynamic VHD that XenServer can resize."
    CONVERT_TO_VHD = "Convert the disk to a VHD."
    CONVERT_RAW_TO_VHD = "If it is a raw disk, convert it to a VHD, with the source format 'raw'."
    REPAIR_VHD = "Convert the file: conversion repairs it, using the valid footer."
    LEAVE_ZEROS_OUT = "Convert the file: conversion leaves out blocks that contain only zeros."
    MERGE_PARENT = "Merge the disk with its parent, then import the merged disk."
    SPECIFY_WHOLE_DISK = "Specify a fixed or dynamic VHD."
    SHRINK_DISK = "Shrink the disk before you create an image from it."
    SHRINK_OR_RAISE_LIMIT = "Shrink the disk, or raise the limit if the provider allows more."


@dataclasses.dataclass(frozen=True)
class Message:
    """One thing to tell the user.

    :ivar text: what is wrong, or what is done and why: one or more complete sentences.
    :ivar hint: what the user can do next, if anything.
    :ivar values: what the hint's wording refers to by name.
    """

    text: str
    hint: Hint | None = None
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, message: "str | Message") -> "Message":
        """Return a message for a text; a message is returned as it is."""
        return message if isinstance(message, Message) else cls(message)

    def worded(
        self, wordings: Mapping[Hint, str], quote: Callable[[str], str] = lambda value: value
    ) -> str:
        """Return the message as one printable line, the hint in the given wording.

        :param wordings: wordings for hints; a hint without one is worded for Python programs.
        :param quote: quotes a value for its place in a wording, such as a shell command.
        """
        text = printable(" ".join(self.text.split("\n")), _MAX_LENGTH)
        if self.hint is None:
            return text
        values = {
            name: quote(printable(value, _MAX_VALUE_LENGTH)) for name, value in self.values.items()
        }
        return f"{text} {wordings.get(self.hint, self.hint.value).format_map(values)}"

    def __str__(self) -> str:
        return self.worded({})
