# SPDX-License-Identifier: Apache-2.0
import contextlib

from oslotest import base

from rackspace_imagetasks.exceptions import Cancelled, NotFound, TaskTimeout
from rackspace_imagetasks.jobs._resumable import kept_in, resumable, resumable_job
from rackspace_imagetasks.messages import Hint


class ResumableTest(base.BaseTestCase):
    def test_how_far_it_got(self):
        """An interrupt reports what is in place, if that is known, and always how to resume."""
        for error, so_far in (
            (Cancelled("stopped"), ""),
            (Cancelled("stopped", kept=2048, total=4096), ", with 2 KiB of 4 KiB in place"),
            (Cancelled("stopped", kept=0, total=4096), ", with 0 bytes of 4 KiB in place"),
        ):
            with (
                self.assertRaises(Cancelled) as caught,
                resumable("sending 'a'", Hint.CLEAN_CONTAINER, container="c"),
            ):
                raise error
            self.assertEqual(
                f"Stopped while sending 'a'{so_far}. Clean container 'c' to delete the rest.",
                str(caught.exception),
            )
            self.assertEqual(
                (error.kept, error.total), (caught.exception.kept, caught.exception.total)
            )

    def test_a_timeout(self):
        """A time-out names the task, for people and for programs, and how to follow it."""
        with (
            self.assertRaises(TaskTimeout) as caught,
            resumable("exporting", Hint.FOLLOW_TASK),
        ):
            raise TaskTimeout("over", task_id="t1")
        self.assertEqual("t1", caught.exception.task_id)
        self.assertEqual(
            "Timed out while exporting; task 't1' is still running. Wait for task 't1' to follow"
            " it.",
            str(caught.exception),
        )

    def test_between_the_steps_of_a_job(self):
        """A job says how to resume it, unless one of its steps has said so."""
        for step, said in (
            (contextlib.nullcontext(), "Stopped while importing. Finished work is kept"),
            (resumable("sending 'a'"), "Stopped while sending 'a'. Finished work is kept"),
        ):
            with (
                self.assertRaises(Cancelled) as caught,
                resumable_job("importing"),
                step,
            ):
                raise Cancelled("Stopped on request.")
            self.assertIn(said, str(caught.exception))

    def test_what_is_left(self):
        """An error names the container of what was uploaded; an interrupt says how to resume."""
        with self.assertRaises(NotFound) as caught, kept_in("c", "region 'R'"):
            raise NotFound("It is gone.")
        self.assertEqual(
            "It is gone.\nWhat was uploaded remains in container 'c' in region 'R'. Another run"
            " uses it, and a cleanup deletes it.",
            str(caught.exception),
        )
        for error in (Cancelled("stopped"), TaskTimeout("over", task_id="t1")):
            with self.assertRaises(type(error)), kept_in("c", "region 'R'"):
                raise error
            self.assertNotIn("remains", str(error))

    def test_other_errors(self):
        """Other errors pass unchanged."""
        with self.assertRaises(NotFound) as caught, resumable("exporting"):
            raise NotFound("Gone.")
        self.assertEqual("Gone.", str(caught.exception))
