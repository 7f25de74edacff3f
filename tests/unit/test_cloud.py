# SPDX-License-Identifier: Apache-2.0
import dataclasses
import itertools
import textwrap
import threading
import types
from pathlib import Path
from urllib.parse import urlsplit

import fixtures
import requests
from openstack.config import OpenStackConfig
from oslotest import base

from rackspace_imagetasks.cloud import Cloud, profile_of_cloud
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    Cancelled,
    ImageTasksError,
    NotFound,
    Refused,
    ServiceError,
    SourceError,
)
from rackspace_imagetasks.objects.data_transfer import TransferOptions
from rackspace_imagetasks.objects.tempurl import SecretUrl
from rackspace_imagetasks.profile import FLEX, RACKSPACE
from rackspace_imagetasks.regions import connect_to
from tests.unit import clouds
from tests.unit.clouds import AUTH, IMAGE, IMAGE_ID, OBJECTS, TASK_ID
from tests.unit.objects.base import Ledger

OTHER_CLOUDS = Path(__file__).parents[2] / "doc/source/user/other-clouds.rst"


class DocumentedEntryTest(base.BaseTestCase):
    def test_kinds(self):
        """openstacksdk reads from the documented entries which profile each cloud has."""
        text = OTHER_CLOUDS.read_text().partition(".. code-block:: yaml\n")[2]
        lines = itertools.takewhile(lambda line: not line or line[0] == " ", text.splitlines())
        path = Path(self.useFixture(fixtures.TempDir()).path) / "clouds.yaml"
        path.write_text(textwrap.dedent("\n".join(lines)))
        config = OpenStackConfig(config_files=[str(path)], load_envvars=False)
        for name, region, profile, host in (
            ("rackspace", "ORD", RACKSPACE, "identity.api.rackspacecloud.com"),
            ("flex", "SJC3", FLEX, "keystone.api.sjc3.rackspacecloud.com"),
        ):
            entry = config.get_one(name, region_name=region)
            connection = types.SimpleNamespace(config=entry)
            self.assertEqual(profile, profile_of_cloud(connection))
            self.assertEqual(host, urlsplit(entry.config["auth"]["auth_url"]).hostname)


