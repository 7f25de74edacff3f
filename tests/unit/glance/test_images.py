# SPDX-License-Identifier: Apache-2.0
from rackspace_imagetasks.exceptions import AccessDenied, NotFound, Refused
from rackspace_imagetasks.glance.settings import ImageSettings
from tests.unit import clouds
from tests.unit.clouds import IMAGE, IMAGE_ID, PROJECT

IMAGES = f"{IMAGE}/v2/images"


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

    def test_by_name(self):
        """A name is looked for where it is no ID."""
        self.image()
        self.requests.get(f"{IMAGES}/web", status_code=404)
        self.assertEqual(IMAGE_ID, self.images.find("web").id)

    def test_unknown(self):
        """The sentence names the image and the region."""
        self.requests.get(f"{IMAGES}/nope", status_code=404)
        self.requests.get(IMAGES, json={"images": []})
        error = self.assertRaises(NotFound, self.images.find, "nope")
        self.assertIn("no image 'nope' in region 'DFW'", str(error))

    def test_ambiguous(self):
        """Two images of a name are refused; neither is chosen."""
        image = self.image()
        self.requests.get(f"{IMAGES}/web", status_code=404)
        self.requests.get(IMAGES, json={"images": [image, {**image, "id": "2"}]})
        self.assertIn("by its ID", str(self.assertRaises(Refused, self.images.find, "web")))

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
        """A page without items, or with what is none, is an empty one."""
        for page in ({}, {"images": None}, {"images": ["x", None]}):
            self.requests.get(IMAGES, json=page)
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
        self.assertIn("refused the visibility 'public' of image", str(error))
        self.assertNotIn("role", str(error))
