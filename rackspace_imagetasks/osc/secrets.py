# SPDX-License-Identifier: Apache-2.0
"""Debug output without secrets: it is made to be shown to others.

The client masks only passwords, and what it does to its own command line depends on the order of
the options: a mask may take the place of an option's name, and leave its value. Secrets are
therefore masked by their values, wherever they occur, and by the names that precede them.
"""

import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator

from rackspace_imagetasks.text import without_credentials

_MASK = "***"
_MIN_LENGTH = 4  # of a value that is masked wherever it occurs: 'x' stands for no token
_OPTIONS = (
    "--os-access-key", "--os-access-secret", "--os-access-token", "--os-api-key",
    "--os-application-credential-secret", "--os-auth-token", "--os-client-secret", "--os-code",
    "--os-consumer-key", "--os-consumer-secret", "--os-idp-otp-key", "--os-oauth2-client-secret",
    "--os-passcode", "--os-password", "--os-profile", "--os-token",
)  # fmt: skip
_MIN_ABBREVIATION = len("--os-x")
_VARIABLES = frozenset(option[2:].replace("-", "_").upper() for option in _OPTIONS)
_COMMAND_LINE = "START with options: %s"
_NAME = (
    r"[\w-]*(?:(?:api_?|access_|consumer_|otp_)key|adminpass|passw(?:or)?d|passcode|secret|token)"
)
# As options are logged: joined by spaces, so that a value ends where the next option begins.
_OPTION = re.compile(
    r"(--os-(?:api-k|[\w-]*(?:access-k|consumer-k|otp-k|pass|token|secret|profile))[\w-]*[ =])"
    r".+?(?= -|$)"
)
# As dictionaries, namespaces and JSON show a text.
_ENTRY = re.compile(rf"(?i)(\b{_NAME}[\w-]*['\"]?\s*[:=]\s*b?)(['\"])(?:\\.|(?!\2).)*\2", re.DOTALL)
# What the client's own mask leaves of a text with quotation marks.
_REST = re.compile(r"(\*\*\*['\"])(?![\s,})\]]|$).*?(?=['\"]?(?:[,})\]]|$))", re.MULTILINE)
# As headers are logged; keystoneauth shows the hash of a token.
_HEADER = re.compile(r"(?i)((?:X-[\w-]*Token|Authorization): *)(?!\{SHA)[^\s'\"][^'\"\r\n]*")


class MaskedRecord(logging.LogRecord):
    """A record of the log that shows no secret.

    Errors and warnings may name options; in them, only credentials in URLs are masked.
    """

    def getMessage(self) -> str:  # noqa: N802
        """Return the message, with a mask for each secret, and URLs without credentials."""
        if self.exc_info and not self.exc_text:
            self.exc_text = _without_values(logging.Formatter().formatException(self.exc_info))
        if self._is_command_line():
            return _COMMAND_LINE % shlex.join(_masked_words(sys.argv[1:]))
        message = without_credentials(_without_values(super().getMessage()))
        return masked(message) if self.levelno <= logging.INFO else message

    def _is_command_line(self) -> bool:
        """Return whether this is the client's own line about this process's arguments."""
        if self.msg != _COMMAND_LINE:
            return False
        from oslo_utils import strutils

        return self.args == (strutils.mask_password(" ".join(sys.argv[1:])),)


def masked(text: str) -> str:
    """Return a text with masks for the secrets among options, headers, and dictionaries."""
    return _without_named(_REST.sub(r"\1", _OPTION.sub(rf"\1{_MASK}", text)))


def without_secrets(text: str) -> str:
    """Return a message with masks for the secrets of this process, and in headers and entries."""
    return _without_named(without_credentials(_without_values(text)))


def mask_log() -> None:
    """Mask the secrets in all records of the log, unless another program makes the records."""
    if logging.getLogRecordFactory() is logging.LogRecord:
        logging.setLogRecordFactory(MaskedRecord)


def _without_named(text: str) -> str:
    """Return a text with masks for the values of headers and entries that name a secret."""
    return _HEADER.sub(rf"\1{_MASK}", _ENTRY.sub(rf"\1\2{_MASK}\2", text))


def _without_values(text: str) -> str:
    """Return a text with masks for the secrets of this process."""
    for value in sorted(_values(), key=len, reverse=True):
        text = _without_rests(text.replace(value, _MASK), value)
    return text


def _values() -> set[str]:
    """Return the secrets on the command line and in the environment, as text may show them."""
    found = {os.environ.get(variable, "") for variable in _VARIABLES}
    found.update(value for _, value in _secret_options(sys.argv[1:]))
    shown = {repr(value)[1:-1] for value in found}
    return {value for value in found | shown if len(value) >= _MIN_LENGTH}


def _without_rests(text: str, value: str) -> str:
    """Remove what follows a mask and is a part of a secret that was masked only in part."""
    first, *others = text.split(_MASK)
    for number, other in enumerate(others):
        length = 0
        while length < len(other) and other[: length + 1] in value:
            length += 1
        others[number] = other[length:] if length > 1 else other
    return _MASK.join([first, *others])


def _masked_words(words: list[str]) -> list[str]:
    """Return a command line with masks for the values of its secret options."""
    shown = list(words)
    for number, value in _secret_options(words):
        shown[number] = words[number].removesuffix(value) + _MASK
    return shown


def _secret_options(words: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the place and the value of each secret on a command line."""
    for number, word in enumerate(words):
        option, equals, value = word.partition("=")
        if len(option) < _MIN_ABBREVIATION or not any(each.startswith(option) for each in _OPTIONS):
            continue
        if equals:
            yield number, value
        elif number + 1 < len(words):
            yield number + 1, words[number + 1]
