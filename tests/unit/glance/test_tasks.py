# SPDX-License-Identifier: Apache-2.0
import dataclasses

import requests

from rackspace_imagetasks.exceptions import (
    AccessDenied,
    Cancelled,
    NotFound,
    QuotaExceeded,
    ServiceError,
    TaskFailed,
    TaskTimeout,
)
from rackspace_imagetasks.glance.failures import failure_of
from rackspace_imagetasks.glance.service import ImageService
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.glance.tasks import TaskClient
from rackspace_imagetasks.profile import RACKSPACE
from tests.unit import clouds
from tests.unit.clouds import IMAGE, PROJECT, TASK_ID

TASKS = f"{IMAGE}/v2/tasks"


class TaskTestCase(clouds.CloudTestCase):
    def setUp(self):
        super().setUp()
        self.stop = clouds.Stop()
        profile = dataclasses.replace(RACKSPACE, poll_interval=30)
        service = ImageService(self.connection, self.stop)
        self.tasks = TaskClient(service, profile, self.stop, lambda: PROJECT, self.stop.clock)

    def polls(self):
        return [path for path in self.sent("GET") if "/tasks" in path]


class ParseTest(TaskTestCase):
    def test_a_hostile_answer(self):
        """What is shown of a task writes no escapes to the terminal; an ID is an ID."""
        for task_id in (None, 7.5, "", "a b", "a/../b", "\x1b[31m", "x" * 65):
            answer = {"id": task_id, "type": "export"}
            self.assertRaises(ServiceError, Task.parse, answer)
        task = Task.parse({"id": TASK_ID, "type": "ex\x1b[31mport", "status": "o\x07k"})
        self.assertEqual(("ex\ufffd[31mport", "o\ufffdk"), (task.type, task.status))


class CreateTest(TaskTestCase):
    def create(self):
        return self.tasks.create("export", {"image_uuid": "1"})

    def running(self, *tasks):
        """Script the tasks that run, each with the image of its input."""
        self.requests.get(
            TASKS,
            json={"tasks": [{"id": i, "type": "export", "status": "pending"} for i, _ in tasks]},
        )
        for task_id, image in tasks:
            self.task("pending", task_id=task_id, input={"image_uuid": image})

    def test_creates(self):
        """The body is the service's form: a type and an input."""
        self.requests.post(TASKS, status_code=201, json=self.task("pending"))
        self.assertEqual("pending", self.create().status)
        self.assertEqual(
            {"type": "export", "input": {"image_uuid": "1"}}, self.requests.last_request.json()
        )

    def test_refusals(self):
        """Each refusal of the service has its kind, and says what to do."""
        self.running()
        for status, kind, said in (
            (403, AccessDenied, "admin role"),
            (413, QuotaExceeded, "limit"),
            (400, ServiceError, "answered 400 for a new export task: No."),
            (500, ServiceError, "answered 500"),
        ):
            self.requests.post(TASKS, status_code=status, json={"message": "No.\x1b[2J"})
            error = self.assertRaises(kind, self.create)
            self.assertIn(said, str(error))
            self.assertNotIn("\x1b", str(error))

    def test_a_post_is_not_repeated(self):
        """A task that may have been created is not created twice."""
        self.running(("other", "2"))
        self.requests.post(TASKS, status_code=503)
        self.assertIn(
            "run the same command again", str(self.assertRaises(ServiceError, self.create))
        )
        self.assertEqual(1, len(self.sent("POST")))

    def test_a_lost_answer_is_found_out(self):
        """A connection that breaks, 5xx, or nonsense after the task was created: it is taken."""
        self.running(("other", "2"), (TASK_ID, "1"))
        for answer in (
            {"exc": requests.ConnectionError},
            {"status_code": 500},
            {"status_code": 504},
            {"status_code": 201, "text": "<html>"},
        ):
            self.requests.post(TASKS, **answer)
            self.assertEqual(TASK_ID, self.create().id)
        self.assertEqual(4, len(self.sent("POST")))

    def test_answers_that_describe_no_task(self):
        """A proxy's page or another object is a sentence, no traceback."""
        self.running()
        for answer in ({"text": "<html>"}, {"json": []}, {"json": {"id": 3}}):
            self.requests.post(TASKS, status_code=201, **answer)
            self.assertRaises(ServiceError, self.create)


