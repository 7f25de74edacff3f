# SPDX-License-Identifier: Apache-2.0
import dataclasses

import requests

from rackspace_imagetasks.exceptions import AccessDenied, NotFound, Refused, ServiceError
from rackspace_imagetasks.glance.settings import ImageSettings
from tests.unit import clouds
from tests.unit.clouds import IMAGE, IMAGE_ID, PROJECT

IMAGES = f"{IMAGE}/v2/images"
OTHER_ID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


class ImagesTestCase(clouds.CloudTestCase):
    def setUp(self):
        super().setUp()
        self.images = self.image_tasks().cloud.images


class FindTest(ImagesTestCase):
    def test_by_id(self):
        """What policy needs is read; what is no property is left out of the properties."""
        self.image(os_distro="debian", tags=["gold"], kernel_id=None, min_ram=512)
        facts = self.images.find(IMAGE_ID)
        self.assertEqual(("web", PROJECT, ("gold",)), (facts.name, facts.owner, facts.tags))
        self.assertEqual((1000, 2**30), (facts.size, facts.virtual_size))
        self.assertEqual((1, 512), (facts.min_disk, facts.min_ram))
        self.assertEqual({"os_distro": "debian"}, facts.properties)

    def test_data(self):
        """The formats and hashes of the data are read, as far as the service gives them."""
        formats = {"disk_format": "qcow2", "container_format": "bare"}
        self.image(**formats, checksum="1", os_hash_algo="sha512", os_hash_value="2")
        facts = self.images.find(IMAGE_ID)
        self.assertEqual(("qcow2", "bare"), (facts.disk_format, facts.container_format))
        self.assertEqual(("1", "sha512", "2"), (facts.checksum, facts.hash_algo, facts.hash_value))
        self.image(disk_format=None, checksum=None, os_hash_algo=None)
        facts = self.images.find(IMAGE_ID)
        self.assertEqual(("", "", ""), (facts.disk_format, facts.checksum, facts.hash_algo))

    def test_by_name(self):
        """What cannot be an ID is looked up by name, and no other name will do."""
        image = self.image()
        others = [{**image, "id": "2", "name": "web2"}, {**image, "id": "3", "name": None}]
        self.requests.get(IMAGES, json={"images": [*others, image]})
        self.assertEqual(IMAGE_ID, self.images.find("web").id)
        self.assertEqual(["/v2/images?limit=1000&name=web"], self.sent("GET"))

    def test_unknown(self):
        """The message names the image and the region; hidden images were searched, too."""
        self.requests.get(IMAGES, json={"images": []})
        error = self.assertRaises(NotFound, self.images.find, "nope")
        self.assertIn("'nope' not found in region 'DFW'", str(error))
        self.assertIn("os_hidden=true", self.sent("GET")[-1])

    def test_ambiguous(self):
        """Several images with a name, on any page, are refused, and each is described."""
        image = self.image(created_at="2026-01-01T00:00:00Z")
        older = {**image, "id": "2", "created_at": "2025-12-31T00:00:00Z", "visibility": "public"}
        pages = [
            {"json": {"images": [image], "next": "/v2/images?marker=one"}},
            {"json": {"images": [older]}},
        ]
        self.requests.get(IMAGES, pages)
        error = self.assertRaises(Refused, self.images.find, "web")
        self.assertEqual(
            [
                "2 images are named 'web' in region 'DFW'. Specify the image by its ID.",
                f"{IMAGE_ID}: created 2026-01-01T00:00:00Z, private, active",
                "2: created 2025-12-31T00:00:00Z, public, active",
            ],
            str(error).splitlines(),
        )

    def test_many_with_a_name(self):
        """The ten newest images are listed in order, however the service orders them."""
        image = self.image()
        days = [5, 12, 1, 9, 3, 11, 7, 2, 10, 6, 8, 4]
        listed = [
            {**image, "id": f"image-{day}", "created_at": f"2026-01-{day:02}T00:00:00Z"}
            for day in days
        ]
        self.requests.get(IMAGES, json={"images": listed})
        lines = str(self.assertRaises(Refused, self.images.find, "web")).splitlines()
        self.assertEqual("12 images are named", lines[0][:19])
        self.assertEqual(
            [f"image-{day}" for day in range(12, 2, -1)],
            [line.partition(":")[0] for line in lines[1:-1]],
        )
        self.assertEqual("Older images that are not listed: 2.", lines[-1])

    def test_an_unknown_id_may_be_a_name(self):
        """What looks like an ID and is none is looked up by name."""
        image = self.image(name=OTHER_ID)
        for status in (400, 403, 404):
            self.requests.get(f"{IMAGES}/{OTHER_ID}", status_code=status)
            self.assertEqual(image["id"], self.images.find(OTHER_ID).id)

    def test_hidden(self):
        """A hidden image is found by its name."""
        image = self.image()
        self.requests.get(IMAGES, [{"json": {"images": []}}, {"json": {"images": [image]}}])
        self.assertEqual(IMAGE_ID, self.images.find("web").id)
        self.assertIn("os_hidden=true", self.sent("GET")[-1])

    def test_a_name_with_a_colon(self):
        """A part of a name is no operator of the service; old services know no operators."""
        image = self.image(name="in:a, b")
        self.assertEqual(IMAGE_ID, self.images.find("in:a, b").id)
        self.assertIn("name=eq%3ain%3aa%2c+b", self.sent("GET")[-1])
        for last in ({"json": {"images": [image]}}, {"status_code": 400}):
            self.requests.get(IMAGES, [{"json": {"images": []}}, last])
            if "json" in last:
                self.assertEqual(IMAGE_ID, self.images.find("in:a, b").id)
        self.assertRaises(NotFound, self.images.find, "in:a, b")

    def test_transient_faults(self):
        """The lookup by ID and the one by name survive 429, 500, a reset and a time-out."""
        image = self.image()
        faults = [
            {"status_code": 429},
            {"status_code": 500},
            {"exc": requests.exceptions.ConnectionError},
            {"exc": requests.exceptions.ReadTimeout},
        ]
        self.requests.get(f"{IMAGES}/{IMAGE_ID}", [*faults, {"json": image}])
        self.assertEqual("web", self.images.find(IMAGE_ID).name)
        self.requests.get(IMAGES, [*faults, {"json": {"images": [image]}}])
        self.assertEqual(IMAGE_ID, self.images.find("web").id)
        self.assertEqual(10, len(self.sent("GET")))

    def test_no_redirect_is_followed(self):
        """Neither a redirect nor the address of a next page takes the token to another host."""
        elsewhere = self.requests.get("http://evil.test/", json={"images": []})
        self.requests.get(
            f"{IMAGES}/{IMAGE_ID}", status_code=302, headers={"Location": "http://evil.test/"}
        )
        self.assertRaises(ServiceError, self.images.find, IMAGE_ID)
        image = self.image(name="other")
        self.requests.get(
            IMAGES,
            [
                {"json": {"images": [image], "next": "http://evil.test/?marker=a"}},
                {"json": {"images": [{**image, "name": "web"}]}},
            ],
        )
        self.assertEqual("web", self.images.find("web").name)
        self.assertFalse(elsewhere.called)

    def test_answers_of_the_wrong_shape(self):
        """Each is an error that names service and request, and none is an image."""
        image = self.image()
        for odd in ([image], "x", {**image, "id": None}, {**image, "name": 5}, {"images": []}):
            self.requests.get(f"{IMAGES}/{IMAGE_ID}", json=odd)
            text = str(self.assertRaises(ServiceError, self.images.find, IMAGE_ID))
            self.assertIn(
                f"read image '{IMAGE_ID}': the response of the image service in region 'DFW'",
                text,
            )

    def test_numbers_that_are_none(self):
        """A size that the service leaves open, or makes up, is no size."""
        self.image(size=None, virtual_size=-1, min_disk="x", min_ram=None, tags=None)
        facts = self.images.find(IMAGE_ID)
        self.assertEqual((None, None), (facts.size, facts.virtual_size))
        self.assertEqual((0, 0, ()), (facts.min_disk, facts.min_ram, facts.tags))


