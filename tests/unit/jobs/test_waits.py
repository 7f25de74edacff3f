# SPDX-License-Identifier: Apache-2.0
"""What is reported about waits, and about work that is not a job."""

from rackspace_imagetasks.events import EventProgress
from rackspace_imagetasks.exceptions import NotFound, TaskTimeout
from tests.unit import clouds
from tests.unit.clouds import IMAGE


class WaitEventsTest(clouds.CloudTestCase):
    def setUp(self):
        super().setUp()
        self.events = []
        self.tasks = self.image_tasks(poll_interval=0.01)
        self.tasks.cloud.progress = EventProgress(self.events.append)

    def listed(self, **statuses):
        tasks = [{"id": i, "type": "export", "status": s} for i, s in statuses.items()]
        self.requests.get(f"{IMAGE}/v2/tasks", json={"tasks": tasks})
        for task_id, status in statuses.items():
            self.task(status, task_id=task_id)

    def about(self, task_id):
        """Return the kinds of the events of a task."""
        return [str(event.event) for event in self.events if event.image == task_id]

    def test_success(self):
        """A task is a job with a phase, whose last event has the image."""
        self.task("processing", "success", task_id="7", kind="import", result={"image_id": "i7"})
        list(self.tasks.wait(["7", "7"]))
        self.assertEqual(
            ["planned", "phase_started", "task_status", "task_status", "phase_ended", "done"],
            self.about("7"),
        )
        self.assertEqual({("wait", "DFW")}, {(e.job, e.source.region) for e in self.events})
        last = self.events[-1]
        self.assertEqual(("success", "i7"), (last.status, last.new_image_id))
        self.assertEqual({("import", "7")}, {(e.phase, e.task_id) for e in self.events if e.phase})

    def test_failure(self):
        """Each task has its own end; the error is the one that explains the failure."""
        self.listed(good="success", bad="failure")
        list(self.tasks.wait(["good", "bad"]))
        ends = {e.image: (e.event, e.error) for e in self.events if e.event in ("done", "failed")}
        self.assertEqual({"good": ("done", None), "bad": ("failed", "TaskFailed")}, ends)

    def test_time_out(self):
        """Only the tasks that still run have failed."""
        self.listed(good="success", slow="processing")
        self.assertRaises(TaskTimeout, list, self.tasks.wait(["good", "slow"], timeout=0))
        self.assertEqual("done", self.about("good")[-1])
        self.assertEqual(["phase_ended", "failed"], self.about("slow")[-2:])

    def test_unknown_task(self):
        """A task that does not exist has no phase."""
        self.requests.get(f"{IMAGE}/v2/tasks/7", status_code=404)
        self.assertRaises(NotFound, list, self.tasks.wait(["7"]))
        self.assertEqual(["planned", "failed"], self.about("7"))

    def test_caller_stops(self):
        """A caller that wants no more tasks is not a failure; the phases end."""
        self.listed(good="success", slow="processing")
        waiting = self.tasks.wait(["slow", "good"])
        self.assertEqual("good", next(waiting).id)
        waiting.close()
        self.assertEqual("phase_ended", self.about("slow")[-1])

    def test_retry_outside_of_a_job(self):
        """A repeated request of any method is reported, without a job."""
        image = self.image()
        answers = [{"status_code": 503}, {"json": {"images": [image]}}]
        self.requests.get(f"{IMAGE}/v2/images", answers)
        self.tasks.select({"role": "web"})
        (retried,) = self.events
        self.assertEqual(("retried", None), (retried.event, retried.job))
        self.assertIn("503", retried.text)

    def test_retry_of_a_wait(self):
        """A poll that is repeated is reported, but not what the caller does between two tasks."""
        done = {"id": "7", "type": "export", "status": "success"}
        self.requests.get(f"{IMAGE}/v2/tasks/7", [{"status_code": 503}, {"json": done}])
        for _task in self.tasks.wait(["7"]):
            before = [str(e.event) for e in self.events]
            self.requests.get(f"{IMAGE}/v2/images", [{"status_code": 503}, {"json": {}}])
            self.tasks.cloud.images.select("project", {})
        self.assertEqual(1, before.count("retried"))
        self.assertEqual(1, len([e for e in self.events if e.event == "retried"]))
