# SPDX-License-Identifier: Apache-2.0
"""The Ansible collection, run by `ansible-playbook`."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import product
from pathlib import Path

import fixtures
import openstack
import yaml
from testtools.content import text_content

from devcloud.accesslog import AccessLog
from devcloud.faults import Rule
from rackspace_imagetasks import ImageTasks
from tests.functional import cloudcase

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
PLAYBOOK = "rackspace.imagetasks.transfer_images"

AGENT = "rackspace.imagetasks"
ORPHAN = "disk-0123456789abcdef.vhd"
FLEX = {"cloud": "flex", "region": "SJC3"}
REGIONS = {"DFW": "alice", "ORD": "alice", "SJC3": "flex"}  # with a cloud that has them


class AnsibleTest(cloudcase.CloudTestCase):
    def ansible(self, playbook, *words, failed=False):
        """Run a playbook; give what it printed."""
        done = subprocess.run(
            [PROGRAMS / "ansible-playbook", "-i", "localhost,", playbook, *words],
            env=os.environ
            | {
                "ANSIBLE_ASYNC_DIR": str(self.tmp / "async"),
                "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "HOME": str(self.tmp),
            },
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        printed = done.stdout + done.stderr
        self.addDetail("ansible", text_content(printed))
        self.assertEqual(2 if failed else 0, done.returncode, printed)
        self.assertNotIn("Traceback", printed)
        return printed

    def run_modules(self, steps, *words):
        """Run modules, given as pairs of a name and options, in one playbook; give their results.

        The keyword options of an Ansible task are among the options, each with a colon at its end.
        """
        result = self.tmp / "results.json"
        names = [f"result_{number}" for number in range(len(steps))]
        tasks = [
            self.ansible_task(*step) | {"register": name, "ignore_errors": True}
            for step, name in zip(steps, names, strict=True)
        ]
        content = f"{{{{ [{', '.join(names)}] | to_json }}}}"
        tasks.append(
            {
                "ansible.builtin.copy": {"dest": str(result), "content": content},
                "check_mode": False,
                "diff": False,
            }
        )
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
        return json.loads(result.read_text()), printed

    def ansible_task(self, name, options):
        """Give an Ansible task; options of None are left out."""
        given = {"cloud": "alice", "region_name": "DFW", **options}
        how = {key.removesuffix(":"): given.pop(key) for key in list(given) if key.endswith(":")}
        arguments = {key: value for key, value in given.items() if value is not None}
        return {f"rackspace.imagetasks.{name}": arguments, **how}

    def run_module(self, name, /, *words, failed=False, **options):
        """Run a module on its own; give its result, and what Ansible printed."""
        (found,), printed = self.run_modules([(name, options)], *words)
        self.assertEqual(failed, found.get("failed", False), printed)
        return found, printed

    def requests(self, *marks):
        """Give a function that gives what modules have sent to Glance and Swift since this call.

        :param marks: texts, one of which is in the path or the query of each request.
        """
        logs = [AccessLog(self.root, *place) for place in product(REGIONS, ("glance", "swift"))]
        begins = [log.mark() for log in logs]

        def sent():
            found = [
                each
                for log, begin in zip(logs, begins, strict=True)
                for each in log.since(begin)
                if each.agent.startswith(AGENT)
            ]
            texts = [f"{each.path}?{each.query}" for each in found]
            return [
                (each.method, text)
                for each, text in zip(found, texts, strict=True)
                if not marks or any(mark in text for mark in marks)
            ]

        return sent

    def assert_only_reads(self, sent):
        """Check what `requests` gives: something was sent, and nothing that changes anything."""
        self.assertNotEqual([], sent)
        self.assertEqual([], [each for each in sent if each[0] not in ("GET", "HEAD")])

    def set_clock_ahead(self, container):
        """Have what is in a container be older: an object that has just been written may be in use.

        The age is judged by the clock of the service.
        """
        date = format_datetime(datetime.now(UTC) + timedelta(minutes=16), usegmt=True)
        clock = Rule("HEAD", f"/{container}$", status=204, headers={"Date": date}, times=None)
        return self.inject(clock)

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


class CheckModeTest(AnsibleTest):
    """The cloud is this test's own: nobody else changes it or sends requests to it."""

    def setUp(self):
        self.start_cloud("--regions", "DFW,ORD")
        super().setUp()

    def state(self):
        """Give all images, tasks, and objects of the cloud."""
        found = set()
        for region, cloud in REGIONS.items():
            image, swift = self.sdk(cloud, region).image, self.swift(cloud, region)
            found |= {(each.id, each.status, each.updated_at) for each in image.images()}
            if cloud == "alice":
                found |= {(each.id, each.status, each.updated_at) for each in image.tasks()}
            for container in (each["name"] for each in swift.get_account()[1]):
                found.add((region, container))
                for each in swift.get_container(container)[1]:
                    found.add((region, container, each["name"], each["hash"]))
        return found

    def steps(self):
        """Prepare work for all modules; give the modules with options."""
        disk = self.corpus("go-vhd-xapi.vhd")
        web = self.imported()["Image"]
        data = self.task("import", disk, "--name", "data", **FLEX).rows[0]["Image"]
        orphans, swift, object_name = self.container(), self.swift(), f"{self.container()}/disk.vhd"
        swift.put_object(*object_name.split("/"), disk.read_bytes())
        swift.put_object(orphans, ORPHAN, b"x", headers={"X-Delete-After": "86400"})
        self.set_clock_ahead(orphans)
        on_flex = {"cloud": "flex", "region_name": "SJC3"}
        new = {"path": str(disk), "name": "new", "properties": {"app": "web"}, "tags": ["gold"]}
        to_container = {"image": web, "container": "exports", "create_container": True}
        qcow2, raw = str(self.tmp / "saved.qcow2"), str(self.tmp / "saved.raw")
        targets = [{"region_name": "ORD"}, on_flex]
        return {
            "import": ("image_import", new),
            "import object": ("image_import", {"object": object_name, "name": "object"}),
            "upload": ("image_import", new | on_flex),
            "export": ("image_export", to_container),
            "save": ("image_export", {"image": web, "path": qcow2}),
            "save data": ("image_export", {"image": data, "path": raw, **on_flex}),
            "transfer": ("image_transfer", {"image": web, "targets": targets}),
            "clean": ("image_clean", {"container": orphans, "older_than": 0}),
            "inspect": ("disk_inspect_info", {"object": object_name}),
        }

    def test_modules(self):
        """Check mode only reads, and predicts the changes of the first run; the next one is ok."""
        steps = self.steps()
        changes = {name: name != "inspect" for name in steps}
        before, sent = self.state(), self.requests()
        self.assertEqual(changes, self.changed_by(steps, "--check"))
        self.assert_only_reads(sent())
        self.assertEqual(before, self.state())
        self.assertEqual([], self.saved())
        self.assertEqual(changes, self.changed_by(steps))
        before, files = self.state(), self.saved()
        self.assertEqual(2, len(files))
        self.assertEqual(dict.fromkeys(steps, False), self.changed_by(steps))
        self.assertEqual((before, files), (self.state(), self.saved()))

    def changed_by(self, steps, *words):
        """Run modules; give whether each has changed something."""
        results, printed = self.run_modules(list(steps.values()), *words)
        for name, result in zip(steps, results, strict=True):
            self.assertNotIn("msg", result, (name, printed))
        return {name: each["changed"] for name, each in zip(steps, results, strict=True)}

    def saved(self):
        """Give the files that the modules have written, and when."""
        return [(path, path.stat().st_mtime_ns) for path in self.tmp.glob("saved.*")]


