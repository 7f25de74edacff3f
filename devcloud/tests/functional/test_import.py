# SPDX-License-Identifier: Apache-2.0
import uuid

from devcloud.faults import Rule, inject
from devcloud.tests import vhdfiles
from devcloud.tests.functional import base


class TestImport(base.CloudCase):
    def test_import(self):
        """A VHD becomes a private, active image of the caller."""
        task = self.import_(vhdfiles.dynamic(8 << 20), name="an image")
        self.assertEqual(("success", "None"), (task["status"], task["message"]))
        self.assertIn("expires_at", task)
        image = self.alice.image.get_image(task["result"]["image_id"])
        self.assertEqual(
            ("an image", "active", "vhd", "ovf", "private", 8 << 20),
            (image.name, image.status, image.disk_format, image.container_format,
             image.visibility, image.virtual_size),
        )  # fmt: skip
        self.assertEqual(self.alice.current_project_id, image.owner_id)

    def test_begins_pending(self):
        """A new task is pending and has no expiry time."""
        created = self.post("import", import_from="no/thing", image_properties={"name": "x"}).json()
        self.assertEqual(("pending", "None"), (created["status"], created["message"]))
        self.assertNotIn("expires_at", created)
        self.end_of(created)

    def test_codes(self):
        """A disk that the service refuses fails with the documented code and leaves no image."""
        for content, message in (
            (b"", "Error 396: not a valid VHD"),
            (b"raw" * 1000, "Error 396: not a valid VHD"),
            (vhdfiles.dynamic(41 << 30, stored=0), "Error 413: virtual size over 40 GB"),
            (vhdfiles.dynamic(kind=0), "Error 523: neither fixed nor dynamic"),
            (vhdfiles.dynamic(vhd_uuid=bytes(16)), "Error 614: the VHD's UUID is all zeros"),
            (vhdfiles.dynamic(kind=4), "Error 721: the VHD has a parent disk"),
            (vhdfiles.dynamic()[:-512], "Error 111: the VHD failed validation"),
        ):
            self.assert_failed(message, self.import_(content, name="refused"))
        self.assertEqual([], list(self.alice.image.images(name="refused")))

    def test_nothing_there(self):
        """A missing object and the container of another project give the same message."""
        bob = self.connect("bob")
        for location in (f"{self.container()}/no", "no/no", f"{self.container(bob)}/no"):
            task = self.run_task("import", import_from=location, image_properties={"name": "x"})
            self.assert_failed("Error: Image not found for import. Possible invalid location", task)

    def test_swift_down(self):
        """An error of Swift is not reported as a missing object, and leaves no image."""
        location = self.upload(vhdfiles.dynamic())
        ranges = 6  # GETs by which the VHD is checked, before the one of its whole content
        given = {"import_from": location, "image_properties": {"name": f"down-{uuid.uuid4().hex}"}}
        for method, skip, effect, message in (
            ("HEAD", 0, {"status": 503}, "Error: Swift object lookup failed: HTTP 503"),
            ("GET", 0, {"status": 503}, "Error: Swift download failed: HTTP 503"),
            (
                "GET",
                ranges,
                {"drop": "before"},
                "Error: Swift download failed: the connection was lost",
            ),
        ):
            rule = Rule(method, f"/{location}$", skip=skip, times=None, **effect)
            with inject(self.root, "DFW", rule) as injected:
                self.assert_failed(message, self.run_task("import", **given))
            self.assertGreater(injected.fired()[0], 0)
        self.assertEqual([], list(self.alice.image.images(name=given["image_properties"]["name"])))

    def test_segment_missing(self):
        """The import of a large object fails if a segment is missing."""
        location, parts = self.large_object(vhdfiles.dynamic())
        for part in parts:
            self.alice.object_store.delete(f"/{part}").raise_for_status()
            task = self.run_task("import", import_from=location, image_properties={"name": "x"})
            self.assert_failed("Error: Swift download failed: ", task)

    def test_name_only(self):
        """A task fails if it sets another property than the name."""
        properties = {"name": "x", "min_disk": 1}
        task = self.run_task("import", import_from="no/thing", image_properties=properties)
        self.assert_failed("min_disk", task)

    def test_object_names(self):
        """An object name can contain slashes, spaces, percent signs and non-ASCII letters."""
        content = vhdfiles.fixed()
        container = self.container()
        self.alice.object_store.put(f"/{container}/d%C3%ADr/a%20b%2525.vhd", data=content)
        task = self.run_task(
            "import",
            import_from=f"{container}/dír/a b%25.vhd",
            image_properties={"name": "náme"},
        )
        self.assertEqual("success", task["status"], task["message"])

    def test_bad_input(self):
        """Invalid input is refused when the task is created."""
        self.assertEqual(400, self.post("import", import_from="container").status_code)
        self.assertEqual(400, self.post("convert", import_from="a/b").status_code)

    def test_large_object(self):
        """A Static Large Object can be imported."""
        location, _parts = self.large_object(vhdfiles.dynamic())
        task = self.run_task("import", import_from=location, image_properties={"name": "x"})
        self.assertEqual("success", task["status"], task["message"])
        self.alice.image.delete_image(task["result"]["image_id"])

    def large_object(self, content):
        """Upload a Static Large Object, and return its location and those of its two segments."""
        container, half = self.container(), len(content) // 2
        parts = [
            (self.upload(part, container, f"part-{number}"), len(part))
            for number, part in enumerate((content[:half], content[half:]))
        ]
        manifest = [{"path": location, "size_bytes": size} for location, size in parts]
        store = self.alice.object_store
        made = store.put(f"/{container}/slo?multipart-manifest=put", json=manifest)
        self.assertEqual(201, made.status_code, made.text)
        return f"{container}/slo", [location for location, _size in parts]
