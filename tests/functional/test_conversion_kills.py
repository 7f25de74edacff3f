# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any point of a transfer to or from a standard cloud, then the same command."""

import http.client
import multiprocessing
import os
import random
import signal
import threading
from collections import Counter

from testtools.content import text_content

from devcloud.accesslog import AccessLog
from tests.functional import processcase
from tests.functional.test_arrival_methods import FLEX, VIA_OBJECT
from tests.functional.test_conversion_faults import DFW
from tests.functional.test_conversions import ConversionCase

POINTS = 10
CAROL = {"cloud": "flex-carol", "region": "SJC3"}  # whose account has no key
_OWN_KEY = "x-account-meta-temp-url-key-2"
_PATIENCE = 120.0  # seconds


class KillCase(ConversionCase):
    """A run is killed after it has sent one of its pieces: a request's head, or part of a body.

    The pieces of an undisturbed run are counted, and the points are spread over them.
    """

    source, target = DFW, FLEX
    method = ()
    segments = 5  # of the object that is sent to the target, at least

    def setUp(self):
        super().setUp()
        seed = random.randrange(2**32)
        self.random = random.Random(seed)
        self.addDetail("seed", text_content(str(seed)))
        self.settings(self.target["cloud"], segment_size="1 MiB")

    def transfer(self, image_id):
        """Transfer an image, kill the transfer at ten points, and repeat it after each."""
        self.image_id = image_id
        place = ("--to-cloud", self.target["cloud"], "--to-region", self.target["region"])
        self.words = ("image", "task", "transfer", image_id, *place, *self.method)
        self.run_until(None)  # the only run that marks the source
        self.require_arrived()
        self.sdk(**self.target).image.delete_image(self.the_image(**self.target))
        pieces = self.run_until(None)
        self.require_arrived()
        self.assertGreater(pieces, 2 * POINTS)
        for tenth in range(POINTS):
            self.sdk(**self.target).image.delete_image(self.the_image(**self.target))
            piece = int((tenth + self.random.random()) * pieces / POINTS)
            with self.subTest(f"piece {piece} of {pieces}"):
                log = AccessLog(self.root, self.target["region"])
                mark = log.mark()
                self.run_until(piece)
                self.run_until(None)
                self.require_arrived()
                self.require_sent_once(log.since(mark))

    def run_until(self, piece):
        """Run the command and kill it after a piece, or else to its end; return the pieces."""
        context = multiprocessing.get_context("fork")
        sent = context.RawValue("q", 0)  # without a lock, which a killed process would keep
        words = processcase.client_words(self.words, **self.source)
        output = self.tmp / "forked"
        child = context.Process(target=_run, args=(words, output, sent, piece))
        child.start()
        self.addCleanup(child.kill)
        child.join(_PATIENCE)
        status = 0 if piece is None else -signal.SIGKILL
        self.assertEqual(status, child.exitcode, output.read_text())
        return sent.value

    def require_arrived(self):
        """Check that there is one image, complete, and no object in either cloud."""
        image = self.the_image(**self.target)
        self.assertEqual(("active", self.name), (image.status, image.name))
        for place in (self.source, self.target):
            swift = self.swift(**place)
            for container in swift.get_account(prefix="image-transfers-", full_listing=True)[1]:
                listed = swift.get_container(container["name"], full_listing=True)[1]
                names = [each["name"] for each in listed if self.image_id in each["name"]]
                self.assertEqual([], [name for name in names if "/in-use/" not in name])

    def require_sent_once(self, requests):
        """Check that no segment was stored twice at the target."""
        stored = Counter(
            each.path
            for each in requests
            if (each.method, each.status) == ("PUT", 201)
            and f"_segments/{self.image_id}" in each.path
        )
        self.assertEqual([], [path for path, times in stored.items() if times > 1])
        self.assertGreaterEqual(len(stored), self.segments)

    def imported(self):
        """Import the disk into the cloud with image tasks; return the image's ID."""
        words = ("import", self.disk("qcow2"), "--name", self.name, "--wait")
        return self.task(*words).rows[0]["Image"]


class DirectTest(KillCase):
    segments = 0

    def test_to_flex(self):
        """By one stream, there is one image, and nothing else."""
        self.transfer(self.imported())
        stored = self.stored(self.the_image(**self.target).id, **self.target)
        self.assert_same_disk(self.tmp / "disk.raw", "raw", stored, "qcow2")


class WebDownloadTest(KillCase):
    """In an account without a key: what a killed run has set is removed, too."""

    target = CAROL
    method = VIA_OBJECT

    def test_to_flex(self):
        """By an object that the service downloads, no segment is sent twice."""
        self.transfer(self.imported())
        stored = self.stored(self.the_image(**self.target).id, **self.target)
        self.assert_same_disk(self.tmp / "disk.raw", "raw", stored, "qcow2")

    def require_arrived(self):
        super().require_arrived()
        self.assertNotIn(_OWN_KEY, self.swift(**self.target).head_account())


class FromFlexTest(KillCase):
    source, target = FLEX, DFW

    def test_from_flex(self):
        """To a cloud with image tasks, there is one image, and no segment is sent twice."""
        data = self.disk("qcow2").read_bytes()
        formats = {"disk_format": "qcow2", "container_format": "bare"}
        image = self.sdk(**self.source).image.create_image(name=self.name, data=data, **formats)
        self.transfer(image.id)
        saved = self.tmp / "saved.vhd"
        self.task("export", self.name, "--wait", "--file", saved)
        self.assert_same_disk(self.tmp / "disk.raw", "raw", saved, "vpc")


def _run(words, output, sent, last):
    """Run the client; count the pieces that it sends, and kill this process after the last one.

    A GET that is sent again is not counted: how often an image or a task is polled varies.
    """
    send, seen, lock = http.client.HTTPConnection.send, set(), threading.Lock()

    def counted(connection, data):
        send(connection, data)
        head = bytes(data).partition(b"\r\n")[0] if isinstance(data, bytes) else b""
        if head.startswith(b"GET "):
            if head in seen:
                return
            seen.add(head)
        with lock:
            sent.value += 1
            if last is not None and sent.value > last:
                os.kill(os.getpid(), signal.SIGKILL)

    http.client.HTTPConnection.send = counted
    processcase.run_client(words, output)
