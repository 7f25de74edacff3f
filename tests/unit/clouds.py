# SPDX-License-Identifier: Apache-2.0
"""A cloud of scripted answers: a real openstacksdk connection over requests-mock."""

import threading

from keystoneauth1 import fixture
from openstack import config, connection
from oslotest import base
from requests_mock.contrib import fixture as requests_fixture

from rackspace_imagetasks.imagetasks import ImageTasks

AUTH = "http://identity.test"
IMAGE = "http://image.test"
OBJECTS = "http://objects.test/v1/AUTH_acme"
PROJECT = "acme0000000000000000000000000000"
IMAGE_ID = "11111111-2222-3333-4444-555555555555"
TASK_ID = "99999999-8888-7777-6666-555555555555"


class Stop(threading.Event):
    """A stop event whose waits cost no time: they move a clock, and run what is planned."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.waits = []

    def clock(self):
        return self.now

    def wait(self, timeout=None):
        self.waits.append(timeout)
        self.now += timeout or 0
        return self.is_set()


class CloudTestCase(base.BaseTestCase):
    """Gives `self.requests`, to script answers on, and `self.connection`."""

    services = ("image", "object-store")
    regions = ("DFW",)

    def setUp(self):
        super().setUp()
        self.requests = self.useFixture(requests_fixture.Fixture())
        token = fixture.V3Token(project_id=PROJECT)
        for service, url in (("image", IMAGE), ("object-store", OBJECTS)):
            if service in self.services:
                added = token.add_service(service)
                for region in self.regions:
                    there = url if region == "DFW" else url.replace("http://", f"http://{region}.")
                    added.add_standard_endpoints(public=there, region=region)
        self.requests.post(
            f"{AUTH}/v3/auth/tokens", json=token, headers={"X-Subject-Token": "secret"}
        )
        discovery = fixture.DiscoveryList(AUTH, v2=False)
        self.requests.get(AUTH, json=discovery)
        self.requests.get(
            f"{IMAGE}/",
            json={
                "versions": [
                    {
                        "id": "v2.9",
                        "status": "CURRENT",
                        "links": [{"rel": "self", "href": f"{IMAGE}/v2/"}],
                    }
                ]
            },
        )
        self.connection = self.connect()

    def connect(self, auth_url=AUTH, **settings):
        region = config.OpenStackConfig(load_yaml_config=False, load_envvars=False).get_one(
            auth_type="password",
            auth={
                "auth_url": auth_url,
                "username": "alice",
                "password": "hush",
                "project_name": "acme",
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            region_name="DFW",
            image_tasks={"profile": "rackspace", **settings},
        )
        return connection.Connection(config=region)

    def image_tasks(self, **settings):
        """Give an ImageTasks whose waits cost no time."""
        tasks = ImageTasks(self.connect(**settings))
        tasks.stop = tasks.cloud.stop = Stop()
        return tasks

    def sent(self, method):
        """Give the paths and queries of the requests with this method, without the login."""
        return [
            r.path + (f"?{r.query}" if r.query else "")
            for r in self.requests.request_history
            if r.method == method and "identity.test" not in r.url
        ]

    def image(self, **changes):
        """Script an image, as GET gives it."""
        image = {
            "id": IMAGE_ID,
            "name": "web",
            "owner": PROJECT,
            "status": "active",
            "visibility": "private",
            "size": 1000,
            "virtual_size": 2**30,
            "min_disk": 1,
            "min_ram": 0,
            "tags": [],
            **changes,
        }
        self.requests.get(f"{IMAGE}/v2/images/{image['id']}", json=image)
        self.requests.get(f"{IMAGE}/v2/images", json={"images": [image]})
        return image

    def task(self, *statuses, kind="export", task_id=TASK_ID, **details):
        """Script a task that has these statuses, one after the other, then the last one."""
        tasks = [
            {
                "id": task_id,
                "type": kind,
                "status": status,
                "message": "None",
                "input": {},
                "result": None,
                "created_at": "2026-01-01T00:00:00Z",
                **details,
            }
            for status in statuses
        ]
        self.requests.get(f"{IMAGE}/v2/tasks/{task_id}", [{"json": task} for task in tasks])
        return tasks[-1]
