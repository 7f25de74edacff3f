# SPDX-License-Identifier: Apache-2.0
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import fixtures

from devcloud.faults import Rule
from rackspace_imagetasks.imagetasks import ImageTasks
from tests.functional import objectcase

STAGED = "disk-0123456789abcdef.vhd"
SEGMENT = f"{STAGED}/slo/x/3/1/00000000"


class CleanTest(objectcase.ObjectCase):
    def later(self, **times):
        """Have the service's clock, by which ages are judged, be ahead by some time."""
        date = format_datetime(datetime.now(UTC) + timedelta(**times), usegmt=True)
        rule = Rule("HEAD", f"/{self.place}$", status=204, headers={"Date": date}, times=None)
        return self.inject(rule)

    def clean(self, *words, **how):
        """Run the command on the container; give the status of each row by its name."""
        rows = self.task("clean", "--container", self.place, *words, **how).rows
        return {row["Object"]: row["Status"] for row in rows}

    def put(self, *names):
        swift = self.swift()
        for name in names:
            swift.put_object(
                self.place + "_segments" * ("/slo/" in name),
                name,
                b"x",
                headers={"X-Delete-After": "86400"},
            )

    def test_clean(self):
        """What was staged is listed, deleted if asked and old; a user's own objects never are."""
        orphan = "other-0123456789abcdef.vhd/slo/x/3/1/00000000"
        user = ["disk.vhd", "notes-0123456789abcdef.txt", "disk.vhd/slo/x/3/1/00000000"]
        self.put(STAGED, orphan, *user)
        kept = "kept-0123456789abcdef.vhd"  # one that is to stay does not expire
        self.swift().put_object(self.place, kept, b"x")
        mine = {STAGED, orphan}
        in_use = dict.fromkeys(mine, "in use")
        self.assertEqual(in_use, self.clean())
        self.assertEqual(in_use, self.clean("--older-than", 0, "--delete"))
        clock = self.later(minutes=16)
        self.assertEqual(dict.fromkeys(mine, "recent"), self.clean())
        self.assertEqual(dict.fromkeys(mine, "recent"), self.clean("--delete"))
        self.assertEqual(dict.fromkeys(mine, "unneeded"), self.clean("--older-than", 0))
        self.assertEqual([], self.requests("DELETE"))
        events = self.tmp / "events"
        done = self.clean("--older-than", 0, "--delete", "--events", events)
        self.assertEqual(dict.fromkeys(mine, "deleted"), done)
        lines = [json.loads(line) for line in events.read_text().splitlines()]
        self.assertEqual(["planned"] * 2 + ["done"] * 2, [line["event"] for line in lines])
        self.assertEqual((sorted([kept, *user[:2]]), 1), self.held())
        self.assertEqual({}, self.clean("--older-than", 0))
        self.assertGreaterEqual(clock.fired()[0], 5)

    def test_staged_with_its_segments(self):
        """A staged object goes with its segments, which are not listed by themselves."""
        self.send(self.vhd())
        (name,), segments = self.held()
        self.assertEqual(5, segments)
        self.task_ended()
        self.assertEqual({name: "in use"}, self.clean("--older-than", 0))
        self.later(minutes=16)
        self.assertEqual({name: "unneeded"}, self.clean("--older-than", 0))
        self.assertEqual({name: "deleted"}, self.clean("--older-than", 0, "--delete"))
        self.assertEqual(([], 0), self.held())

    def test_what_a_task_needs(self):
        """What a running import reads stays, however old; when the task has ended, it goes."""
        self.place = self.new_place(refusing=False)  # whose tasks do not fail at once
        self.put(STAGED)
        go = Path(self.useFixture(fixtures.TempDir()).path) / "go"
        rule = Rule("TASK", f"/import/{self.place}/", until=str(go), body="late")
        self.inject(rule, service="glance")
        given = {"import_from": f"{self.place}/{STAGED}", "image_properties": {"name": "x"}}
        task = self.connection.image.post("/tasks", json={"type": "import", "input": given}).json()
        status = f"needed by task {task['id']}"
        self.assertEqual({STAGED: status}, self.clean("--older-than", 0, "--delete"))
        self.assertEqual(([STAGED], 0), self.held())
        go.touch()
        self.task_ended()
        self.later(minutes=16)
        self.assertEqual({STAGED: "deleted"}, self.clean("--older-than", 0, "--delete"))

    def test_transfers(self):
        """Exports in the containers of transfers are found without being asked for."""
        place = f"image-transfers-{self.mark}"
        self.swift().put_container(place)
        self.addCleanup(self.empty, place)
        name = "01234567-0123-0123-0123-0123456789ab.vhd"
        for each in (f"{name}-00001", "notes.txt"):
            self.swift().put_object(place, each, b"x")
        self.swift().put_object(place, name, b"", headers={"X-Object-Manifest": f"{place}/{name}-"})
        rows = self.task("clean").rows
        self.assertEqual([name], [row["Object"] for row in rows if row["Container"] == place])

    def test_bad_hours(self):
        """Nonsense is a usage error."""
        self.refused("clean", "--older-than", "soon", status=2)

    def task_ended(self):
        """Wait until no import task of the container runs."""
        tasks = ImageTasks(self.connection).cloud.tasks
        for task in list(tasks.with_inputs("import", running=True)):
            if task.input["import_from"].startswith(f"{self.place}/"):
                list(tasks.follow([task.id], timeout=30))
