# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
import uuid
from pathlib import Path

from devcloud.tests import vhdfiles
from devcloud.tests.functional import base


class TestTasks(base.CloudCase):
    def test_plain_member(self):
        """A user without the role for tasks can neither create nor see tasks."""
        carol = self.connect("carol")
        asked = {"import_from": "a/b", "image_properties": {"name": "x"}}
        self.assertEqual(403, self.post("import", carol, **asked).status_code)
        self.assertEqual(403, carol.image.get("/tasks").status_code)
        self.assertEqual([], [c.name for c in carol.object_store.containers(prefix="none")])

    def test_task_admins(self):
        """A member of a project with one of the roles can create and see tasks."""
        for role in ("identity:user-admin", "cloudImages:admin"):
            member = self.member(role)
            asked = {"import_from": "no/no", "image_properties": {"name": "x"}}
            task = self.run_task("import", member, **asked)
            self.assertEqual("failure", task["status"])
            listed = member.image.get("/tasks").json()["tasks"]
            self.assertIn(task["id"], [task["id"] for task in listed])

    def member(self, role):
        """Create a member of alice's project with another role, and connect as this user."""
        identity, name = self.connect("admin").identity, f"test-{uuid.uuid4().hex}"
        user = identity.create_user(name=name, password="secret")
        self.addCleanup(identity.delete_user, user)
        for granted in ("member", role):
            found = identity.find_role(granted) or identity.create_role(name=granted)
            identity.assign_project_role_to_user(self.alice.current_project_id, user, found)
        return self.connect("alice", auth={"username": name, "password": "secret"})

    def test_list(self):
        """Only the tasks of the project are listed, optionally by type."""
        imported = self.run_task("import", import_from="no/no", image_properties={"name": "x"})
        exported = self.run_task("export", image_uuid="no", receiving_swift_container="no")

        def ids(query, connection=self.alice):
            return {task["id"] for task in connection.image.get(f"/tasks{query}").json()["tasks"]}

        self.assertLessEqual({imported["id"], exported["id"]}, ids("?limit=1000"))
        self.assertIn(imported["id"], ids("?type=import"))
        self.assertNotIn(imported["id"], ids("?type=export"))
        self.assertIn(exported["id"], ids("?type=export&status=failure"))
        self.assertNotIn(imported["id"], ids("", self.connect("bob")))
        self.assertEqual(400, self.alice.image.get("/tasks?type=other").status_code)

    def test_other_project(self):
        """A task of another project is not found."""
        task = self.run_task("export", image_uuid="no", receiving_swift_container="no")
        self.assertEqual(404, self.connect("bob").image.get(f"/tasks/{task['id']}").status_code)

    def test_regions(self):
        """An image exists in one region only."""
        image = self.image(vhdfiles.fixed())
        other = self.connect("alice", "ORD")
        self.assertIsNone(other.image.find_image(image.id))
        self.assertNotEqual(self.alice.image.get_endpoint(), other.image.get_endpoint())


class TestLogin(base.CloudCase):
    def openstack(self, *arguments):
        program = Path(sys.executable).parent / "openstack"
        return subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    def test_client_by_api_key(self):
        """The command-line client accepts an API key, in each region."""
        image = self.image(vhdfiles.fixed(), name="by-key")
        cloud = ("--os-cloud", "alice-apikey")
        listed = self.openstack(*cloud, "image", "list", "-f", "value", "-c", "ID")
        self.assertIn(image.id, listed.stdout, listed.stderr)
        other = self.openstack(
            *cloud, "--os-region-name", "ORD", "image", "list", "-f", "value", "-c", "ID"
        )
        self.assertEqual((0, False), (other.returncode, image.id in other.stdout), other.stderr)

    def test_task_by_api_key(self):
        """A task that is started with an API key can read from and write to Swift."""
        connection = self.connect("alice-apikey")
        image = self.image(vhdfiles.fixed())
        self.assertEqual("success", self.export(image, self.container(), connection)["status"])
