# SPDX-License-Identifier: Apache-2.0
import uuid
from pathlib import Path
from urllib.parse import quote

from devcloud.cloudimages import vhd
from devcloud.faults import Rule, inject
from devcloud.plan import Plan
from devcloud.tests import vhdfiles
from devcloud.tests.functional import base

_LICENCE = "com.rackspace__1__options"


class TestExport(base.CloudCase):
    def test_export(self):
        """An export is a manifest and numbered segments, which hold a VHD with a new UUID."""
        stored = vhdfiles.dynamic(8 << 20, content=b"files")
        image, container = self.image(stored), self.container()
        task = self.export(image, container)
        name = f"{image.id}.vhd"
        self.assertEqual({"export_location": f"{container}/{name}"}, task["result"])
        segments = [o.name for o in self.alice.object_store.objects(container) if o.content_length]
        segment_bytes = Plan.load(Path(self.root)).settings.segment_bytes
        count = -(-len(stored) // segment_bytes)
        self.assertEqual([f"{name}-{n:05d}" for n in range(1, count + 1)], segments)
        answer = self.alice.object_store.get(f"/{container}/{name}")
        self.assertEqual(f"{container}/{name}-", answer.headers["X-Object-Manifest"])
        self.assert_same_disk(stored, answer.content)

    def assert_same_disk(self, stored, exported):
        self.assertEqual(stored[512:-512], exported[512:-512])
        self.assertNotEqual(stored, exported)
        limits = vhd.Limits(40 << 30, 40 << 30)
        size = vhd.virtual_size(lambda o, n: exported[o : o + n], len(exported), limits)
        self.assertEqual(8 << 20, size)

    def test_target(self):
        """The container must exist, and the object must not."""
        image, container = self.image(vhdfiles.fixed()), self.container()
        self.assert_failed("container 'none' not found", self.export(image, "none"))
        self.export(image, container)
        self.assert_failed(
            f"Swift already has an object with id '{image.id}.vhd' in container '{container}'",
            self.export(image, container),
        )

    def test_container_name(self):
        """A container name with '/', '?' or '.' is refused when the task is created."""
        answer = self.post("export", image_uuid="any", receiving_swift_container="a.b")
        self.assertEqual(400, answer.status_code)

    def test_odd_containers(self):
        """A container name can contain percent signs, spaces and non-ASCII letters."""
        stored = vhdfiles.dynamic()
        image = self.image(stored)
        for odd in ("100%25", "a%20b", "a b", "dír"):
            container = f"test-{uuid.uuid4().hex}-{odd}"
            where = f"/{quote(container)}"
            self.alice.object_store.put(where).raise_for_status()
            task = self.export(image, container)
            self.assertEqual(f"{container}/{image.id}.vhd", task["result"]["export_location"])
            exported = self.alice.object_store.get(f"{where}/{image.id}.vhd").content
            self.assertEqual(len(stored), len(exported))

    def test_unknown_image(self):
        """An image of another project is not found."""
        image = self.image(vhdfiles.fixed())
        bob = self.connect("bob")
        self.assert_failed("no image found", self.export(image, connection=bob))

    def test_shared_image(self):
        """A member of a shared image cannot export it."""
        image, bob = self.image(vhdfiles.fixed()), self.connect("bob")
        self.alice.image.update_image(image, visibility="shared")
        self.alice.image.add_member(image, member_id=bob.current_project_id)
        self.assert_failed("is not owned by the caller", self.export(image, connection=bob))

    def test_public_image(self):
        """Nobody can export a public image, not even its owner."""
        image, bob = self.image(vhdfiles.fixed()), self.connect("bob")
        operator = self.connect("admin")
        operator.image.update_image(image.id, visibility="public")
        self.assert_failed("is public", self.export(image))
        self.assert_failed("is public", self.export(image, connection=bob))

    def test_deactivated_image(self):
        """Only an active image can be exported."""
        image = self.image(vhdfiles.fixed())
        self.alice.image.deactivate_image(image)
        self.assert_failed("is deactivated", self.export(image))

    def test_licence(self):
        """An image with a licence cannot be exported; only the operator sets licences."""
        image = self.image(vhdfiles.fixed())
        change = [{"op": "add", "path": f"/{_LICENCE}", "value": "4"}]
        kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}

        def patch(connection):
            return connection.image.patch(f"/images/{image.id}", json=change, headers=kind)

        self.assertEqual(403, patch(self.alice).status_code)
        self.assertEqual(200, patch(self.connect("admin")).status_code)
        self.assert_failed("licence", self.export(image))
        change[0]["value"] = "0"
        patch(self.connect("admin"))
        self.assertEqual("success", self.export(image)["status"])

    def test_system(self):
        """Windows and Red Hat images cannot be exported, whoever set the property."""
        image = self.image(vhdfiles.fixed())
        for properties in (
            {"os_type": "windows"},
            {"os_distro": "RHEL"},
            {"os_distro": "redhat"},
        ):
            self.alice.image.update_image(image.id, os_type="linux", os_distro="debian")
            self.alice.image.update_image(image.id, **properties)
            self.assert_failed("licence", self.export(image))
        self.alice.image.update_image(image.id, os_type="linux", os_distro="debian")
        self.assertEqual("success", self.export(image)["status"])

    def test_not_a_vhd(self):
        """An image that is not a VHD cannot be exported."""
        image = self.alice.image.create_image(
            f"raw-{self.id()}", data=b"raw", disk_format="raw", container_format="bare",
            validate_checksum=False,
        )  # fmt: skip
        self.addCleanup(self.alice.image.delete_image, image)
        self.assert_failed("cannot be converted to a VHD", self.export(image))

    def test_quota(self):
        """If the container is full, the task fails and deletes its segments."""
        image = self.image(vhdfiles.dynamic())
        container = self.container(**{"X-Container-Meta-Quota-Bytes": "1000"})
        self.assert_failed("HTTP 413", self.export(image, container))
        self.assertEqual([], list(self.alice.object_store.objects(container)))

    def test_connection_lost(self):
        """If the connection to Swift is lost, the task deletes all that it has written."""
        image = self.image(vhdfiles.dynamic())
        for name, effect in (
            ("vhd-00002", {"drop": "upload", "offset": 1000}),
            ("vhd", {"drop": "answer"}),
        ):
            container = self.container()
            rule = Rule("PUT", rf"/{container}/.*\.{name}$", times=None, **effect)
            with inject(self.root, "DFW", rule):
                task = self.export(image, container)
            self.assert_failed("Error: Swift upload failed: the connection was lost", task)
            self.assertEqual([], list(self.alice.object_store.objects(container)))

    def test_swift_down(self):
        """An error of Swift does not mean that a container or an object does not exist."""
        image, container = self.image(vhdfiles.fixed()), self.container()
        for path, what in ((container, "container"), (f"{container}/{image.id}.vhd", "object")):
            with inject(self.root, "DFW", Rule("HEAD", f"/{path}$", status=503, times=None)):
                task = self.export(image, container)
            self.assert_failed(f"Error: Swift {what} lookup failed: HTTP 503", task)
