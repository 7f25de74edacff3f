# SPDX-License-Identifier: Apache-2.0
"""Each command survives three requests in a row that the image service does not answer in time."""

from devcloud.faults import Rule
from tests.functional import processcase

_TIMEOUT = 2  # seconds
_SLOW = 4.0


class SlowImageServiceTest(processcase.ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.entry(api_timeout=_TIMEOUT)

    def slow(self, path, query="", region="DFW"):
        """Have three requests answered too late; return what tells how many were."""
        rule = Rule("GET", path, query, times=3, delay=_SLOW)
        return self.inject(rule, region=region, service="glance").fired

    def test_export(self):
        """The lookup of the image is slow."""
        image = self.imported()["Image"]
        fired = self.slow(f"/v2/images/{image}")
        self.assertEqual("success", self.task("export", image, "--wait").rows[0]["Status"])
        self.assertEqual([3], fired())

    def test_import(self):
        """The search for an earlier task is slow."""
        fired = self.slow("/v2/tasks$", "type=import")
        self.assertEqual("success", self.imported()["Status"])
        self.assertEqual([3], fired())

    def test_wait(self):
        """The task's status is slow to come."""
        path = self.corpus("go-vhd-xapi.vhd")
        row = self.task("import", path, "--name", f"image-{self.mark}").rows[0]
        fired = self.slow(f"/v2/tasks/{row['Task']}")
        self.assertEqual("success", self.task("wait", row["Task"]).rows[0]["Status"])
        self.assertEqual([3], fired())

    def test_transfer(self):
        """The lookup here and the search for a copy there are slow."""
        image = self.imported()["Image"]
        fired = self.slow(f"/v2/images/{image}"), self.slow("/v2/images$", image, "ORD")
        row = self.task("transfer", image, "--to-region", "ORD").rows[0]
        self.assertEqual("transferred", row["Status"])
        self.assertEqual([[3], [3]], [each() for each in fired])
