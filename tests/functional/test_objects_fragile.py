# SPDX-License-Identifier: Apache-2.0
"""A separate cloud to break: short-lived tokens, segmented exports, a server that dies."""

import filecmp
import threading
import time

from devcloud import operations
from devcloud.faults import Rule, inject
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.objects.download import download
from rackspace_imagetasks.objects.upload import upload
from tests.functional import objectcase
from tests.functional.objectcase import MIB

TOKEN_SECONDS = 3


class FragileTest(objectcase.ObjectCase):
    def setUp(self):
        self.start_cloud("--no-flex", "--token-seconds", TOKEN_SECONDS, "--segment-bytes", 10 * MIB)
        super().setUp()

    def test_everything_breaks(self):
        """Three faults in one cloud, because it takes seconds to start."""
        self.export_in_segments()
        self.token_expires()
        self.server_dies()

    def export_in_segments(self):
        """An exported DLO of three segments is saved by `export` and by `save`."""
        path = self.corpus("node-vhd-dynamic.vhd")
        row = self.task("import", path, "--name", "x", "--wait", "--no-convert").rows[0]
        saved = self.tmp / "saved.vhd"
        exported = self.task(
            "export", row["Image"], "--container", self.place, "--wait", "--file", saved
        ).rows[0]
        self.assertEqual(3, len(self.requests("GET", ".vhd-0000", status=206)))
        again = self.tmp / "again.vhd"
        (row,) = self.task("save", exported["Task"], "--file", again, "--delete-object").rows
        self.assertTrue(filecmp.cmp(saved, again, shallow=False))
        self.assertEqual(path.read_bytes()[512:-512], saved.read_bytes()[512:-512])
        self.assertEqual(([], 0), self.held())

    def token_expires(self):
        """A token that expires during a transfer costs each thread at most one 401.

        The login library would renew it in time by itself, were the clocks right.
        """
        auth = self.connection.session.auth
        auth.MIN_TOKEN_LIFE_SECONDS = -3600
        path = self.vhd(7 * MIB)
        for transfer in (self.up, self.down):
            self.clear(transfer)
            auth.invalidate()
            auth.get_access(self.connection.session)
            self.begin()
            slow = Rule("", f"/{self.place}_segments/", bytes_per_second=MIB, times=None)
            began = time.monotonic()
            with inject(self.root, "DFW", slow):
                transfer(path, threads=2)
            ended_tokens = 1 + (time.monotonic() - began) // TOKEN_SECONDS
            refused = [r for m in ("PUT", "GET") for r in self.requests(m, "/slo/", status=401)]
            self.assertTrue(1 <= len(refused) <= 2 * ended_tokens, refused)
        auth.MIN_TOKEN_LIFE_SECONDS = 120

    def server_dies(self):
        """Segments wait while the object server is down, and arrive when it is back."""
        path = self.vhd(7 * MIB)
        for transfer in (self.up, self.down):
            self.clear(transfer)
            operations.kill_server(self.root, "swift-object-DFW")
            self.begin()
            transfer(path, threads=2, sleep=self.restart_once(threading.Event()))
            statuses = {r.status for m in ("PUT", "GET", "HEAD") for r in self.requests(m)}
            self.assertIn(503, statuses)

    def restart_once(self, restarted):
        """Return a function that sleeps, and restarts dead servers the first time."""

        def sleep(seconds):
            if not restarted.is_set():
                restarted.set()
                operations.restart_dead(self.root)
            time.sleep(seconds)

        return sleep

    def clear(self, transfer):
        """Delete everything that an upload could reuse."""
        if transfer == self.up:
            self.empty(self.place)
            self.empty(f"{self.place}_segments")

    def up(self, path, threads, sleep=time.sleep):
        with FileSource(path) as source:
            transfer = self.transfer(sleep, threads=threads)
            store = self.store(sleep=sleep)
            upload(store, source, self.object("disk"), transfer, segment_size=MIB)
        self.assertEqual(path.read_bytes(), self.content("disk"))
        self.assertEqual((["disk"], 8), self.held())

    def down(self, path, threads, sleep=time.sleep):
        saved = self.tmp / f"down-{time.monotonic()}"
        transfer = self.transfer(sleep, threads=threads)
        download(self.store(sleep=sleep), self.object("disk"), saved, transfer)
        self.assertTrue(filecmp.cmp(path, saved, shallow=False))
