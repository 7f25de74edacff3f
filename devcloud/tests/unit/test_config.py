# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import fixtures
from oslotest import base
from swift.common.ring import RingData

from devcloud.config import swift
from devcloud.config.clouds import clouds
from devcloud.plan import Plan, Settings


def plan(root):
    regions = ("DFW", "ORD")
    ports = {name: 1000 + number for number, name in enumerate(Plan.port_names(regions))}
    return Plan(Path(root), regions, ports, Settings(segment_bytes=7))


class TestConfig(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.root = self.useFixture(fixtures.TempDir()).path

    def test_plan_is_saved(self):
        """Servers and tests read the same plan that the launcher has written."""
        planned = plan(self.root)
        planned.save()
        self.assertEqual(planned, Plan.load(Path(self.root)))

    def test_ring(self):
        """Swift can read the ring, which is written without it."""
        path = Path(self.root) / "object.ring.gz"
        swift.write_ring(path, 6200)
        ring = RingData.load(str(path))
        self.assertEqual([6200], [device["port"] for device in ring.devs])
        self.assertEqual([[0]], [list(row) for row in ring._replica2part2dev_id])

    def test_clouds(self):
        """Every cloud has both regions, a short poll interval, and the credentials of its user."""
        entries = clouds(plan(self.root))
        self.assertEqual({"alice", "carol", "bob", "admin", "alice-apikey"}, entries.keys())
        for entry in entries.values():
            self.assertEqual(["DFW", "ORD"], entry["regions"])
            self.assertEqual(0.1, entry["image_tasks"]["poll_interval"])
        self.assertEqual("http://127.0.0.1:1000/v2.0/", entries["alice-apikey"]["auth"]["auth_url"])
        self.assertEqual("acme", entries["carol"]["auth"]["project_name"])
