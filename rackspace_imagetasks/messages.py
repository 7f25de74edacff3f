# SPDX-License-Identifier: Apache-2.0
"""What the user is told: a sentence, and a hint that each front end words in its own way.

A message may quote a file, a server, or a URL with a password. It is made safe to print here, when
it is turned into text, so that no other module has to remember to do so.
"""

import dataclasses
import enum
from collections.abc import Callable, Mapping

from rackspace_imagetasks.text import printable, without_credentials

_MAX_LENGTH = 2000  # characters of one message; a task's message may be as long as a server likes
_MAX_VALUE_LENGTH = 300


class Hint(enum.Enum):
    """What the user can do next, by name; the value words it for a Python program.

    `{name}` in a wording stands for one of the message's values. The commands have wordings of
    their own that name options and commands (`osc.hints`).
    """

    # Containers and objects
    CHECK_OBJECT = "Check that the container and the object exist in this region."
    CHOOSE_CONTAINER = "Choose another container."
    CLEAN_CONTAINER = "Clean container '{container}' to delete the rest."
    CREATE_CONTAINER = "Create the container first, or allow its creation."
    FIND_IMPORT_CONTAINER = "List the containers to see the available ones."
    FIND_IMPORT_OBJECT = "List the objects in container '{container}' to see which can be imported."
    LIST_OBJECTS = "List the objects in container '{container}' to see the available ones."
    MOVE_EXISTING_OBJECT = "Save or delete the existing object, or choose another container."
    SAVE_EXISTING_OBJECT = "Save or delete object '{location}', or choose another container."

    # Images
    CHOOSE_METHOD = "Choose another method, or leave the choice to the job."
    EXPORT_IMAGE = "Export the image first, then use the exported VHD."
    IMPORT_NEW_COPY = "To import another copy of it, request a new copy."
    LIST_IMAGES = "List the images to see which are available."
    MAKE_PRIVATE = "Make the image private first."
    NAME_IMAGE = "Choose a name for the image."
    NAME_IMAGE_BY_ID = "Specify the image by its ID."
    RETRY_WITHOUT_SETTING = "Repeat the import without the refused setting to apply the others."
    SAVE_AS_QCOW2 = "Save the disk as qcow2, then convert the file with QEMU."
    SAVE_IMAGE = "Export the image itself, and save it to a file."
    SAVE_IN_OWN_FORMAT = "Save the image as {format}, then convert the file with QEMU."
    SAVE_TO_FILE = "Specify a file to save the image to."
    SAVE_TO_FILE_OR_AS_QCOW2 = "Write the disk to a file, or as qcow2."
    SET_ATTRIBUTE = "Set the attribute instead, or omit the property."
    WAIT_FOR_IMAGE = "Wait for the import to finish."

    # Tasks
    FOLLOW_TASK = "Wait for task '{task}' to follow it."
    FOLLOW_TASK_AND_COMPLETE = (
        "Wait for task '{task}' to follow it, or repeat the import to follow it and complete the"
        " image."
    )
    FOLLOW_TASK_AND_SAVE = (
        "Wait for task '{task}' to follow it, or repeat the export to follow it and save the VHD."
    )

    # Runs that were interrupted
    RESUME = "Finished work is kept; repeat the job to resume."
    RESUME_UPLOAD = "Repeat the job to upload the image again."
    START_OVER = "The output is incomplete; repeat the job to start over."

    # Files
    NAME_FILE = "Specify the file to write."
    SAVE_UNVALIDATED = "Save the data without validation if this is what you want."

    # Objects
    CHECK_NETWORK = "Check the network between this machine and the service, then try again."
    DELETE_BY_NAME = "Delete the segments one by one, by their names."
    FREE_SPACE = "Free up space, or choose another location."
    RAISE_QUOTA = "Delete objects that are not needed, or ask for a higher quota."
    TRY_AGAIN = "Try again."
    USE_SWIFTCLIENT = "Download the object with another tool, such as python-swiftclient."

    # Local files
    NAME_DISK_FILE = "Specify a disk image file."
    CHECK_PERMISSIONS = "Check the permissions of the file and of its directories."
    WAIT_FOR_WRITER = "Wait until nothing writes to the file, then try again."
    DOWNLOAD_FILE = "Download the file first, then specify the local file."
    SAVE_PIPE = "Save the output of the pipe to a file first, then specify that file."
    GET_FILE_AGAIN = "Copy the file again from its source."
    TRUNCATE_FILE = "Truncate the file to {size} bytes."
    PAD_FILE = (
        "If the file is a raw disk, it is incomplete: copy it again, or pad it to whole sectors."
    )
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
    SPECIFY_RAW_FORMAT = "If the file is a raw disk, specify the source format 'raw'."
    OMIT_FORMAT = "Omit the source format, or allow conversion."
    FLATTEN_DISK = "Convert the disk to a single qcow2 file first."
    FLATTEN_DESCRIPTOR = "Convert the disk to a single qcow2 file first, from '{descriptor}'."
    FLATTEN_FROM_DESCRIPTOR = "Convert the disk to a single qcow2 file first, from its descriptor."
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
    VALIDATE_VHD = "Validate the VHD to see its errors."
    VALIDATE_OR_CONVERT_VHD = "Validate the VHD to see its errors, or convert it."
    WRITE_FIXED_OR_DYNAMIC_VHD = "Write a fixed or dynamic VHD with the program that created it."
    CONVERT_VHD = "Convert the file to a dynamic VHD that XenServer can resize."
    CONVERT_TO_VHD = "Convert the disk to a VHD."
    CONVERT_RAW_TO_VHD = (
        "If the file is a raw disk, convert it to a VHD, with the source format 'raw'."
    )
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
    :ivar values: what the hint's wording refers to by name; a list is shown with spaces between.
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
        :param quote: quotes a value for a command, which a wording has between backticks.
        """
        text = _safe(" ".join(self.text.split("\n")), _MAX_LENGTH)
        if self.hint is None:
            return text
        values = {name: _texts(value) for name, value in self.values.items()}
        shown = {name: " ".join(texts) for name, texts in values.items()}
        quoted = {name: " ".join(map(quote, texts)) for name, texts in values.items()}
        parts = wordings.get(self.hint, self.hint.value).split("`")
        hint = "`".join(
            part.format_map(quoted if number % 2 else shown) for number, part in enumerate(parts)
        )
        return f"{text} {hint}"

    def __str__(self) -> str:
        return self.worded({})


def _texts(value: object) -> list[str]:
    """Return the printable text of a value, or of each of a list of values."""
    values = value if isinstance(value, list) else [value]
    return [_safe(str(each), _MAX_VALUE_LENGTH) for each in values]


def _safe(text: str, limit: int) -> str:
    return printable(without_credentials(text), limit)
