# SPDX-License-Identifier: Apache-2.0
"""An import: what is sent, in which order, and what an earlier run has done of it."""

import threading
from unittest import mock

import requests

from rackspace_imagetasks.exceptions import (
    AccessDenied,
    Cancelled,
    ImageTasksError,
    IntegrityError,
    QuotaExceeded,
    Refused,
    ServiceError,
    TaskTimeout,
)
from rackspace_imagetasks.formats.vhd import VirtualVhd
from rackspace_imagetasks.glance.settings import NO_SETTINGS, ImageSettings
from rackspace_imagetasks.jobs import imports, marks
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.profile import RACKSPACE
from tests.unit.clouds import OBJECTS
from tests.unit.formats.vhd.builder import MIB, Image
from tests.unit.jobs import importcase
from tests.unit.jobs.importcase import IMAGES, INPUT, STAGED, TASKS, image_id

OBJECT_NAME = STAGED.partition("/")[2]


class OrderTest(importcase.ImportCase):
    def test_the_staged_object_is_deleted_last(self):
        """Upload, import, completion in one request, and only then the deletion."""
        found = self.run_import()
        self.require_image(found, image_id(10), images=[image_id(10)])
        self.assertEqual(
            [
                ("PUT", OBJECT_NAME),
                ("POST", "tasks"),
                ("PATCH", image_id(10)),
                ("DELETE", OBJECT_NAME),
            ],
            self.changes()[-4:],
        )
        (sent,) = (
            r
            for r in self.requests.request_history
            if r.url == f"{OBJECTS}/{STAGED}" and r.method == "PUT"
        )
        self.assertEqual(str(RACKSPACE.staging_lifetime), sent.headers["X-Delete-After"])
        self.assertEqual(7 * 24 * 60 * 60, RACKSPACE.staging_lifetime)

    def quota(self, size):
        headers = {"X-Container-Meta-Quota-Bytes": str(size)}
        self.requests.head(f"{OBJECTS}/image-imports", headers=headers)

    def test_quota(self):
        """A quota that is too small is reported with the other reasons; nothing is sent."""
        self.quota(2)
        error = self.assertRaises(Refused, self.checked)
        other, quota = sorted(map(str, error.messages))
        self.assertIn("error", other)
        self.assertEqual(
            "Container 'image-imports' in region 'DFW' has a quota of 2 bytes and holds 0 bytes:"
            " there is room for 2 bytes, but 3 bytes are needed. Delete objects that are not"
            " needed, or ask for a higher quota.",
            quota,
        )
        self.assertEqual([], self.changes())

    def test_quota_without_an_upload(self):
        """What was imported before needs no room."""
        vhd = VirtualVhd(Image(4 * MIB))
        self.quota(vhd.size - 1)
        self.assertRaises(Refused, self.checked, source=vhd)
        self.glance.complete_image(1)
        self.assertEqual(image_id(1), self.checked(source=vhd).existing.id)

    def test_timeout(self):
        """It ends the wait for the task, and the message says how to resume; the object stays."""
        self.glance.held.add("own-0")
        error = self.assertRaises(TaskTimeout, self.run_import, timeout=0.01)
        self.assertIn("repeat the import to follow it and complete the image", str(error))
        self.assertEqual("POST", self.methods()[-1])
        self.assertEqual([STAGED], list(self.objects))

    def test_stopped(self):
        """A stop ends the upload, too; no task is created."""
        over = threading.Event()
        self.addCleanup(over.set)

        def stall(_request, _context):
            self.tasks.cloud.stop.set()
            over.wait(60)
            return ""

        self.requests.put(f"{OBJECTS}/{STAGED}", text=stall)
        error = self.assertRaises(Cancelled, self.run_import)
        self.assertIn("repeat the job to resume", str(error))
        self.assertEqual({}, self.glance.tasks)

    def test_stopped_before_the_settings(self):
        """A stop between the end of the task and the settings says how to finish the job."""
        ours, stopped = image_id(10), []

        def stop(_request, _context):
            stopped.append(ours)
            self.tasks.cloud.stop.set()
            return self.glance.images[ours]

        self.requests.get(f"{IMAGES}/{ours}", json=stop)
        error = self.assertRaises(Cancelled, self.run_import)
        self.assertEqual(
            "Stopped while importing image 'web'. Finished work is kept; repeat the job to resume.",
            str(error),
        )
        self.assertEqual([ours], stopped)
        self.assertNotIn("PATCH", self.methods())
        self.assertIn(STAGED, self.objects)

    def test_an_object_that_another_task_reads_stays(self):
        """Another import of the same object has begun meanwhile, under another name."""

        def another():
            self.glance.held.add("theirs")
            self.glance.task("theirs", 40, input=INPUT | {"image_properties": {"name": "db"}})

        self.glance.at_listings = [None, None, None, another]
        self.run_import()
        self.assertEqual([], self.glance.at_listings)
        self.assertNotIn("DELETE", self.methods())
        self.assertEqual([STAGED], list(self.objects))

    def test_settings_need_a_finished_image(self):
        """Without waiting, settings are refused before anything is sent."""
        self.assertRaises(Refused, self.plan().with_earlier_run().start)
        self.assertEqual([], self.changes())


