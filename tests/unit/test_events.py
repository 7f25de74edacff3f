# SPDX-License-Identifier: Apache-2.0
"""What jobs report to programs, and that a program that fails does not harm them."""

import json
import logging
import re
import threading
from datetime import UTC, datetime

import fixtures
from oslotest import base

from rackspace_imagetasks.events import (
    Event,
    EventKind,
    EventProgress,
    Job,
    JobKind,
    Place,
    report_retry,
    running,
)
from rackspace_imagetasks.exceptions import ImageTasksError, TaskFailed
from rackspace_imagetasks.progress import PhaseKind, PhaseTitle, SilentProgress
from rackspace_imagetasks.threads import ahead, in_parallel, supervise
from tests.unit.jobs import importcase

JOB = Job(job=JobKind.IMPORT, image="web", target=Place("rack", "DFW"))
TITLE = PhaseTitle(PhaseKind.UPLOAD, "Uploading web.vhd")


class Shown(SilentProgress):
    """Progress that notes its messages."""

    def __init__(self):
        self.messages = []

    def message(self, message):
        self.messages.append(str(message))


class EventCase(base.BaseTestCase):
    """Gives `self.progress`, whose events are in `self.events`; `self.now` is its clock."""

    def setUp(self):
        super().setUp()
        self.events, self.now, self.shown = [], 0.0, Shown()
        self.progress = EventProgress(self.events.append, self.shown, clock=lambda: self.now)

    def kinds(self):
        return [str(event.event) for event in self.events]


class DictionaryTest(base.BaseTestCase):
    def test_json(self):
        """The dictionary has the fields that apply, for JSON, with an RFC 3339 time."""
        event = Event(
            event=EventKind.BYTES,
            time=datetime(2026, 1, 31, 12, tzinfo=UTC),
            job=JobKind.TRANSFER,
            image="web",
            source=Place("rack", "DFW"),
            target=Place(None, "ORD"),
            phase=PhaseKind.COPY,
            done=0,
        )
        self.assertEqual(
            {
                "version": 1,
                "event": "bytes",
                "time": "2026-01-31T12:00:00.000Z",
                "job": "transfer",
                "image": "web",
                "source": {"cloud": "rack", "region": "DFW"},
                "target": {"region": "ORD"},
                "phase": "copy",
                "done": 0,
            },
            json.loads(json.dumps(event.as_dict())),
        )


class PhaseTest(EventCase):
    def test_bytes(self):
        """Bytes are reported once a second; a step back is reported at once."""
        with self.progress.phase(TITLE, 100) as phase:
            for amount, now in ((10, 0.5), (10, 1.0), (10, 1.5), (-5, 1.6), (75, 2.0)):
                self.now = now
                phase.advance(amount)
        self.assertEqual(
            [
                ("phase_started", None),
                ("bytes", 20),
                ("bytes", 25),
                ("phase_ended", 100),
            ],
            [(event.event, event.done) for event in self.events],
        )
        facts = {(e.phase, e.title, e.total) for e in self.events}
        self.assertEqual({("upload", "Uploading web.vhd", 100)}, facts)
        self.assertEqual(1, len({e.phase_id for e in self.events}))

    def test_status(self):
        """The status of a task is reported when it is new, with the task's ID."""
        with self.progress.phase(PhaseTitle(PhaseKind.WAIT, "Waiting", "7")) as phase:
            for status in ("pending", "processing", "processing"):
                phase.note(status)
        found = [(e.task_id, e.status) for e in self.events if e.event == "task_status"]
        self.assertEqual([("7", "pending"), ("7", "processing")], found)

    def test_failed_phase(self):
        """A phase that fails ends, too."""

        def fail():
            with self.progress.phase(TITLE, 100) as phase:
                phase.advance(1)
                raise OSError

        self.assertRaises(OSError, fail)
        self.assertEqual(["phase_started", "phase_ended"], self.kinds())
        self.assertEqual(1, self.events[-1].done)


class JobTest(EventCase):
    def test_threads(self):
        """Whatever the threads of a job report is about its image."""

        def work(_item=None):
            report_retry("The service is busy.", 2.5)
            self.progress.message("Converting.")
            return threading.get_ident()

        abort = threading.Event
        with running(self.progress, JOB):
            used = {*in_parallel(work, [1], 1, abort()), supervise(work, abort())}
            with ahead(map(work, [1]), 1) as results:
                used.update(results)
        self.assertNotIn(threading.get_ident(), used)
        self.assertEqual(3 * ["retried", "message"], self.kinds())
        self.assertEqual({("web", JOB.target)}, {(e.image, e.target) for e in self.events})
        self.assertEqual(2.5, self.events[0].delay)

    def test_jobs_side_by_side(self):
        """The phases of jobs in several threads are told apart."""
        both = threading.Barrier(2)

        def work(name):
            with running(self.progress, Job(job=JobKind.SAVE, image=name)):
                both.wait(10)
                with self.progress.phase(TITLE, 1):
                    both.wait(10)

        in_parallel(work, ["a", "b"], 2, threading.Event())
        phases = {event.phase_id: event.image for event in self.events}
        self.assertEqual(["a", "b"], sorted(phases.values()))

    def test_outside_of_a_job(self):
        """A retry outside of any job is reported nowhere; a message is, without an image."""
        report_retry("The service is busy.", 1.0)
        self.progress.message("Hello.")
        self.assertEqual([("message", None)], [(e.event, e.image) for e in self.events])