class SelectTest(ImagesTestCase):
    def select(self, **properties):
        return [image.id for image in self.images.select(PROJECT, properties)]

    def test_only_what_matches(self):
        """A service that ignores the filter, or lists a stranger's image, changes nothing."""
        image = self.image(origin="a")
        others = [
            {**image, "id": "other-value", "origin": "b"},
            {**image, "id": "stranger", "owner": "mallory", "visibility": "public"},
        ]
        self.requests.get(IMAGES, json={"images": [image, *others]})
        self.assertEqual([IMAGE_ID], self.select(origin="a"))
        self.assertIn("origin=a", self.sent("GET")[-1])

    def test_a_listing_of_nothing(self):
        """A page without a list, or with anything but images in it, is not an empty one."""
        for page in ({}, {"images": None}, {"images": ["x", None]}, {"images": [{"id": 5}]}):
            self.requests.get(IMAGES, json=page)
            text = str(self.assertRaises(ServiceError, self.select))
            self.assertIn(
                "the images: the response of the image service in region 'DFW' is not a list of",
                text,
            )
        self.requests.get(IMAGES, json={"images": []})
        self.assertEqual([], self.select())

    def test_all_pages(self):
        """A listing goes on while the service gives a new marker."""
        image = self.image(origin="a")
        self.requests.get(
            IMAGES,
            [
                {"json": {"images": [image], "next": "/v2/images?marker=one"}},
                {"json": {"images": [{**image, "id": "2"}]}},
            ],
        )
        self.assertEqual([IMAGE_ID, "2"], self.select(origin="a"))


