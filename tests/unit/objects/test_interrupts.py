# SPDX-License-Identifier: Apache-2.0
"""Transfers that end early: on request, on a signal, and by kill -9."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

from rackspace_imagetasks.bytesource import BytesSource, FileSource
from rackspace_imagetasks.exceptions import Cancelled
from rackspace_imagetasks.objects.download import download
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, NAME, SwiftCase, noise

CONTENT = noise(8 * MIB)

CHILD = """
import sys
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.objects.download import download
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.objects.data_transfer import DataTransfer, TransferOptions
from rackspace_imagetasks.objects.upload import upload

what, url, path = sys.argv[1:]
name, transfer = ObjectName("images", "a"), DataTransfer(TransferOptions(threads=2))
store = ObjectStore(Adapter(Session(Token(url, "token-1")), service_type="object-store"))
try:
    if what == "upload":
        upload(store, FileSource(path), name, transfer, segment_size=2**20)
    else:
        download(store, name, path, transfer)
except KeyboardInterrupt:
    sys.exit(130)
"""


class InterruptCase(SwiftCase):
    def start(self, what, path):
        """Run a transfer in a process of its own."""
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, what, self.swift.url + "/v1/AUTH_test", str(path)],
            env=os.environ | {"no_proxy": "*"},
        )
        self.addCleanup(child.kill)
        return child

    def wait_for(self, condition):
        """Wait until the service has received something."""
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline, "the transfer did not get that far")
            time.sleep(0.01)

    def stall_after(self, method, part, served):
        """Serve `served` requests, and stall the others."""
        self.swift.fault(lambda handler: False, method, part, times=served)
        self.swift.fault(faults.stall(), method, part, times=100)
        return lambda: len(self.swift.requests(method, part)) == served + 2

    @contextlib.contextmanager
    def assert_ends(self):
        """Nothing waits for the stalled socket, whose timeout is two minutes."""
        began = time.monotonic()
        yield
        self.assertLess(time.monotonic() - began, 5)


class TestUpload(InterruptCase):
    def test_stop(self):
        """Setting `stop` ends an upload whose sockets are stalled; the next run resumes it."""
        stalled = self.stall_after("PUT", "images_segments/a/", 3)
        stop = threading.Event()

        def set_when_stalled():
            self.wait_for(stalled)
            stop.set()

        threading.Thread(target=set_when_stalled, daemon=True).start()
        with self.assert_ends(), self.assertRaises(Cancelled) as caught:
            self.upload(BytesSource(CONTENT),
                   segment_size=MIB, threads=2, stop=stop)  # fmt: skip
        kept = (caught.exception.kept, caught.exception.total)
        self.assertEqual((3 * MIB, len(CONTENT)), kept)
        self.assertEqual([], self.swift.names("images"))
        self.swift.faults.clear()
        done = self.upload(BytesSource(CONTENT), segment_size=MIB)
        self.assertEqual((3 * MIB, 5 * MIB), (done.reused_bytes, done.sent_bytes))
        self.assertEqual(CONTENT, self.swift.read("images", "a"))

    def test_stop_in_backoff(self):
        """Setting `stop` ends the wait before a retry."""
        stop = threading.Event()
        store = self.new_store(sleep=lambda seconds: (stop.set(), time.sleep(seconds)))
        self.swift.fault(faults.status(503, Retry_After="200"), "PUT", "00000001")
        with self.assert_ends(), self.assertRaises(Cancelled):
            self.upload(BytesSource(CONTENT), store=store, segment_size=MIB, stop=stop)

    def test_interrupt(self):
        """Ctrl-C ends a process whose sockets are stalled, and the object does not exist."""
        stalled = self.stall_after("PUT", "images_segments/a/", 3)
        child = self.start("upload", self.file(CONTENT))
        self.wait_for(stalled)
        child.send_signal(signal.SIGINT)
        with self.assert_ends():
            self.assertEqual(130, child.wait())
        self.assertEqual([], self.swift.names("images"))

    def test_kill(self):
        """After kill -9, the next run sends only the segments that had not arrived."""
        path = self.file(CONTENT)
        for arrived in (0, 1, 5):
            stalled = self.stall_after("PUT", "images_segments/a/", arrived)
            child = self.start("upload", path)
            self.wait_for(stalled)
            child.kill()
            child.wait()
            self.swift.faults.clear()
            self.swift.log.clear()
            with FileSource(path) as source:
                done = self.upload(source, segment_size=MIB)
            self.assertEqual(arrived * MIB, done.reused_bytes)
            self.assertEqual(8 - arrived, len(self.swift.requests("PUT", "images_segments/a/")))
            self.assertEqual(CONTENT, self.swift.read("images", "a"))
            self.swift.containers.clear()
            self.swift.log.clear()


class TestDownload(InterruptCase):
    def setUp(self):
        super().setUp()
        pieces = [CONTENT[start : start + MIB] for start in range(0, len(CONTENT), MIB)]
        self.swift.put_slo("images", "a", pieces)
        self.path = self.dir / "disk.vhd"

    def test_interrupt(self):
        """Ctrl-C ends a process whose sockets are stalled, and leaves only FILE.part."""
        stalled = self.stall_after("GET", "images_segments/a/", 3)
        child = self.start("download", self.path)
        self.wait_for(stalled)
        child.send_signal(signal.SIGINT)
        with self.assert_ends():
            self.assertEqual(130, child.wait())
        self.assertEqual(["disk.vhd.part"], [entry.name for entry in self.dir.iterdir()])

    def test_kill(self):
        """After kill -9, the next run fetches only the segments that are missing or wrong."""
        for arrived in (0, 1, 5):
            stalled = self.stall_after("GET", "images_segments/a/", arrived)
            child = self.start("download", self.path)
            self.wait_for(stalled)
            child.kill()
            child.wait()
            self.assertFalse(self.path.exists())
            self.swift.faults.clear()
            self.swift.log.clear()
            done = download(self.store, NAME, self.path, self.transfer())
            self.assertEqual(arrived * MIB, done.reused_bytes)
            self.assertEqual(8 - arrived, len(self.swift.requests("GET", "images_segments/a/")))
            self.assertEqual(CONTENT, self.path.read_bytes())
            self.path.unlink()
            self.swift.log.clear()
