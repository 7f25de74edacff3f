# SPDX-License-Identifier: Apache-2.0
"""Which method is used for the data of an image, and what a cloud lacks for it."""

from rackspace_imagetasks.jobs import _arrival_methods as methods
from rackspace_imagetasks.jobs.arrivals import judge_arrival
from tests.unit.clouds import IMAGE, OBJECTS, CloudTestCase

GIB = 2**30


class ChoiceCase(CloudTestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.image_tasks(profile="glance").cloud
        self.methods = self.requests.get(f"{IMAGE}/v2/info/import", json=listed("web-download"))
        self.info = self.requests.get(
            "http://objects.test/info", json={"tempurl": {"allowed_digests": ["sha256"]}}
        )
        self.requests.get(OBJECTS)

    def choose(self, method="auto", size=GIB):
        return type(methods.choose(method, self.cloud, size))

    def refusal(self, method="web-download"):
        (message,) = judge_arrival(self.cloud, "qcow2", method).refusals
        self.assertEqual([], self.sent("POST") + self.sent("PUT") + self.sent("DELETE"))
        return str(message)


class ChoiceTest(ChoiceCase):
    def test_large_files(self):
        """From 1 GiB on, the service downloads the file, if it can."""
        self.assertEqual(methods.StagedOrDirect, self.choose())
        self.assertEqual((1, 1), (self.methods.call_count, self.info.call_count))

    def test_small_files(self):
        """Smaller files are sent directly, and the cloud is not asked."""
        self.assertEqual(methods.Direct, self.choose(size=GIB - 1))
        self.assertEqual((0, 0), (self.methods.call_count, self.info.call_count))

    def test_setting(self):
        """The limit is a setting of the cloud."""
        self.cloud = self.image_tasks(profile="glance", web_download_above="2 GiB").cloud
        self.assertEqual(methods.Direct, self.choose(size=GIB))
        self.assertEqual(methods.StagedOrDirect, self.choose(size=2 * GIB))

    def test_what_is_asked_for(self):
        """An explicit method is used for every size, without another as a fallback."""
        self.assertEqual(methods.Direct, self.choose("direct", 40 * GIB))
        self.assertEqual(methods.Staged, self.choose("web-download", 1))
        for method in ("auto", "direct", "web-download"):
            self.assertEqual((), judge_arrival(self.cloud, "qcow2", method).refusals)

    def test_object_store_that_fails(self):
        """An object store that does not work is no reason not to send a file directly."""
        self.requests.get("http://objects.test/info", status_code=500)
        self.assertEqual(methods.Direct, self.choose())


class MissingTest(ChoiceCase):
    def test_method_not_listed(self):
        """The service may not offer the method."""
        self.requests.get(f"{IMAGE}/v2/info/import", json=listed("glance-direct"))
        self.assertEqual(methods.Direct, self.choose())
        self.assertRegex(
            self.refusal(),
            "^Method 'web-download' is not available in region 'DFW': its Image service does not"
            " offer this import method. Choose another method",
        )

    def test_no_temporary_urls(self):
        """The object store may not have temporary URLs."""
        self.requests.get("http://objects.test/info", json={"slo": {}})
        self.assertEqual(methods.Direct, self.choose())
        self.assertIn("its Object Store has no temporary URLs", self.refusal())

    def test_unknown_method(self):
        """An unknown method is refused with the known ones."""
        self.assertIn("Available methods: auto, direct, web-download", self.refusal("copy"))

    def test_cloud_with_tasks(self):
        """A cloud with image tasks has one way for all images."""
        self.cloud = self.image_tasks().cloud
        for method in ("direct", "web-download"):
            verdict = judge_arrival(self.cloud, "vhd", method)
            self.assertIn("it has image tasks", str(verdict.refusals[0]))
        self.assertEqual((), judge_arrival(self.cloud, "vhd", "auto").refusals)


class WithoutObjectStoreTest(ChoiceCase):
    services = ("image",)

    def test_no_object_store(self):
        """The catalog may have no object store."""
        self.assertEqual(methods.Direct, self.choose())
        self.assertIn("its catalog has no Object Store", self.refusal())


def listed(*names):
    return {"import-methods": {"value": list(names)}}
