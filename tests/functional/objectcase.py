# SPDX-License-Identifier: Apache-2.0
"""Transfers with the real Swift of the development cloud, counted in its access log."""

import json
import os
import random
import subprocess
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import quote

import fixtures
import yaml

from devcloud.accesslog import AccessLog
from devcloud.faults import Rule
from devcloud.tests import vhdfiles
from rackspace_imagetasks.objects.data_transfer import DataTransfer, TransferOptions
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore
from tests.functional import cloudcase

MIB = 2**20
BIN = Path(sys.executable).parent


def noise(size, seed=1):
    """Return bytes of which no two segments are equal."""
    return random.Random(seed).randbytes(size)


def fixed_vhd(content):
    """Return a fixed VHD whose disk is `content`."""
    return content + vhdfiles.footer(len(content), 2)


class ObjectCase(cloudcase.CloudTestCase):
    """A test with its own container, `place`, for objects with segments of `segment_size`.

    Import tasks of objects in it fail at once: what is tested is the way there.
    """

    segment_size = MIB

    def setUp(self):
        super().setUp()
        self.use_segments(self.segment_size)
        self.connection = self.sdk()
        self.place = self.new_place()
        self.log = AccessLog(self.root, "DFW")
        self.begin()

    def use_segments(self, size):
        """Set the size of the segments that the commands send."""
        config = yaml.safe_load(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())
        for cloud in config["clouds"].values():
            cloud["image_tasks"]["segment_size"] = size
        path = self.tmp / "clouds.yaml"
        path.write_text(yaml.safe_dump(config))
        self.useFixture(fixtures.EnvironmentVariable("OS_CLIENT_CONFIG_FILE", str(path)))

    def new_place(self, *, refusing=True):
        """Create a container and its container of segments, which are emptied at the end.

        :param refusing: have import tasks of what is in it fail at once.
        """
        place = f"test-{uuid.uuid4().hex[:12]}"
        for name in (place, f"{place}_segments"):
            self.connection.object_store.put(f"/{name}").raise_for_status()
            self.addCleanup(self.empty, name)
        if refusing:
            rule = Rule("TASK", f"/import/{place}/", body="not wanted", times=None)
            self.inject(rule, service="glance")
        return place

    def empty(self, container):
        store = self.store()
        for entry in store.list_objects(container):
            store.delete_object(ObjectName(container, entry.name))

    def store(self, **options):
        """Return a store, for everything that the commands have no option for."""
        return ObjectStore(self.connection.object_store, **options)

    def object(self, name):
        """Return the name of an object in the container."""
        return ObjectName(self.place, name)

    def transfer(self, sleep=time.sleep, **options):
        """Return a transfer with these options."""
        return DataTransfer(TransferOptions(**options), sleep=sleep)

    def begin(self):
        """Count requests from now on."""
        self._mark = self.log.mark()

    def requests(self, method, part="", **facts):
        """Return the requests since `begin` to `place` and its container of segments."""
        return [
            request
            for request in self.log.since(self._mark)
            if request.method == method
            and f"/{self.place}" in request.path
            and part in f"{request.path}?{request.query}"
            and all(getattr(request, fact) == value for fact, value in facts.items())
        ]

    def statuses(self, method, part):
        """Return the statuses of the requests, in the order in which they ended."""
        return [request.status for request in self.requests(method, part)]

    def held(self):
        """Return the names in the container, without markers of use, and the number of segments."""
        names = [name for name in self.names(self.place) if "/in-use/" not in name]
        return sorted(names), len(self.names(f"{self.place}_segments"))

    def names(self, container):
        return [entry.name for entry in self.store().list_objects(container)]

    def content(self, name):
        """Read an object of the container with python-swiftclient."""
        return self.swift().get_object(self.place, name)[1]

    def vhd(self, size=4 * MIB, name="disk.vhd"):
        """Write a fixed VHD with a disk of `size` bytes of noise."""
        path = self.tmp / name
        path.write_bytes(fixed_vhd(noise(size)))
        return path

    def send(self, path, *words, **how):
        """Import a file without conversion into the container, with the command."""
        return self.openstack(
            *("image", "task", "import", "--file", path, "--no-convert", "-f", "json"),
            *("--name", self.mark, "--container", self.place, *words),
            **how,
        )

    def save(self, name, path, *words, **how):
        """Save an object of the container with the command."""
        return self.openstack(
            *("image", "task", "save", f"{self.place}/{name}", "--file", path, "-f", "json"),
            *words,
            **how,
        )

    def put_slo(self, name, pieces):
        """Write a Static Large Object, its segments numbered from 0."""
        store, entries = self.store(), []
        for number, piece in enumerate(pieces):
            path = f"{name}/{number:08d}"
            etag = store.put_object(ObjectName(f"{self.place}_segments", path), piece)
            entries.append({"path": f"/{self.place}_segments/{path}", "etag": etag})
        query = {"multipart-manifest": "put"}
        content = json.dumps(entries).encode()
        store.put_object(self.object(name), content, params=query)

    def put_dlo(self, name, pieces):
        """Write a Dynamic Large Object as the exports of the service, numbered from 1."""
        store = self.store()
        for number, piece in enumerate(pieces, 1):
            store.put_object(self.object(f"{name}-{number:05d}"), piece)
        manifest = {"X-Object-Manifest": f"{self.place}/{quote(name)}-"}
        store.put_object(self.object(name), b"", headers=manifest)

    def process(self, *words, **options):
        """Start the `openstack` command as a process of its own."""
        return subprocess.Popen(
            [BIN / "openstack", "--os-cloud", "alice", "--os-region-name", "DFW",
             *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip
