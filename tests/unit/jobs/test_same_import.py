# SPDX-License-Identifier: Apache-2.0
"""Two runs of the same import at the same instant, in each order of events."""

import functools
from unittest import mock

from rackspace_imagetasks.exceptions import TaskFailed, TransferError
from rackspace_imagetasks.glance.settings import NO_SETTINGS
from rackspace_imagetasks.jobs._completion import delete_duplicate
from rackspace_imagetasks.progress import SILENT
from tests.unit.clouds import OBJECTS
from tests.unit.jobs import importcase
from tests.unit.jobs.importcase import STAGED, image_id

# The listings of tasks that a run without an earlier one makes, in this order.
PLAN, CREATE, CREATED, COMPLETE = range(4)


class TwoRunsTest(importcase.ImportCase):
    """This run's task is 'own-0', created at second 30; the other run's is 'other'."""

    def at(self, listing, action):
        """Have something happen just before a listing."""
        self.glance.at_listings = [None] * listing + [action]

    def other_task(self, second, task_id="other", **details):
        return functools.partial(self.glance.task, task_id, second, **details)

    def run_import(self, **changes):
        found = super().run_import(**changes)
        self.assertEqual([], self.glance.at_listings, "the event did not happen")
        return found

    def images_of(self, task_id):
        return self.glance.tasks[task_id]["result"]["image_id"]

    def require_other(self, found):
        """Check that this run has deleted its own image, and completed the other's."""
        other = self.images_of("other")
        self.assertEqual("other", found.task_id)
        self.require_image(found, other, images=[other])
        self.assertIn(("DELETE", self.images_of("own-0")), self.changes())

    def require_own(self, found):
        """Check that this run has completed its own image, and deleted none."""
        self.assertEqual("own-0", found.task_id)
        self.assertIn(("PATCH", found.image_id), self.changes())
        self.assertEqual(self.images_of("own-0"), found.image_id)
        self.assertEqual([STAGED.partition("/")[2]], self.deleted())

    def deleted(self):
        return [name for method, name in self.changes() if method == "DELETE"]

    def test_the_other_task_is_earlier(self):
        """It is followed, whenever it is seen first; it is never created twice."""
        for listing in (CREATED, COMPLETE):
            self.glance.tasks.clear()
            self.glance.images.clear()
            self.at(listing, self.other_task(29))
            self.require_other(self.run_import())

    def test_the_other_task_is_seen_before_this_one_is_created(self):
        """No second task is created."""
        self.at(CREATE, self.other_task(29))
        self.assertEqual("other", self.run_import().task_id)
        self.assertEqual(["other"], list(self.glance.tasks))

    def test_the_other_task_is_later(self):
        """The other run deletes its image itself."""
        for listing in (CREATED, COMPLETE):
            self.glance.tasks.clear()
            self.glance.images.clear()
            self.requests.reset_mock()
            self.at(listing, self.other_task(31))
            self.require_own(self.run_import())

    def test_the_same_second(self):
        """The IDs decide, for both runs alike."""
        self.at(CREATED, self.other_task(30, "zzz"))
        self.require_own(self.run_import())
        self.glance.tasks.clear()
        self.glance.images.clear()
        self.at(CREATED, self.other_task(30, "aaa"))
        self.assertEqual("aaa", self.run_import().task_id)

    def test_the_other_image_is_complete(self):
        """A complete image is the one, even if its task is later; this run's is deleted."""
        for listing in (CREATED, COMPLETE):
            self.glance.tasks.clear()
            self.glance.images.clear()
            self.glance.at_listings = []

            complete = functools.partial(self.glance.complete_image, 99, 40)
            if listing == CREATED:
                create = self.glance._create

                def created(request, context, create=create, complete=complete):
                    complete()
                    return create(request, context)

                self.requests.post(importcase.TASKS, json=created, status_code=201)
            else:
                self.requests.post(importcase.TASKS, json=self.glance._create, status_code=201)
                self.glance.at_ticks = [complete]
            found = self.run_import()
            self.require_image(found, image_id(99), images=[image_id(99)])
            self.assertEqual("already imported", found.status)

    def test_the_other_task_fails(self):
        """This run's own image is kept, and completed."""
        self.at(CREATED, self.other_task(29))
        self.glance.outcomes["other"] = "Error 111"
        self.require_own(self.run_import())

    def test_both_tasks_fail(self):
        """The failure of the task that was followed is reported."""
        self.at(CREATED, self.other_task(29))
        self.glance.outcomes.update({"other": "Error 111", "own-0": "Error 396"})
        error = self.assertRaises(TaskFailed, self.run_import)
        self.assertEqual("other", error.task_id)
        self.assertEqual([], self.deleted())

    def test_this_task_fails_after_the_other_run_has_finished(self):
        """The other run deleted the object before this task read it."""
        self.glance.outcomes["own-0"] = "Error: Image not found for import."
        self.glance.at_ticks = [lambda: self.glance.complete_image(99)]
        found = self.run_import()
        self.require_image(found, image_id(99), images=[image_id(99)])

    def test_this_task_fails_while_the_other_runs(self):
        """The other task is followed, though it is later."""
        self.at(CREATED, self.other_task(31))
        self.glance.outcomes["own-0"] = "Error: Image not found for import."
        found = self.run_import()
        self.assertEqual(("other", self.images_of("other")), (found.task_id, found.image_id))

    def test_the_upload_fails_after_the_other_run_has_finished(self):
        """The other run deleted the segments that this one has counted on."""

        def refuse(_request, context):
            self.glance.complete_image(99)
            context.status_code = 400
            return ""

        self.requests.put(f"{OBJECTS}/{STAGED}", text=refuse)
        self.assertEqual(image_id(99), self.run_import().image_id)
        self.assertEqual({}, self.glance.tasks)

    def test_the_upload_fails(self):
        """Without another run, the failure is reported."""
        self.requests.put(f"{OBJECTS}/{STAGED}", status_code=400)
        self.assertRaises(TransferError, self.run_import)

    def test_a_run_that_does_not_wait(self):
        """It returns the earlier task, so that a later run completes that task's image."""
        self.at(CREATED, self.other_task(29))
        progress = self.tasks.cloud.progress = mock.Mock(wraps=SILENT)
        started = self.plan(settings=NO_SETTINGS).with_earlier_run().start()
        self.assertEqual(("other", "processing"), (started.task_id, started.status))
        self.assertEqual(["own-0", "other"], list(self.glance.tasks))
        self.assertEqual("own-0", started.duplicate_task_id)
        (said,) = [str(call.args[0]) for call in progress.message.call_args_list]
        self.assertIn("already importing image 'web' with task 'other'. Task 'own-0'", said)
        self.assertIn("Wait for task 'own-0'", said)
        self.assertEqual("other", self.run_import().task_id)

    def test_a_run_that_does_not_wait_and_is_earlier(self):
        """It has no duplicate to report."""
        progress = self.tasks.cloud.progress = mock.Mock(wraps=SILENT)
        self.at(CREATED, self.other_task(31))
        started = self.plan(settings=NO_SETTINGS).with_earlier_run().start()
        self.assertEqual(("own-0", None), (started.task_id, started.duplicate_task_id))
        progress.message.assert_not_called()

    def test_a_new_copy(self):
        """It ignores the earlier task, and deletes nothing."""
        self.glance.at_ticks = [self.other_task(29)]
        self.require_own(self.run_import(new_copy=True))
        self.assertIn("other", self.glance.tasks)


class DuplicateTest(importcase.ImportCase):
    """Only an image that this run's own task created, and nobody completed, is deleted."""

    def delete(self, **changes):
        task = self.glance.task("own-0", 30)
        self.glance.succeed(task, **changes)
        plan = self.plan()
        delete_duplicate(plan._same, plan.cloud.tasks.get("own-0"), None)
        return list(self.glance.images)

    def test_deleted(self):
        """An image without marks."""
        self.assertEqual([], self.delete())

    def test_marked(self):
        """An image that another run has completed, or that has been transferred."""
        for key in ("image_task_import", "image_task_source"):
            self.glance.images.clear()
            self.assertEqual([image_id(10)], self.delete(**{key: "x"}))

    def test_another_image(self):
        """An image that the task cannot have created."""
        for changes in ({"name": "db"}, {"owner": "f" * 32}, {"created_at": "2025-01-01"}):
            self.glance.images.clear()
            self.assertEqual([image_id(10)], self.delete(**changes))

    def test_failed(self):
        """A task that has failed has no image."""
        task = self.glance.task("own-0", 30, "failure", message="Error 396")
        plan = self.plan()
        delete_duplicate(plan._same, plan.cloud.tasks.get(task["id"]), None)
        self.assertEqual([], self.methods())