class ReportedImageTest(importcase.ImportCase):
    """What a task reports as its image is checked before anything is changed."""

    def require_untouched(self, error, text):
        self.assertIn(text, str(error))
        self.assertIn("own-0", str(error))
        self.assertEqual(set(), {"PATCH", "DELETE"} & set(self.methods()))

    def reports(self, result):
        self.glance.at_listings = [
            None,
            None,
            lambda: self.glance.tasks["own-0"].update(status="success", result=result),
        ]
        return self.run_import

    def test_no_image(self):
        """A task that reports no image at all."""
        for result in ({}, {"image_id": ""}, {"image_id": 7}, None):
            self.glance.tasks.clear()
            error = self.assertRaises(ServiceError, self.reports(result))
            self.require_untouched(error, "does not report which image")

    def test_no_uuid(self):
        """A text that is not a UUID never gets into a URL."""
        for reported in ("../../../v2/images/X", f"{image_id(1)}/..", image_id(1)[:-1], "X\n"):
            self.glance.tasks.clear()
            error = self.assertRaises(IntegrityError, self.reports({"image_id": reported}))
            self.require_untouched(error, "not an image ID")
        self.assertEqual([], [url for url in self.sent("GET") if "images/" in url])

    def test_no_such_image(self):
        """The image does not exist."""
        error = self.assertRaises(IntegrityError, self.reports({"image_id": image_id(1)}))
        self.require_untouched(error, "does not exist")

    def test_another_image(self):
        """Another project's image, by another name, older than the task, or not active."""
        for changes, text in (
            ({"owner": "f" * 32}, "belongs to another project"),
            ({"name": "db"}, "is called 'db' instead of 'web'"),
            ({"second": 29}, "created at 2026-01-01T00:00:29Z, before the task"),
            ({"status": "saving"}, "has the status 'saving'"),
        ):
            self.glance.tasks.clear()
            other = self.glance.image(1, **{"second": 30, **changes})
            error = self.assertRaises(IntegrityError, self.reports({"image_id": other}))
            self.require_untouched(error, text)
            self.assertIn(other, str(error))

    def test_times_that_are_equal_or_unknown(self):
        """They do not contradict the task."""
        for created in ("2026-01-01T00:00:30Z", "2026-01-01T00:00:30.5", "", "soon", None):
            self.glance.tasks.clear()
            self.glance.images.clear()
            ours = self.glance.image(1, created_at=created)
            self.assertEqual(ours, self.reports({"image_id": ours})().image_id)

    def test_read_back(self):
        """An image that lacks the mark after its completion, or is not active, is not done."""
        self.requests.patch(f"{IMAGES}/{image_id(10)}", json={})
        error = self.assertRaises(IntegrityError, self.run_import)
        self.assertIn("lacks the properties that were set", str(error))
        self.assertIn(STAGED, self.objects)