class OwnedTest(ImagesTestCase):
    def test_this_project_alone(self):
        """Another project's public image with the same name is left out."""
        image = self.image()
        shared = {**image, "id": "2", "owner": "mallory", "visibility": "public"}
        self.requests.get(IMAGES, json={"images": [shared, image]})
        self.assertEqual([IMAGE_ID], [each.id for each in self.images.owned(PROJECT, "web")])


class DeleteTest(ImagesTestCase):
    def test_deleted(self):
        """The request is repeated after transient faults; an image that is gone is deleted."""
        url = f"{IMAGES}/{IMAGE_ID}"
        delete = self.requests.delete(url, [{"status_code": 503}, {"status_code": 404}])
        self.images.delete(IMAGE_ID)
        self.assertEqual(2, delete.call_count)

    def test_refused(self):
        """A protected image is not deleted, and the error says so."""
        self.requests.delete(f"{IMAGES}/{IMAGE_ID}", status_code=403, text="it is protected")
        error = self.assertRaises(AccessDenied, self.images.delete, IMAGE_ID)
        self.assertIn(f"delete image '{IMAGE_ID}'", str(error))


class CompleteTest(ImagesTestCase):
    def test_one_patch_of_everything(self):
        """All settings are one request that is safe to repeat; keys are escaped."""
        patch = self.requests.patch(f"{IMAGES}/{IMAGE_ID}", json={})
        settings = ImageSettings(
            {"a/b~c": "d"}, tags=("y", "x", "x"), min_disk=20, visibility="private"
        )
        self.images.complete(IMAGE_ID, settings)
        self.assertEqual(
            [
                {"op": "add", "path": "/a~1b~0c", "value": "d"},
                {"op": "add", "path": "/tags", "value": ["x", "y"]},
                {"op": "add", "path": "/min_disk", "value": 20},
            ],
            patch.request_history[0].json(),
        )
        self.assertEqual(
            [{"op": "add", "path": "/visibility", "value": "private"}],
            patch.last_request.json(),
        )

    def test_settings_that_an_image_has(self):
        """Each setting that differs is one that the image does not have."""
        image = self.image(a="b", c="d", tags=["x", "y"], min_disk=20, min_ram=512)
        facts = self.images.get(image["id"])
        same = ImageSettings({"a": "b"}, ("y", "x"), 20, 512, "private")
        self.assertTrue(same.are_on(facts))
        self.assertTrue(ImageSettings().are_on(facts))
        for changes in (
            {"properties": {"a": "c"}},
            {"properties": {"e": "f"}},
            {"tags": ("x",)},
            {"min_disk": 21},
            {"min_ram": 0},
            {"visibility": "public"},
        ):
            self.assertFalse(dataclasses.replace(same, **changes).are_on(facts), changes)

    def test_name(self):
        """The name is set together with the other settings, and compared with that of an image."""
        patch = self.requests.patch(f"{IMAGES}/{IMAGE_ID}", json={})
        settings = ImageSettings(properties={"a": "b"}, name="web")
        self.images.complete(IMAGE_ID, settings)
        self.assertEqual(["/a", "/name"], [each["path"] for each in patch.last_request.json()])
        self.image(a="b")
        self.assertTrue(settings.are_on(self.images.get(IMAGE_ID)))
        self.image(a="b", name="temporary")
        self.assertFalse(settings.are_on(self.images.get(IMAGE_ID)))

    def test_nothing_to_set(self):
        """Without settings nothing is sent."""
        self.images.complete(IMAGE_ID, ImageSettings())
        self.assertEqual([], self.sent("PATCH"))

    def test_a_setting_that_is_not_allowed(self):
        """The service's reason is passed on, and says nothing of image tasks."""
        self.requests.patch(
            f"{IMAGES}/{IMAGE_ID}",
            status_code=403,
            text="<html><body>You are not authorized to publicize.</body></html>",
            reason="Forbidden",
        )
        error = self.assertRaises(
            AccessDenied, self.images.complete, IMAGE_ID, ImageSettings(visibility="public")
        )
        self.assertIn("set the visibility 'public' of image", str(error))
        self.assertNotIn("admin role", str(error))

    def test_transient_faults(self):
        """Settings are sent again after faults that pass."""
        patch = self.requests.patch(
            f"{IMAGES}/{IMAGE_ID}",
            [{"status_code": 503}, {"exc": requests.exceptions.ReadTimeout}, {"json": {}}],
        )
        self.images.complete(IMAGE_ID, ImageSettings(visibility="private"))
        self.assertEqual(3, patch.call_count)
