# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from rackspace_imagetasks.exceptions import Cancelled, NotFound, TaskTimeout
from rackspace_imagetasks.jobs.resumable import hinting, resumable


class ResumableTest(base.BaseTestCase):
    def test_how_far_it_is(self):
        """What is in place of how much is said where it is known, and how to go on, always."""
        for error, so_far in (
            (Cancelled("stopped"), ""),
            (Cancelled("stopped", kept=2048, total=4096), ", with 2 KiB of 4 KiB in place"),
            (Cancelled("stopped", kept=0, total=4096), ", with 0 bytes of 4 KiB in place"),
        ):
            with self.assertRaises(Cancelled) as caught, resumable("sending 'a'", "Go on so."):
                raise error
            self.assertEqual(f"Stopped while sending 'a'{so_far}. Go on so.", str(caught.exception))

    def test_time_is_over(self):
        """The end of the time to wait names the task, for people and for programs."""
        with self.assertRaises(TaskTimeout) as caught, resumable("exporting"):
            raise TaskTimeout("over", task_id="t1")
        self.assertEqual("t1", caught.exception.task_id)
        self.assertIn("while exporting. Task t1 goes on in the cloud.", str(caught.exception))

    def test_hint(self):
        """A hint is added to both, and the task is still known; other errors are left alone."""
        for error in (Cancelled("Over."), TaskTimeout("Over.", task_id="t1")):
            with self.assertRaises(type(error)) as caught, hinting("Go on so."):
                raise error
            self.assertEqual("Over. Go on so.", str(caught.exception))
        self.assertEqual("t1", caught.exception.task_id)
        with self.assertRaises(NotFound) as caught, hinting("Go on so."):
            raise NotFound("Gone.")
        self.assertEqual("Gone.", str(caught.exception))
