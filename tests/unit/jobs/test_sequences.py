# SPDX-License-Identifier: Apache-2.0
"""What is sent, and in which order, where the order or a single request matters."""

import re

from rackspace_imagetasks.exceptions import IntegrityError, Refused, ServiceError, TaskFailed
from rackspace_imagetasks.glance.tasks import Task
from rackspace_imagetasks.jobs import exports
from tests.unit import clouds
from tests.unit.clouds import IMAGE, IMAGE_ID, OBJECTS, TASK_ID

TASKS = f"{IMAGE}/v2/tasks"
EXPORTED = f"{IMAGE_ID}.vhd"


class SequenceTestCase(clouds.CloudTestCase):
    def setUp(self):
        super().setUp()
        self.tasks = self.image_tasks()
        self.requests.head(re.compile(f"{OBJECTS}(/[^/]*)?$"), status_code=204)

    def listed(self, *tasks):
        """Script what the listing of tasks shows."""
        self.requests.get(TASKS, json={"tasks": list(tasks)})

    def changes(self):
        """Give method and path of what was sent that changes something, in order."""
        return [
            (r.method, r.path.split("/", 3)[-1])
            for r in self.requests.request_history
            if r.method not in ("GET", "HEAD") and "identity.test" not in r.url
        ]


class ExportTest(SequenceTestCase):
    def export(self):
        return self.tasks.plan_export(IMAGE_ID).run()

    def test_a_rejected_export_sends_nothing(self):
        """Another's image: no POST, no PUT."""
        self.image(owner="stranger", visibility="shared")
        self.listed()
        self.requests.head(f"{OBJECTS}/image-exports/{EXPORTED}", headers={"Content-Length": "7"})
        error = self.assertRaises(Refused, self.tasks.plan_export, IMAGE_ID)
        self.assertEqual(2, len(error.messages))  # its owner, and the object in the way
        self.assertEqual([], self.changes())

    def test_quota(self):
        """A quota that is used up is reported, of the container and of the account."""
        self.image()
        self.listed()
        target = f"{OBJECTS}/image-exports/{EXPORTED}"
        self.requests.head(target, status_code=404)
        used = {"X-Container-Meta-Quota-Bytes": "9", "X-Container-Bytes-Used": "9"}
        self.requests.head(f"{OBJECTS}/image-exports", headers=used)
        used = {"X-Account-Meta-Quota-Bytes": "9", "X-Account-Bytes-Used": "10"}
        self.requests.head(re.compile(f"{OBJECTS}/?$"), headers=used)
        error = self.assertRaises(Refused, self.tasks.plan_export, IMAGE_ID)
        container, account = map(str, error.messages)
        self.assertIn("'image-exports' in region 'DFW' has a quota of 9 bytes", container)
        self.assertIn("account in region 'DFW' has a quota of 9 bytes and holds 10", account)
        self.requests.head(target, headers={"Content-Length": "7"})
        cloud = self.tasks.cloud
        exports.plan_export(cloud, cloud.images.get(IMAGE_ID), reuse=True)
        self.assertEqual([], self.changes())

    def test_a_running_task_is_taken(self):
        """The same export that runs already is followed; none is created."""
        self.image()
        given = {"image_uuid": IMAGE_ID, "receiving_swift_container": "image-exports"}
        result = {"export_location": f"image-exports/{EXPORTED}"}
        self.listed(
            self.task("processing", "success", input=given, result=result) | {"status": "pending"}
        )
        self.requests.head(f"{OBJECTS}/image-exports/{EXPORTED}", headers={"Content-Length": "7"})
        exported = self.export()
        self.assertEqual((TASK_ID, 7), (exported.task_id, exported.size))
        self.assertEqual([], self.changes())

    def test_the_task_of_a_killed_run_comes_late(self):
        """A task that fails because another run exports the same image: that one is followed."""
        self.image()
        given = {"image_uuid": IMAGE_ID, "receiving_swift_container": "image-exports"}
        result = {"export_location": f"image-exports/{EXPORTED}"}
        other = self.task("success", task_id="other", input=given, result=result)
        failed = self.task("failure", message="Swift already has an object with id 'x'")
        self.requests.get(TASKS, [{"json": {"tasks": found}} for found in ([], [], [other])])
        self.requests.post(TASKS, json=failed | {"status": "pending"}, status_code=201)
        exported = {"headers": {"Content-Length": "7"}}
        target = f"{OBJECTS}/image-exports/{EXPORTED}"
        self.requests.head(target, [{"status_code": 404}, exported])
        row = self.tasks.plan_export(IMAGE_ID, inspect=False).run()
        self.assertEqual(("other", "success", 7), (row.task_id, row.status, row.size))

    def test_a_failed_export(self):
        """A task that fails, and nothing was exported: its failure is the error."""
        self.image()
        self.listed()
        self.requests.head(f"{OBJECTS}/image-exports/{EXPORTED}", status_code=404)
        failed = self.task("failure", message="no")
        self.requests.post(TASKS, json=failed | {"status": "pending"}, status_code=201)
        plan = self.tasks.plan_export(IMAGE_ID, inspect=False)
        self.assertRaises(TaskFailed, plan.run)

    def test_what_an_earlier_run_exported(self):
        """It is in the way, or it is taken, as the caller says; either way no task is created."""
        self.image()
        self.listed()
        self.requests.head(f"{OBJECTS}/image-exports/{EXPORTED}", headers={"Content-Length": "7"})
        refused = self.assertRaises(Refused, self.tasks.plan_export, IMAGE_ID)
        self.assertIn("already exists", str(refused))
        cloud = self.tasks.cloud
        plan = exports.plan_export(cloud, cloud.images.get(IMAGE_ID), reuse=True)
        exported = plan.run()
        self.assertEqual((None, 7), (exported.task_id, exported.size))
        self.assertEqual([], self.changes())

    def finished(self, location):
        """Finish an export whose task says that its VHD is at a location."""
        self.image()
        cloud = self.tasks.cloud
        task = Task.parse(self.task("success", result={"export_location": location}))
        plan = exports.ExportPlan(cloud, cloud.images.get(IMAGE_ID), "image-exports", task=task)
        return plan.run()

    def test_a_success_that_is_none(self):
        """A VHD that is elsewhere, or nowhere, or of which nothing is said, is no success."""
        there = f"{OBJECTS}/image-exports/{EXPORTED}"
        self.requests.head(there, headers={"Content-Length": "7"})
        self.assertEqual(7, self.finished(f"image-exports/{EXPORTED}").size)
        error = self.assertRaises(IntegrityError, self.finished, f"backups/{EXPORTED}")
        self.assertIn(f"at 'backups/{EXPORTED}'", str(error))
        for location in (None, 7, "", "image-exports", "image-exports/", f"/{EXPORTED}"):
            error = self.assertRaises(ServiceError, self.finished, location)
            self.assertIn("does not report the location", str(error))
        self.requests.head(there, status_code=404)
        error = self.assertRaises(IntegrityError, self.finished, f"image-exports/{EXPORTED}")
        self.assertIn("does not exist", str(error))
