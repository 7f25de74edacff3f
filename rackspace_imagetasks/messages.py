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

    # Objects
    CHECK_NETWORK = "Check the network between this machine and the service, then try again."
    DELETE_BY_NAME = "Delete the segments one by one, by their names."
    FREE_SPACE = "Free up space, or choose another location."
    TRY_AGAIN = "Try again."
    USE_SWIFTCLIENT = "Download it with another tool, such as python-swiftclient."

    # Images
    LIST_IMAGES = "List the images to see which are available."
    NAME_IMAGE_BY_ID = "Identify the image by its ID."

    # Tasks
    WAIT_AGAIN = "Wait for {tasks} again to follow it."


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
