# SPDX-License-Identifier: Apache-2.0
"""The real `openstack` client against the development cloud that DEVCLOUD_ROOT names.

Run them by `make functional`, which starts one. Several processes share it, so each test uses
names of its own.
"""

import contextlib
import io
import json
import logging
import lzma
import os
import subprocess
import sys
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path

import fixtures
import openstack
import requests
import swiftclient
from openstackclient import shell
from oslotest import base
from testtools.content import text_content

from devcloud import faults

CORPUS = Path(__file__).parents[1] / "corpus"


@dataclass(frozen=True)
class Outcome:
    """What a command printed and gave back."""

    status: int
    stdout: str
    stderr: str

    @property
    def rows(self):
        return json.loads(self.stdout)


class CloudTestCase(base.BaseTestCase):
    """Commands run as alice, in DFW, unless a test says otherwise.

    :ivar sent: method and URL of each request that this process sent.
    """

    def setUp(self):
        super().setUp()
        if "DEVCLOUD_ROOT" not in os.environ:
            raise RuntimeError("these tests need the development cloud; run `make functional`")
        self.root = Path(os.environ["DEVCLOUD_ROOT"])
        self.tmp = Path(self.useFixture(fixtures.TempDir()).path)
        self.mark = uuid.uuid4().hex[:12]
        self.sent = []
        send = requests.Session.send

        def watched(session, request, **options):
            self.sent.append((request.method, request.url))
            return send(session, request, **options)

        self.useFixture(fixtures.MonkeyPatch("requests.Session.send", watched))

    def start_cloud(self, *options):
        """Start a cloud of this test's own, which it can break; call it before `setUp`."""
        root = fixtures.TempDir()
        root.setUp()
        self.addCleanup(root.cleanUp)
        command = [sys.executable, "-m", "devcloud", "up", "--root", f"{root.path}/cloud"]
        cloud = subprocess.Popen(
            [*command, "--regions", "DFW", *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.addCleanup(cloud.wait, 30)
        self.addCleanup(cloud.terminate)
        config = cloud.stdout.readline().strip().partition("=")[2]
        self.addCleanup(cloud.stdout.close)
        for variable, value in (("DEVCLOUD_ROOT", f"{root.path}/cloud"),
                                ("OS_CLIENT_CONFIG_FILE", config)):  # fmt: skip
            environment = fixtures.EnvironmentVariable(variable, value)
            environment.setUp()
            self.addCleanup(environment.cleanUp)

    def openstack(self, *words, cloud="alice", region="DFW", status=0):
        """Run a command; whatever it does, it prints no traceback and ends as expected."""
        out, err = io.StringIO(), io.StringIO()
        words = ["--os-cloud", cloud, "--os-region-name", region, *map(str, words)]
        outcome = Outcome(run_client(words, out, err), out.getvalue(), err.getvalue())
        self.addDetail("command", text_content(f"{words}\n{outcome.stdout}\n{outcome.stderr}"))
        self.assertNotIn("Traceback", outcome.stderr)
        self.assertEqual(status, outcome.status, outcome.stderr)
        return outcome

    def changes(self):
        """Give what was sent that may change anything; logging in does not."""
        return [
            (method, url)
            for method, url in self.sent
            if method not in ("GET", "HEAD") and not url.endswith("/tokens")
        ]

    def task(self, *words, **how):
        """Run `openstack image task ...` for its rows."""
        return self.openstack("image", "task", *words, "-f", "json", **how)

    def refused(self, *words, status=1, **how):
        """Run `openstack image task ...`, which must fail; give what it says, on stderr alone."""
        outcome = self.openstack("image", "task", *words, status=status, **how)
        self.assertEqual("", outcome.stdout)
        return outcome.stderr

    def sdk(self, cloud="alice", region="DFW"):
        """Give an openstacksdk connection."""
        connection = openstack.connect(cloud=cloud, region_name=region)
        self.addCleanup(connection.close)
        return connection

    def swift(self, cloud="alice", region="DFW"):
        """Give a python-swiftclient connection: another client than the one under test."""
        store = self.sdk(cloud, region).object_store
        return swiftclient.Connection(
            preauthurl=store.get_endpoint(), preauthtoken=store.get_token(), retries=0
        )

    def fetch(self, location, region="DFW"):
        """Download `container/object` into a file by python-swiftclient."""
        path = self.tmp / "fetched"
        path.write_bytes(self.swift(region=region).get_object(*location.split("/", 1))[1])
        return path

    def corpus(self, name, to=None):
        """Unpack a VHD that other software wrote."""
        path = self.tmp / (to or name)
        path.write_bytes(lzma.decompress((CORPUS / f"{name}.xz").read_bytes()))
        return path

    def container(self):
        """Create a container of this test's own."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.sdk().object_store.create_container(name)
        return name

    def objects(self, container, region="DFW"):
        """Give the names in a container."""
        return {each.name for each in self.sdk(region=region).object_store.objects(container)}

    def imported(self, file="go-vhd-xapi.vhd", **how):
        """Import a VHD; give the row."""
        path = self.corpus(file)
        name = f"image-{self.mark}"
        return self.task("import", "--file", path, "--name", name, "--wait", **how).rows[0]

    def inject(self, *rules, region="DFW", service="swift"):
        """Order faults until the test's end."""
        context = faults.inject(self.root, region, *rules, service=service)
        injected = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return injected


def run_client(words, out, err):
    """Run the `openstack` client in this process; return its exit status."""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return shell.OpenStackShell().run(words) or 0
        except SystemExit as leaving:
            return leaving.code or 0
        finally:
            _forget_loggers()


def _forget_loggers():
    """Take back the handlers that a shell left: they write to its own stderr."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
