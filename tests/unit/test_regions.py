# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import fixtures
import openstack
import yaml

from rackspace_imagetasks.cloud import Cloud, profile_of_cloud
from rackspace_imagetasks.exceptions import NotFound, Refused
from rackspace_imagetasks.regions import connect_to
from tests.unit import clouds
from tests.unit.clouds import AUTH, IMAGE

ORD = {"image_endpoint_override": "http://ord.test/v2"}
DFW = {"image_endpoint_override": "http://dfw.test/v2"}


class RegionsTest(clouds.CloudTestCase):
    """A target is configured as a fresh login to its cloud and region would be."""

    regions = ("DFW", "ORD")

    def setUp(self):
        super().setUp()
        self.tmp = Path(self.useFixture(fixtures.TempDir()).path)
        auth = {"auth_url": AUTH, "username": "alice", "password": "hush", "project_name": "acme"}
        auth |= {"user_domain_id": "default", "project_domain_id": "default"}
        kind = {"image_tasks": {"profile": "rackspace"}}
        self.entry = {"auth": auth, "auth_type": "password", **kind}

    def clouds(self, **entries):
        """Write clouds.yaml."""
        path = self.tmp / "clouds.yaml"
        path.write_text(yaml.safe_dump({"clouds": entries}))
        self.useFixture(fixtures.EnvironmentVariable("OS_CLIENT_CONFIG_FILE", str(path)))

    def endpoints(self, region, **how):
        """Return the endpoints of images and objects at the target, and its connection."""
        source = openstack.connect(cloud="a", region_name="DFW")
        # As openstacksdk does itself for some services; it must not reach the target.
        source.object_store  # noqa: B018
        target = connect_to(source, cloud=None, region=region, **how)
        cloud = Cloud(target, clouds.Stop())
        return cloud._image_client.endpoint(), cloud.objects.endpoint(), target

    def logins(self):
        return len([r for r in self.requests.request_history if r.url.endswith("/auth/tokens")])

    def test_values_of_regions(self):
        """Each region has its own settings, and the login is shared."""
        values = [
            {"name": "DFW", "values": {**DFW, "image_tasks": {"poll_interval": 3}}},
            {"name": "ORD", "values": {**ORD, "image_tasks": {"poll_interval": 4}}},
        ]
        self.clouds(a={**self.entry, "regions": values})
        images, objects, target = self.endpoints("ORD")
        self.assertEqual("http://ord.test/v2", images)
        self.assertIn("//ORD.objects.test", objects)
        self.assertEqual(4, profile_of_cloud(target).poll_interval)
        self.assertEqual(1, self.logins())

    def test_an_override_of_the_source_alone(self):
        """It does not apply to another region: that has its endpoint in the catalog."""
        self.clouds(a={**self.entry, "regions": [{"name": "DFW", "values": DFW}, "ORD"]})
        images, _, _ = self.endpoints("ORD")
        self.assertEqual(IMAGE.replace("http://", "http://ORD.") + "/v2", images)

    def test_an_entry_for_one_region(self):
        """Its overrides are that region's; the other region is in the catalog."""
        self.clouds(a={**self.entry, **DFW, "region_name": "DFW"})
        images, _, _ = self.endpoints("ORD")
        self.assertEqual(IMAGE.replace("http://", "http://ORD.") + "/v2", images)
        self.assertEqual(1, self.logins())

    def test_an_override_for_every_region(self):
        """It makes source and target one place, which is refused by name."""
        for more in ({}, {"regions": ["DFW", "ORD"]}):
            self.clouds(a={**self.entry, **DFW, **more})
            source = openstack.connect(cloud="a", region_name="DFW")
            target = connect_to(source, cloud=None, region="ORD")
            here, there = Cloud(source, clouds.Stop()), Cloud(target, clouds.Stop())
            error = self.assertRaises(Refused, here.require_apart, there)
            said = "Regions 'DFW' and 'ORD' use the same image endpoint, 'http://dfw.test/v2'."
            self.assertIn(said, str(error))

    def test_a_region_with_another_login(self):
        """It logs in with what its entry says."""
        other = {"auth": {"username": "alice-in-ord"}}
        self.clouds(a={**self.entry, "regions": ["DFW", {"name": "ORD", "values": other}]})
        self.endpoints("ORD")
        self.assertEqual(2, self.logins())
        self.assertIn("alice-in-ord", self.requests.request_history[-1].text)

    def test_a_region_that_the_entry_does_not_list(self):
        """It is named, with those that are listed."""
        self.clouds(a={**self.entry, "regions": ["DFW", "ORD"]})
        error = self.assertRaises(NotFound, self.endpoints, "XXX")
        self.assertIn("XXX", str(error))
        self.assertIn("DFW, ORD", str(error))

    def test_a_region_that_the_catalog_lacks(self):
        """It is named, with those of the catalog: names of regions are case-sensitive."""
        self.clouds(a={**self.entry, "region_name": "DFW"})
        error = self.assertRaises(NotFound, self.endpoints, "ord")
        self.assertIn("no image service in region 'ord'. Available regions: DFW, ORD.", str(error))

    def test_a_cloud_that_is_not_there(self):
        """It is named, with those whose names are similar, or else all."""
        self.clouds(a={**self.entry, "region_name": "DFW"}, flex={**self.entry})
        source = openstack.connect(cloud="a")
        for name, said in (
            ("flx", "Cloud 'flx' not found in clouds.yaml. Clouds with similar names: flex."),
            ("nimbus", "Cloud 'nimbus' not found in clouds.yaml. Available clouds: a, flex."),
        ):
            error = self.assertRaises(NotFound, connect_to, source, cloud=name, region=None)
            self.assertEqual(said, str(error))

    def test_another_cloud(self):
        """It has its own entry, and no other one's endpoints."""
        self.clouds(
            a={**self.entry, **DFW, "region_name": "DFW"},
            b={**self.entry, **ORD, "region_name": "ORD"},
        )
        source = openstack.connect(cloud="a")
        target = connect_to(source, cloud="b", region=None)
        self.assertEqual("ORD", target.config.get_region_name("image"))
        endpoint = Cloud(target, clouds.Stop())._image_client.endpoint()
        self.assertEqual("http://ord.test/v2", endpoint)

    def test_a_connection_without_an_entry(self):
        """It goes on working, without the endpoints that were set for its region."""
        self.connection.config.config.update(DFW)
        target = connect_to(self.connection, cloud=None, region="ORD")
        endpoint = Cloud(target, clouds.Stop())._image_client.endpoint()
        self.assertEqual(IMAGE.replace("http://", "http://ORD.") + "/v2", endpoint)
