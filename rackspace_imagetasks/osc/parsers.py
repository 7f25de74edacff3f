# SPDX-License-Identifier: Apache-2.0
"""The parser of the commands: a short usage, options in groups, and the help as it is printed."""

import argparse
import logging
import sys
import typing

import autopage.argparse
from cliff import command

from rackspace_imagetasks.i18n import _

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WAIT = "--wait"
_TIMEOUT = "--timeout"

log = logging.getLogger(__name__)


class CommandParser(autopage.argparse.ArgumentParser):
    """A parser that still understands the deprecated `--wait <seconds>`."""

    def parse_known_args(  # type: ignore[override]  # the overloads of argparse are the same
        self, args: "Sequence[str] | None" = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments, `--wait <seconds>` as `--wait --timeout <seconds>`."""
        words = list(sys.argv[1:] if args is None else args)
        if {_WAIT, _TIMEOUT} <= self._option_string_actions.keys():
            current = list(_without_seconds(words))
            if current != words:
                log.warning(
                    _("'--wait <seconds>' is deprecated; use '--wait --timeout <seconds>' instead.")
                )
            words = current
        return super().parse_known_args(words, namespace)


class CommandWithParser(command.Command):
    """The base class, below those of cliff, that makes the parser of a command."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser, to which the other base classes add their options."""
        parser = CommandParser(
            prog=prog_name,
            description=self.get_description(),
            epilog=self.get_epilog(),
        )
        for hook in self._hooks:
            if hook.obj is not None:
                hook.obj.get_parser(parser)
        return parser


def _without_seconds(words: "Sequence[str]") -> "Iterator[str]":
    """Yield the words of a command line, with --timeout in front of a number that follows --wait.

    Only a number is taken as seconds, so that `--wait disk.qcow2` names a file.
    """
    previous = ""
    for number, word in enumerate(words):
        if word == "--":
            yield from words[number:]
            return
        if word.startswith(f"{_WAIT}="):
            yield from (_WAIT, _TIMEOUT, word.partition("=")[2])
        else:
            if previous == _WAIT and _is_number(word):
                yield _TIMEOUT
            yield word
        previous = word


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
