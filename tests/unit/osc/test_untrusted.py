# SPDX-License-Identifier: Apache-2.0
"""Hostile servers: nothing that they send controls the terminal, whichever command receives it."""

import hashlib
import json
import re

from keystoneauth1 import fixture as keystone
from requests_mock.contrib import fixture as requests_fixture

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.formats.vhd import VirtualVhd
from tests.unit.clouds import AUTH, IMAGE, IMAGE_ID, OBJECTS, PROJECT, TASK_ID
from tests.unit.osc import local_shell

MARK = "ev1l"
EVIL = f"{MARK}\x1b[2J\x1b]0;x\x07\x9b31m\u202e\r\nFORGED \u2066\udcff"
HEADER = EVIL.replace("\r\n", " ").encode("ascii", "ignore").decode()
CLOUDS = f"""
clouds:
  acme:
    auth:
      auth_url: {AUTH}
      username: alice
      password: hush
      project_name: acme
      user_domain_id: default
      project_domain_id: default
    regions: [DFW, ORD]
    image_tasks: {{poll_interval: 0.01}}
"""
NAME = f"{IMAGE_ID}.vhd"


def disk():
    """Return a VHD."""
    view = VirtualVhd(BytesSource(bytes(510) + b"\x55\xaa" + bytes(2**21 - 512)))
    return view.read_at(0, view.size)


def spoilt(value, path=()):
    """Yield each way to make one text of a JSON value hostile, or its place: (path, value)."""
    if isinstance(value, str):
        yield path, value + EVIL
        yield path, [EVIL]
    elif isinstance(value, dict):
        for key, inner in value.items():
            for where, changed in spoilt(inner, (*path, key)):
                yield where, {**value, key: changed}
        yield (*path, "+"), {**value, EVIL: EVIL}
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            for where, changed in spoilt(inner, (*path, number)):
                yield where, [*value[:number], changed, *value[number + 1 :]]
        yield (*path, "+"), [*value, EVIL]
    else:
        yield path, EVIL


