# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import fixtures
from oslotest import base
from swift.common.ring import RingData

from devcloud.config import swift
from devcloud.config.clouds import clouds
from devcloud.plan import Plan, Settings, sites


def plan(root):
    planned = sites(("DFW", "ORD"))
    names = [name for site in planned for name in site.port_names]
    ports = {name: 1000 + number for number, name in enumerate(names)}
    return Plan(Path(root), planned, ports, Settings(segment_bytes=7))


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
        """Every cloud has its regions, a short poll interval, and the credentials of its user."""
        entries = clouds(plan(self.root))
        with_tasks = {name for name in entries if "flex" not in name}
        self.assertEqual({"alice", "carol", "bob", "admin", "alice-apikey"}, with_tasks)
        for name, entry in entries.items():
            if name in with_tasks:
                self.assertEqual(["DFW", "ORD"], entry["regions"])
            else:
                self.assertEqual("SJC3", entry["region_name"])
            self.assertEqual(0.1, entry["image_tasks"]["poll_interval"])
        self.assertEqual("http://127.0.0.1:1000/v2.0/", entries["alice-apikey"]["auth"]["auth_url"])
        self.assertEqual("acme", entries["carol"]["auth"]["project_name"])
        users = {"flex", "flex-bob", "flex-carol", "flex-reader", "flex-small", "flex-images"}
        flex = users | {"flex-admin"}
        self.assertEqual(flex, entries.keys() - with_tasks)
        self.assertEqual("http://127.0.0.1:1011/v3", entries["flex"]["auth"]["auth_url"])
