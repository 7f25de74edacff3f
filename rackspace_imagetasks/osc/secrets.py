# SPDX-License-Identifier: Apache-2.0
"""Debug output without secrets: it is made to be shown to others.

The client masks passwords in what it logs, but neither the API keys of Rackspace nor everything on
its own command line.
"""

import logging
import re

from rackspace_imagetasks.text import without_credentials

_MASK = "***"
_NAME = r"[\w-]*(?:(?:api_?|access_|consumer_|otp_)key|passw(?:or)?d|passcode|secret|token)[\w-]*"
# As options are logged: joined by spaces, so that a value ends where the next option begins.
_OPTION = re.compile(
    r"(--os-(?:api-k|[\w-]*(?:access-k|consumer-k|otp-k|pass|token|secret|profile))[\w-]*[ =])"
    r".+?(?= -|$)"
)
# As dictionaries, namespaces and JSON show a text.
_ENTRY = re.compile(rf"(?i)(\b{_NAME}['\"]?\s*[:=]\s*)(['\"])(?:\\.|(?!\2).)*\2", re.DOTALL)


class MaskedRecord(logging.LogRecord):
    """A record of the log that shows no secret.

    Errors and warnings are shown as they are, except for credentials in URLs.
    """

    def getMessage(self) -> str:  # noqa: N802
        """Return the message, with a mask for each secret, and URLs without credentials."""
        message = without_credentials(super().getMessage())
        return masked(message) if self.levelno <= logging.INFO else message


def masked(text: str) -> str:
    """Return a text with masks for the secrets among options, dictionaries and namespaces."""
    return _ENTRY.sub(rf"\1\2{_MASK}\2", _OPTION.sub(rf"\1{_MASK}", text))


def mask_log() -> None:
    """Mask the secrets in all records of the log, unless another program makes the records."""
    if logging.getLogRecordFactory() is logging.LogRecord:
        logging.setLogRecordFactory(MaskedRecord)
