# SPDX-License-Identifier: Apache-2.0
import threading

from oslotest import base

from rackspace_imagetasks.batch import run_each
from rackspace_imagetasks.exceptions import Cancelled, NotFound, Refused


class FleetTest(base.BaseTestCase):
    def test_a_failure_does_not_stop_the_others(self):
        """Outcomes come in the subjects' order, each with its result or error."""

        def job(number):
            if number == 2:
                raise NotFound("no 2")
            return number * 10

        outcomes = run_each([1, 2, 3], job, concurrency=2)
        self.assertEqual([10, None, 30], [outcome.result for outcome in outcomes])
        self.assertEqual("no 2", str(outcomes[1].error))

    def test_each_reason_names_its_subject(self):
        """Of an error with several reasons, each line says whose it is."""

        def job(_name):
            raise Refused("too large", "no container")

        (outcome,) = run_each(["web"], job)
        self.assertEqual("web: too large\nweb: no container", outcome.reason)

    def test_some_at_a_time(self):
        """As many jobs run at once as allowed, and no more."""
        both = threading.Barrier(2, timeout=10)
        running, most = [], []

        def job(number):
            running.append(number)
            most.append(len(running))
            both.wait()
            running.remove(number)
            both.wait()

        run_each(range(6), job, concurrency=2)
        self.assertEqual(2, max(most))

    def test_cancelled_jobs_say_how_to_go_on(self):
        """What each job that was stopped says, what failed, and how many were done."""
        begun = threading.Barrier(2, timeout=10)

        def job(number):
            if number == 0:
                return number
            if number == 1:
                raise NotFound("no 1")
            begun.wait()
            raise Cancelled(f"wait for {number}")

        error = self.assertRaises(Cancelled, run_each, range(4), job, concurrency=2)
        self.assertEqual(
            "1: no 1\n2: wait for 2\n3: wait for 3\n1 of 4 were done, 0 not begun.", str(error)
        )

    def test_nothing_is_begun_after_a_stop(self):
        """A job that was stopped is the last one: the next would create a task all the same."""
        begun = []

        def job(number):
            begun.append(number)
            raise Cancelled("stopped")

        error = self.assertRaises(Cancelled, run_each, range(5), job, concurrency=1)
        self.assertEqual([0], begun)
        self.assertIn("0 of 5 were done, 4 not begun.", str(error))

    def test_one_job_speaks_for_itself(self):
        """A single job's words are not wrapped."""

        def job(number):
            raise Cancelled("stopped")

        self.assertEqual("stopped", str(self.assertRaises(Cancelled, run_each, [0], job)))

    def test_a_bug_is_raised_to_the_caller(self):
        """An error that is no ImageTasksError is not swallowed by a thread."""
        self.assertRaises(ZeroDivisionError, run_each, [0], lambda number: 1 // number)
