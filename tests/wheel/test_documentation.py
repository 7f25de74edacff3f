# SPDX-License-Identifier: Apache-2.0
"""The command reference as HTML and as the manual page, which `make man` builds first."""

import html
import importlib.metadata
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from oslotest import base

CHECKOUT = Path(__file__).parents[2]
MAN_PAGE = CHECKOUT / "doc/build/man/openstack-rackspace-imagetasks.1"
GROUP = "openstack.rackspace_imagetasks.v2"
PAGE = "Page\n====\n\nUse --wait, 'x' -- or \"y\".\n"


def commands():
    """Yield the name, the class, and the parser of each command."""
    for point in importlib.metadata.entry_points(group=GROUP):
        name, command = point.name.replace("_", " "), point.load()
        yield name, command, command(None, None).get_parser(f"openstack {name}")


def arguments_of(parser):
    """Return the arguments of a command except for --help and those that are not documented."""
    hidden = ("help", "variables")  # the latter is of the client, for its shell formatter
    return [action for action in parser._actions if action.dest not in hidden]


def options_of(parser):
    """Return the options of a command."""
    return [option for action in arguments_of(parser) for option in action.option_strings]


def words_of(text):
    """Return a text as words, wherever its lines end."""
    return " ".join(text.replace("`", "").split())


def built(source, configuration):
    """Build HTML from a directory with the configuration of another one, without warnings."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "-c", configuration, source, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return "".join(path.read_text() for path in sorted(Path(folder).glob("*.html")))


class HtmlTest(base.BaseTestCase):
    def test_reference(self):
        """Each command is described with its usage, its options, and its examples."""
        page = built(CHECKOUT / "doc/source/cli", CHECKOUT / "doc/source")
        self.assertNotRegex(page, "[\u2010-\u2015]\\w")
        text = words_of(html.unescape(re.sub(r"<[^>]+>", "", page)))
        for _name, command, parser in commands():
            self.assertIn(words_of(parser.description), text)
            self.assertIn(f"{parser.prog} {command.usage[-1]}", text)
            for option in options_of(parser):
                self.assertIn(f' id="cmdoption-{parser.prog.replace(" ", "-")}', page)
                self.assertRegex(text, rf"(?<![\w-]){option}\b")
            for what, line in command.examples:
                self.assertIn(f"{what} $ {line}", text)

    def test_two_hyphens(self):
        """No page, nor a release note, gets a dash in place of the hyphens of an option."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "index.rst").write_text(PAGE)
            for configuration in ("doc/source", "releasenotes/source"):
                page = html.unescape(built(folder, CHECKOUT / configuration))
                self.assertIn("Use --wait, 'x' -- or \"y\".", page, configuration)


class ManPageTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        # roff: requests begin with a period, \- is a hyphen, and \fB begins bold text.
        text = re.sub(r"^\.(B |.*$)|\\f[BIPR]|\\&", "", MAN_PAGE.read_text(), flags=re.MULTILINE)
        text = text.replace("\\-", "-").replace("\\(aq", "'").replace("\\(dq", '"')
        self.text = words_of(text)

    def test_commands(self):
        """Each command has its description, its options with their texts, and its examples."""
        for name, command, parser in commands():
            start = self.text.index(f"{parser.prog} [options]")
            self.assertIn(words_of(parser.description), self.text)
            for action in arguments_of(parser):
                self.assertIn(words_of(action.help), self.text[start:], (name, action))
            for option in options_of(parser):
                self.assertIn(option, self.text[start:])
            for what, line in command.examples:
                self.assertIn(what, self.text[start:])
                self.assertIn(f"$ {line}", self.text[start:])
