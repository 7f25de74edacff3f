# SPDX-License-Identifier: Apache-2.0
"""Many images by one command, with faults on the way."""

import time

from devcloud.faults import Rule
from tests.functional import processcase


class BatchTest(processcase.ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.name = f"image-{self.mark}"

    def batch(self, size):
        """Import images whose names and property `batch` begin alike; give their IDs."""
        files = [self.corpus("go-vhd-xapi.vhd", f"{self.name}-{n:02}.vhd") for n in range(size)]
        words = ("import", *files, "--wait", "--property", f"batch={self.mark}")
        return [row["Image"] for row in self.task(*words, "--concurrency", "8").rows]

    def test_twenty_with_faults(self):
        """All arrive, but one whose task fails and one whose licence forbids it; both are named."""
        ids = self.batch(20)
        failing, licensed = ids[3], ids[7]
        self.sdk("admin").image.update_image(licensed, **{"com.rackspace__1__options": "4"})
        container = processcase.STAGED
        self.inject(
            Rule("TASK", f"/import/{container}/{failing}", body="Error 396: no VHD"),
            Rule("POST", "/tasks$", drop="answer", skip=4),
            Rule("GET", "/tasks", status=503, headers={"Retry-After": "1"}, skip=9),
            region="ORD",
            service="glance",
        )
        self.inject(
            *(Rule("PUT", f"{container}/{ids[n]}", status=503) for n in (0, 5)),
            *(Rule("PUT", f"{container}/{ids[n]}", drop="upload", offset=100) for n in (1, 9)),
            region="ORD",
        )
        exports = processcase.EXPORTS
        self.inject(*(Rule("GET", f"{exports}/{ids[n]}", drop="download") for n in (2, 6)))
        words = ("transfer", "--property", f"batch={self.mark}", "--to-region", "ORD")
        outcome = self.task(*words, "--concurrency", "4", status=1)
        arrived = {row["Image"] for row in outcome.rows if row["Status"] == "transferred"}
        self.assertEqual(set(ids) - {failing, licensed}, arrived)
        self.assertRegex(
            outcome.stderr, rf"{failing}: The import task .* failed: .*Convert the disk to a VHD"
        )
        self.assertRegex(
            outcome.stderr, f"{licensed}: The licence of image '{self.name}-07' does not allow"
        )

        again = self.task(*words, status=1)
        statuses = {row["Image"]: row["Status"] for row in again.rows}
        self.assertEqual("transferred", statuses.pop(failing))
        self.assertEqual("failed", statuses.pop(licensed))
        self.assertEqual({"already there"}, set(statuses.values()))
        copies = [i for i in self.sdk(region="ORD").image.images() if i.name.startswith(self.name)]
        self.assertEqual(19, len(copies))
        staged = "".join(self.staged_by_transfers(""))
        self.assertEqual([], [image_id for image_id in ids if image_id in staged])

    def test_waiting_for_many_costs_what_waiting_for_one_does(self):
        """Eight exports that take two seconds are asked for as often as one would be."""
        ids = self.batch(8)
        self.inject(*(Rule("TASK", each, delay=2) for each in ids), service="glance")
        del self.sent[:]
        began = time.monotonic()
        self.task("export", *ids, "--wait", "--concurrency", "8")
        intervals = (time.monotonic() - began) / 0.1  # the development cloud's poll_interval
        asked = [url for method, url in self.sent if method == "GET" and "/v2/tasks" in url]
        before_and_after = 4 * len(ids)  # is there one already, what is it, and what became of it
        self.assertLess(len(asked) - before_and_after, intervals)
        self.assertGreater(len([url for url in asked if "?" in url]), len(ids))

    def test_one_unknown(self):
        """The others are done; the unknown one has a row with the reason; exit status 1."""
        ids = self.batch(2)
        outcome = self.task("export", ids[0], "no-such", ids[1], "--wait", status=1)
        self.assertEqual([ids[0], None, ids[1]], [row["Image"] for row in outcome.rows])
        failed = outcome.rows[1]
        self.assertEqual(("no-such", "failed"), (failed["Name"], failed["Status"]))
        self.assertIn("Image 'no-such' not found in region 'DFW'", failed["Reason"])
        self.assertIn("no-such: Image 'no-such' not found in region 'DFW'", outcome.stderr)
        locations = [row["Location"] for row in outcome.rows if row["Location"]]
        folder = self.tmp / "saved"
        folder.mkdir()
        outcome = self.task(
            "save", locations[0], "image-exports/none", locations[1], "--file", folder, status=1
        )
        self.assertEqual(
            [locations[0], None, locations[1]], [row["Location"] for row in outcome.rows]
        )
        self.assertEqual("image-exports/none", outcome.rows[1]["Export"])
        self.assertEqual(2, len(list(folder.iterdir())))
        tasks = [row["Task"] for row in self.task("import", *folder.iterdir()).rows]
        outcome = self.task("wait", tasks[0], "no-task", tasks[1], status=1)
        self.assertEqual([tasks[0], "no-task", tasks[1]], [row["Task"] for row in outcome.rows])
        self.assertIn("Task 'no-task' not found", outcome.stderr)

    def test_a_property_selects(self):
        """--property takes this project's images alone, and none is an error."""
        ids = self.batch(2)
        stranger = self.imported(cloud="bob")["Image"]
        properties = {"batch": self.mark}
        self.sdk("admin").image.update_image(stranger, visibility="public", **properties)
        words = ("export", "--dry-run", "--property")
        rows = self.task(*words, f"batch={self.mark}").rows
        self.assertEqual(set(ids), {row["Image"] for row in rows})
        self.assertIn("No image of your project", self.refused(*words, f"batch=not-{self.mark}"))
        self.assertIn("not both", self.refused(*words, f"batch={self.mark}", ids[0], status=2))