class FollowTest(TaskTestCase):
    def test_waits_at_the_providers_pace(self):
        """pending, processing, success: two pauses of the profile's 30 s."""
        self.task("pending", "processing", "success", result={"image_id": "1"})
        task = self.tasks.wait(TASK_ID)
        self.assertEqual("1", task.result["image_id"])
        self.assertEqual([30, 30], self.stop.waits)

    def test_the_statuses_are_told(self):
        """A caller that shows progress hears each status."""
        self.task("pending", "processing", "success")
        heard = []
        self.tasks.wait(TASK_ID, on_status=lambda task: heard.append(task.status))
        self.assertEqual(["pending", "processing", "success"], heard)

    def test_many_tasks_are_one_listing(self):
        """Twenty tasks are polled by one request a time, and read once when they end."""
        ids = [f"task-{number}" for number in range(20)]
        for task_id in ids:
            self.task("success", task_id=task_id)

        def listing(status):
            tasks = [{"id": i, "type": "export", "status": status} for i in ids]
            # There is more, which nobody needs to see.
            return {"json": {"tasks": tasks, "next": "/v2/tasks?marker=x"}}

        self.requests.get(TASKS, [listing("pending"), listing("processing"), listing("success")])
        self.assertEqual(set(ids), {task.id for task in self.tasks.follow(ids)})
        self.assertEqual(3, len([path for path in self.polls() if "?" in path]))
        self.assertEqual(20, len([path for path in self.polls() if "?" not in path]))

    def test_an_unknown_task_does_not_stop_the_others(self):
        """The others are followed to their end before the unknown one is told."""
        self.task("success", task_id="known")
        self.requests.get(f"{TASKS}/unknown", status_code=404)
        self.requests.get(TASKS, json={"tasks": [{"id": "known", "status": "processing"}]})
        ended = []
        error = self.assertRaises(NotFound, ended.extend, self.tasks.follow(["unknown", "known"]))
        self.assertEqual(["known"], [task.id for task in ended])
        self.assertIn("no task 'unknown'", str(error))

    def test_a_listing_goes_on_by_its_markers_alone(self):
        """The next page's address is the server's word: only its marker is used, and once."""
        page = {"tasks": [{"id": "a", "status": "pending"}], "next": "http://evil.test/?marker=a"}
        self.requests.get(TASKS, json=page)
        self.assertEqual(["a", "a"], [task.id for task in self.tasks.list()])
        self.assertIn("marker=a", self.polls()[-1])

    def test_time_is_over(self):
        """The task goes on, and the message says how to follow it."""
        self.task("processing")
        error = self.assertRaises(TaskTimeout, self.tasks.wait, TASK_ID, timeout=70)
        self.assertIn(f"openstack image task wait {TASK_ID}", str(error))
        self.assertEqual([30, 30, 10], self.stop.waits)

    def test_stopped(self):
        """A stop ends the wait and says that the task goes on."""
        self.task("processing")
        self.stop.set()
        error = self.assertRaises(Cancelled, self.tasks.wait, TASK_ID)
        self.assertIn("goes on in the cloud", str(error))

    def test_an_expired_task(self):
        """A record that was deleted is no mystery."""
        self.requests.get(f"{TASKS}/{TASK_ID}", status_code=404)
        error = self.assertRaises(NotFound, self.tasks.wait, TASK_ID)
        self.assertIn("two days", str(error))

    def test_passing_faults_are_waited_out(self):
        """A 503 with Retry-After and a 502 delay a poll, and do not end the wait."""
        self.requests.get(
            f"{TASKS}/{TASK_ID}",
            [
                {"status_code": 503, "headers": {"Retry-After": "7"}},
                {"status_code": 502},
                {"json": {"id": TASK_ID, "type": "export", "status": "success"}},
            ],
        )
        self.tasks.wait(TASK_ID)
        self.assertEqual(7, self.stop.waits[0])

    def test_faults_that_do_not_pass(self):
        """Minutes of an outage are waited out; then the wait ends with the service's answer."""
        self.requests.get(f"{TASKS}/{TASK_ID}", status_code=503)
        error = self.assertRaises(ServiceError, self.tasks.wait, TASK_ID)
        self.assertEqual(503, error.status)
        self.assertGreater(self.stop.now, 10 * 30)

    def test_an_outage_of_some_polls(self):
        """Two polls that fail, each after all its attempts, do not end the wait."""
        self.requests.get(
            f"{TASKS}/{TASK_ID}",
            [{"status_code": 503}] * 14
            + [{"json": {"id": TASK_ID, "type": "export", "status": "success"}}],
        )
        self.assertEqual("success", self.tasks.wait(TASK_ID).status)

    def test_stopped_between_attempts(self):
        """A stop ends the attempts, too, and is no error of the service."""
        self.requests.get(f"{TASKS}/{TASK_ID}", status_code=503)
        self.stop.set()
        self.assertRaises(Cancelled, self.tasks.wait, TASK_ID)
        self.assertEqual(1, len(self.polls()))

    def test_odd_advice_to_wait(self):
        """A Retry-After that is no number is passed over."""
        answers = [{"status_code": 503, "headers": {"Retry-After": "Wed, 21 Oct"}}]
        answers.append({"json": {"id": TASK_ID, "type": "export", "status": "success"}})
        self.requests.get(f"{TASKS}/{TASK_ID}", answers)
        self.assertEqual("success", self.tasks.get(TASK_ID).status)

    def test_an_id_cannot_leave_its_path(self):
        """What the user gives as a task is quoted."""
        self.requests.get(f"{TASKS}/..%2Fimages%3Fx", status_code=404)
        self.assertRaises(NotFound, self.tasks.get, "../images?x")