class FailingCallbackTest(EventCase):
    def test_failure(self):
        """A callback that raises is not called again; the job goes on, with one warning."""
        calls = []

        def full(event):
            calls.append(event)
            raise OSError(28, "No space left on device")

        log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        progress = EventProgress(full, self.shown)
        with progress.phase(TITLE, 1) as phase:
            phase.advance(1)
        progress.message("Hello.")
        self.assertEqual(1, len(calls))
        self.assertEqual(
            "No more events are reported: OSError: [Errno 28] No space left on device\n", log.output
        )
        self.assertEqual(["Hello."], self.shown.messages)

    def test_reentrance(self):
        """A callback may use what is reported, without a deadlock."""

        def message(event):
            self.events.append(event)
            if event.event == "phase_started":
                progress.message("It starts.")

        progress = EventProgress(message)
        with progress.phase(TITLE, 1):
            pass
        self.assertEqual(["phase_started", "message", "phase_ended"], self.kinds())


class SecretsTest(EventCase):
    def test_no_secrets(self):
        """No text of an event has a password or the signature of a URL."""
        swift = "https://swift.test/v1/a/c/o?temp_url_sig=5ec2e7&temp_url_expires=1"
        s3 = "https://s3.test/b/o?X-Amz-Date=1&X-Amz-Signature=5ec2e7"
        text = f"Cannot read {swift}, '{s3}' or https://alice:5ec2e7@host.test/."

        def fail():
            with running(self.progress, JOB), self.progress.phase(text, 1) as phase:
                phase.note(text)
                self.progress.message(text)
                report_retry(text, 1.0)
                raise ImageTasksError(text)

        self.assertRaises(ImageTasksError, fail)
        self.assertEqual(
            ["phase_started", "task_status", "message", "retried", "phase_ended", "failed"],
            self.kinds(),
        )
        written = json.dumps([event.as_dict() for event in self.events])
        self.assertNotIn("5ec2e7", written)
        self.assertIn("temp_url_sig=***&temp_url_expires=1", written)
        self.assertIn("X-Amz-Date=1&X-Amz-Signature=***'", written)


class ImportEventsTest(importcase.ImportCase):
    """The events of an import, from the plan to its end."""

    def setUp(self):
        super().setUp()
        self.events = []
        self.tasks.cloud.progress = EventProgress(self.events.append)

    def test_done(self):
        """An import reports its phases and its image."""
        self.run_import()
        first, *_, last = self.events
        self.assertEqual(
            {("import", "web", Place(None, "DFW"))},
            {(e.job, e.image, e.target) for e in self.events},
        )
        self.assertEqual("phase_started", first.event)
        self.assertEqual(
            ("done", "success", importcase.image_id(10)),
            (last.event, last.status, last.new_image_id),
        )
        phases = [e.phase for e in self.events if e.event == "phase_started"]
        self.assertEqual(["upload", "import"], phases)
        (task_id,) = self.glance.tasks
        self.assertEqual({task_id}, {e.task_id for e in self.events if e.phase == "import"})

    def test_retry(self):
        """A request that is repeated is reported with the image and the reason."""
        statuses = [503]

        def busy(request, context):
            if statuses:
                context.status_code = statuses.pop()
                return {}
            return self.glance._get(self.glance.images)(request, context)

        self.requests.get(re.compile(f"^{importcase.IMAGES}/[^/?]+$"), json=busy)
        self.run_import()
        self.assertEqual([], statuses)
        (retried,) = (e for e in self.events if e.event == "retried")
        self.assertEqual("web", retried.image)
        self.assertIn("503", retried.text)
        self.assertGreater(retried.delay, 0)

    def test_failed_task(self):
        """A job that fails reports the reason, once."""
        self.glance.outcomes["own-0"] = "disk is too large"
        self.assertRaises(TaskFailed, self.run_import)
        failed = [e for e in self.events if e.event in ("done", "failed")]
        self.assertEqual(["TaskFailed"], [e.error for e in failed])
        self.assertIn("disk is too large", failed[0].text)

    def test_plan(self):
        """A plan that is refused is a failed job."""
        self.requests.head(f"{importcase.OBJECTS}/image-imports/none.vhd", status_code=404)
        source = importcase.ObjectName.parse("image-imports/none.vhd")
        self.assertRaises(ImageTasksError, self.tasks.plan_import_object, source, "web")
        self.assertEqual(
            [("failed", "import", "web")], [(e.event, e.job, e.image) for e in self.events]
        )
