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

    # Containers and objects
    CHECK_OBJECT = "Check that the container and the object exist in this region."
    CHOOSE_CONTAINER = "Choose another container."
    CLEAN_CONTAINER = "Clean container '{container}' to delete the rest."
    CREATE_CONTAINER = "Create the container first, or allow its creation."
    LIST_OBJECTS = "List the objects in container '{container}' to see the available ones."
    MOVE_EXISTING_OBJECT = "Save or delete the existing object, or choose another container."
    SAVE_EXISTING_OBJECT = "Save or delete object '{location}', or choose another container."

    # Images
    LIST_IMAGES = "List the images to see which are available."
    MAKE_PRIVATE = "Make the image private first."
    NAME_IMAGE = "Choose a name for the image."
    NAME_IMAGE_BY_ID = "Name the image by its ID."
    RETRY_WITHOUT_SETTING = "Repeat the import without the refused setting to apply the others."
    SET_ATTRIBUTE = "Set it as an attribute, or leave it out."
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
    START_OVER = "The output is incomplete; repeat the job to start over."

    # Files
    NAME_FILE = "Name the file to write."
    SAVE_UNVALIDATED = "Save it without validation if this is what you want."

    # Disks
    CONVERT_TO_VHD = "Convert the disk to a stand-alone VHD."
    LEAVE_OUT_ZEROS = "Convert the disk to a dynamic VHD, which leaves out blocks of zeros."
    MERGE_WITH_PARENT = "Merge the disk with its parent, and import the merged disk."
    SHRINK_DISK = "Shrink the disk, and convert it again."
    VALIDATE_VHD = "Validate the VHD to see its errors."
    VALIDATE_OR_CONVERT_VHD = "Validate the VHD to see its errors, or convert it."
    WRITE_FIXED_OR_DYNAMIC_VHD = "Write a fixed or dynamic VHD with the program that created it."

    # Objects
    CHECK_NETWORK = "Check the network between this machine and the service, then try again."
    DELETE_BY_NAME = "Delete the segments one by one, by their names."
    FREE_SPACE = "Free up space, or choose another location."
    TRY_AGAIN = "Try again."
    USE_SWIFTCLIENT = "Download it with another tool, such as python-swiftclient."


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
        :param quote: quotes a value for its place in a wording, such as a shell command.
        """
        text = printable(" ".join(self.text.split("\n")), _MAX_LENGTH)
        if self.hint is None:
            return text
        values = {name: _value_text(value, quote) for name, value in self.values.items()}
        return f"{text} {wordings.get(self.hint, self.hint.value).format_map(values)}"

    def __str__(self) -> str:
        return self.worded({})


def _value_text(value: object, quote: Callable[[str], str]) -> str:
    values = value if isinstance(value, list) else [value]
    return " ".join(quote(printable(each, _MAX_VALUE_LENGTH)) for each in values)
