# SPDX-License-Identifier: Apache-2.0
"""The parser of the commands: a short usage, options in groups, and examples in the help."""

import argparse
import logging
import re
import sys
import textwrap
import typing

import autopage.argparse
from cliff import command

from rackspace_imagetasks.i18n import _

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SETTINGS = _("image settings")
DISK = _("disk options")
CONTAINER = _("container options")
SAVE = _("save options")
WAIT = _("wait options")
TRANSFER = _("transfer options")
_GROUPS = (SETTINGS, DISK, CONTAINER, SAVE, WAIT, TRANSFER)  # in the order of the help
_WAIT = "--wait"
_TIMEOUT = "--timeout"

log = logging.getLogger(__name__)


class HelpFormatter(autopage.argparse.HelpFormatter):
    """Keep paragraphs, indented lines, and words with hyphens as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = re.split(r"\n\s*\n", text.strip("\n"))
        return "\n\n".join(
            textwrap.indent(each, indent) if "\n " in f"\n{each}" else _filled(each, width, indent)
            for each in paragraphs
        )

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def _filled(text: str, width: int, indent: str) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


class CommandParser(autopage.argparse.ArgumentParser):
    """A parser with the options of cliff's formatters at the end of its help.

    It still understands the deprecated `--wait <seconds>`.
    """

    def add_argument_group(  # type: ignore[override]  # argparse has deprecated more parameters
        self, title: str | None = None, description: str | None = None
    ) -> argparse._ArgumentGroup:
        """Return the group with a title, a new one if there is none."""
        found = [group for group in self._action_groups if title and group.title == title]
        return found[0] if found else super().add_argument_group(title, description)

    def groups(self) -> list[argparse._ArgumentGroup]:
        """Return the groups of arguments in the order of the help."""
        order = [self._positionals.title, self._optionals.title, *_GROUPS]
        own = [group for group in self._action_groups if group.title in order]
        others = [group for group in self._action_groups if group not in own]
        return sorted(own, key=lambda group: order.index(group.title)) + others

    def format_help(self) -> str:
        """Return the help, with the groups in their order."""
        self._action_groups = self.groups()
        return super().format_help()

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
    """The base class, below those of cliff, that makes the parser of a command.

    :cvar usage: what follows the name of the command, for each way to use it.
    :cvar examples: what an example does, and its command line.
    """

    usage: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()

    def get_epilog(self) -> str:
        """Return the examples, followed by what cliff adds."""
        examples = "\n\n".join(f"  {text}\n    {line}" for text, line in self.examples)
        return f"{_('examples:')}\n\n{examples}\n\n{super().get_epilog().strip()}".strip()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser, to which the other base classes add their options."""
        parser = CommandParser(
            prog=prog_name,
            usage="\n       ".join(f"%(prog)s {each}" for each in self.usage),
            formatter_class=HelpFormatter,
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