class UntrustedCase(local_shell.LocalShellTest):
    """Runs a command for each text that a server can send it.

    :cvar task: type and status of the only task.
    """

    task = ("export", "success")

    def setUp(self):
        super().setUp()
        self.requests = self.useFixture(requests_fixture.Fixture())
        (self.directory / "clouds.yaml").write_text(CLOUDS)
        self.log_in()
        self.vhd = disk()
        self.md5 = hashlib.md5(self.vhd, usedforsecurity=False).hexdigest()
        self.answers = self.usual_answers()

    def log_in(self):
        token = keystone.V3Token(project_id=PROJECT)
        for service, url in (("image", IMAGE), ("object-store", OBJECTS)):
            added = token.add_service(service)
            for region in ("DFW", "ORD"):
                there = url if region == "DFW" else url.replace("http://", "http://ord.")
                added.add_standard_endpoints(public=there, region=region)
        self.requests.get(AUTH, json=keystone.DiscoveryList(AUTH, v2=False))
        self.requests.post(
            f"{AUTH}/v3/auth/tokens", json=token, headers={"X-Subject-Token": "secret"}
        )

    def usual_answers(self):
        """Return what the services answer: (method, URL pattern) to keywords of requests-mock."""
        image = {
            "id": IMAGE_ID, "name": "web", "owner": PROJECT, "status": "active",
            "visibility": "private", "size": 1000, "virtual_size": 2**21, "min_disk": 1,
            "min_ram": 0, "tags": ["blue"], "os_distro": "ubuntu", "created_at": "2026-01-01",
        }  # fmt: skip
        task = {
            "id": TASK_ID, "type": self.task[0], "status": self.task[1], "message": "523: no luck",
            "input": {"image_uuid": IMAGE_ID, "receiving_swift_container": "image-exports"},
            "result": {"export_location": f"image-exports/{NAME}", "image_id": IMAGE_ID},
            "owner": PROJECT, "created_at": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        entry = {
            "name": NAME, "bytes": len(self.vhd), "hash": self.md5,
            "last_modified": "2026-01-01T00:00:00.000000", "content_type": "application/x-vhd",
        }  # fmt: skip
        head = {
            "Content-Length": str(len(self.vhd)), "ETag": self.md5, "X-Timestamp": "1.0",
            "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "Accept-Ranges": "bytes",
            "Date": "Thu, 01 Jan 2026 00:00:00 GMT",
        }  # fmt: skip
        return {
            ("GET", r"image\.test/$"): {"json": {"versions": [{
                "id": "v2.9", "status": "CURRENT",
                "links": [{"rel": "self", "href": f"{IMAGE}/v2/"}],
            }]}},
            ("GET", r"/v2/images/[^?]+$"): {"json": image},
            ("GET", r"/v2/images(\?|$)"): {"json": {"images": [image], "next": "/v2/images?x"}},
            ("GET", r"/v2/images\?x"): {"json": {"images": []}},
            ("GET", r"/v2/tasks/[^?]+$"): {"json": task},
            ("GET", r"/v2/tasks(\?|$)"): {"json": {"tasks": [task]}},
            ("POST", r"/v2/tasks"): {"json": task, "status_code": 201},
            ("HEAD", r"AUTH_acme/?$"): {"headers": {"X-Account-Bytes-Used": "1"}},
            ("HEAD", r"AUTH_acme/[^/]+$"): {"headers": {
                "X-Container-Object-Count": "1", "Date": "Fri, 02 Jan 2026 00:00:00 GMT",
            }},
            ("PUT", r"AUTH_acme/"): {"headers": {"ETag": "0" * 32}, "status_code": 201},
            ("HEAD", r"AUTH_acme/[^/]+/.+$"): {"headers": head},
            ("GET", r"AUTH_acme/[^/]+/.+$"): {"content": self.content, "headers": head},
            ("GET", r"AUTH_acme/[^/?]+\?"): {"json": [entry]},
            ("GET", r"AUTH_acme/[^/?]+\?.*marker=."): {"json": []},
            ("GET", r"AUTH_acme\?"): {"json": [{"name": "image-exports", "count": 1, "bytes": 1}]},
            ("GET", r"AUTH_acme\?.*marker=."): {"json": []},
            ("POST", r"AUTH_acme/"): {"status_code": 202},
            ("DELETE", r"."): {"status_code": 204},
        }  # fmt: skip

    def content(self, request, context):
        """Return the range of the VHD that is requested."""
        found = re.match(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        first, last = map(int, found.groups()) if found else (0, len(self.vhd) - 1)
        context.status_code = 206 if found else 200
        context.headers["Content-Range"] = f"bytes {first}-{last}/{len(self.vhd)}"
        return self.vhd[first : last + 1]

    def without_object(self):
        """Let there be no object yet."""
        self.answers["HEAD", r"AUTH_acme/[^/]+/.+$"] = {"status_code": 404}

    def script(self, answers):
        for (method, pattern), answer in answers.items():
            # The last one that matches answers.
            self.requests.register_uri(method, re.compile(pattern), **answer)

    def is_asked(self, method, pattern):
        """Return whether the command has sent such a request."""
        sent = self.requests.request_history
        return any(each.method == method and re.search(pattern, each.url) for each in sent)

    def hostile_answers(self):
        """Yield (what is hostile, all answers), for each answer to a request that was sent."""
        for route, answer in self.answers.items():
            if not self.is_asked(*route):
                continue
            changes = [({"json": value}, where) for where, value in spoilt(answer.get("json", 0))]
            changes = changes if "json" in answer else []
            headers = answer.get("headers", {})
            changes += [({"headers": {**headers, name: HEADER}}, name) for name in headers]
            changes += [
                ({"text": EVIL[:-1], "json": None, "content": None, "status_code": code,
                  "reason": HEADER, "headers": {"Location": HEADER, "X-Trans-Id": HEADER}}, code)
                for code in (302, 403, 413)
            ]  # fmt: skip
            for change, what in changes:
                hostile = {k: v for k, v in {**answer, **change}.items() if v is not None}
                yield f"{route} {what}", {**self.answers, route: hostile}

    def assert_safe(self, *command, says_so=True):
        """Run a command against each hostile server; at least one hostile text must be shown."""
        shown = 0
        words = ("-v", "--os-cloud", "acme", "--os-region-name", "DFW", *command)
        self.script(self.answers)
        self.check("usual", "".join(self.openstack(*words)[1:]))
        for what, answers in list(self.hostile_answers()):
            self.script(answers)
            _status, stdout, stderr = self.openstack(*words)
            self.check(what, stdout + stderr)
            shown += MARK in stdout + stderr
        self.assertEqual(says_so, shown > 0)

    def check(self, what, text):
        wrong = {ascii(each) for each in text if not each.isprintable() and each != "\n"}
        self.assertEqual(set(), wrong, f"{what}: {text!r}")
        self.assertNotIn("\nFORGED", text, what)
        self.assertNotIn("Traceback", text, what)
        self.assertNotRegex(text, r"object has no attribute|unexpected|codec|NoneType", what)


class ReadingTest(UntrustedCase):
    def test_wait(self):
        """Tasks have results and even IDs of the server's choice."""
        self.assert_safe("image", "task", "wait", TASK_ID, "--timeout", "0.05")

    def test_save(self):
        """A task tells where its object is, and headers what it is."""
        self.assert_safe("image", "task", "save", TASK_ID, "--file", "x.vhd", "--overwrite")

    def test_clean(self):
        """Containers have objects with names of the server's choice."""
        self.assert_safe("image", "task", "clean", "--container", "image-exports")

    def test_validate(self):
        """Errors of the service are quoted."""
        self.assert_safe("image", "vhd", "validate", "c/x.vhd")


class FailureTest(UntrustedCase):
    task = ("export", "failure")

    def test_wait(self):
        """A failed task has a message."""
        self.assert_safe("image", "task", "wait", TASK_ID, "--timeout", "0.05")

    def test_export(self):
        """Images have names, owners and properties of other people's choice."""
        self.without_object()
        self.assert_safe("image", "task", "export", "web", "--wait", "--timeout", "1")


class LongMessageTest(UntrustedCase):
    task = ("export", "failure")

    def test_a_message_of_a_megabyte(self):
        """A task's message is cut: for people to a screen, for programs to 100,000 characters."""
        self.script(self.answers)
        task = self.answers["GET", r"/v2/tasks/[^?]+$"]["json"] | {"message": "no luck " * 2**17}
        self.requests.get(re.compile(r"/v2/tasks/[^?]+$"), json=task)
        words = ("--os-cloud", "acme", "--os-region-name", "DFW", "image", "task", "wait", TASK_ID)
        status, stdout, stderr = self.openstack(*words)
        self.assertEqual(1, status)
        self.assertIn("no luck", stderr)
        self.assertLess(len(stdout + stderr), 10_000)
        _status, stdout, _stderr = self.openstack(*words, "--long")
        self.assertIn("no luck", stdout)
        self.assertLess(len(stdout), 20_000)
        _status, stdout, _stderr = self.openstack(*words, "-f", "json")
        (row,) = json.loads(stdout)
        self.assertEqual(100_000, len(row["Message"]))


class ChangingTest(UntrustedCase):
    def test_export(self):
        """What an export shows is looked up."""
        self.without_object()
        self.assert_safe("image", "task", "export", IMAGE_ID)

    def test_export_preview(self):
        """So is what a preview shows."""
        self.without_object()
        self.assert_safe("image", "task", "export", "web", "--dry-run")

    def test_transfer(self):
        """Two regions answer."""
        words = ("image", "task", "transfer", "web", "--to-region", "ORD", "--timeout", "0.05")
        self.assert_safe(*words)


class ImportTest(UntrustedCase):
    task = ("import", "success")

    def test_import(self):
        """Objects, tasks and the new image are described by the server."""
        self.assert_safe(
            "image", "task", "import", "c/x.vhd", "--wait", "--timeout", "0.05", "--tag", "x"
        )


class LoginTest(UntrustedCase):
    def test_login(self):
        """The identity service is trusted with the password, but not with the terminal."""
        for code in (400, 401, 403, 404, 409):
            answer = {"error": {"message": EVIL, "title": EVIL, "code": code}}
            self.requests.post(
                f"{AUTH}/v3/auth/tokens", json=answer, status_code=code, reason=HEADER
            )
            command = ("image", "task", "wait", TASK_ID)
            _status, stdout, stderr = self.openstack("--os-cloud", "acme", *command)
            self.check(code, stdout + stderr)
            self.assertTrue(stderr)
