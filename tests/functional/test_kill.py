# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any point, then the same command: the job is done once."""

import random
import time
from collections import Counter

from testtools.content import text_content

from devcloud.faults import Rule
from tests.functional import processcase

POINTS = 10
_DELETION = 5.0  # seconds that Swift may need for it


class KillTest(processcase.ProcessTestCase):
    def setUp(self):
        super().setUp()
        seed = random.randrange(2**32)
        self.random = random.Random(seed)
        self.addDetail("seed", text_content(str(seed)))
        self.name = f"image-{self.mark}"

    def moments(self, duration):
        """Give random moments of a run, one in each tenth of it."""
        return [(tenth + self.random.random()) * duration / POINTS for tenth in range(POINTS)]

    def duration(self, *words):
        """Run a command to its end and give the seconds that it took."""
        began = time.monotonic()
        self.completed(*words)
        return time.monotonic() - began

    def slow(self, subject, *regions):
        """Slow the tasks of a subject, so that they are hit too."""
        for region in regions:
            rule = Rule("TASK", subject, delay=0.2, times=None)
            self.inject(rule, region=region, service="glance")

    def forget(self, region):
        """Delete the images of this test."""
        for image in self.images(self.name, region):
            self.sdk(region=region).image.delete_image(image)

    def require_one_image(self, region):
        self.assertEqual(["active"], [each.status for each in self.images(self.name, region)])

    def require_sent_once(self, requests, mark):
        """No segment that arrived was sent again."""
        arrived = Counter(
            request.path
            for request in requests
            if (request.method, request.status) == ("PUT", 201)
            and mark in request.path
            and "_segments/" in request.path
        )
        self.assertGreater(len(arrived), 4, "the cloud's segments are too large for this test")
        self.assertEqual([], [path for path, times in arrived.items() if times > 1])

    def test_transfer(self):
        """One image at the target, nothing staged in either region, no segment sent twice."""
        disk = self.disk(11)
        source = self.task("import", disk, "--name", self.name, "--wait").rows[0]["Image"]
        self.slow(source, "DFW", "ORD")
        words = ("image", "task", "transfer", source, "--to-region", "ORD")
        for moment in self.moments(self.duration(*words)):
            self.forget("ORD")
            swift = self.log("ORD")
            self.killed_after(moment, *words)
            self.completed(*words)
            self.require_one_image("ORD")
            self.assertEqual([], self.staged_by_transfers(source))
            self.require_sent_once(swift(), source)

    def test_import(self):
        """One image, nothing staged, no segment sent twice; a run that ended is not run again."""
        self.settings(segment_size=2 << 20)
        container = self.container()
        self.slow(container, "DFW")
        disk = self.disk(11)
        words = ("image", "task", "import", disk, "--name", self.name, "--wait")
        words += ("--container", container)
        for moment in self.moments(self.duration(*words)):
            self.forget("DFW")
            swift = self.log()
            self.killed_after(moment, *words)
            if not self._is_done(container):
                self.completed(*words)
            self.require_one_image("DFW")
            self.assertEqual([], self.staged(container, "", "DFW"))
            self.require_sent_once(swift(), container)

    def _is_done(self, container):
        """Tell whether the killed run had asked for its last act, the deletion of what was staged.

        Swift then goes on with it; and the same file may be imported once more, as another image.
        """
        deadline = time.monotonic() + _DELETION
        while [image.status for image in self.images(self.name, "DFW")] == ["active"]:
            if not self.staged(container, "", "DFW"):
                return True
            if time.monotonic() > deadline:
                break
        return False
