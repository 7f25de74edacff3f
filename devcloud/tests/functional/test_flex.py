# SPDX-License-Identifier: Apache-2.0
"""Tests of the flex cloud, with the client that its users have."""

import concurrent.futures
import hashlib
import os
import time
import uuid
from urllib.parse import urlsplit

import openstack.exceptions
import requests
from swiftclient.utils import generate_temp_url

from devcloud import operations
from devcloud.accesslog import AccessLog
from devcloud.faults import Rule, inject
from devcloud.tests.functional import base

REGION = "SJC3"
CONTENT = os.urandom(3 << 20)
TIMEOUT = 30.0  # seconds


class FlexCase(base.CloudCase):
    def setUp(self):
        super().setUp()
        self.flex = self.connect("flex")

    def new_image(self, connection=None, disk_format="raw"):
        """Create an image without data, and delete it when the test ends."""
        connection = connection or self.flex
        image = connection.image.post(
            "/images",
            json={"name": "disk", "disk_format": disk_format, "container_format": "bare"},
        ).json()
        self.addCleanup(connection.image.delete_image, image["id"], ignore_missing=True)
        return image["id"]

    def put_data(self, image, content=CONTENT, connection=None, **headers):
        """Upload the data of an image and return the response."""
        return (connection or self.flex).image.put(
            f"/images/{image}/file",
            data=content,
            headers={"Content-Type": "application/octet-stream", **headers},
            raise_exc=False,
        )

    def get_data(self, image, connection=None, **headers):
        where = f"/images/{image}/file"
        return (connection or self.flex).image.get(where, headers=headers, raise_exc=False)

    def shown(self, image, connection=None):
        return (connection or self.flex).image.get(f"/images/{image}").json()

    def import_from(self, image, url):
        method = {"name": "web-download", "uri": url}
        return self.flex.image.post(f"/images/{image}/import", json={"method": method})

    def until(self, image, is_reached):
        """Return the image as soon as a function of it is true."""
        deadline = time.monotonic() + TIMEOUT
        while not is_reached(shown := self.shown(image)):
            self.assertLess(time.monotonic(), deadline, shown)
            time.sleep(0.05)
        return shown

    def signed(self, content=CONTENT):
        """Upload an object and return its TempURL and its path."""
        key = uuid.uuid4().hex
        container = self.container(self.flex, **{"X-Container-Meta-Temp-URL-Key": key})
        self.flex.object_store.put(f"/{container}/disk", data=content).raise_for_status()
        return self.sign(f"/{container}/disk", key)

    def sign(self, path, key):
        endpoint = urlsplit(self.flex.object_store.get_endpoint())
        path = f"{endpoint.path}{path}"
        signed = generate_temp_url(path, 300, key, "GET", digest="sha512")
        return f"{endpoint.scheme}://{endpoint.netloc}{signed}", path


class TestLogin(FlexCase):
    def test_application_credential(self):
        """A user is a member of a project in another domain, and does not exist in DFW."""
        token = self.flex.identity.get(
            "/auth/tokens", headers={"X-Subject-Token": self.flex.auth_token}
        ).json()["token"]
        self.assertEqual("rackspace_cloud_domain", token["user"]["domain"]["name"])
        self.assertEqual("rackspace_cloud_domain", token["project"]["domain"]["name"])
        self.assertEqual("1000001_Flex", token["project"]["name"])
        self.assertEqual({"member", "reader"}, {role["name"] for role in token["roles"]})
        refused = self.alice.object_store.get(
            "", headers={"X-Auth-Token": self.flex.auth_token}, authenticated=False
        )
        self.assertEqual(401, refused.status_code)

    def test_catalog(self):
        """A project can have no object store; the others have one."""
        for cloud, services in (
            ("flex", {"identity", "image", "object-store"}),
            ("flex-images", {"identity", "image"}),
        ):
            catalog = self.connect(cloud).service_catalog
            self.assertEqual(services, {service["type"] for service in catalog})

    def test_reader(self):
        """A user with the role `reader` sees images and cannot create one."""
        reader = self.connect("flex-reader")
        image = self.new_image()
        self.assertEqual(image, reader.image.get_image(image).id)
        self.assertRaises(openstack.exceptions.ForbiddenException, reader.image.create_image, "x")


