# SPDX-License-Identifier: Apache-2.0
import dataclasses
import threading
from unittest import mock

import requests

from rackspace_imagetasks.cloud import Cloud
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
from rackspace_imagetasks.glance.task import Task
from rackspace_imagetasks.glance.tasks import TaskClient
from rackspace_imagetasks.osc.hints import WORDINGS
from rackspace_imagetasks.profile import RACKSPACE
from tests.unit import clouds
from tests.unit.clouds import IMAGE, PROJECT, TASK_ID

TASKS = f"{IMAGE}/v2/tasks"


class TaskTestCase(clouds.CloudTestCase):
    def setUp(self):
        super().setUp()
        self.stop = clouds.Stop()
        profile = dataclasses.replace(RACKSPACE, poll_interval=30)
        cloud = Cloud(self.connection, self.stop, profile)
        self.tasks = TaskClient(cloud._image_client, profile, self.stop, self.stop.clock)

    def polls(self):
        return [path for path in self.sent("GET") if "/tasks" in path]


class ParseTest(TaskTestCase):
    def test_a_hostile_answer(self):
        """An ID is an ID, and no text is a number or a list."""
        for task_id in (None, 7.5, "", "a b", "a/../b", "\x1b[31m", "x" * 65):
            answer = {"id": task_id, "type": "export"}
            self.assertRaises(ValueError, Task.parse, answer)
        for key in ("type", "status", "message", "created_at", "owner"):
            for value in (5, ["x"], {}):
                self.assertRaises(ValueError, Task.parse, {"id": TASK_ID, key: value})

    def test_a_hostile_status(self):
        """What an error quotes of a task writes no escapes to the terminal."""
        self.task("o\x1b[31mk")
        error = self.assertRaises(ServiceError, self.tasks.wait, TASK_ID)
        self.assertTrue(str(error).isprintable())
        self.assertIn("unknown status 'o\ufffd[31mk'", str(error))


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
            (
                400,
                ServiceError,
                "create an export task: the image service in region 'DFW' returned 400 (No.",
            ),
            (500, ServiceError, "returned 500"),
        ):
            self.requests.post(TASKS, status_code=status, json={"message": "No.\x1b[2J"})
            error = self.assertRaises(kind, self.create)
            self.assertIn(said, str(error))
            self.assertNotIn("\x1b", str(error))

    def test_a_post_is_repeated_once_no_task_is_running(self):
        """Before each repetition after an uncertain answer, the running tasks are listed."""
        self.running(("other", "2"))
        for answer in (
            {"status_code": 500},
            {"status_code": 503},
            {"exc": requests.exceptions.ReadTimeout},
            {"exc": requests.exceptions.ConnectionError},
        ):
            created = {"status_code": 201, "json": self.task("pending")}
            self.requests.post(TASKS, [answer, created])
            del self.requests._adapter.request_history[:]
            self.assertEqual(TASK_ID, self.create().id)
            methods = [r.method for r in self.requests.request_history if "/v2/tasks" in r.url]
            self.assertEqual("POST", methods[0])
            self.assertIn("GET", methods[1:-1])
            self.assertEqual(2, methods.count("POST"))

    def test_a_post_that_stays_uncertain(self):
        """The repetitions end, with what to do next."""
        self.running(("other", "2"))
        self.requests.post(TASKS, status_code=503)
        self.assertIn(
            "No such task is running. Try again.", str(self.assertRaises(ServiceError, self.create))
        )
        self.assertEqual(8, len(self.sent("POST")))

    def test_a_post_that_had_no_effect_is_repeated(self):
        """After a 429, or without a connection, nothing has to be looked up."""
        created = {"status_code": 201, "json": self.task("pending")}
        for answer in (
            {"status_code": 429, "headers": {"Retry-After": "9"}},
            {"exc": requests.exceptions.ConnectTimeout},
        ):
            self.requests.post(TASKS, [answer, created])
            self.assertEqual("pending", self.create().status)
        self.assertEqual(4, len(self.sent("POST")))
        self.assertEqual([], self.sent("GET"))
        self.assertGreaterEqual(self.stop.now, 9)

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

    def test_a_task_that_ended_meanwhile(self):
        """A lost answer is also that of a task which has succeeded since; older ones do not count.

        The clock of the service counts, which is years from that of this machine.
        """
        dated = {"Date": "Wed, 01 Jan 2020 00:10:00 GMT"}
        for created_at, found in (
            ("2020-01-01T00:09:40Z", True),
            ("2020-01-01T00:09:40", True),
            ("2020-01-01T00:08:00Z", False),
            ("2019-12-29T00:09:40Z", False),
            ("", False),
        ):
            listed = [
                {"id": "failed", "type": "export", "status": "failure"},
                {"id": "ended", "type": "export", "status": "success"},
            ]
            self.requests.get(TASKS, json={"tasks": listed}, headers=dated)
            given = {"image_uuid": "1"}
            self.task("success", task_id="ended", input=given, created_at=created_at)
            created = {"status_code": 201, "json": self.task("pending")}
            self.requests.post(TASKS, [{"exc": requests.ConnectionError}, created])
            self.tasks._inputs.clear()
            self.assertEqual("ended" if found else TASK_ID, self.create().id, created_at)

    def test_how_long_ago_a_request_was_sent(self):
        """The waits between the request and its last repetition count as well."""
        self.running()
        succeeded = {"id": "ended", "type": "export", "status": "success"}
        dated = {"Date": "Wed, 01 Jan 2020 00:10:00 GMT"}

        def listing(_request, context):
            context.headers.update(dated)
            self.stop.now += 100
            return {"tasks": [succeeded]}

        self.requests.get(TASKS, json=listing)
        created_at = "2020-01-01T00:07:30Z"
        self.task("success", task_id="ended", input={"image_uuid": "1"}, created_at=created_at)
        self.requests.post(TASKS, exc=requests.ConnectionError)
        self.assertEqual("ended", self.create().id)

    def test_answers_that_describe_no_task(self):
        """A proxy's page or another object is an error, and perhaps a task: none is repeated."""
        self.running()
        for answer in ({"text": "<html>"}, {"json": []}, {"json": {"id": 3}}):
            self.requests.post(TASKS, status_code=201, **answer)
            text = str(self.assertRaises(ServiceError, self.create))
            self.assertIn(
                "Cannot create an export task: the response of the image service in region 'DFW'",
                text,
            )
        self.assertEqual(3, len(self.sent("POST")))


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
        self.assertIn("Task 'unknown' not found", str(error))

    def test_a_listing_goes_on_by_its_markers_alone(self):
        """The next page's address is the server's word: only its marker is used."""
        page = {"tasks": [{"id": "a", "status": "pending"}], "next": "http://evil.test/?marker=a"}
        self.requests.get(TASKS, [{"json": page}, {"json": {"tasks": [{"id": "b"}]}}])
        self.assertEqual(["a", "b"], [task.id for task in self.tasks.list()])
        self.assertIn("marker=a", self.polls()[-1])

    def test_a_listing_that_repeats_itself(self):
        """A marker that was used before is an error, and not the end of the list."""
        page = {"tasks": [{"id": "a", "status": "pending"}], "next": "/v2/tasks?marker=a"}
        self.requests.get(TASKS, json=page)
        error = self.assertRaises(ServiceError, list, self.tasks.list())
        self.assertIn(
            "list the tasks: the response of the image service in region 'DFW' repeats an earlier",
            str(error),
        )
        self.assertEqual(2, len(self.polls()))

    def test_a_listing_without_end(self):
        """A listing with ever new markers ends after a number of pages."""

        def page(request, _context):
            number = int(request.qs.get("marker", ["0"])[0])
            return {"tasks": [{"id": "a"}], "next": f"/v2/tasks?marker={number + 1}"}

        self.requests.get(TASKS, json=page)
        error = self.assertRaises(ServiceError, list, self.tasks.list())
        self.assertIn("is an endless listing", str(error))
        self.assertEqual(1001, len(self.polls()))

    def test_listings_of_the_wrong_shape(self):
        """Each is an error that names the service, the request and the shape, and never empty."""
        for odd in (
            {"tasks": 5}, {"tasks": None}, {}, {"tasks": ["x"]}, {"tasks": [{"id": ["a"]}]},
            {"tasks": [{"id": "a", "status": 7}]},
        ):  # fmt: skip
            self.requests.get(TASKS, json=odd)
            error = self.assertRaises(ServiceError, list, self.tasks.list())
            self.assertEqual(
                "Cannot list the tasks: the response of the image service in region 'DFW' is not a"
                " list of tasks.",
                str(error),
            )
        for text, said in (("[" * 100_000, "nested too deeply"), ("<html>", "not JSON")):
            self.requests.get(TASKS, text=text)
            error = self.assertRaises(ServiceError, list, self.tasks.list())
            self.assertIn(said, str(error))

    def test_a_single_404_is_not_believed(self):
        """A task that was seen before is not gone because one answer says so."""
        task = {"id": TASK_ID, "type": "export"}
        self.requests.get(
            f"{TASKS}/{TASK_ID}",
            [
                {"json": {**task, "status": "processing"}},
                {"status_code": 404},
                {"json": {**task, "status": "processing"}},
                {"json": {**task, "status": "success"}},
                {"status_code": 404},
                {"json": {**task, "status": "success"}},
            ],
        )
        self.assertEqual("success", self.tasks.wait(TASK_ID).status)
        self.assertEqual(6, len(self.polls()))

    def test_a_404_in_a_listing_of_several(self):
        """A task that a listing and one answer leave out is followed on."""
        listed = [{"id": i, "type": "export", "status": "processing"} for i in ("a", "b")]
        ended = [{**task, "status": "success"} for task in listed]
        self.requests.get(
            TASKS,
            [
                {"json": {"tasks": listed}},
                {"json": {"tasks": listed[:1]}},
                {"json": {"tasks": ended}},
            ],
        )
        self.task("success", task_id="a")
        self.requests.get(
            f"{TASKS}/b",
            [{"status_code": 404}, {"json": listed[1]}, {"json": ended[1]}],
        )
        self.assertEqual({"a", "b"}, {task.id for task in self.tasks.follow(["a", "b"])})

    def test_an_unknown_status(self):
        """A status that no task can have is not waited on for ever."""
        self.task("hibernating")
        error = self.assertRaises(ServiceError, self.tasks.wait, TASK_ID)
        self.assertIn("has the unknown status 'hibernating'", str(error))
        self.assertEqual(10 * 30, self.stop.now)

    def test_an_unknown_status_does_not_stop_the_others(self):
        """The others are followed to their end before it is reported, with what else is wrong."""
        listed = [
            {"id": "odd", "type": "import", "status": "hibernating"},
            {"id": "slow", "type": "import", "status": "processing"},
        ]
        for answers in (
            [{"json": {"tasks": listed}}] * 20,
            [{"json": {"tasks": [listed[0], {**listed[1], "status": "success"}]}}],
        ):
            self.requests.get(TASKS, answers)
            self.task("hibernating", task_id="odd")
            self.task(*["processing"] * 15, "success", task_id="slow")
            self.requests.get(f"{TASKS}/gone", status_code=404)
            ended = []
            following = self.tasks.follow(["odd", "gone", "slow"])
            error = self.assertRaises(NotFound, ended.extend, following)
            self.assertEqual(["slow"], [task.id for task in ended])
            self.assertIn("Task 'gone' not found", error.messages[0].text)
            self.assertIn("unknown status 'hibernating'", error.messages[1].text)

    def test_a_limit_while_polling(self):
        """A 413 while a task is polled is like any other failed poll: the task continues."""
        limited, task = {"status_code": 413}, {"id": TASK_ID, "type": "export"}
        answers = [limited] * 10 + [{"json": {**task, "status": "success"}}]
        polled = self.requests.get(f"{TASKS}/{TASK_ID}", answers)
        self.assertEqual("success", self.tasks.wait(TASK_ID).status)
        self.assertEqual(12, polled.call_count)
        self.requests.get(f"{TASKS}/{TASK_ID}", status_code=413)
        self.assertRaises(QuotaExceeded, self.tasks.wait, TASK_ID)

    def test_time_outs(self):
        """A GET that times out three times is one that is slow, wherever it is."""
        slow = [{"exc": requests.exceptions.ReadTimeout}] * 3
        done = {"id": TASK_ID, "type": "export", "status": "success"}
        self.requests.get(f"{TASKS}/{TASK_ID}", [*slow, {"json": done}])
        self.assertEqual("success", self.tasks.wait(TASK_ID).status)
        self.requests.get(TASKS, [*slow, {"json": {"tasks": [done]}}])
        self.assertEqual([TASK_ID], [task.id for task in self.tasks.list()])
        self.assertLess(self.stop.now, 30)

    def test_time_is_over(self):
        """The task continues, and the message says how to follow it."""
        self.task("processing")
        error = self.assertRaises(TaskTimeout, self.tasks.wait, TASK_ID, timeout=70)
        self.assertIn(f"Wait for task '{TASK_ID}'", str(error))
        (message,) = error.messages
        self.assertIn(f"openstack image task wait {TASK_ID}", message.worded(WORDINGS))
        self.assertEqual([30, 30, 10], self.stop.waits)

    def test_stopped(self):
        """A stop ends the wait and says that the task continues."""
        self.task("processing")
        self.stop.set()
        error = self.assertRaises(Cancelled, self.tasks.wait, TASK_ID)
        self.assertIn("continues in the cloud", str(error))

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
        self.assertTrue(7.5 <= self.stop.now <= 8, self.stop.now)

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

        def fail(_request, context):
            context.status_code = 503
            self.stop.set()

        self.requests.get(f"{TASKS}/{TASK_ID}", text=fail)
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
    def test_a_single_404_hides_no_task(self):
        """A listed task is found even if one answer denies it: else it would be started again."""
        self.script(("a", "processing"))
        detailed = {"id": "a", "status": "processing", "input": {"image_uuid": "x"}}
        self.requests.get(f"{TASKS}/a", [{"status_code": 404}, {"json": detailed}])
        self.assertEqual("a", self.find("x", running=True).id)

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

    def test_first_page(self):
        """The answer that tells the kind of cloud is the first page of the next search alone."""
        self.script(("a", "success"), ("b", "processing"))
        steps = (
            (lambda: None, 0),
            (self.tasks.exist, 0),
            (lambda: None, 1),  # the page was used
            (lambda: self.tasks.exist() and self.stop.wait(31), 1),
            (lambda: self.tasks.exist() and self.tasks.create("export", {}), 1),
        )
        self.requests.post(TASKS, status_code=201, json=self.task("pending"))
        self.tasks.exist()
        for prepare, listings in steps:
            prepare()
            before = self.listings()
            self.assertEqual("b", self.find("image of b", running=True).id)
            self.assertEqual(listings, self.listings() - before)

    def listings(self):
        return sum(path.startswith("/v2/tasks?") for path in self.polls())

    def test_pages_after_the_first(self):
        """The listing goes on where the first page ends, and shows only tasks of the kind."""
        first = [
            {"id": "a", "type": "import", "status": "processing"},
            {"id": "b", "type": "export", "status": "processing"},
        ]
        last = [{"id": "c", "type": "export", "status": "processing"}]
        self.requests.get(TASKS, json={"tasks": first, "next": "/v2/tasks?marker=b"})
        self.requests.get(f"{TASKS}?marker=b", json={"tasks": last})
        for task_id in "abc":
            self.task("processing", task_id=task_id)
        self.assertTrue(self.tasks.exist())
        found = [task.id for task in self.tasks.with_inputs("export", running=True)]
        self.assertEqual(["b", "c"], found)
        self.assertEqual(2, self.listings())

    def test_several_kinds(self):
        """Tasks of several kinds are one listing, and those of any other kind are not looked at."""
        kinds = {"a": "import", "b": "export", "c": "clone"}
        listed = [{"id": i, "type": kind, "status": "pending"} for i, kind in kinds.items()]
        self.requests.get(TASKS, json={"tasks": listed})
        for task_id, kind in kinds.items():
            self.task("pending", task_id=task_id, kind=kind)
        found = [task.id for task in self.tasks.with_inputs("import", "export", running=True)]
        self.assertEqual(["a", "b"], found)
        self.assertEqual(1 + 2, len(self.polls()))

    def test_details_at_the_same_time(self):
        """The details of several tasks are requested together; the tasks keep their order."""
        names = "abcdefgh"
        self.script(*((name, "success") for name in names))
        together = threading.Barrier(len(names), timeout=60)
        get = self.tasks.get

        def get_together(task_id):
            together.wait()
            return get(task_id)

        with mock.patch.object(self.tasks, "get", get_together):
            found = [task.id for task in self.tasks.with_inputs("export")]
        self.assertEqual(list(names), found)

    def test_an_input_is_read_once(self):
        """Looking again costs one listing, and no request a task."""
        self.script(("a", "success"), ("b", "success"))
        for _ in range(3):
            self.find("none", running=False)
        self.assertEqual(3 + 2, len(self.polls()))


class FailureTest(TaskTestCase):
    def failure(self, message, kind="import"):
        return failure_of(
            Task.parse({"id": "1", "type": kind, "status": "failure", "message": message}),
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
        for message in (
            "Read 41361 bytes, HTTP 404",
            "Swift upload failed: HTTP 413",
            "Error: the object has 396 segments",
            "Error 413 of the proxy",
            "413 segments are missing",
        ):
            error = self.failure(message)
            self.assertIsNone(error.code)
            self.assertIsNone(error.messages[0].hint)
            self.assertIn(f"The service reported: {message}.", str(error))

    def test_a_code_of_another_type_of_task(self):
        """Only imports fail with the documented codes: an export's 413 is something else."""
        for message in ("Swift upload failed: HTTP 413", "Error 413: too large"):
            error = self.failure(message, kind="export")
            self.assertIsNone(error.code)
            self.assertNotIn("virtual size", str(error))
            self.assertIn(f"The service reported: {message}.", str(error))

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
