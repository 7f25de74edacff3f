# SPDX-License-Identifier: Apache-2.0
"""The parsers of the commands."""

import importlib.metadata
import re
import shlex

import fixtures
from oslotest import base

from tests.unit.osc import local_shell

GROUP = "openstack.rackspace_imagetasks.v2"


def commands():
    """Yield the name and the class of each command."""
    for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda each: each.name):
        yield point.name.replace("_", " "), point.load()


def parser_of(name):
    """Return the parser of a command."""
    return dict(commands())[name](None, None).get_parser(f"openstack {name}")


class HelpTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable("COLUMNS", "80"))
        self.parsers = {name: parser_of(name) for name, _class in commands()}
        self.assertEqual(10, len(self.parsers))

    def test_usage(self):
        """The help begins with a line for each way to use the command, which names its arguments.

        It names each positional argument and each required option, and no other but in a line of
        its own; the rest are `[options]`.
        """
        for name, parser in self.parsers.items():
            usage, description = parser.format_help().split("\n\n")[:2]
            self.assertTrue(description.startswith(parser.description.split(" ", 1)[0]), name)
            for line in usage.splitlines():
                self.assertRegex(line, rf"^(usage: | {{7}})openstack {name} \[options\]")
            for action in parser._actions:
                if action.required or not action.option_strings:
                    self.assertIn(action.metavar, usage, name)
                if action.required and action.option_strings:
                    self.assertIn(action.option_strings[-1], usage, name)
            for option in re.findall(r"--[a-z-]+", usage):
                self.assertIn(option, parser._option_string_actions, name)

    def test_width(self):
        """No line of the help is longer than the terminal, and no word is broken at a hyphen."""
        for parser in self.parsers.values():
            lines = parser.format_help().splitlines()
            self.assertEqual([], [line for line in lines if len(line) > 80])
            self.assertEqual([], [line for line in lines if re.search(r"\w-$", line)])

    def test_paragraphs(self):
        """A description of several paragraphs keeps them; their lines are filled."""
        text = self.parsers["image vhd show"].format_help()
        self.assertIn("XenServer can resize its disk.\n\nWorks without a cloud.", text)
        self.assertNotIn("\n\n\n", text)

    def test_groups(self):
        """The command's own options come before those of the output, in groups with titles."""
        titles = [each.title for each in self.parsers["image task import"].groups()]
        self.assertEqual(
            [
                *("positional arguments", "options", "image settings", "disk options"),
                *("container options", "wait options", "transfer options", "output formatters"),
            ],
            titles[:8],
        )
        for parser in self.parsers.values():
            text = parser.format_help()
            self.assertLess(text.index("\noptions:"), text.index("\noutput formatters:"))
            titles = [each.title for each in parser.groups()]
            self.assertEqual(len(titles), len(set(titles)))

    def test_help_of_options(self):
        """Each option says what it does, and its values have angle brackets."""
        for name, parser in self.parsers.items():
            for group in parser.groups():
                if group.title in ("output formatters", "CSV Formatter", "shell formatter"):
                    continue  # of cliff
                for action in group._group_actions:
                    self.assertTrue(action.help, (name, action))
                    if action.nargs != 0:
                        self.assertRegex(action.metavar, "^<[a-z=-]+>$", (name, action))


class ExamplesTest(base.BaseTestCase):
    def test_examples(self):
        """Each command has at least two examples, which its own parser understands."""
        for name, command in commands():
            self.assertGreaterEqual(len(command.examples), 2, name)
            for text, line in command.examples:
                self.assertRegex(text, "^[A-Z].*[a-z0-9A-Z]:$")
                words = shlex.split(line.partition(" | ")[0])
                start = ["openstack", *name.split()]
                self.assertEqual(start, words[: len(start)], line)
                parser_of(name).parse_args(words[len(start) :])

    def test_at_the_end(self):
        """The help ends with the examples as they are typed, and the name of the plugin."""
        for name, command in commands():
            text = parser_of(name).format_help()
            examples = text[text.index("\nexamples:\n\n") :]
            for _text, line in command.examples:
                self.assertIn(f"\n    {line}\n", examples)
            self.assertTrue(text.rstrip().endswith("provided by the rackspace-imagetasks plugin."))


class WaitTest(base.BaseTestCase):
    def parse(self, *words, command="image task import"):
        """Return the arguments of a command, and what parsing them logs."""
        log = self.useFixture(fixtures.FakeLogger("rackspace_imagetasks"))
        return parser_of(command).parse_args(words), log.output

    def test_flag(self):
        """--wait is a flag: what follows it is the file to import."""
        for words in (("--wait", "disk.qcow2"), ("disk.qcow2", "--wait")):
            parsed, logged = self.parse(*words)
            self.assertEqual((["disk.qcow2"], True), (parsed.source, parsed.wait))
            self.assertEqual((None, ""), (parsed.timeout, logged))

    def test_timeout(self):
        """--timeout is the limit, in any order."""
        for words in (("--wait", "--timeout", "300", "a"), ("a", "--timeout=300", "--wait")):
            parsed, logged = self.parse(*words)
            self.assertEqual((["a"], True, 300.0), (parsed.source, parsed.wait, parsed.timeout))
            self.assertEqual("", logged)

    def test_deprecated(self):
        """A number after --wait is still its limit, and is reported once as deprecated."""
        for command in ("image task import", "image task export"):
            for words in (("--wait", "300", "a"), ("--wait=300", "a"), ("a", "--wait", "3e2")):
                parsed, logged = self.parse(*words, command=command)
                self.assertEqual((True, 300.0), (parsed.wait, parsed.timeout))
                self.assertIn("a", [*getattr(parsed, "source", []), *getattr(parsed, "image", [])])
                expected = "'--wait <seconds>' is deprecated; use '--wait --timeout <seconds>'"
                self.assertEqual(1, logged.count(expected), logged)

    def test_no_option(self):
        """After -- there are no options, and values of other options are theirs."""
        parsed, logged = self.parse("--wait", "--", "300")
        self.assertEqual((["300"], None, ""), (parsed.source, parsed.timeout, logged))
        parsed, logged = self.parse("--", "--wait", "300")
        self.assertEqual((["--wait", "300"], False), (parsed.source, parsed.wait))
        self.assertEqual("", logged)

    def test_one_way(self):
        """Whatever waits has the same options with the same texts."""
        texts = {
            tuple(
                (option, each.help, each.metavar)
                for each in parser_of(f"image task {name}")._actions
                for option in each.option_strings
                if option in ("--timeout", "--poll-interval")
            )
            for name in ("import", "export", "save", "transfer", "wait")
        }
        (options,) = texts
        self.assertEqual(["--timeout", "--poll-interval"], [each[0] for each in options])


class WaitUsageTest(local_shell.LocalShellTest):
    def test_timeout_alone(self):
        """A limit of a wait that does not take place is refused."""
        for command in (("import", "a.raw"), ("export", "web")):
            status, stdout, stderr = self.openstack("image", "task", *command, "--timeout", "300")
            self.assertEqual((2, ""), (status, stdout))
            self.assertEqual("--timeout requires --wait.\n", stderr)

    def test_deprecated(self):
        """The note is on stderr, before the work."""
        _, stdout, stderr = self.openstack("image", "task", "import", "--wait", "300")
        self.assertEqual("", stdout)
        self.assertTrue(stderr.startswith("'--wait <seconds>' is deprecated;"), stderr)
        self.assertEqual(2, len(stderr.splitlines()), stderr)