class CloudTest(clouds.CloudTestCase):
    def test_settings_come_from_the_clouds_entry(self):
        """image_tasks in clouds.yaml reaches the profile."""
        self.assertEqual(3, profile_of_cloud(self.connect(poll_interval=3)).poll_interval)

    def test_kind_of_cloud_is_looked_up(self):
        """A cloud whose entry does not tell its kind has tasks if its service lists them."""
        for status, uses_tasks in ((200, True), (403, False), (404, False)):
            self.requests.get(f"{IMAGE}/v2/tasks", json={"tasks": []}, status_code=status)
            cloud = Cloud(self.connect(profile=None), threading.Event())
            self.assertEqual(uses_tasks, cloud.profile.uses_tasks)
        self.assertEqual(3, len(self.sent("GET")))

    def test_declared_kind_is_not_looked_up(self):
        """A cloud whose entry names a profile is not asked for its tasks."""
        cloud = Cloud(self.connect(profile="flex"), threading.Event())
        self.assertFalse(cloud.profile.uses_tasks)
        self.assertEqual([], self.sent("GET"))

    def test_kind_that_cannot_be_looked_up(self):
        """A service that fails is an error, not a cloud without tasks."""
        self.requests.get(f"{IMAGE}/v2/tasks", status_code=501)
        cloud = Cloud(self.connect(profile=None), threading.Event())
        error = self.assertRaises(ServiceError, lambda: cloud.profile)
        self.assertIn("find out whether the cloud has image tasks", str(error))

    def test_place(self):
        """A cloud's place names host and region, never credentials, and no default port."""
        for auth_url, host in (
            ("http://identity.test/v3", "identity.test"),
            ("https://user:hush@identity.test:443/v3", "identity.test"),
            ("http://identity.test:80", "identity.test"),
            ("https://identity.test:5000/v3", "identity.test:5000"),
        ):
            cloud = Cloud(self.connect(auth_url), threading.Event())
            self.assertEqual((host, "DFW"), cloud.place)

    def test_image_data(self):
        """Messages about image data name the cloud, if it has a name, and the region."""
        cloud = self.image_tasks().cloud
        self.image(size=None)
        image = cloud.images.find(IMAGE_ID)
        error = self.assertRaises(SourceError, cloud.image_source, image)
        self.assertIn("in region 'DFW' has no data", str(error))
        cloud = self.image_tasks().cloud
        cloud.connection.config._name = "flex"
        error = self.assertRaises(SourceError, cloud.image_source, image)
        self.assertIn("in region 'DFW' of cloud 'flex' has no data", str(error))
        self.assertEqual("region 'DFW' of cloud 'flex'", cloud.image_data.place)
        source = cloud.image_source(dataclasses.replace(image, size=5))
        self.requests.get(f"{IMAGE}/v2/images/{IMAGE_ID}/file", text="bytes")
        self.assertEqual([b"bytes"], list(source.chunks()))
        download = cloud.web_download(cloud.data_transfer(TransferOptions()))
        self.requests.post(f"{IMAGE}/v2/images/{IMAGE_ID}/import", status_code=202)
        self.assertEqual("active", download.run(IMAGE_ID, SecretUrl("http://x"), 10).status)

    def test_another_region_with_the_same_login(self):
        """The other region's connection has its name and the same settings, and logs in no more."""
        connection = self.connect(poll_interval=3)
        logged_in = connection.session.get_token()
        other = connect_to(connection, cloud=None, region="ORD")
        self.assertEqual("ORD", other.config.get_region_name("image"))
        self.assertEqual(3, profile_of_cloud(other).poll_interval)
        self.assertEqual(logged_in, other.session.get_token())
        logins = [r for r in self.requests.request_history if r.url.endswith("/auth/tokens")]
        self.assertEqual(1, len(logins))

    def test_an_unknown_cloud(self):
        """clouds.yaml is named."""
        error = self.assertRaises(
            NotFound, connect_to, self.connection, cloud="nimbus", region=None
        )
        self.assertIn("nimbus", str(error))

    def test_a_region_without_services(self):
        """A region that the catalog does not have is a sentence, for images and for objects."""
        tasks = self.image_tasks()
        tasks.cloud.connection = connect_to(self.connection, cloud=None, region="XXX")
        error = self.assertRaises(NotFound, lambda: tasks.cloud.objects)
        self.assertIn("no object-store service", str(error))
        tasks = self.image_tasks()
        tasks.cloud.connection = connect_to(self.connection, cloud=None, region="XXX")
        error = self.assertRaises(NotFound, tasks.cloud.images.find, "web")
        self.assertIn("no image service", str(error))

    def test_errors_name_the_place(self):
        """Whatever fails at a service, the error tells which region and cloud it was."""
        place = "in region 'DFW' of cloud 'flex'"
        cloud = self.image_tasks().cloud
        cloud.connection.config._name = "flex"
        for url, read, service in (
            (f"{IMAGE}/v2/tasks", lambda: list(cloud.tasks.list()), "image service"),
            (
                f"{OBJECTS}/c",
                lambda: list(cloud.objects.list_objects("c")),
                "object-store service",
            ),
        ):
            for answer in (
                {"status_code": 403},
                {"status_code": 404},
                {"status_code": 413},
                {"status_code": 500},
                {"text": "no JSON"},
                {"exc": requests.exceptions.ConnectTimeout},
            ):
                sent = self.requests.get(url, **answer)
                error = self.assertRaises(ImageTasksError, read)
                self.assertTrue(sent.called)
                self.assertIn(f"the {service} {place} ", str(error))

    def test_login_errors_name_the_place(self):
        """A login for one of several clouds that fails tells which one."""
        for answer, said in (
            ({"status_code": 401}, "The cloud refused the credentials for"),
            ({"status_code": 500}, "the identity service for"),
            ({"exc": requests.exceptions.ConnectTimeout}, "the identity service for"),
        ):
            self.requests.post(f"{AUTH}/v3/auth/tokens", **answer)
            cloud = self.image_tasks().cloud
            cloud.connection.config._name = "flex"
            error = self.assertRaises(ImageTasksError, cloud.tasks.get, "1")
            self.assertIn(f"{said} region 'DFW' of cloud 'flex'", str(error))

    def test_wrong_credentials(self):
        """401 says what to check, and shows no password."""
        self.requests.post(f"{AUTH}/v3/auth/tokens", status_code=401)
        error = self.assertRaises(AccessDenied, self.image_tasks().cloud.tasks.get, "1")
        self.assertIn("clouds.yaml", str(error))
        self.assertNotIn("hush", str(error))

    def test_the_time_out_of_the_entry(self):
        """api_timeout in clouds.yaml is the time-out of every request to a service."""
        for timeout, expected in ((None, (60.0, 60.0)), (5.0, (5.0, 5.0)), (90.0, (60.0, 90.0))):
            tasks = self.image_tasks()
            tasks.cloud.connection.session.timeout = timeout
            self.task("success")
            tasks.cloud.tasks.get(TASK_ID)
            self.assertEqual(expected, self.requests.last_request.timeout)

    def test_a_long_wait_is_reported(self):
        """What the services wait for reaches the progress."""
        ledger = Ledger()
        cloud = Cloud(self.connection, clouds.Stop(), progress=ledger)
        done = {"json": self.task("success")}
        again = {"status_code": 429, "headers": {"Retry-After": "60"}}
        self.requests.get(f"{IMAGE}/v2/tasks/{TASK_ID}", [again, done])
        cloud.tasks.get(TASK_ID)
        (message,) = ledger.messages
        self.assertIn("Retrying in 60 s.", str(message))

    def test_an_unreachable_service_with_a_password_in_its_url(self):
        """The message that names the endpoint leaves the password out."""
        ledger, url = Ledger(), IMAGE.replace("://", "://alice:hush@")
        connection = self.connect()
        connection.config.config["image_endpoint_override"] = url
        cloud = Cloud(connection, clouds.Stop(), progress=ledger)
        self.requests.get(f"{url}/v2/tasks/1", exc=requests.exceptions.ConnectTimeout)
        error = self.assertRaises(ServiceError, cloud.tasks.get, "1")
        said = " ".join(map(str, ledger.messages))
        self.assertIn(f"The endpoint is {IMAGE}/v2.", said)
        self.assertNotIn("hush", said + str(error))

    def test_an_unreachable_service(self):
        """No connection, after some attempts, is a sentence."""
        self.requests.get(f"{IMAGE}/v2/tasks/1", exc=requests.exceptions.ConnectTimeout)
        error = self.assertRaises(ServiceError, self.image_tasks().cloud.tasks.get, "1")
        self.assertIn("Cannot read task '1': the image service in region 'DFW' did not", str(error))

    def test_stop_ends_requests_for_objects(self):
        """After a stop, a request for an object is not sent; the first ones are."""
        self.requests.head(f"{OBJECTS}/c", status_code=204)
        tasks = self.image_tasks()
        self.assertEqual("c", tasks.cloud.objects.head_container("c").name)
        tasks.stop.set()
        self.assertRaises(Cancelled, tasks.cloud.objects.head_container, "c")
        self.assertEqual(1, len(self.sent("HEAD")))


