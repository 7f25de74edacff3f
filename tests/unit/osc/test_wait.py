# SPDX-License-Identifier: Apache-2.0
"""`openstack image task wait`: what is wrong with one task does not hide the others."""

import contextlib
import logging
import types
from unittest import mock

import fixtures

from rackspace_imagetasks.exceptions import Cancelled, ServiceError
from rackspace_imagetasks.osc.v2.wait import WaitTask
from tests.unit import clouds
from tests.unit.clouds import IMAGE

TASKS = f"{IMAGE}/v2/tasks"


class WaitTest(clouds.CloudTestCase):
    def wait(self, *task_ids):
        """Run the command; return its rows and what it logs."""
        command = WaitTask(mock.Mock(), None)
        command.log = logging.getLogger("wait-test")
        log = self.useFixture(fixtures.FakeLogger("wait-test"))
        tasks = self.image_tasks()
        with mock.patch.object(WaitTask, "image_tasks") as image_tasks:
            image_tasks.return_value = contextlib.nullcontext(tasks)
            parsed = types.SimpleNamespace(task=list(task_ids), timeout=None)
            _, rows = command.take_action(parsed)
        return [row[0] for row in rows], log.output

    def listed(self, **statuses):
        tasks = [{"id": i, "type": "import", "status": s} for i, s in statuses.items()]
        self.requests.get(TASKS, json={"tasks": tasks})
        for task_id, status in statuses.items():
            self.task(status, task_id=task_id)

    def test_an_unknown_status(self):
        """The other task has its row, and the unknown status is reported."""
        self.listed(odd="hibernating", done="success")
        rows, said = self.wait("odd", "done")
        self.assertEqual(["done"], rows)
        self.assertIn("Task 'odd' has the unknown status 'hibernating'.", said)

    def test_nothing_ended(self):
        """Without a row, the error is that of the command."""
        self.listed(odd="hibernating")
        self.assertRaises(ServiceError, self.wait, "odd")

    def test_stopped(self):
        """A stop ends the command, whatever has ended before."""
        self.listed(done="success", running="processing")
        with mock.patch.object(clouds.Stop, "is_set", return_value=True):
            self.assertRaises(Cancelled, self.wait, "done", "running")
