# SPDX-License-Identifier: Apache-2.0
import os
import time
import uuid

import openstack
from oslotest import base

ROOT_VARIABLE = "DEVCLOUD_ROOT"
_ENDED = ("success", "failure")
_TIMEOUT = 30.0  # seconds


class CloudCase(base.BaseTestCase):
    """A test in the cloud that `python -m devcloud run` started, with its own containers."""

    def setUp(self):
        super().setUp()
        if ROOT_VARIABLE not in os.environ:
            self.fail("Run this test with: python -m devcloud run -- stestr ...")
        self.root = os.environ[ROOT_VARIABLE]
        self.alice = self.connect("alice")

    def connect(self, cloud, region=None, **changed):
        connection = openstack.connect(cloud=cloud, region_name=region, **changed)
        self.addCleanup(connection.close)
        return connection

    def container(self, connection=None, **headers):
        name = f"test-{uuid.uuid4().hex}"
        (connection or self.alice).object_store.put(f"/{name}", headers=headers).raise_for_status()
        return name

    def upload(self, content, container=None, name="disk.vhd"):
        """Upload an object and return its CONTAINER/OBJECT."""
        location = f"{container or self.container()}/{name}"
        self.alice.object_store.put(f"/{location}", data=content).raise_for_status()
        return location

    def post(self, kind, connection=None, **given):
        return (connection or self.alice).image.post("/tasks", json={"type": kind, "input": given})

    def run_task(self, kind, connection=None, **given):
        """Create a task and return it when it has ended."""
        connection = connection or self.alice
        created = self.post(kind, connection, **given)
        self.assertEqual(201, created.status_code, created.text)
        return self.end_of(created.json(), connection)

    def end_of(self, task, connection=None):
        deadline = time.monotonic() + _TIMEOUT
        while task["status"] not in _ENDED:
            self.assertLess(time.monotonic(), deadline, f"The task is still {task['status']}")
            time.sleep(0.05)
            task = (connection or self.alice).image.get(f"/tasks/{task['id']}").json()
        return task

    def import_(self, content, name="image", connection=None):
        return self.run_task(
            "import",
            connection,
            import_from=self.upload(content),
            import_from_format="vhd",
            image_properties={"name": name},
        )

    def image(self, content, name="image"):
        """Import an image as alice, and delete it when the test ends."""
        task = self.import_(content, name)
        self.assertEqual("success", task["status"], task["message"])
        image = self.alice.image.get_image(task["result"]["image_id"])
        self.addCleanup(self.alice.image.delete_image, image, ignore_missing=True)
        return image

    def export(self, image, container=None, connection=None):
        return self.run_task(
            "export",
            connection,
            image_uuid=image.id,
            receiving_swift_container=container or self.container(connection),
        )

    def assert_failed(self, message, task):
        self.assertEqual(("failure", None), (task["status"], task["result"]))
        self.assertIn(message, task["message"])
