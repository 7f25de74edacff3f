# SPDX-License-Identifier: Apache-2.0
"""Transfers of an image to several targets: what they share, and that they fail one by one."""

import dataclasses
import threading
import types
from unittest import mock

import fixtures
from oslotest import base

from rackspace_imagetasks.batch import Outcome
from rackspace_imagetasks.exceptions import Cancelled, Refused, ServiceError, TransferError
from rackspace_imagetasks.glance.settings import NO_SETTINGS
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.jobs import transfer_run
from rackspace_imagetasks.jobs.sharing import ALONE, Shared, SharedSteps
from rackspace_imagetasks.jobs.transfer_batch import TransferBatch
from rackspace_imagetasks.jobs.transfer_run import TransferRun
from rackspace_imagetasks.messages import Message
from rackspace_imagetasks.objects.connections import Connections
from rackspace_imagetasks.objects.data_transfer import TransferOptions
from rackspace_imagetasks.progress import SILENT
from rackspace_imagetasks.threads import ThreadPool
from tests.unit.test_policy import WEB

PATIENCE = 60  # seconds until a test takes a thread to be stuck
PARTS = 5


class Source:
    """A cloud whose image has some parts; it counts what is done there.

    :ivar done: `export`, the numbers of the parts that were read, `mark` and `clean`, in order.
    """

    region, place, progress = "DFW", ("identity.test", "DFW"), SILENT

    def __init__(self):
        self.stop = threading.Event()
        self.cancellation = Cancellation(abort=self.stop)
        self.done = []
        self.failing = {}  # by what would be done, the error

    def act(self, step):
        self.done.append(step)
        if error := self.failing.get(step):
            raise error

    def until(self, _abort):
        return self

    # As a departure

    warnings = (Message("The image is large."),)

    def prepare(self, _timeout):
        self.act("export")

    def finish(self, users, *, keep_objects):
        self.users = users
        self.act("keep" if keep_objects else "clean")

    def receive(self, number):
        def chunks(_service):
            self.act(number)
            yield b"1"
            yield b"2"

        return chunks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan(TransferRun):
    """A transfer that reads all parts.

    :ivar fails_at: the part at which the target fails.
    :ivar options: the transfer options of its run.
    """

    reads_in_order = True

    fails_at: int = PARTS
    options: list[TransferOptions] = dataclasses.field(default_factory=list)

    def _transfer(self, timeout, transfer):
        self.options.append(transfer)
        self._prepare(timeout)
        read = b""
        for number in range(PARTS):
            if number == self.fails_at:
                raise TransferError(f"{self.target.region} is full.")
            receive = self.source.receive(number)
            read += b"".join(self.sharing.reader.chunks(number, self.source, receive))
        assert read == b"12" * PARTS
        return f"copy in {self.target.region}"

    def _clean_target(self):
        pass


class BatchCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.source = Source()
        marked = mock.Mock(side_effect=lambda *_: self.source.act("mark"))
        self.useFixture(fixtures.MockPatchObject(transfer_run, "mark_source", marked))

    def plan(self, region, **values):
        place = ("identity.test", region)
        target = types.SimpleNamespace(region=region, place=place, project_id="acme")
        return Plan(
            source=self.source,
            target=target,
            image=WEB,
            departure=self.source,
            origin="origin",
            settings=NO_SETTINGS,
            **values,
        )

    def batch(self, *plans):
        planned = (
            Outcome(f"to {one.target.region}", one) if isinstance(one, Plan) else one
            for one in plans
        )
        return TransferBatch(self.source, tuple(planned))

    def statuses(self, outcomes):
        return {
            one.subject: one.result.status if one.result else str(one.error) for one in outcomes
        }


