# SPDX-License-Identifier: Apache-2.0
"""What is sent, and in which order, where the order or a single request matters."""

import dataclasses
import hashlib
import re
import threading

import requests

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import (
    Cancelled,
    IntegrityError,
    Refused,
    ServiceError,
    TaskTimeout,
)
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.glance.tasks import Task
from rackspace_imagetasks.jobs import exports, imports
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.profile import RACKSPACE
from tests.unit import clouds
from tests.unit.clouds import IMAGE, IMAGE_ID, OBJECTS, TASK_ID

TASKS = f"{IMAGE}/v2/tasks"
EXPORTED = f"{IMAGE_ID}.vhd"
STAGED = "image-imports/web.vhd"


class SequenceTestCase(clouds.CloudTestCase):
    def setUp(self):
        super().setUp()
        self.tasks = self.image_tasks()
        self.requests.head(re.compile(f"{OBJECTS}/[^/]*$"), status_code=204)

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


def _stored(request, context):
    """Take a body as Swift does, and give its MD5."""
    content = b"".join(request.body or ())
    context.headers["ETag"] = hashlib.md5(content).hexdigest()
    context.status_code = 201
    return ""


class ImportTest(SequenceTestCase):
    expires = True

    def setUp(self):
        super().setUp()
        self.requests.put(re.compile(OBJECTS), text=_stored)
        self.requests.delete(f"{OBJECTS}/{STAGED}", status_code=204)
        self.requests.patch(f"{IMAGE}/v2/images/{IMAGE_ID}", json={})
        self.given = {
            "import_from": STAGED,
            "import_from_format": "vhd",
            "image_properties": {"name": "web"},
        }
        self.requests.post(f"{OBJECTS}/{STAGED}", status_code=202)
        self.staged(404, 404, 200)

    def staged(self, *statuses):
        """Script whether the staged object is there, request by request."""
        facts = {"Content-Length": "3", "ETag": "900150983cd24fb0d6963f7d28e17f72"}
        facts |= {"X-Delete-At": "9999999999"} if self.expires else {}
        self.requests.head(
            f"{OBJECTS}/{STAGED}",
            [{"status_code": s, "headers": facts if s == 200 else {}} for s in statuses],
        )

    def plan(self):
        return imports.ImportPlan(
            cloud=self.tasks.cloud,
            name="web",
            object=ObjectName("image-imports", "web.vhd"),
            settings=ImageSettings(tags=("gold",)),
            source=BytesSource(b"abc"),
            delete_object=True,
        )

    def run_import(self, timeout=None):
        return self.plan().with_earlier_run().run(timeout=timeout)

    def test_the_staged_object_goes_last(self):
        """Sent, imported, completed, and only then deleted."""
        self.listed()
        task = self.task("success", kind="import", input=self.given, result={"image_id": IMAGE_ID})
        self.requests.post(TASKS, status_code=201, json=task)
        self.run_import()
        last = [(method, path.rpartition("/")[2]) for method, path in self.changes()][-4:]
        self.assertEqual(
            [("PUT", "web.vhd"), ("POST", "tasks"), ("PATCH", IMAGE_ID), ("DELETE", "web.vhd")],
            last,
        )
        (sent,) = (
            r
            for r in self.requests.request_history
            if r.url == f"{OBJECTS}/{STAGED}" and r.method == "PUT"
        )
        self.assertEqual(str(RACKSPACE.staging_lifetime), sent.headers["X-Delete-After"])
        self.assertEqual(7 * 24 * 60 * 60, RACKSPACE.staging_lifetime)

    def test_the_time_to_wait(self):
        """It ends the wait for the task, and how to go on is said; what was staged stays."""
        self.listed()
        task = self.task("processing", kind="import", input=self.given)
        self.requests.post(TASKS, status_code=201, json=task)
        error = self.assertRaises(TaskTimeout, self.run_import, timeout=0.01)
        self.assertIn("repeat the import to follow it and complete the image", str(error))
        self.assertEqual("POST", self.changes()[-1][0])

    def test_a_lost_answer_makes_no_second_image(self):
        """The POST is dropped, its task not seen yet: the next run takes it, and sends nothing."""
        self.listed()
        self.requests.post(TASKS, exc=requests.ConnectionError)
        self.assertRaises(ServiceError, self.run_import)
        task = self.task(
            "processing", "success", kind="import", input=self.given, result={"image_id": IMAGE_ID}
        )
        self.listed(task | {"status": "processing"})
        self.staged(200)
        before = len(self.changes())
        self.assertEqual(IMAGE_ID, self.run_import().image_id)
        self.assertEqual(["PATCH", "DELETE"], [method for method, _ in self.changes()[before:]])

    def test_a_success_that_was_not_completed_is_completed(self):
        """Killed between the task's end and the settings: no task is created again."""
        self.image()
        self.listed(
            self.task("success", kind="import", input=self.given, result={"image_id": IMAGE_ID})
        )
        self.staged(200)
        self.run_import()
        self.assertEqual(["PATCH", "DELETE"], [method for method, _ in self.changes()])

    def test_an_object_that_another_task_reads_stays(self):
        """Another import of the same object began meanwhile: it keeps what it reads."""
        ours = self.task("success", kind="import", input=self.given, result={"image_id": IMAGE_ID})
        self.requests.post(TASKS, status_code=201, json=ours)
        theirs = self.task("processing", kind="import", task_id="theirs", input=self.given)
        listings = [[], [], [theirs]]  # before the upload, after it, and at the end
        self.requests.get(TASKS, [{"json": {"tasks": tasks}} for tasks in listings])
        self.run_import()
        self.assertEqual(["PUT", "PUT", "POST", "PATCH"], [m for m, _ in self.changes()])

    def test_an_object_is_imported_under_another_name(self):
        """A user's own object may become two images at once: each name is an import of its own."""
        running = self.task("processing", kind="import", input=self.given)
        self.listed(running)
        self.staged(200)
        for name, found in (("web", TASK_ID), ("db", None)):
            plan = dataclasses.replace(self.plan(), source=None, name=name)
            task = plan.with_earlier_run().task
            self.assertEqual(found, task and task.id)

    def test_a_success_that_names_no_image(self):
        """Nothing is completed, and nothing deleted."""
        for result in ({}, {"image_id": ""}, {"image_id": 7}):
            self.listed()
            task = self.task("success", kind="import", input=self.given, result=result)
            self.requests.post(TASKS, status_code=201, json=task)
            self.staged(404, 404, 200)
            error = self.assertRaises(ServiceError, self.run_import)
            self.assertIn("does not report which image", str(error))
        self.assertEqual(set(), {m for m, _ in self.changes()} & {"PATCH", "DELETE"})

    def test_stopped(self):
        """A stop ends the upload, too; no task is created."""
        self.listed()
        over = threading.Event()
        self.addCleanup(over.set)

        def stall(request, context):
            self.tasks.cloud.stop.set()
            over.wait(60)
            return ""

        self.requests.put(f"{OBJECTS}/{STAGED}", text=stall)
        error = self.assertRaises(Cancelled, self.run_import)
        self.assertIn("repeat the job to resume", str(error))
        self.assertNotIn("tasks", [path.rpartition("/")[2] for _, path in self.changes()])

    def test_a_success_whose_image_is_gone_is_imported_again(self):
        """The staged object alone is no proof of an image."""
        self.requests.get(f"{IMAGE}/v2/images/{IMAGE_ID}", status_code=404)
        self.listed(
            self.task("success", kind="import", input=self.given, result={"image_id": IMAGE_ID})
        )
        self.staged(200)
        self.requests.post(
            TASKS,
            status_code=201,
            json=self.task("pending", "success", kind="import", result={"image_id": IMAGE_ID}),
        )
        self.run_import()
        self.assertIn("POST", [method for method, path in self.changes() if path.endswith("tasks")])

    def test_a_kept_object_is_imported_again_and_stays(self):
        """What an earlier run was to keep is no run that was cut off, and is not deleted."""
        self.expires = False
        self.image()
        task = self.task("success", kind="import", input=self.given, result={"image_id": IMAGE_ID})
        self.listed(task)
        self.staged(200)
        self.requests.post(TASKS, status_code=201, json=task)
        self.run_import()
        methods = [method for method, _ in self.changes()]
        self.assertIn("POST", methods)
        self.assertNotIn("DELETE", methods)
