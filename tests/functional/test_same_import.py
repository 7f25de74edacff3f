# SPDX-License-Identifier: Apache-2.0
"""An import is done once: again, after its object is gone, and by two processes at once."""

import json
import time

from devcloud import faults
from devcloud.faults import Rule
from tests.functional import processcase

REPETITIONS = 5
_PATIENCE = 120  # seconds


class SameImportTest(processcase.ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.name = f"image-{self.mark}"

    def import_(self, source, *words, **how):
        return self.task("import", source, "--name", self.name, "--wait", *words, **how).rows[0]

    def both(self, *words):
        """Run a command in two processes at once; return the rows of both."""
        rows = []
        for process in [self.start(*words) for _ in range(2)]:
            output, said = process.communicate(timeout=_PATIENCE)
            self.assertEqual(0, process.returncode, said)
            rows += json.loads(output)
        return rows

    def require_one(self, image, name=None):
        """Check that there is one image of this name, and that it is this one."""
        found = [each.id for each in self.images(name or self.name, "DFW")]
        self.assertEqual([image], found)

    def test_again(self):
        """The staged object is gone; the second run finds the image, and changes nothing."""
        disk, container = self.disk(1), self.container()
        where = ("--container", container, "--tag", "gold")
        first = self.import_(disk, *where)
        self.assertEqual(set(), self.objects(container))
        del self.sent[:]
        for words in (where, (*where, "--dry-run")):
            again = self.import_(disk, *words)
            self.assertEqual(
                ("already imported", first["Image"]), (again["Status"], again["Image"])
            )
        self.assertEqual([], self.changes())
        self.require_one(first["Image"])
        self.import_(disk, "--container", container, "--tag", "silver")
        (image,) = self.images(self.name, "DFW")
        self.assertEqual(["silver"], image.tags)

    def test_a_new_copy(self):
        """--new-copy imports another one; the message of the second run names the option."""
        disk = self.disk(1)
        first = self.import_(disk)["Image"]
        outcome = self.task("import", disk, "--name", self.name, "--wait")
        self.assertIn("add --new-copy", outcome.stderr)
        second = self.import_(disk, "--new-copy")
        self.assertEqual("success", second["Status"])
        found = {each.id for each in self.images(self.name, "DFW")}
        self.assertEqual({first, second["Image"]}, found)
        self.assertEqual(2, len(found))

    def test_another_content_or_name(self):
        """A changed file, or another name, is another import."""
        first = self.import_(self.disk(1))["Image"]
        second = self.import_(self.disk(1))["Image"]
        other = self.task("import", self.tmp / "disk.raw", "--name", f"{self.name}-2", "--wait")
        self.assertEqual(3, len({first, second, other.rows[0]["Image"]}))

    def test_without_waiting(self):
        """Nobody marks the image; the next run finds the task's, and completes it."""
        disk = self.disk(1)
        words = ("import", disk, "--name", self.name)
        started = self.task(*words).rows[0]
        self.task("wait", started["Task"])
        found = self.task(*words).rows[0]
        self.assertEqual(("success", started["Task"]), (found["Status"], found["Task"]))
        again = self.task(*words).rows[0]
        self.assertEqual(("already imported", found["Image"]), (again["Status"], again["Image"]))
        self.require_one(found["Image"])

    def test_an_object(self):
        """An object is known by its content, even after --delete-object has deleted it."""
        location = f"{self.container()}/{self.mark}.vhd"
        content = self.corpus("go-vhd-xapi.vhd").read_bytes()
        self.swift().put_object(*location.split("/"), content)
        first = self.import_(location)["Image"]
        again = self.import_(location, "--delete-object")
        self.assertEqual(("already imported", first), (again["Status"], again["Image"]))
        self.assertEqual(set(), self.objects(location.split("/", maxsplit=1)[0]))
        again = self.import_(location, "--delete-object")
        self.assertEqual(("already imported", first), (again["Status"], again["Image"]))
        self.require_one(first)
        time.sleep(3)  # the services' times have whole seconds, and one of them is rounded up
        content = self.corpus("go-vhd-qemu.vhd").read_bytes()
        self.swift().put_object(*location.split("/"), content)
        self.assertNotEqual(first, self.import_(location)["Image"])

    def test_two_processes(self):
        """Both create a task, exit with 0, and report the same image, which is the only one."""
        tasks = 0
        for number in range(REPETITIONS):
            name = f"{self.name}-{number}"
            disk = self.disk(1, f"{name}.raw")
            rules = (
                Rule("POST", "/v2/tasks$", delay=2, times=2),
                Rule("TASK", name, delay=0.5, times=None),
            )
            with faults.inject(self.root, "DFW", *rules, service="glance") as posts:
                rows = self.both("image", "task", "import", disk, "--wait", "-f", "json")
            tasks += posts.fired()[0]
            self.assertEqual(rows[0]["Image"], rows[1]["Image"])
            self.require_one(rows[0]["Image"], name)
            self.assertEqual([], self.staged("image-imports", name, "DFW"))
        self.assertGreater(tasks, REPETITIONS, "no two processes created a task each")
