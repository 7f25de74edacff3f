# SPDX-License-Identifier: Apache-2.0
"""The events of real jobs, held against their documentation."""

import json
import re
from pathlib import Path

import fixtures

from tests.functional import diskcase, processcase

PAGE = Path(__file__).parents[2] / "doc/source/reference/events.rst"
ALWAYS = {"version", "time", "event"}
OF_A_JOB = {"job", "image"}
PLACES = {"export": {"source"}, "save": {"source"}, "import": {"target"},
          "transfer": {"source", "target"}, "wait": {"source"}, "clean": {"source"}}  # fmt: skip


def documented():
    """Return the documented fields of each event: those that it always has, and all."""
    row = re.compile(r"^   \* - ``(\w+)``\n     -(.*)\n     -(.*)$", re.MULTILINE)
    fields = {
        event: [set(re.findall(r"\w+", column)) for column in columns]
        for event, *columns in row.findall(PAGE.read_text())
    }
    return {event: (always, always | optional) for event, (always, optional) in fields.items()}


class EventsTest(diskcase.DiskCase, processcase.ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.name = f"image-{self.mark}"
        self.path = self.tmp / "events"

    def events(self, *words, **how):
        """Run a command, and return the events that it has written."""
        self.path.unlink(missing_ok=True)
        self.task(*words, "--events", self.path, **how)
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def require_documented(self, events):
        """Check that events have the fields that the documentation says."""
        fields = documented()
        self.assertEqual(10, len(fields))
        for event in events:
            always, known = fields[event["event"]]
            about = OF_A_JOB | PLACES[event["job"]] if "job" in event else set()
            optional = {"image_id"} if "job" in event else set()
            self.assertEqual(set(), (ALWAYS | always | about) - event.keys(), event)
            self.assertEqual(set(), event.keys() - (ALWAYS | known | about | optional), event)
            self.assertEqual(1, event["version"])
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        times = [event["time"] for event in events]
        self.assertEqual(sorted(times), times)

    def require_job(self, events, job, phases, **places):
        """Check a job's events from its plan to its end, and return the last."""
        self.require_documented(events)
        own = [event for event in events if event.get("job") == job]
        self.assertEqual("done", own[-1]["event"])
        self.assertEqual(
            ["planned", "done"], [e["event"] for e in own if e["event"] in ("planned", "done")]
        )
        started = [e for e in own if e["event"] == "phase_started"]
        ended = [e["phase_id"] for e in own if e["event"] == "phase_ended"]
        self.assertEqual(sorted(e["phase_id"] for e in started), sorted(ended))
        self.assertEqual(phases, {e.get("phase") for e in started} & phases)
        for name, place in places.items():
            self.assertEqual({json.dumps(place)}, {json.dumps(e[name]) for e in own})
        return own[-1]

    def test_each_command(self):
        """Each command with `--events` writes what is documented, and no secret."""
        self.useFixture(fixtures.EnvironmentVariable("OS_CLOUD", "alice"))
        here, there = ({"cloud": "alice", "region": region} for region in ("DFW", "ORD"))
        disk, file = self.disk(3), self.tmp / "saved.vhd"
        words = ("import", "--file", disk, "--name", self.name, "--wait")
        events = self.events(*words)
        done = self.require_job(events, "import", {"upload", "import"}, target=here)
        (image,) = self.images(self.name, "DFW")
        self.assertEqual(image.id, done["new_image_id"])

        moved = self.events("transfer", self.name, "--to-region", "ORD")
        phases = {"export", "copy", "import"}
        done = self.require_job(moved, "transfer", phases, source=here, target=there)
        (copy,) = self.images(self.name, "ORD")
        self.assertEqual((self.name, image.id, copy.id),
                         (done["image"], done["image_id"], done["new_image_id"]))  # fmt: skip
        statuses = {e["status"] for e in moved if e["event"] == "task_status"}
        self.assertIn("success", statuses)

        exported = self.events("export", self.name, "--wait", "--file", file)
        self.require_job(exported, "export", {"download"}, source=here)
        (task,) = {e["task_id"] for e in exported if e.get("phase") == "export"}
        saved = self.events("save", task, "--file", self.tmp / "again.vhd")
        self.require_job(saved, "save", {"download"}, source=here)
        waited = self.events("wait", task)
        self.require_job(waited, "wait", {"export"}, source=here)
        self.assertIn((task, "success"), {(e.get("task_id"), e.get("status")) for e in waited})
        (failed,) = (e for e in self.events("export", "nosuch", status=1) if "error" in e)
        self.assertEqual(("failed", "nosuch", "NotFound"),
                         (failed["event"], failed["image"], failed["error"]))  # fmt: skip
        self.require_documented([failed])
        written = json.dumps([*events, *moved, *exported, *saved, *waited])
        for secret in ("temp_url_sig=", self.sdk().session.get_token()):
            self.assertNotIn(secret, written)
