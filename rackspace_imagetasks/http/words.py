# SPDX-License-Identifier: Apache-2.0
"""How a service is named in messages, and what its refusals mean to the user."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rackspace_imagetasks.exceptions import (
    AccessDenied,
    ImageTasksError,
    NotFound,
    ServiceError,
)

_LONGEST_QUOTE = 1000  # characters of what a response says


class Meaning(NamedTuple):
    """The meaning of a status: its error class, and the end of the sentence that explains it."""

    error: Callable[[str], ImageTasksError]
    text: str


_COMMON: Mapping[int, Meaning] = {
    401: Meaning(AccessDenied, "the token was rejected; log in again"),
    403: Meaning(AccessDenied, "your role does not allow it"),
    404: Meaning(NotFound, "it does not exist"),
}


#: The meaning of 404 for a PUT, which may create the resource.
NO_PLACE = Meaning(NotFound, "the resource or its container does not exist")


@dataclass(frozen=True)
class ServiceWords:
    """One service's own words, which the client uses in its messages.

    :ivar name: the service, such as "image service".
    :ivar region: where it is.
    :ivar cloud: the name of the cloud in clouds.yaml, if it has one.
    :ivar meanings: meanings of statuses that are specific to the service.
    :ivar refused_upload: added if a connection breaks while a body is sent: which refusal may have
        been lost with it.
    """

    name: str
    region: str = ""
    cloud: str = ""
    meanings: Mapping[int, Meaning] = field(default_factory=dict)
    refused_upload: str = ""

    @property
    def service(self) -> str:
        """The service with its region and cloud, which tell source and target apart."""
        return f"{self.name} in {self.place}" if self.place else self.name

    @property
    def place(self) -> str:
        """The region and the cloud, as far as they are known."""
        named = {"region": self.region, "cloud": self.cloud}
        return " of ".join(f"{kind} '{name}'" for kind, name in named.items() if name)

    def refusal(
        self, action: str, status: int, phrase: str, said: str, meaning: Meaning | None = None
    ) -> ImageTasksError:
        """Return the error for a response with a status that the caller does not handle.

        :param action: what was requested, to complete "Cannot ...".
        :param phrase: the status in words.
        :param said: what the response says.
        :param meaning: what the status means for this request, if that is special.
        """
        text = f"Cannot {action}: the {self.service} returned {f'{status} {phrase}'.rstrip()}"
        text += f" ({said})" if said else ""
        meaning = meaning or self.meanings.get(status) or _COMMON.get(status)
        if meaning:
            return meaning.error(f"{text}; {meaning.text}.")
        return ServiceError(f"{text}.", status=status)

    def absent(self, regions: Sequence[str]) -> NotFound:
        """Return the error for a region in whose catalog the service is missing.

        :param regions: the regions in whose catalog it is.
        """
        catalog = f"The catalog of cloud '{self.cloud}'" if self.cloud else "The cloud's catalog"
        text = f"{catalog} has no {self.name} in region '{self.region}'"
        if regions:
            return NotFound(f"{text}. Available regions: {', '.join(regions)}.")
        return NotFound(f"{text}; check the region's name and the cloud's entry in clouds.yaml.")


def said_in(content: bytes, content_type: str) -> str:
    """Return the message of an error response: from JSON or plain text, but not from HTML."""
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


def _message(response: object) -> str | None:
    """Return the message in a JSON error: at its top, or one step below."""
    if not isinstance(response, dict):
        return None
    for each in (response, *response.values()):
        message = each.get("message") if isinstance(each, dict) else None
        if isinstance(message, str):
            return message
    return None