class RefusedSettingsTest(importcase.ImportCase):
    def refused(self, status, **changes):
        """Have each change of an image answered with a status; return the error of a run."""
        patched = self.requests.patch(f"{IMAGES}/{image_id(10)}", status_code=status)
        self.glance.tasks.clear()
        self.glance.images.clear()
        error = self.assertRaises(ImageTasksError, self.run_import, **changes)
        self.assertGreater(patched.call_count, 0)
        self.assertIn(STAGED, self.objects)
        (message,) = error.messages
        return error, message

    def test_the_error(self):
        """It names the image, the settings that are missing, and one next step."""
        settings = ImageSettings({"os_distro": "debian"}, ("gold",), min_disk=5)
        for status, kind, hint in (
            (403, AccessDenied, Hint.RETRY_WITHOUT_SETTING),
            (413, QuotaExceeded, Hint.RETRY_WITHOUT_SETTING),
            (400, ServiceError, Hint.RETRY_WITHOUT_SETTING),
            (503, ServiceError, Hint.RESUME),
        ):
            error, message = self.refused(status, settings=settings)
            self.assertIsInstance(error, kind)
            self.assertEqual(hint, message.hint)
            self.assertIn(f"Image 'web' ({image_id(10)}) was imported, but", message.text)
            missing = "Missing: os_distro, image_task_import, image_task_imported, tags, min_disk."
            self.assertIn(missing, message.text)
            self.assertIn(f"returned {status}", message.text)

    def test_nothing_that_could_be_omitted(self):
        """Without settings, and in a transfer, no setting can be omitted: the run is repeated."""
        origin = marks.transfer_mark("origin")
        for changes in ({"settings": NO_SETTINGS}, {"mark": origin}):
            self.assertEqual(Hint.RESUME, self.refused(413, **changes)[1].hint)

    def test_what_was_applied(self):
        """Settings that were applied before the refusal are not called missing."""
        patch = self.glance._patch

        def refuse_visibility(request, context):
            if "/visibility" not in request.text:
                return patch(request, context)
            context.status_code = 403
            return {}

        self.requests.patch(f"{IMAGES}/{image_id(10)}", json=refuse_visibility)
        settings = ImageSettings(tags=("gold",), visibility="public")
        error = self.assertRaises(AccessDenied, self.run_import, settings=settings)
        self.assertIn("Missing: visibility.", str(error))


class EarlierRunTest(importcase.ImportCase):
    def earlier(self, **changes):
        """Have the successful task of an earlier run, and its image."""
        task = self.glance.task("earlier", 5)
        self.glance.succeed(task, **changes)
        return task["result"]["image_id"]

    def test_already_imported(self):
        """The completed image is found when neither object nor task exists, and nothing is sent."""
        ours = self.glance.complete_image(1)
        plan = self.plan(settings=NO_SETTINGS).with_earlier_run()
        for result in (plan.preview(), plan.run(), plan.start()):
            self.assertEqual(("already imported", ours), (result.status, result.image_id))
            self.assertIsNone(result.task_id)
        self.assertIn("request a new copy", str(plan.warnings[0]))
        self.assertEqual([], self.changes())

    def test_already_imported_with_other_settings(self):
        """The settings of this run are applied, and an object that was left behind is deleted."""
        ours = self.glance.complete_image(1)
        self.stage()
        found = self.run_import()
        self.require_image(found, ours, images=[ours])
        self.assertEqual([("PATCH", ours), ("DELETE", OBJECT_NAME)], self.changes())
        self.run_import()
        self.assertEqual(2, len(self.changes()))  # the image has these settings now

    def test_what_is_not_the_image(self):
        """An inherited mark, an image that is not active, and another project's do not count."""
        self.glance.image(1, image_task_import=importcase.MARK, image_task_imported=image_id(9))
        self.glance.complete_image(2)
        self.glance.images[image_id(2)]["status"] = "deactivated"
        self.glance.complete_image(3)
        self.glance.images[image_id(3)].update(owner="f" * 32, visibility="public")
        self.glance.complete_image(4, mark="web-fedcba9876543210.vhd")
        self.glance.image(5, image_task_import=importcase.MARK, image_task_marked=image_id(5))
        self.assertEqual(image_id(15), self.run_import().image_id)
        self.assertIn("POST", self.methods())

    def test_the_oldest_of_several(self):
        """Of several copies, the oldest is the image."""
        for number, second in ((1, 9), (2, 3), (3, 5)):
            self.glance.complete_image(number, second)
        self.assertEqual(image_id(2), self.run_import().image_id)

    def test_a_lost_answer_makes_no_second_image(self):
        """The POST is dropped, its task not seen yet: the next run follows it and sends nothing."""
        self.requests.post(TASKS, exc=requests.ConnectionError)
        self.assertRaises(ServiceError, self.run_import)
        self.glance.task("lost", 30)
        before = len(self.changes())
        self.require_image(self.run_import(), image_id(10), images=[image_id(10)])
        self.assertEqual(["PATCH", "DELETE"], self.methods()[before:])

    def test_a_success_that_was_not_completed_is_completed(self):
        """Killed between the task's end and the settings: no task is created again."""
        ours = self.earlier()
        self.stage()
        self.require_image(self.run_import(), ours, images=[ours])
        self.assertEqual(["PATCH", "DELETE"], self.methods())

    def test_a_success_without_its_object_is_completed(self):
        """The record of the task is enough: without waiting, nobody marks the image."""
        ours = self.earlier()
        started = self.plan(settings=NO_SETTINGS).with_earlier_run().start()
        self.assertEqual((ours, "success"), (started.image_id, started.status))
        self.assertEqual(["PATCH"], self.methods())
        self.require_image(self.run_import(), ours, images=[ours])

    def test_a_success_whose_image_is_gone_is_imported_again(self):
        """Neither the record of a task nor the staged object is proof of an image."""
        gone = self.earlier()
        del self.glance.images[gone]
        self.stage()
        self.run_import()
        self.assertIn("POST", self.methods())

    def test_another_image_of_an_earlier_task_is_left_alone(self):
        """An earlier task that reports what it cannot have created does not count."""
        other = self.earlier(name="db")
        found = self.run_import()
        self.assertNotEqual(other, found.image_id)
        self.assertNotIn(("PATCH", other), self.changes())

    def test_a_kept_object_is_not_deleted(self):
        """What an earlier run kept on request is kept, and its image is found."""
        ours = self.glance.complete_image(1)
        self.stage(expires=False)
        plan = self.checked(source=VirtualVhd(Image(4 * MIB)))
        self.assertIn("will not be deleted", str(plan.warnings[0]))
        self.assertEqual((ours, STAGED), (plan.run().image_id, plan.run().location))
        self.assertEqual({"PATCH"}, set(self.methods()))

    def test_a_new_copy(self):
        """It is imported even so, and both images are kept; the object of the first stays."""
        first = self.glance.complete_image(1)
        self.earlier()
        self.stage(expires=False)
        plan = self.checked(source=VirtualVhd(Image(4 * MIB)), new_copy=True)
        copy = plan.run().image_id
        self.assertNotIn(copy, (first, image_id(11)))
        self.assertEqual(3, len(self.glance.images))
        self.assertIn("POST", self.methods())
        self.assertNotIn("DELETE", self.methods())

    def test_a_new_copy_that_was_interrupted_is_followed(self):
        """A task that is still running is followed, so that a second run resumes."""
        self.glance.complete_image(1)
        self.glance.task("running", 5)
        self.assertEqual("running", self.run_import(new_copy=True).task_id)
        self.assertNotIn("POST", self.methods())