class ApartTest(clouds.CloudTestCase):
    """Source and target must be different places."""

    regions = ("DFW", "ORD")

    def cloud(self, region, **changes):
        connection = connect_to(self.connection, cloud=None, region=region)
        connection.config.config.update(changes)
        return Cloud(connection, clouds.Stop())

    def test_different_regions(self):
        """Regions with endpoints of their own are apart, and another project's is, too."""
        self.cloud("DFW").require_apart(self.cloud("ORD"))
        other = self.cloud("DFW")
        other.project_id = "another"
        self.cloud("DFW").require_apart(other)

    def test_equal_endpoints(self):
        """One endpoint under two names, with any spelling, is named and refused."""
        for service, url in (
            ("image", f"{IMAGE.upper().replace('HTTP', 'http')}:80/v2/"),
            ("object_store", OBJECTS + "/"),
        ):
            target = self.cloud("ORD", **{f"{service}_endpoint_override": url})
            error = self.assertRaises(Refused, self.cloud("DFW").require_apart, target)
            named = service.replace("_", " ")
            said = f"Regions 'DFW' and 'ORD' use the same {named} endpoint, '"
            self.assertTrue(str(error).startswith(said), str(error))
            target.project_id = "another"
            self.assertRaises(Refused, self.cloud("DFW").require_apart, target)

    def test_credentials_in_an_endpoint(self):
        """A user name and a password in a URL are not printed."""
        url = IMAGE.replace("://", "://alice:hush@") + "/v2"
        target = self.cloud("ORD", image_endpoint_override=url)
        error = self.assertRaises(Refused, self.cloud("DFW").require_apart, target)
        self.assertIn(f"'{IMAGE}/v2'", str(error))
        self.assertNotIn("hush", str(error))

    def test_an_unknown_region(self):
        """A region that the catalog does not have is named before any image is looked for."""
        error = self.assertRaises(NotFound, self.cloud("DFW").require_apart, self.cloud("NOWHERE"))
        self.assertIn("no image service in region 'NOWHERE'", str(error))
        self.assertEqual([], self.sent("GET"))


class NoObjectStoreTest(clouds.CloudTestCase):
    services = ("image",)

    def test_no_object_store_in_the_catalog(self):
        """It is said before anything else is tried."""
        error = self.assertRaises(NotFound, lambda: self.image_tasks().cloud.objects)
        self.assertIn("no object-store service in region 'DFW'", str(error))
        self.assertFalse(any(OBJECTS in r.url for r in self.requests.request_history))