class FindTest(TaskTestCase):
    def script(self, *tasks):
        self.requests.get(
            TASKS, json={"tasks": [{"id": i, "type": "export", "status": s} for i, s in tasks]}
        )
        for task_id, status in tasks:
            self.task(status, task_id=task_id, input={"image_uuid": f"image of {task_id}"})

    def find(self, image, *, running):
        return self.tasks.find(
            "export", lambda given: given.get("image_uuid") == image, running=running
        )

    def test_finds_a_running_task_by_its_input(self):
        """Only tasks that run are looked into."""
        self.script(("a", "failure"), ("b", "processing"), ("c", "success"))
        self.assertEqual("b", self.find("image of b", running=True).id)
        self.assertIsNone(self.find("image of c", running=True))
        self.assertEqual("c", self.find("image of c", running=False).id)

    def test_other_projects_tasks_do_not_count(self):
        """An administrator of the cloud is shown them; none is taken for an own one."""
        self.script(("a", "processing"))
        self.task("processing", task_id="a", input={"image_uuid": "x"}, owner="mallory")
        self.assertIsNone(self.find("x", running=True))
        self.task("processing", task_id="b", input={"image_uuid": "x"}, owner=PROJECT)
        self.requests.get(
            TASKS, json={"tasks": [{"id": i, "status": "processing"} for i in ("a", "b")]}
        )
        self.assertEqual("b", self.find("x", running=True).id)

    def test_an_input_that_is_none(self):
        """A task whose input is anything but a mapping matches nothing, and is no traceback."""
        self.script(("a", "processing"))
        for given in (None, "image_uuid", ["image_uuid"]):
            self.task("processing", task_id="a", input=given)
            self.tasks._inputs.clear()
            self.assertIsNone(self.find("x", running=True))

    def test_an_input_is_read_once(self):
        """Looking again costs one listing, and no request a task."""
        self.script(("a", "success"), ("b", "success"))
        for _ in range(3):
            self.find("none", running=False)
        self.assertEqual(3 + 2, len(self.polls()))


class FailureTest(TaskTestCase):
    def failure(self, message):
        return failure_of(
            Task.parse({"id": "1", "type": "import", "status": "failure", "message": message}),
            RACKSPACE,
        )

    def test_every_documented_code_says_what_to_do(self):
        """Each code of the documentation is recognised in the service's text."""
        for code in (111, 396, 413, 523, 609, 614, 721):
            error = self.failure(f"Error {code}: something")
            self.assertEqual(code, error.code)
            self.assertIsNotNone(error.messages[0].hint)

    def test_other_numbers_are_no_codes(self):
        """A size or an HTTP status in the text is no failure code."""
        self.assertIsNone(self.failure("Read 41361 bytes, HTTP 404").code)

    def test_texts_without_a_code(self):
        """The two documented texts without a code are explained too."""
        error = self.failure("Error: Image not found for import. Possible invalid location")
        self.assertIn("Check that the container and the object exist", str(error))

    def test_unknown_texts_are_passed_on_harmless(self):
        """What nobody documented is shown, without its escapes."""
        error = self.failure("\x1b[31mBoom")
        self.assertIn("The service reported: \N{REPLACEMENT CHARACTER}[31mBoom.", str(error))

    def test_wait_raises_it(self):
        """A waiting caller gets the failure as an exception."""
        self.task("failure", kind="import", message="Error 721: has a parent")
        error = self.assertRaises(TaskFailed, self.tasks.wait, TASK_ID)
        self.assertEqual((721, TASK_ID), (error.code, error.task_id))