class ModulesTest(AnsibleTest):
    def test_import(self):
        """The difference and the result of check mode are those of the run; settings are, too."""
        name = f"image-{self.mark}"
        path = str(self.corpus("go-vhd-xapi.vhd"))
        options = {"path": path, "name": name, "properties": {"app": "web"}}

        def run(*words, app="web"):
            changed = options | {"properties": {"app": app}}
            return self.run_module("image_import", "--diff", *words, **changed)

        expected, printed = run("--check")
        self.assertEqual((True, "not started"), (expected["changed"], expected["status"]))
        self.assertIn('+    "app": "web"', printed)

        first, _printed = run()
        self.assertEqual((True, "success"), (first["changed"], first["status"]))
        self.assertEqual(expected["size"], first["size"])
        image = self.sdk().image.get_image(first["image_id"])
        self.assertEqual((name, "web"), (image.name, image.properties["app"]))

        second, _printed = run()
        self.assertEqual(
            (False, "already imported", first["image_id"]),
            (second["changed"], second["status"], second["image_id"]),
        )
        expected, printed = run("--check", app="db")
        self.assertTrue(expected["changed"])
        self.assertIn('-    "app": "web"', printed)
        self.assertTrue(run(app="db")[0]["changed"])
        image = self.sdk().image.get_image(first["image_id"])
        self.assertEqual("db", image.properties["app"])

    def test_existing_file(self):
        """Check mode compares a file as the run does; a different one is replaced on request."""
        path = self.tmp / "saved.raw"
        options = {"image": self.imported()["Image"], "path": str(path)}
        self.assertTrue(self.run_module("image_export", **options)[0]["changed"])
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"?")
        for words in (("--check",), ()):
            result, _printed = self.run_module("image_export", *words, failed=True, **options)
            self.assertIn("or set overwrite to true", result["msg"])
        options["overwrite"] = True
        for words, changed in ((("--check",), True), ((), True), (("--check",), False)):
            result, _printed = self.run_module("image_export", *words, **options)
            self.assertEqual(changed, result["changed"], words)
        self.assertEqual(content, path.read_bytes())

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
        container = f"new-{self.mark}"
        options = {"image": self.imported()["Image"], "container": container}
        for words in ((), ("--check",)):
            result, _printed = self.run_module("image_export", *words, failed=True, **options)
            self.assertIn("set create_container to true", result["msg"])
        names = [each["name"] for each in self.swift().get_account(full_listing=True)[1]]
        self.assertNotIn(container, names)

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
        self.assertEqual([], [*self.sdk().image.images(name=options["name"])])

    def test_clean(self):
        """Check mode lists what a run deletes; the next run finds nothing."""
        container = self.container()
        self.swift().put_object(container, ORPHAN, b"x", headers={"X-Delete-After": "86400"})
        injected = self.set_clock_ahead(container)
        found = []
        for words in (("--check",), (), ()):
            result, _printed = self.run_module(
                "image_clean", *words, container=container, older_than=0
            )
            found.append((result["changed"], [each["status"] for each in result["objects"]]))
            if words:
                self.assertEqual({ORPHAN}, self.objects(container))
        self.assertEqual([(True, ["unneeded"]), (True, ["deleted"]), (False, [])], found)
        self.assertEqual(set(), self.objects(container))
        self.assertGreaterEqual(injected.fired()[0], 3)

    def test_inspect(self):
        """A file is inspected without a cloud, even without a clouds.yaml that has one."""
        no_clouds = fixtures.EnvironmentVariable("OS_CLIENT_CONFIG_FILE", "/nonexistent")
        self.useFixture(no_clouds)
        options = {"path": str(self.corpus("go-vhd-xapi.vhd")), "target": "glance"}
        result, _printed = self.run_module(
            "disk_inspect_info", cloud=None, region_name=None, **options
        )
        disk = result["disk"]
        self.assertEqual((False, False), (result["changed"], disk["is_ready"]))
        self.assertEqual("Not ready for KVM: 1 error", disk["verdict"])
        self.assertEqual(40 * 2**20, disk["facts"]["size"])

    def test_async(self):
        """A module runs in the background, and Ansible gets its result."""
        options = {"path": str(self.corpus("go-vhd-xapi.vhd")), "name": f"image-{self.mark}"}
        result, _printed = self.run_module("image_import", **{"async:": 120, "poll:": 1}, **options)
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

    def test_cloud_settings(self):
        """A cloud, and that of a target, can be settings, whose password is not shown."""
        clouds = yaml.safe_load((self.root / "clouds.yaml").read_text())["clouds"]
        no_clouds = fixtures.EnvironmentVariable("OS_CLIENT_CONFIG_FILE", "/nonexistent")
        image = self.imported()["Image"]
        self.useFixture(no_clouds)
        flex = clouds["flex"]["auth"]["application_credential_secret"]
        options = {
            "cloud": clouds["alice"],
            "image": image,
            "targets": [{"cloud": clouds["flex"]}, {"region_name": "ORD"}],
        }
        result, printed = self.run_module("image_transfer", "-vvvv", "--check", **options)
        self.assertTrue(result["changed"])
        self.assertEqual(
            [(None, "SJC3"), (None, "ORD")],
            [(each["cloud"], each["region_name"]) for each in result["transfers"]],
        )
        password = f"secret-{self.mark}"
        wrong = clouds["alice"] | {"auth": clouds["alice"]["auth"] | {"password": password}}
        failed, more = self.run_module("image_clean", "-vvvv", failed=True, cloud=wrong)
        for secret in (clouds["alice"]["auth"]["password"], flex, password):
            self.assertNotIn(secret, json.dumps([result, failed]))
            self.assertNotIn(secret, printed + more)


