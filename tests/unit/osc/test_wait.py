# SPDX-License-Identifier: Apache-2.0
"""`openstack image task wait`: what is wrong with one task does not hide the others."""

import contextlib
import logging
import types
from unittest import mock

import fixtures

from rackspace_imagetasks.exceptions import Cancelled, ServiceError
from rackspace_imagetasks.osc import columns
from rackspace_imagetasks.osc.v2.wait import WaitTask
from tests.unit import clouds
from tests.unit.clouds import IMAGE

TASKS = f"{IMAGE}/v2/tasks"


class WaitTest(clouds.CloudTestCase):
    timeout = None

    def wait(self, *task_ids):
        """Run the command; return its rows and what it logs."""
        command = WaitTask(mock.Mock(), None)
        command.log = logging.getLogger("wait-test")
        log = self.useFixture(fixtures.FakeLogger("wait-test"))
        tasks = self.image_tasks()
        with mock.patch.object(WaitTask, "image_tasks") as image_tasks:
            image_tasks.return_value = contextlib.nullcontext(tasks)
            parsed = types.SimpleNamespace(task=list(task_ids), timeout=self.timeout)
            _, rows = command.take_action(parsed)
        shown = [columns.values(command.titles, columns.safe_row(row)) for row in rows]
        self.reasons = [row["Reason"] for row in shown]
        return [(row["Task"], row["Status"]) for row in shown], log.output

    def listed(self, **statuses):
        tasks = [{"id": i, "type": "import", "status": s} for i, s in statuses.items()]
        self.requests.get(TASKS, json={"tasks": tasks})
        for task_id, status in statuses.items():
            self.task(status, task_id=task_id)

    def test_an_unknown_status(self):
        """Both tasks have their rows, and the unknown status is reported."""
        self.listed(odd="hibernating", done="success")
        rows, said = self.wait("odd", "done")
        self.assertEqual([("odd", "failed"), ("done", "success")], rows)
        self.assertEqual(["Task 'odd' has the unknown status 'hibernating'.", None], self.reasons)
        self.assertIn("Task 'odd' has the unknown status 'hibernating'.", said)

    def test_a_failed_task(self):
        """Its reason is in its row; the rows are in the order of the arguments."""
        self.listed(done="success", bad="failure")
        rows, said = self.wait("bad", "done")
        self.assertEqual([("bad", "failure"), ("done", "success")], rows)
        self.assertIn("The export task 'bad' failed", self.reasons[0])
        self.assertIn(self.reasons[0], said)

    def test_a_time_out(self):
        """A task that still runs has the status that was seen last."""
        self.timeout = 0
        self.listed(done="success", running="processing")
        rows, _said = self.wait("running", "done")
        self.assertEqual([("running", "processing"), ("done", "success")], rows)
        self.assertIn("Timed out", self.reasons[0])

    def test_nothing_ended(self):
        """Without a row, the error is that of the command."""
        self.listed(odd="hibernating")
        self.assertRaises(ServiceError, self.wait, "odd")

    def test_stopped(self):
        """A stop ends the command, whatever has ended before."""
        self.listed(done="success", running="processing")
        with mock.patch.object(clouds.Stop, "is_set", return_value=True):
            self.assertRaises(Cancelled, self.wait, "done", "running")
