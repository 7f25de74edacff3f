# SPDX-License-Identifier: Apache-2.0
"""Commands in processes of their own, to be killed, interrupted, or kept from writing anything."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import time

import fixtures
import yaml
from openstackclient import shell

from devcloud.accesslog import AccessLog
from tests.functional import cloudcase

_PATIENCE = 60.0  # seconds
#: The containers of transfers to ORD: in the source region, and in ORD.
EXPORTS, STAGED = "image-transfers-exports", "image-transfers-ORD"


class ProcessTestCase(cloudcase.CloudTestCase):
    """Commands run as alice, in DFW, in a process of their own."""

    def start(self, *words, cloud="alice", region="DFW", **options):
        """Start the `openstack` program."""
        process = subprocess.Popen(
            [sys.executable, "-m", "openstackclient.shell", *client_words(words, cloud, region)],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def fork(self, *words, cloud="alice", region="DFW"):
        """Start a command in a copy of this process: what takes time is its work alone."""
        child = multiprocessing.get_context("fork").Process(
            target=run_client, args=(client_words(words, cloud, region), self.tmp / "forked")
        )
        child.start()
        self.addCleanup(child.join)
        self.addCleanup(child.kill)
        return child

    def killed_after(self, delay, *words):
        """Run a command, and kill it `delay` seconds later; say whether it had ended by itself."""
        child = self.fork(*words)
        child.join(delay)
        ended = child.exitcode is not None
        child.kill()
        child.join()
        return ended

    def completed(self, *words):
        """Run a command to its good end."""
        child = self.fork(*words)
        child.join(_PATIENCE)
        self.assertEqual(0, child.exitcode, (self.tmp / "forked").read_text())

    def settings(self, cloud="alice", **image_tasks):
        """Change the `image_tasks` of a cloud's entry in clouds.yaml."""
        clouds = yaml.safe_load((self.root / "clouds.yaml").read_text())
        self.entry(cloud, image_tasks={**clouds["clouds"][cloud]["image_tasks"], **image_tasks})

    def entry(self, cloud="alice", **settings):
        """Change a cloud's entry in clouds.yaml for this test."""
        clouds = yaml.safe_load((self.root / "clouds.yaml").read_text())
        clouds["clouds"][cloud].update(settings)
        path = self.tmp / "clouds.yaml"
        path.write_text(yaml.safe_dump(clouds))
        self.useFixture(fixtures.EnvironmentVariable("OS_CLIENT_CONFIG_FILE", str(path)))

    def disk(self, mib, name="disk.raw"):
        """Write a raw disk of 64 MiB with `mib` MiB of noise, boot signature included."""
        path = self.tmp / name
        with path.open("wb") as file:
            file.write(os.urandom(510) + b"\x55\xaa" + os.urandom((mib << 20) - 512))
            file.truncate(64 << 20)
        return path

    def until(self, condition, *, patience=_PATIENCE, interval=0.02):
        """Wait for what a process brings about, looking every `interval` seconds, and give it."""
        deadline = time.monotonic() + patience
        while not (met := condition()):
            self.assertLess(time.monotonic(), deadline, "it does not happen")
            time.sleep(interval)
        return met

    def log(self, region="DFW", service="swift"):
        """Give what a service is asked from now on, when called."""
        log = AccessLog(self.root, region, service)
        mark = log.mark()
        return lambda: log.since(mark)

    def images(self, name, region):
        """Give the images of this name."""
        return list(self.sdk(region=region).image.images(name=name))

    def staged(self, container, mark, region):
        """Give the objects and segments of a container that belong to a test.

        The markers of killed runs, which show that an object is in use, expire by themselves.
        """
        names = []
        for each in (container, f"{container}_segments"):
            with contextlib.suppress(Exception):
                names += [name for name in self.objects(each, region) if mark in name]
        return [name for name in names if "/in-use/" not in name]

    def staged_by_transfers(self, mark):
        """Give what transfers from DFW to ORD have left of a test, in both regions."""
        return [*self.staged(EXPORTS, mark, "DFW"), *self.staged(STAGED, mark, "ORD")]


def client_words(words, cloud, region):
    """Return the arguments of the client for a command in a cloud and region."""
    return ["--os-cloud", cloud, "--os-region-name", region, *map(str, words)]


def run_client(words, output):
    """Run the client in this process, which then ends."""
    with output.open("w") as stream:
        sys.stdout = sys.stderr = stream
        status = shell.OpenStackShell().run(words)
        stream.flush()
        os._exit(status)
