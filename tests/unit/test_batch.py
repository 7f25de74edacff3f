# SPDX-License-Identifier: Apache-2.0
import logging
import threading

import fixtures
from oslotest import base
from testtools import matchers

from rackspace_imagetasks.batch import run_each
from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError, NotFound, Refused
from rackspace_imagetasks.messages import Hint, Message


class BatchTest(base.BaseTestCase):
    def test_a_failure_does_not_stop_the_others(self):
        """Outcomes are in the order of the subjects, each with its result or error."""

        def job(number):
            if number == 2:
                raise NotFound("no 2")
            return number * 10

        outcomes = run_each([1, 2, 3], job, concurrency=2)
        self.assertEqual([10, None, 30], [outcome.result for outcome in outcomes])
        self.assertEqual("no 2", str(outcomes[1].error))

    def test_each_reason_names_its_subject(self):
        """Each line of an error with several reasons begins with the subject."""

        def job(_name):
            raise Refused("too large", "no container")

        (outcome,) = run_each(["web"], job)
        self.assertEqual("web: too large\nweb: no container", outcome.reason)

    def test_concurrency(self):
        """As many jobs run at the same time as allowed, and no more."""
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

    def test_cancelled_jobs_are_summarized(self):
        """The error has what each cancelled or failed job reported, and how many completed."""
        together = threading.Barrier(2, timeout=10)

        def job(number):
            if number == 0:
                return number
            if number == 1:
                raise NotFound("no 1")
            together.wait()
            raise Cancelled(f"wait for {number}")

        error = self.assertRaises(Cancelled, run_each, range(4), job, concurrency=2)
        self.assertEqual(
            "1: no 1\n2: wait for 2\n3: wait for 3\n"
            "1 of 4 jobs succeeded, 3 failed or stopped, 0 not started.",
            str(error),
        )

    def test_no_job_starts_after_a_cancellation(self):
        """No job is started after one was cancelled: it would create a task all the same."""
        started = []

        def job(number):
            started.append(number)
            raise Cancelled("stopped")

        error = self.assertRaises(Cancelled, run_each, range(5), job, concurrency=1)
        self.assertEqual([0], started)
        self.assertIn("0 of 5 jobs succeeded, 1 failed or stopped, 4 not started.", str(error))

    def test_single_job(self):
        """The message of a single job is passed on as it is."""

        def job(number):
            raise Cancelled("stopped")

        self.assertEqual("stopped", str(self.assertRaises(Cancelled, run_each, [0], job)))

    def test_an_unexpected_exception_is_one_subjects_error(self):
        """An exception of any type is the error of its subject only, and is logged in full."""
        logger = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))

        def job(number):
            if number == 0:
                return 1 // number
            if number == 1:
                return b"\xff".decode()
            return number

        outcomes = run_each([0, 1, 2], job, concurrency=1)
        self.assertEqual([None, None, 2], [outcome.result for outcome in outcomes])
        causes = [type(outcome.error.__cause__) for outcome in outcomes[:2]]
        self.assertEqual([ZeroDivisionError, UnicodeDecodeError], causes)
        self.assertThat(
            outcomes[0].reason, matchers.StartsWith("0: Unexpected error: ZeroDivisionError: ")
        )
        self.assertIs(ImageTasksError, type(outcomes[0].error))
        self.assertIn("Traceback", logger.output)
        self.assertIn("1 // number", logger.output)

    def test_an_exception_that_ends_programs_is_raised(self):
        """SystemExit in a job reaches the caller."""

        def job(_number):
            raise SystemExit(3)

        self.assertRaises(SystemExit, run_each, [0], job)

    def test_hints_are_kept(self):
        """The messages of an outcome and of a cancelled batch carry the hints of the errors."""

        def job(number):
            if number == 0:
                raise NotFound(Message("no container.", Hint.CREATE_CONTAINER))
            raise Cancelled(Message("stopped.", Hint.CHOOSE_CONTAINER))

        error = self.assertRaises(Cancelled, run_each, [0, 1], job, concurrency=1)
        self.assertEqual(
            [("0: no container.", Hint.CREATE_CONTAINER), ("1: stopped.", Hint.CHOOSE_CONTAINER),
             ("0 of 2 jobs succeeded, 2 failed or stopped, 0 not started.", None)],
            [(message.text, message.hint) for message in error.messages],
        )  # fmt: skip
