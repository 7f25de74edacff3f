# SPDX-License-Identifier: Apache-2.0
"""The real `openstack` shell, in this process, where no cloud is configured."""

import io
import json
import logging
import os
from pathlib import Path

import fixtures
from openstackclient import shell
from oslotest import base


class LocalShellTest(base.BaseTestCase):
    """Runs commands in a fresh directory, `self.directory`."""

    def setUp(self):
        super().setUp()
        self.directory = Path(self.useFixture(fixtures.TempDir()).path)
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(self.directory)
        for name in list(os.environ):
            if name.startswith("OS_"):
                self.useFixture(fixtures.EnvironmentVariable(name))
        self.useFixture(
            fixtures.EnvironmentVariable(
                "OS_CLIENT_CONFIG_FILE", str(self.directory / "clouds.yaml")
            )
        )
        self.useFixture(fixtures.EnvironmentVariable("COLUMNS", "500"))
        # Another package's broken plugin is no business of these tests.
        self.useFixture(fixtures.MonkeyPatch("stevedore.extension.LOG.disabled", True))

    def openstack(self, *command):
        """Run `openstack COMMAND`; give exit status, stdout and stderr."""
        stdout, stderr = io.StringIO(), io.StringIO()
        handlers = list(logging.getLogger().handlers)
        with fixtures.MonkeyPatch("sys.stdout", stdout), fixtures.MonkeyPatch("sys.stderr", stderr):
            try:
                status = shell.OpenStackShell().run([str(word) for word in command])
            except SystemExit as ended:  # argparse's way
                status = ended.code
        logging.getLogger().handlers = handlers
        return status, stdout.getvalue(), stderr.getvalue()

    def result(self, *command):
        """Run a command that succeeds; give what `-f json` prints."""
        status, stdout, stderr = self.openstack(*command, "-f", "json")
        self.assertEqual(0, status, stderr)
        return json.loads(stdout)

    def assert_fails(self, *command, says):
        """Run a command that fails with a sentence on stderr, and no result."""
        status, stdout, stderr = self.openstack(*command)
        self.assertEqual(1, status)
        self.assertEqual("", stdout.strip())
        self.assertNotIn("Traceback", stderr)
        self.assertIn(says, stderr)
