# SPDX-License-Identifier: Apache-2.0
"""A hundred images, transferred by four processes at once; one of them is killed."""

import json
import time
from collections import Counter

from testtools.content import text_content

from devcloud.faults import Rule
from tests.functional import processcase
from tests.large.unreliable import unreliable

IMAGES = 100
PROCESSES = 4
_PATIENCE = 900.0  # seconds


class HundredImagesTest(processcase.ProcessTestCase):
    """Each process gets a share of the images, as by Ansible or a matrix of jobs.

    :ivar ids: the images, in the order of their names.
    """

    def setUp(self):
        super().setUp()
        self.names = [f"image-{self.mark}-{number:02d}" for number in range(IMAGES)]
        files = [self.corpus("go-vhd-xapi.vhd", f"{name}.vhd") for name in self.names]
        rows = self.task("import", *files, "--wait", "--concurrency", "8").rows
        self.assertEqual(self.names, [row["Name"] for row in rows])
        self.ids = [row["Image"] for row in rows]

    def transfer(self, number):
        """Start the transfer of a share in a process of its own."""
        words = ("transfer", *self.ids[number::PROCESSES], "--to-region", "ORD", "-f", "json")
        return self.start("image", "task", *words)

    def result(self, process):
        """Return the exit status of a process, the status of each image, and its messages."""
        output, messages = process.communicate(timeout=_PATIENCE)
        self.addDetail(f"messages of {process.pid}", text_content(messages))
        self.assertNotIn("Traceback", messages)
        rows = {row["Image"]: row["Status"] for row in json.loads(output)}
        return process.returncode, rows, messages

    def copies(self):
        """Return the names of the images of this test at the target, and their number."""
        images = self.sdk(region="ORD").image.images()
        ours = [each for each in images if self.mark in each.name]
        return Counter((each.name, each.status) for each in ours)

    def deleted(self, requests, ids):
        """Return how many images have arrived: at last, their exported objects are deleted."""
        paths = " ".join(each.path for each in requests if each.method == "DELETE")
        return sum(f"{processcase.EXPORTS}/{image}.vhd" in paths for image in ids)

    def test_shares(self):
        """All arrive once, but one that the target refuses, which is named and arrives later."""
        refused = self.ids[6]  # of process 2
        failing = self.inject(
            Rule("TASK", f"/import/{processcase.STAGED}/{refused}", body="Error 396: no VHD"),
            region="ORD",
            service="glance",
        )
        began, requests = time.monotonic(), self.log("DFW")
        with unreliable(self.root, "DFW", "ORD") as fired:
            processes = [self.transfer(number) for number in range(PROCESSES)]
            self.until(
                lambda: self.deleted(requests(), self.ids[0::PROCESSES]) >= 3,
                patience=_PATIENCE,
                interval=0.5,
            )
            self.assertIsNone(processes[0].poll())
            processes[0].kill()
            processes[0].communicate(timeout=60)
            processes[0] = self.transfer(0)
            results = [self.result(process) for process in processes]
            for counts in fired():
                self.assertNotIn(0, counts, "a fault did not happen")
        self.addDetail("seconds", text_content(f"{time.monotonic() - began:.0f}"))
        self.assertEqual([1], failing.fired())
        self.assertEqual([0, 0, 1, 0], [status for status, _, _ in results])
        self.assertIn(f"{refused}: The import task", results[2][2])
        arrived = {
            image
            for _, rows, _ in results
            for image, status in rows.items()
            if status in ("transferred", "already there")
        }
        self.assertEqual(set(self.ids) - {refused}, arrived)
        self.assertIn("already there", results[0][1].values())
        once = Counter((name, "active") for name in self.names)
        missing = Counter([(self.names[6], "active")])
        self.assertEqual(once - missing, self.copies())

        status, rows, _ = self.result(self.transfer(2))
        self.assertEqual((0, "transferred"), (status, rows.pop(refused)))
        self.assertEqual({"already there"}, set(rows.values()))
        self.assertEqual(once, self.copies())
        staged = "".join(self.staged_by_transfers(""))
        self.assertEqual([], [image for image in self.ids if image in staged])