class ProblemsTest(importcase.ImportCase):
    def test_order_of_failures(self):
        """Of several lookups that fail, the same one is reported whichever fails first."""
        others = threading.Semaphore(0)

        def fail_first(*_arguments):
            others.release()
            raise ServiceError("Another problem.")

        def fail_last(*_arguments):
            for _ in range(3):
                self.assertTrue(others.acquire(timeout=60))
            raise AccessDenied("No access to the container.")

        vhd = VirtualVhd(Image(4 * MIB))
        with (
            mock.patch.object(imports.ImportPlan, "find_earlier", fail_first),
            mock.patch.object(ObjectStore, "head_object", fail_first),
            mock.patch.object(ObjectStore, "account_usage", fail_first),
            mock.patch.object(ObjectStore, "container_usage", fail_last),
        ):
            error = self.assertRaises(AccessDenied, self.checked, source=vhd)
        self.assertEqual("No access to the container.", str(error))

    def test_refusals_come_first(self):
        """A refusal is reported before a lookup that fails, and does not wait for it."""
        vhd = VirtualVhd(Image(4 * MIB))
        released = threading.Event()
        self.addCleanup(released.set)
        with mock.patch.object(imports.ImportPlan, "find_earlier", lambda _plan: released.wait(60)):
            error = self.assertRaises(Refused, self.checked, source=vhd, name="x" * 256)
        self.assertIn("255", str(error))
        self.assertFalse(released.is_set())


