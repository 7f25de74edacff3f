# SPDX-License-Identifier: Apache-2.0
"""How a service is named in messages, and what its refusals mean to the user."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rackspace_imagetasks.exceptions import (
    AccessDenied,
    ImageTasksError,
    NotFound,
    ServiceError,
)

_LONGEST_QUOTE = 1000  # characters of what an answer says


class Meaning(NamedTuple):
    """What a status means: the class of its error, and the end of the sentence that explains it."""

    error: Callable[[str], ImageTasksError]
    text: str


_COMMON: Mapping[int, Meaning] = {
    401: Meaning(AccessDenied, "the token is not accepted; log in again"),
    403: Meaning(AccessDenied, "your role does not allow it"),
    404: Meaning(NotFound, "it does not exist"),
}


@dataclass(frozen=True)
class ServiceWords:
    """One service's own words, which the client uses in its messages.

    :ivar name: the service, such as "image service".
    :ivar region: where it is.
    :ivar meanings: what statuses mean, where it is not what they mean everywhere.
    :ivar refused_upload: added when a connection breaks while a body is sent: what a refusal that
        was lost with it may have been.
    """

    name: str
    region: str = ""
    meanings: Mapping[int, Meaning] = field(default_factory=dict)
    refused_upload: str = ""

    def refusal(self, action: str, status: int, phrase: str, said: str) -> ImageTasksError:
        """Return the error for an answer that is not what was asked for.

        :param action: what was asked for, to complete "Cannot ...".
        :param phrase: the status in words.
        :param said: what the answer says.
        """
        text = f"Cannot {action}: the {self.name} answered {f'{status} {phrase}'.rstrip()}"
        text += f" ({said})" if said else ""
        meaning = self.meanings.get(status) or _COMMON.get(status)
        if meaning:
            return meaning.error(f"{text}; {meaning.text}.")
        return ServiceError(f"{text}.", status=status)

    def absent(self) -> NotFound:
        """Return the error for a region whose catalog does not have the service."""
        return NotFound(
            f"The cloud's catalog has no {self.name} in region '{self.region}'; check the region's"
            " name and the cloud's entry in clouds.yaml."
        )


def said_in(content: bytes, content_type: str) -> str:
    """Return what an error answer says: in JSON or plain text, but not in an HTML page."""
    text = " ".join(content.decode(errors="replace").split())
    try:
        text = _last_paragraph(_message(json.loads(text)) or "")
    except (ValueError, RecursionError):
        if content_type.startswith("text/html") or text.startswith("<"):
            return ""
    return text[:_LONGEST_QUOTE].rstrip(".")


def _last_paragraph(text: str) -> str:
    """Return what a service says itself, without what WebOb says of the status before it."""
    paragraphs = [each.strip() for each in text.split("<br />")]
    return next((each for each in reversed(paragraphs) if each), "")


def _message(answer: object) -> str | None:
    """Return the message in a JSON error: at its top, or one step below."""
    if not isinstance(answer, dict):
        return None
    for each in (answer, *answer.values()):
        message = each.get("message") if isinstance(each, dict) else None
        if isinstance(message, str):
            return message
    return None