class BatchTest(BatchCase):
    def test_once(self):
        """The image is exported, each part is read, and the export is deleted, all of it once."""
        outcomes = self.batch(*map(self.plan, ("ORD", "IAD", "LON"))).run()
        names = ("to ORD", "to IAD", "to LON")
        self.assertEqual(dict.fromkeys(names, "transferred"), self.statuses(outcomes))
        copies = [one.result.target_image_id for one in outcomes]
        self.assertEqual(["copy in ORD", "copy in IAD", "copy in LON"], copies)
        done = self.source.done
        self.assertEqual(["export", *range(PARTS)], done[: PARTS + 1])
        self.assertEqual([*["mark"] * 3, "clean"], done[PARTS + 1 :])
        users = ["identity.test/ORD/acme", "identity.test/IAD/acme", "identity.test/LON/acme"]
        self.assertEqual(users, self.source.users)

    def test_one_fails(self):
        """The others get their copies; the export remains for the next run."""
        plans = (self.plan("ORD"), self.plan("IAD", fails_at=2), self.plan("LON"))
        outcomes = self.batch(*plans).run()
        wanted = {"to ORD": "transferred", "to IAD": "IAD is full.", "to LON": "transferred"}
        self.assertEqual(wanted, self.statuses(outcomes))
        self.assertEqual(["export", *range(PARTS), "mark", "mark"], self.source.done)

    def test_one_is_refused(self):
        """It has its reason; nothing is read for it, and the export remains."""
        refused = Outcome("to IAD", error=Refused("No room in IAD."))
        batch = self.batch(refused, self.plan("ORD"))
        wanted = {"to IAD": "No room in IAD.", "to ORD": "not started"}
        self.assertEqual(wanted, self.statuses(batch.preview()))
        wanted["to ORD"] = "transferred"
        self.assertEqual(wanted, self.statuses(batch.run()))
        self.assertEqual(["export", *range(PARTS), "mark"], self.source.done)
        self.assertEqual(["The image is large."], list(map(str, batch.warnings)))

    def test_all_are_refused(self):
        """Nothing is done."""
        outcomes = self.batch(Outcome("to IAD", error=Refused("No room in IAD."))).run()
        self.assertEqual({"to IAD": "No room in IAD."}, self.statuses(outcomes))
        self.assertEqual([], self.source.done)

    def test_some_are_there(self):
        """Only the targets that lack the image have it read; the last step cleans up."""
        plans = (self.plan("ORD", existing=WEB), self.plan("IAD"))
        outcomes = self.batch(*plans).run()
        wanted = {"to ORD": "already there", "to IAD": "transferred"}
        self.assertEqual(wanted, self.statuses(outcomes))
        self.assertEqual(1, self.source.done.count("export"))
        self.assertEqual("clean", self.source.done[-1])

    def test_the_export_fails(self):
        """It is tried once, and all targets say why."""
        self.source.failing["export"] = ServiceError("Glance is down.")
        outcomes = self.batch(self.plan("ORD"), self.plan("IAD")).run()
        wanted = dict.fromkeys(("to ORD", "to IAD"), "Glance is down.")
        self.assertEqual(wanted, self.statuses(outcomes))
        self.assertIsNot(outcomes[0].error, outcomes[1].error)
        self.assertEqual(["export"], self.source.done)

    def test_the_export_remains(self):
        """If it cannot be deleted, the copies are there all the same; each row has the error."""
        self.source.failing["clean"] = ServiceError("Swift is down.")
        outcomes = self.batch(self.plan("ORD"), self.plan("IAD")).run()
        self.assertEqual(["transferred"] * 2, [one.result.status for one in outcomes])
        self.assertEqual(["Swift is down."] * 2, [str(one.error) for one in outcomes])

    def test_stopped(self):
        """All end, and what to do next is said for each."""
        plans = (self.plan("ORD"), self.plan("IAD"))
        self.source.failing[3] = Cancelled("Stopped on request.")
        error = self.assertRaises(Cancelled, self.batch(*plans).run)
        self.assertIn("to ORD: Stopped while transferring image 'web' to region 'ORD'", str(error))
        self.assertIn("to IAD: Stopped while transferring image 'web' to region 'IAD'", str(error))
        self.assertNotIn("clean", self.source.done)

    def test_options(self):
        """Each target has connections of its own; all share one limit of the rate."""
        plans = (self.plan("ORD"), self.plan("IAD"))
        options = TransferOptions(threads=3, limit_rate=10**9)
        self.batch(*plans).run(transfer=options)
        first, other = (plan.options[0] for plan in plans)
        self.assertIsNot(first.threads, other.threads)
        self.assertEqual((3, 3), (first.threads.limit, first.threads.maximum))
        self.assertIs(first.limit_rate, other.limit_rate)

    def test_options_of_one_target(self):
        """The only target shares its connections with those of other images."""
        plan, options = self.plan("ORD"), TransferOptions(threads=Connections())
        self.batch(plan).run(transfer=options)
        self.assertIs(options.threads, plan.options[0].threads)


class SharedStepsTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.stop = threading.Event()
        self.sharing = Shared(SharedSteps(self.stop))
        self.calls = []

    def test_once(self):
        """A step is taken by the first; the others wait for its result."""
        begun, go_on = threading.Event(), threading.Event()

        def work():
            begun.set()
            go_on.wait(PATIENCE)
            self.calls.append("work")
            return "result"

        pool = ThreadPool(lambda _: self.sharing.once("step", work), range(4), 4, threading.Event())
        begun.wait(PATIENCE)
        self.assertEqual("other", self.sharing.once("another step", lambda: "other"))
        go_on.set()
        pool.join(PATIENCE)
        self.assertEqual(["result"] * 4, pool.results)
        self.assertEqual(["work"], self.calls)

    def test_a_failure(self):
        """All get the error, each an own one."""

        def work():
            self.calls.append("work")
            raise ServiceError("It failed.", status=503)

        errors = [
            self.assertRaises(ServiceError, self.sharing.once, "step", work) for _ in range(2)
        ]
        errors[0].add("More.")
        self.assertEqual(["It failed.\nMore.", "It failed."], list(map(str, errors)))
        self.assertEqual([503, 503], [error.status for error in errors])
        self.assertEqual(["work"], self.calls)

    def test_stopped(self):
        """One that waits for another ends when the command is stopped."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        begun = threading.Event()

        def work():
            begun.set()
            go_on.wait(PATIENCE)

        ThreadPool(lambda _: self.sharing.once("step", work), [0], 1, threading.Event())
        begun.wait(PATIENCE)
        self.stop.set()
        self.assertRaises(Cancelled, self.sharing.once, "step", self.fail)

    def test_alone(self):
        """A transfer to the only target does everything itself, and at once."""
        self.assertEqual(1, ALONE.once("step", lambda: 1))
        self.assertEqual(2, ALONE.once("step", lambda: 2))
        ALONE.at_end(lambda: self.calls.append("end"))
        self.sharing.at_end(self.fail)
        self.assertEqual(["end"], self.calls)