class ObjectTest(importcase.ImportCase):
    """A user's own object: its name does not stand for its content."""

    def setUp(self):
        super().setUp()
        vhd = VirtualVhd(Image(40 * MIB))
        self.vhd = vhd.read_at(0, vhd.size)
        self.objects[STAGED] = importcase.headers_of(self.vhd, expires=False)
        self.requests.get(f"{OBJECTS}/{STAGED}", content=self._range)

    def _range(self, request, context):
        start, end = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        context.status_code = 206
        context.headers["ETag"] = self.objects[STAGED]["ETag"]
        context.headers["Content-Range"] = f"bytes {start}-{end}/{len(self.vhd)}"
        return self.vhd[start : end + 1]

    def replace(self, time):
        self.objects[STAGED] |= {"ETag": "0" * 32, "Last-Modified": time}

    def plan_object(self, name="web", **changes):
        return self.tasks.plan_import_object(ObjectName.parse(STAGED), name, **changes)

    def test_once(self):
        """The second run finds the image; another name is another import."""
        found = self.plan_object().run()
        self.assertEqual("success", found.status)
        again = self.plan_object().run()
        self.assertEqual(("already imported", found.image_id), (again.status, again.image_id))
        self.assertEqual(1, self.methods().count("POST"))
        self.assertNotEqual(found.image_id, self.plan_object("db").run().image_id)
        copy = self.plan_object(new_copy=True).run()
        self.assertEqual(3, len(self.glance.images))
        self.assertEqual("success", copy.status)

    def test_a_running_task_is_followed_for_its_name(self):
        """A user's own object can become two images at the same time, each with its own name."""
        self.glance.task("running", 5)
        self.assertEqual("running", self.plan_object().task.id)
        self.assertIsNone(self.plan_object("db").task)

    def test_replaced(self):
        """Other content is another import; a task from before read the former content."""
        found = self.plan_object().run()
        self.glance.task("running", 31)
        self.replace("Thu, 01 Jan 2026 00:00:50 GMT")
        plan = self.plan_object()
        self.assertEqual((None, None), (plan.existing, plan.task))
        self.assertNotEqual(found.image_id, plan.run().image_id)

    def test_written_in_the_second_of_the_task(self):
        """One service rounds its times up, the other down: the task is the same import's."""
        self.glance.task("running", 5)
        for second, found in ((6, "running"), (7, None)):
            time = f"Thu, 01 Jan 2026 00:00:{second:02d} GMT"
            self.objects[STAGED]["Last-Modified"] = time
            task = self.plan_object().task
            self.assertEqual(found, task and task.id)

    def test_replaced_in_the_second_of_the_import(self):
        """The times are equal, so the mark of the image decides that its content is another."""
        found = self.plan_object().run()
        self.replace("Thu, 01 Jan 2026 00:00:31 GMT")
        plan = self.plan_object()
        self.assertEqual((None, None), (plan.existing, plan.task))
        self.assertNotEqual(found.image_id, plan.run().image_id)
        self.assertEqual(2, len(self.glance.images))

    def test_replaced_in_the_second_of_a_running_import(self):
        """The other run marks the image with the former content: this run leaves it alone."""
        task = self.glance.task("running", 30)
        self.glance.held.add("running")
        self.replace("Thu, 01 Jan 2026 00:00:31 GMT")
        marked = marks.import_mark("former").properties(image_id(10))
        self.glance.at_ticks = [lambda: self.glance.succeed(task, **marked)]
        error = self.assertRaises(IntegrityError, self.plan_object().run)
        self.assertEqual([], self.glance.at_ticks)
        self.assertIn("Task 'running' imported former content", str(error))
        self.assertEqual(Hint.RESUME, error.messages[0].hint)
        self.assertEqual([], self.methods())
        self.assertNotEqual(image_id(10), self.plan_object().run().image_id)

    def test_replaced_during_the_import(self):
        """Nobody knows what was read: the image gets no mark, and the new object is kept."""
        plan = self.plan_object(delete_object=True)
        self.glance.at_listings = [lambda: self.objects[STAGED].update(ETag="0" * 32)]
        found = plan.run()
        self.assertEqual([], self.glance.at_listings)
        self.assertNotIn("image_task_import", self.glance.images[found.image_id])
        self.assertIn(STAGED, self.objects)

    def test_deleted_after_the_import(self):
        """The image of an object that its import deleted is found; a new copy is refused."""
        found = self.plan_object(delete_object=True).run()
        self.assertEqual({}, self.objects)
        again = self.plan_object(delete_object=True).run()
        self.assertEqual(("already imported", found.image_id), (again.status, again.image_id))
        self.assertRaises(Refused, self.plan_object, new_copy=True)
        self.assertRaises(Refused, self.plan_object, "db")
