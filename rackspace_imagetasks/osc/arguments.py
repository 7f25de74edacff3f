# SPDX-License-Identifier: Apache-2.0
"""Arguments as Unicode text, whatever locale the command line was decoded in."""

import argparse
import os
from collections.abc import Collection, Iterator

from rackspace_imagetasks.osc.usage import UsageError

_OPTION_PATHS = ("cacert", "cert", "key", "log_file")


def decode_arguments(parsed_args: argparse.Namespace, paths: Collection[str] = ()) -> None:
    """Replace each text with the UTF-8 text that was typed; in the C locale it has surrogates.

    :param paths: arguments that name local files, which can consist of any bytes.
    :raises UsageError: with each text that is not valid UTF-8.
    """
    given = {name: value for name, value in vars(parsed_args).items() if name not in paths}
    wrong = [text for value in given.values() for text in _texts(value) if decoded(text) is None]
    if wrong:
        raise UsageError(*(f"'{text}' is not valid UTF-8." for text in wrong))
    for name, value in given.items():
        setattr(parsed_args, name, _decoded_value(value))


def decode_options(options: argparse.Namespace) -> None:
    """Replace each text among the client's own options, such as the login, in the same way.

    :raises UsageError: with each option that is not valid UTF-8; its value may be a secret.
    """
    given = {name: each for name, each in vars(options).items() if isinstance(each, str)}
    texts = {name: decoded(each) for name, each in given.items() if name not in _OPTION_PATHS}
    if wrong := [name for name, text in texts.items() if text is None]:
        raise UsageError(*(f"The value of {_option(name)} is not valid UTF-8." for name in wrong))
    vars(options).update(texts)


def _option(name: str) -> str:
    return "--os-" + name.removeprefix("os_").replace("_", "-")


def decoded(text: str) -> str | None:
    """Return the UTF-8 text that an argument was typed as, or None if it is not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(text).decode()
        except UnicodeError:
            return None
    return text


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])


def _decoded_value(value: object) -> object:
    """Return a text, or the texts in a list or dict, as Unicode; anything else unchanged."""
    if isinstance(value, str):
        return decoded(value)
    if isinstance(value, list):
        return [_decoded_value(each) for each in value]
    if isinstance(value, dict):
        return {_decoded_value(key): _decoded_value(each) for key, each in value.items()}
    return value