class TransferTest(AnsibleTest):
    def transfer(self, names, *words, targets=({"region_name": "ORD"},), failed=False):
        values = {
            "transfer_images_cloud": "alice",
            "transfer_images_region_name": "DFW",
            "transfer_images_images": names,
            "transfer_images_targets": targets,
        }
        return self.ansible(PLAYBOOK, *words, "-e", json.dumps(values), failed=failed)

    def image_id(self, name):
        return next(iter(self.sdk().image.images(name=name))).id

    def test_one_bad_image_among_ten(self):
        """The nine others are transferred, and the bad one is named at the end."""
        names = self.import_images(9)
        missing = f"none-{self.mark}"
        images = [*names[:4], missing, *names[4:]]
        sent = self.requests(*names, *map(self.image_id, names))
        self.transfer(images, "--check", failed=True)
        self.assert_only_reads(sent())
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
        for words in ((), ("--check",)):
            sent = self.requests(*names, *map(self.image_id, names))
            self.assertIn("changed=0 ", self.transfer(names, *words))
            self.assert_only_reads(sent())
        self.assertEqual([1, 1], self.copies(names))

    def test_one_bad_target(self):
        """It does not stop the others, which share an export and a read; each is reported."""
        (name,) = self.import_images(1)
        targets = [{"cloud": f"none-{self.mark}"}, {"region_name": "ORD"}, {"cloud": "bob"}]
        result, _printed = self.run_module(
            "image_transfer", "--diff", image=name, targets=targets, failed=True
        )
        self.assertEqual(
            ["failed", "transferred", "transferred"],
            [each["status"] for each in result["transfers"]],
        )
        self.assertTrue(result["changed"])
        self.assertIn(f"none-{self.mark}: ", result["msg"])
        self.assertEqual([1], self.copies([name]))
        exports = ImageTasks(self.sdk()).cloud.tasks.with_inputs("export")
        images = [task.input["image_uuid"] for task in exports]
        self.assertEqual(1, images.count(self.image_id(name)))
