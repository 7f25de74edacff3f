# SPDX-License-Identifier: Apache-2.0
"""What is sent, and in which order, where the order or a single request matters."""

import hashlib
import re

import requests

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import Refused, ServiceError
from rackspace_imagetasks.flows import image_import
from rackspace_imagetasks.flows.options import DEFAULT_TRANSFER
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.progress import SILENT
from rackspace_imagetasks.tests.unit import clouds
from rackspace_imagetasks.tests.unit.clouds import IMAGE, IMAGE_ID, OBJECTS, TASK_ID

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
        return self.tasks.export_image(self.tasks.plan_export(IMAGE_ID))

    def test_a_rejected_export_sends_nothing(self):
        """Another's image: no POST, no PUT."""
        self.image(owner="stranger", visibility="shared")
        self.listed()
        self.requests.head(f"{OBJECTS}/image-exports/{EXPORTED}", headers={"Content-Length": "7"})
        error = self.assertRaises(Refused, self.tasks.plan_export, IMAGE_ID)
        self.assertEqual(2, len(error.reasons))  # its owner, and the object in the way
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

    def run_import(self):
        plan = image_import.ImportPlan(
            name="web",
            settings=ImageSettings(tags=("gold",)),
            container="image-imports",
            object_name="web.vhd",
            source=BytesSource(b"abc"),
            delete_object=True,
        )
        plan = image_import.with_earlier_run(self.tasks.cloud, plan)
        task = image_import.start_import(self.tasks.cloud, plan, SILENT, DEFAULT_TRANSFER)
        return image_import.finish_import(self.tasks.cloud, plan, task, SILENT)

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