class TestImages(FlexCase):
    def test_methods(self):
        """Glance offers its default import methods, and its tasks are not for members."""
        methods = self.flex.image.get("/info/import").json()["import-methods"]["value"]
        self.assertEqual(["copy-image", "glance-direct", "web-download"], sorted(methods))
        self.assertEqual(403, self.flex.image.get("/tasks", raise_exc=False).status_code)

    def test_upload(self):
        """An image uploaded by openstacksdk is downloaded in ranges; others cannot see it."""
        image = self.flex.image.create_image(
            "disk", data=CONTENT, disk_format="raw", container_format="bare"
        )
        self.addCleanup(self.flex.image.delete_image, image)
        self.assertEqual(hashlib.sha512(CONTENT).hexdigest(), self.shown(image.id)["os_hash_value"])
        part = self.get_data(image.id, Range="bytes=1000000-1999999")
        self.assertEqual((206, CONTENT[1_000_000:2_000_000]), (part.status_code, part.content))
        self.assertEqual("bytes 1000000-1999999/3145728", part.headers["Content-Range"])
        other = self.connect("flex-bob").image
        self.assertRaises(openstack.exceptions.NotFoundException, other.get_image, image.id)

    def test_inspection(self):
        """Data in another format than the image declares is refused, with the reason."""
        answer = self.put_data(self.new_image(disk_format="qcow2"))
        self.assertEqual(415, answer.status_code)
        self.assertIn("does not match", answer.text)

    def test_staged(self):
        """Staged data becomes the data of the image."""
        image = self.new_image()
        self.flex.image.put(
            f"/images/{image}/stage",
            data=CONTENT,
            headers={"Content-Type": "application/octet-stream"},
        ).raise_for_status()
        self.flex.image.post(f"/images/{image}/import", json={"method": {"name": "glance-direct"}})
        self.until(image, lambda shown: shown["status"] == "active")
        self.assertEqual(CONTENT, self.get_data(image).content)

    def test_web_download(self):
        """Glance pulls an object from its own Swift with a TempURL."""
        image = self.new_image()
        url, path = self.signed()
        log = AccessLog(self.root, REGION)
        mark = log.mark()
        self.assertEqual(202, self.import_from(image, url).status_code)
        shown = self.until(image, lambda shown: shown["status"] == "active")
        self.assertEqual(hashlib.sha512(CONTENT).hexdigest(), shown["os_hash_value"])
        [pulled] = [r for r in log.since(mark) if r.path == path and r.method == "GET"]
        self.assertEqual((200, len(CONTENT)), (pulled.status, pulled.sent))

    def test_web_download_of_segments(self):
        """A Static Large Object with segments elsewhere requires the key of the account."""
        store = self.flex.object_store
        segments, container = self.container(self.flex), self.container(self.flex)
        parts = [CONTENT[: 1 << 20], CONTENT[1 << 20 :]]
        for number, part in enumerate(parts):
            store.put(f"/{segments}/{number}", data=part).raise_for_status()
        manifest = [{"path": f"/{segments}/{number}"} for number in range(len(parts))]
        store.put(f"/{container}/disk?multipart-manifest=put", json=manifest).raise_for_status()
        statuses = []
        for scope, where in (("Container", f"/{container}"), ("Account", "")):
            key = uuid.uuid4().hex
            store.post(where, headers={f"X-{scope}-Meta-Temp-URL-Key-2": key}).raise_for_status()
            url, _path = self.sign(f"/{container}/disk", key)
            statuses.append(requests.get(url, timeout=TIMEOUT).status_code)
        self.addCleanup(store.post, "", headers={"X-Account-Meta-Temp-URL-Key-2": ""})
        self.assertEqual([409, 200], statuses)
        image = self.new_image()
        self.import_from(image, url)
        self.until(image, lambda shown: shown["status"] == "active")
        self.assertEqual(CONTENT, self.get_data(image).content)

    def test_concurrent(self):
        """Many clients upload and read at the same time."""
        images = [self.new_image() for _ in range(8)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            stored = list(pool.map(self.put_data, images))
            ranges = [f"bytes={start}-{start + 9999}" for start in range(0, 160_000, 10_000)]
            parts = list(pool.map(lambda range_: self.get_data(images[0], Range=range_), ranges))
        self.assertEqual([204] * 8, [answer.status_code for answer in stored])
        self.assertEqual(CONTENT[:160_000], b"".join(part.content for part in parts))

    def test_web_download_blocked(self):
        """Glance fetches from no other host or port."""
        for url in ("http://127.0.0.1:1/disk", "http://192.0.2.1/disk"):
            self.assertEqual(400, self.import_from(self.new_image(), url).status_code)


class TestQuota(FlexCase):
    def test_project(self):
        """The quota of a project refuses an upload that would exceed it, and no other project's."""
        small = self.connect("flex-small")
        image = self.new_image(small)
        self.assertEqual(413, self.put_data(image, bytes(17 << 20), small).status_code)
        self.assertEqual("queued", self.shown(image, small)["status"])
        self.assertEqual(204, self.put_data(image, connection=small).status_code)
        self.assertEqual(204, self.put_data(self.new_image(), bytes(17 << 20)).status_code)


class TestFullDisk(FlexCase):
    def test_upload(self):
        """An upload that fills the disk is refused, and can be repeated when there is space."""
        image, content = self.new_image(), bytes(33 << 20)
        with operations.full_disk(self.root, f"glance-{REGION}", 32 << 20):
            refused = self.put_data(image, content)
            self.assertEqual(413, refused.status_code)
            self.assertIn("Image storage media is full", refused.text)
            self.assertEqual("queued", self.shown(image)["status"])
        self.assertEqual(204, self.put_data(image, content).status_code)

    def test_object_store(self):
        """The operator can set a quota for the object store of a project."""
        store = self.connect("flex-bob").object_store
        quota = "X-Account-Meta-Quota-Bytes"
        account = store.get_endpoint()
        operator = self.connect("flex-admin").object_store
        operator.post(account, headers={quota: "1000"}).raise_for_status()
        self.addCleanup(operator.post, account, headers={quota: ""})
        store.put("/test-quota").raise_for_status()
        refused = store.put("/test-quota/object", data=bytes(1001), raise_exc=False)
        self.assertEqual(413, refused.status_code)


class TestFlexFaults(FlexCase):
    def test_no_ranges(self):
        """A rule for ranges refuses them, and leaves other downloads alone."""
        image = self.new_image()
        self.put_data(image)
        rule = Rule("GET", f"/{image}/file", range="bytes=", times=None, status=400)
        with inject(self.root, REGION, rule, service="glance") as injected:
            self.assertEqual(400, self.get_data(image, Range="bytes=0-99").status_code)
            self.assertEqual(CONTENT, self.get_data(image).content)
        self.assertEqual([1], injected.fired())

    def test_pull_fails(self):
        """A failed download leaves the image queued, and the import can be repeated."""
        image = self.new_image()
        url, path = self.signed()
        rule = Rule("GET", path, drop="download", offset=1_000_000)
        with inject(self.root, REGION, rule) as injected:
            self.import_from(image, url)
            shown = self.until(image, lambda shown: shown.get("os_glance_failed_import"))
        self.assertEqual(([1], "queued"), (injected.fired(), shown["status"]))
        self.import_from(image, url)
        self.until(image, lambda shown: shown["status"] == "active")
        self.assertEqual(CONTENT, self.get_data(image).content)
