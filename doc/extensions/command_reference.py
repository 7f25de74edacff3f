# SPDX-License-Identifier: Apache-2.0
"""The directive `command-reference`: the help of commands, as `--help` prints it, in sections."""

import argparse
import re
import textwrap
from collections.abc import Iterator

from cliff import sphinxext
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from rackspace_imagetasks.osc.parsers import CommandParser, CommandWithParser

# An option in running text; what is in backquotes is literal text already.
_OPTION = re.compile(r"`[^`]*`|(?<![\w-])--?[a-z][a-z-]*\b")


class CommandReference(sphinxext.AutoprogramCliffDirective):
    """Describe the commands that a pattern selects."""

    def _generate_nodes_per_command(
        self,
        title: str,
        command_name: str,
        command_class: type[CommandWithParser],
        ignored_opts: list[str],
    ) -> list[nodes.Node]:
        self.env.note_reread()  # the help is in modules, whose changes Sphinx does not notice
        parser = command_class(None, None).get_parser(command_name)
        self._drop_ignored_options(parser, ignored_opts)
        lines = "\n".join(_description(parser, command_class.examples)).splitlines()
        name = nodes.fully_normalize_name(title)
        section = nodes.section(
            "", nodes.title(text=title), ids=[nodes.make_id(title)], names=[name]
        )
        self.state.nested_parse(StringList(lines, f"<{title}>"), 0, section)
        return [section]


def _description(parser: CommandParser, examples: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """Yield the help of a command as reStructuredText."""
    yield _text(parser.description)
    yield f".. program:: {parser.prog}\n"
    yield _block(".. code-block:: text", parser.format_usage().removeprefix("usage: "))
    for group in parser.groups():
        actions = [each for each in group._group_actions if _is_shown(each, parser)]
        if actions:
            yield _heading(group.title)
            yield _text(group.description or "")
        for action in actions:
            yield _block(f".. option:: {_signature(action)}", _text(action.help))
    yield _heading("examples")
    for text, line in examples:
        yield _text(text)
        yield _block(".. code-block:: console", f"$ {line}")


def _is_shown(action: argparse.Action, parser: CommandParser) -> bool:
    return action in parser._actions and action.help != argparse.SUPPRESS


def _signature(action: argparse.Action) -> str:
    """Return an argument as the directive `option` takes it."""
    if not action.option_strings:
        return action.metavar
    choices = "{" + ",".join(action.choices) + "}" if action.choices else action.dest.upper()
    value = "" if action.nargs == 0 else f" {action.metavar or choices}"
    return ", ".join(f"{option}{value}" for option in action.option_strings)


def _heading(title: str) -> str:
    return f"**{title[0].upper()}{title[1:]}**\n"


def _block(first: str, text: str) -> str:
    lines = "\n".join(line.strip() for line in text.splitlines())
    return f"{first}\n\n{textwrap.indent(lines, '    ')}\n"


def _text(text: str) -> str:
    """Return a text with its options in literal text, so that they keep their two hyphens."""
    return _OPTION.sub(lambda found: f"`{found[0].strip('`')}`", text) + "\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.setup_extension("cliff.sphinxext")
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
