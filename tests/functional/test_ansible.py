# SPDX-License-Identifier: Apache-2.0
"""The Ansible collection, run by `ansible-playbook`."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import openstack
import yaml

from devcloud.faults import Rule
from tests.functional import cloudcase

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
PLAYBOOK = "rackspace.imagetasks.transfer_images"

# Python runs it at the start of every module: it records the requests of the module.
RECORDER = """\
import os, requests
send = requests.Session.send
def recorded(session, request, **options):
    with open(os.environ["SENT_REQUESTS"], "a") as file:
        file.write(f"{request.method} {request.url}\\n")
    return send(session, request, **options)
requests.Session.send = recorded
"""


class AnsibleTest(cloudcase.CloudTestCase):
    def setUp(self):
        super().setUp()
        self.requests = self.tmp / "requests"
        (self.tmp / "recorder").mkdir()
        (self.tmp / "recorder/sitecustomize.py").write_text(RECORDER)

    def ansible(self, playbook, *words, failed=False):
        """Run a playbook; give what it printed."""
        self.requests.write_text("")
        done = subprocess.run(
            [PROGRAMS / "ansible-playbook", "-i", "localhost,", playbook, *words],
            env=os.environ
            | {
                "ANSIBLE_ASYNC_DIR": str(self.tmp / "async"),
                "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "HOME": str(self.tmp),
                "PYTHONPATH": f"{self.tmp / 'recorder'}",
                "SENT_REQUESTS": str(self.requests),
            },
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        printed = done.stdout + done.stderr
        self.assertEqual(2 if failed else 0, done.returncode, printed)
        self.assertNotIn("Traceback", printed)
        return printed

    def run_module(self, name, /, *words, failed=False, **options):
        """Run a module on its own; give its result, and what Ansible printed."""
        result = self.tmp / "result.json"
        how = {key: options.pop(key) for key in ("async", "poll") if key in options}
        arguments = {"cloud": "alice", "region_name": "DFW", **options}
        arguments = {key: value for key, value in arguments.items() if value is not None}
        content = "{{ result | to_json }}"
        tasks = [
            {
                f"rackspace.imagetasks.{name}": arguments,
                "register": "result",
                "ignore_errors": failed,
                **how,
            },
            {
                "ansible.builtin.copy": {"dest": str(result), "content": content},
                "check_mode": False,
                "diff": False,
            },
        ]
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": tasks,
        }
        playbook = self.tmp / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        printed = self.ansible(playbook, *words)
        found = json.loads(result.read_text())
        self.assertEqual(failed, found.get("failed", False), printed)
        return found, printed

    def module_requests(self):
        """Give the requests that the modules sent, except for logins."""
        lines = self.requests.read_text().splitlines()
        return [line for line in lines if not line.endswith("/tokens")]

    def assert_nothing_changed(self):
        self.assertNotEqual([], self.module_requests())
        methods = {line.split()[0] for line in self.module_requests()}
        self.assertLessEqual(methods, {"GET", "HEAD"}, self.module_requests())

    def import_images(self, count):
        """Import images; give their names."""
        names = [f"web-{number}-{self.mark}" for number in range(count)]
        paths = [self.corpus("go-vhd-xapi.vhd", to=f"{name}.vhd") for name in names]
        self.task("import", *paths, "--wait")
        return names

    def copies(self, names):
        """Give the number of images with each name in ORD."""
        found = [image.name for image in self.sdk(region="ORD").image.images()]
        return [found.count(name) for name in names]


class ModulesTest(AnsibleTest):
    def test_import(self):
        """Check mode sends nothing; the first run is changed, the second is not; settings are."""
        name = f"image-{self.mark}"
        path = str(self.corpus("go-vhd-xapi.vhd"))
        options = {"path": path, "name": name, "properties": {"app": "web"}}

        def run(*words, app="web"):
            changed = options | {"properties": {"app": app}}
            return self.run_module("image_import", "--diff", *words, **changed)

        expected, printed = run("--check")
        self.assert_nothing_changed()
        self.assertEqual((True, "not started"), (expected["changed"], expected["status"]))
        self.assertIn('+    "app": "web"', printed)

        first, _printed = run()
        self.assertEqual((True, "success"), (first["changed"], first["status"]))
        self.assertEqual(expected["size"], first["size"])
        image = self.sdk().image.get_image(first["image_id"])
        self.assertEqual((name, "web"), (image.name, image.properties["app"]))

        for words in ((), ("--check",)):
            second, _printed = run(*words)
            self.assertEqual(
                (False, "already imported", first["image_id"]),
                (second["changed"], second["status"], second["image_id"]),
            )
        expected, printed = run("--check", app="db")
        self.assert_nothing_changed()
        self.assertTrue(expected["changed"])
        self.assertIn('-    "app": "web"', printed)
        self.assertTrue(run(app="db")[0]["changed"])
        image = self.sdk().image.get_image(first["image_id"])
        self.assertEqual("db", image.properties["app"])

    def test_export(self):
        """Check mode sends and writes nothing; an identical file is not written again."""
        image = self.imported()["Image"]
        path = self.tmp / "saved.vhd"
        options = {"image": image, "path": str(path)}
        expected, _printed = self.run_module("image_export", "--check", **options)
        self.assert_nothing_changed()
        self.assertEqual((True, "not started"), (expected["changed"], expected["status"]))
        self.assertFalse(path.exists())
        first, _printed = self.run_module("image_export", **options)
        self.assertEqual((True, "success"), (first["changed"], first["status"]))
        self.assertEqual(first["size"], path.stat().st_size)
        for words in ((), ("--check",)):
            second, _printed = self.run_module("image_export", *words, **options)
            self.assertFalse(second["changed"], second)

    def test_refusals(self):
        """All reasons are in the message, in the words of the module."""
        options = {"image": "web", "wait": False, "path": "/x.vhd"}
        result, _printed = self.run_module("image_export", failed=True, **options)
        self.assertIn("path requires wait", result["msg"])
        options = {"image": "web", "overwrite": True, "delete_object": True}
        result, _printed = self.run_module("image_export", failed=True, **options)
        self.assertEqual(
            [
                "overwrite applies to a saved file; set path.",
                "delete_object applies to a saved file; set path.",
            ],
            result["msg"].splitlines(),
        )
        options = {"image": self.imported()["Image"], "container": f"new-{self.mark}"}
        for words in ((), ("--check",)):
            result, _printed = self.run_module("image_export", *words, failed=True, **options)
            self.assertIn("set create_container to true", result["msg"])
            self.assert_nothing_changed()

    def test_settings_need_wait(self):
        """Settings that can be made only after an import that nobody waits for are refused."""
        options = {
            "path": str(self.corpus("go-vhd-xapi.vhd")),
            "name": f"image-{self.mark}",
            "tags": ["web"],
            "wait": False,
        }
        for words in ((), ("--check",)):
            result, _printed = self.run_module("image_import", *words, failed=True, **options)
            self.assertIn("Set wait to true.", result["msg"])
            self.assert_nothing_changed()

    def test_clean(self):
        """Check mode lists what a run deletes; the next run finds nothing."""
        container, name = self.container(), "disk-0123456789abcdef.vhd"
        self.swift().put_object(container, name, b"x", headers={"X-Delete-After": "86400"})
        # An object that has just been written may be in use: the service's clock is ahead.
        date = format_datetime(datetime.now(UTC) + timedelta(minutes=16), usegmt=True)
        clock = Rule("HEAD", f"/{container}$", status=204, headers={"Date": date}, times=None)
        injected = self.inject(clock)
        found = []
        for words in (("--check",), (), ()):
            result, _printed = self.run_module(
                "image_clean", *words, container=container, older_than=0
            )
            found.append((result["changed"], [each["status"] for each in result["objects"]]))
            if words:
                self.assert_nothing_changed()
                self.assertEqual({name}, self.objects(container))
        self.assertEqual([(True, ["unneeded"]), (True, ["deleted"]), (False, [])], found)
        self.assertEqual(set(), self.objects(container))
        self.assertGreaterEqual(injected.fired()[0], 3)

    def test_inspect(self):
        """A file is inspected without a cloud."""
        options = {"path": str(self.corpus("go-vhd-xapi.vhd")), "target": "glance"}
        result, _printed = self.run_module(
            "disk_inspect_info", cloud=None, region_name=None, **options
        )
        self.assertEqual([], self.module_requests())
        disk = result["disk"]
        self.assertEqual((False, False), (result["changed"], disk["is_ready"]))
        self.assertEqual("Not ready for KVM: 1 error", disk["verdict"])
        self.assertEqual(40 * 2**20, disk["facts"]["size"])

    def test_async(self):
        """A module runs in the background, and Ansible gets its result."""
        options = {"path": str(self.corpus("go-vhd-xapi.vhd")), "name": f"image-{self.mark}"}
        result, _printed = self.run_module("image_import", **{"async": 120, "poll": 1}, **options)
        self.assertEqual((True, 1), (result["changed"], result["finished"]))
        image = self.sdk().image.get_image(result["image_id"])
        self.assertEqual("active", image.status)

    def test_no_password_is_shown(self):
        """A password is neither in the output nor in an error, however verbose Ansible is."""
        auth = dict(openstack.connect(cloud="alice").config.config["auth"])
        password = f"secret-{self.mark}"
        options = {"auth": auth | {"password": password}, "cloud": None}
        result, printed = self.run_module("image_clean", "-vvvv", failed=True, **options)
        self.assertNotIn(password, printed)
        self.assertIn("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", printed)
        self.assertNotIn(password, json.dumps(result))


class TransferTest(AnsibleTest):
    def transfer(self, names, *words, targets=({"region_name": "ORD"},), failed=False):
        values = {
            "transfer_images_cloud": "alice",
            "transfer_images_region_name": "DFW",
            "transfer_images_images": names,
            "transfer_images_targets": targets,
        }
        return self.ansible(PLAYBOOK, *words, "-e", json.dumps(values), failed=failed)

    def test_one_bad_image_among_ten(self):
        """The nine others are transferred, and the bad one is named at the end."""
        names = self.import_images(9)
        missing = f"none-{self.mark}"
        images = [*names[:4], missing, *names[4:]]
        printed = self.transfer(images, "--check", failed=True)
        self.assert_nothing_changed()
        self.assertEqual([0] * 9, self.copies(names))
        printed = self.transfer(images, failed=True)
        self.assertEqual([1] * 9, self.copies(names))
        self.assertEqual(9, printed.count("changed: [localhost] => (item="))
        report = printed.partition("Name the images that failed")[2]
        self.assertIn(f"Image '{missing}' not found", report)
        self.assertNotIn(names[0], report)

    def test_second_run(self):
        """The first run is changed and the second is not."""
        names = self.import_images(2)
        self.assertIn("changed=1 ", self.transfer(names))
        self.assertIn("changed=0 ", self.transfer(names))
        self.assertIn("changed=0 ", self.transfer(names, "--check"))
        self.assert_nothing_changed()
        self.assertEqual([1, 1], self.copies(names))

    def test_one_bad_target(self):
        """A target that fails does not stop the next one, and each is reported."""
        (name,) = self.import_images(1)
        targets = [{"cloud": f"none-{self.mark}"}, {"region_name": "ORD"}]
        result, _printed = self.run_module(
            "image_transfer", "--diff", image=name, targets=targets, failed=True
        )
        self.assertEqual(
            ["failed", "transferred"], [each["status"] for each in result["transfers"]]
        )
        self.assertTrue(result["changed"])
        self.assertIn(f"none-{self.mark}: ", result["msg"])
        self.assertEqual([1], self.copies([name]))
