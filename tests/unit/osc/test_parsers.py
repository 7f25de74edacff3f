# SPDX-License-Identifier: Apache-2.0
"""The parsers of the commands."""

import importlib.metadata

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
