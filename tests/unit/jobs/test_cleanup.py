# SPDX-License-Identifier: Apache-2.0
"""What is found and what is deleted, where a mistake would cost somebody's data."""

import dataclasses
import threading
import types
from datetime import timedelta
from unittest import mock

from rackspace_imagetasks.events import EventProgress, Place
from rackspace_imagetasks.exceptions import Cancelled, NotFound, Refused, ServiceError
from rackspace_imagetasks.jobs import cleanup
from rackspace_imagetasks.objects.heartbeat import in_use
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.profile import GLANCE, RACKSPACE
from rackspace_imagetasks.progress import SILENT
from tests.unit.objects import swift
from tests.unit.objects.base import SwiftCase

STAGED = "disk-0123456789abcdef.vhd"
IMAGE = "01234567-0123-0123-0123-0123456789ab"
EXPORTED = f"{IMAGE}.vhd"
TRANSFERS = "image-transfers-ORD"
NOW = timedelta(0)


class CleanTest(SwiftCase):
    def setUp(self):
        super().setUp()
        self.running = {"import": [], "export": []}
        stop = threading.Event()
        self.cloud = types.SimpleNamespace(
            objects=self.store.until(stop),
            stop=stop,
            profile=RACKSPACE,
            region="DFW",
            event_place=Place(None, "DFW"),
            progress=SILENT,
            tasks=mock.Mock(with_inputs=self.with_inputs),
        )

    def with_inputs(self, *kinds, running):
        self.assertTrue(running)
        return iter(
            types.SimpleNamespace(id="t1", type=kind, input=given)
            for kind in kinds
            for given in self.running[kind]
        )

    def put(self, container, name):
        """Store what expires by itself, as uploads do; the Swift of these tests keeps any case."""
        self.swift.put(container, name, b"x", X_Delete_At="1")

    def found(self, container=None, older_than=NOW):
        return cleanup.plan_clean(self.cloud, container, older_than)

    def statuses(self, found):
        results = found.preview() if isinstance(found, cleanup.CleanPlan) else found
        return {each.orphan.object.name: each.status for each in results}

    def reading(self, location):
        self.running["import"].append({"import_from": location})

    def writing(self, container):
        self.running["export"].append({"receiving_swift_container": container, "image_uuid": IMAGE})

    def test_cloud_without_tasks(self):
        """A standard cloud is not asked for tasks, which its users may not list."""
        self.cloud.profile = GLANCE
        self.cloud.tasks = None
        staged = STAGED.replace("vhd", "qcow2")
        self.put("image-imports", staged)
        self.assertEqual({staged: "unneeded"}, self.statuses(self.found()))
        self.assertEqual({staged: "deleted"}, self.statuses(self.found().run()))

    def test_events(self):
        """What is unneeded is planned, and then deleted, kept or not deleted; the rest is not."""
        events = []
        self.cloud.progress = EventProgress(events.append)
        others = [STAGED.replace("disk", name) for name in ("kept", "wrong")]
        for name in (STAGED, *others):
            self.put("image-imports", name)
        found = self.found()
        self.reading(f"image-imports/{others[0]}")
        delete = cleanup.delete_orphan

        def fail(store, orphan):
            if orphan.object.name == others[1]:
                raise ServiceError("No.")
            return delete(store, orphan)

        with mock.patch.object(cleanup, "delete_orphan", fail):
            list(found.run())
        expected = {
            f"image-imports/{STAGED}": ("done", "deleted", None),
            f"image-imports/{others[0]}": ("done", "needed by task t1", None),
            f"image-imports/{others[1]}": ("failed", None, "ServiceError"),
        }
        self.assertEqual(["planned"] * 3, [str(e.event) for e in events[:3]])
        self.assertEqual(expected, {e.image: (e.event, e.status, e.error) for e in events[3:]})
        self.assertEqual(set(expected), {e.image for e in events[:3]})
        self.assertEqual({("clean", "DFW")}, {(e.job, e.source.region) for e in events})
        events.clear()
        self.assertRaises(NotFound, self.found, "nosuch")
        self.assertEqual([("failed", "nosuch")], [(e.event, e.image) for e in events])
        self.put("image-imports", STAGED)
        list(self.found(older_than=timedelta(days=365_000)).run())
        self.assertEqual(1, len(events))

    def test_unexpected_errors(self):
        """An object whose deletion fails in an unexpected way does not stop the others."""
        names = [STAGED.replace("disk", name) for name in ("a", "b", "c")]
        for name in names:
            self.put("image-imports", name)
        found = self.found()
        delete, errors = cleanup.delete_orphan, {names[0]: OSError("No."), names[1]: ValueError()}

        def fail(store, orphan):
            if error := errors.get(orphan.object.name):
                raise error
            return delete(store, orphan)

        with mock.patch.object(cleanup, "delete_orphan", fail):
            results = list(found.run())
        expected = dict(zip(names, ("not deleted", "not deleted", "deleted"), strict=True))
        self.assertEqual(expected, self.statuses(results))
        self.assertEqual("Unexpected error: OSError: No.", str(results[0].error))
        self.assertIs(errors[names[1]], results[1].error.__cause__)

    def test_failed_lookups(self):
        """What cannot be looked up before a deletion is not deleted; the others are."""
        names = [STAGED.replace("disk", name) for name in ("a", "b", "c", "d")]
        for name in names:
            self.put("image-imports", name)
        found = self.found()
        last = dataclasses.replace(found.found[-1], status="recent")
        found = dataclasses.replace(found, found=(*found.found[:-1], last))
        errors = {
            ("need", names[0]): ServiceError("No tasks."),
            ("use", names[1]): OSError("No."),
            ("need", names[3]): ServiceError("No tasks now."),
        }
        fired = []

        def failing(method):
            def look_up(_since_plan, orphan):
                if error := errors.get((method, orphan.object.name)):
                    fired.append(error)
                    raise error
                return ""

            return look_up

        methods = {method: failing(method) for method in ("need", "use")}
        with mock.patch.multiple(cleanup._SincePlan, **methods):
            results = list(found.run())
        self.assertEqual(list(errors.values()), fired)
        self.assertEqual(
            dict(zip(names, ("not deleted", "not deleted", "deleted", "recent"), strict=True)),
            self.statuses(results),
        )
        self.assertEqual(
            ["No tasks.", "Unexpected error: OSError: No.", "None", "No tasks now."],
            [str(each.error) for each in results],
        )
        self.assertEqual([*names[:2], names[3]], self.swift.names("image-imports"))

    def test_all_staging_containers(self):
        """Imports', exports' and transfers' containers are looked at, for names of ours alone."""
        for name in (STAGED, EXPORTED, "mine.vhd"):
            for container in ("image-imports", "image-exports", TRANSFERS, "backups"):
                self.put(container, name)
        places = [
            (each.orphan.object.container, each.orphan.object.name)
            for each in self.found().preview()
        ]
        self.assertEqual(
            [
                (container, name)
                for container in ("image-imports", "image-exports", TRANSFERS)
                for name in (EXPORTED, STAGED)
            ],
            places,
        )
        self.assertRaises(Refused, self.found, "a/b")

    def test_what_was_not_uploaded_for_an_import_stays(self):
        """A name is not enough: what does not expire is a user's own; an export never does."""
        self.swift.put("image-imports", STAGED, b"mine")
        self.swift.put_dlo(TRANSFERS, EXPORTED, [b"exported"])
        self.swift.put_dlo("image-exports", EXPORTED, [b"exported"])
        self.assertEqual({EXPORTED: "unneeded"}, self.statuses(self.found()))

    def test_what_is_recent(self):
        """What is younger than was asked for is told, and not deleted."""
        self.put("image-imports", STAGED)
        found = self.found(older_than=timedelta(days=365_000))
        self.assertEqual({STAGED: "recent"}, self.statuses(found))
        self.assertEqual({STAGED: "recent"}, self.statuses(found.run()))
        self.assertEqual([STAGED], self.swift.names("image-imports"))

    def test_the_clock_of_the_service(self):
        """Ages are judged by the service's clock, whatever that of this machine says."""
        self.put("image-imports", STAGED)
        written = self.swift.containers["image-imports"][STAGED].modified
        for minutes, hours, status in (
            (14, 0, "in use"),
            (14, 24, "in use"),
            (16, 0, "unneeded"),
            (16, 24, "recent"),
            (24 * 60 - 1, 24, "recent"),
            (24 * 60, 24, "unneeded"),
        ):
            self.swift.now = written + timedelta(minutes=minutes)
            found = self.found(older_than=timedelta(hours=hours))
            self.assertEqual({STAGED: status}, self.statuses(found))

    def test_no_clock(self):
        """Nothing is judged by a service that does not give its time."""
        self.put("image-imports", STAGED)
        no_date = mock.patch.object(swift.Handler, "date_time_string", return_value="")
        with no_date:
            error = self.assertRaises(ServiceError, self.found)
        self.assertIn("does not give the time", str(error))

    def test_a_container_is_looked_up_once(self):
        """One response tells that the container exists and what time it is."""
        self.put(TRANSFERS, STAGED)
        self.assertEqual({STAGED: "unneeded"}, self.statuses(self.found(TRANSFERS)))
        looked_up = [entry.target for entry in self.swift.requests("HEAD")]
        self.assertEqual(1, looked_up.count(f"{TRANSFERS}/"), looked_up)

    def test_a_container_that_does_not_exist(self):
        """The error names the region; nothing is listed."""
        error = self.assertRaises(NotFound, self.found, "absent")
        self.assertEqual("Container 'absent' not found in region 'DFW'.", str(error))
        self.assertEqual(["HEAD"], [entry.method for entry in self.swift.log])

    def test_in_use(self):
        """What another process reads or writes is kept, however old it is."""
        segment = f"{EXPORTED}/slo/1/2/3/00000000"
        self.put("image-imports", STAGED)
        self.put(f"{TRANSFERS}_segments", segment)
        self.swift.containers[TRANSFERS] = {}
        with (
            in_use(self.store, ObjectName("image-imports", STAGED)),
            in_use(self.store, ObjectName(TRANSFERS, EXPORTED)),
        ):
            found = self.found()
            self.assertEqual({STAGED: "in use", segment: "in use"}, self.statuses(found))
            self.assertEqual({"in use"}, set(self.statuses(found.run()).values()))
        self.assertEqual({"deleted"}, set(self.statuses(self.found().run()).values()))

    def test_in_use_since(self):
        """Before anything is deleted, it is asked whether another process has begun to use it."""
        self.put("image-imports", STAGED)
        self.put("image-imports_segments", f"{STAGED}/slo/1/2/3/00000000")
        found = self.found()
        self.assertEqual({"unneeded"}, set(self.statuses(found).values()))
        with in_use(self.store, ObjectName("image-imports", STAGED)):
            self.assertEqual({"in use"}, set(self.statuses(found.run()).values()))
        self.assertEqual([], self.swift.requests("DELETE", STAGED + "/slo"))

    def test_what_tasks_need(self):
        """What an import reads and what an export writes stay, with their segments."""
        self.put("image-imports", STAGED)
        self.put("image-imports_segments", f"{STAGED}/slo/1/2/3/00000000")
        self.put(TRANSFERS, f"{EXPORTED}-00001")
        self.reading(f"image-imports/{STAGED}")
        self.writing(TRANSFERS)
        found = self.found()
        self.assertEqual(3, len(found.preview()))
        self.assertEqual({"needed by task t1"}, set(self.statuses(found).values()))
        cleaned = self.statuses(found.run())
        self.assertEqual({"needed by task t1"}, set(cleaned.values()))
        self.assertEqual([f"{EXPORTED}-00001"], self.swift.names(TRANSFERS))

    def test_a_task_of_elsewhere(self):
        """A task that needs another container's object of that name keeps nothing here."""
        self.put("image-imports", STAGED)
        self.reading(f"other/{STAGED}")
        self.writing("image-imports")
        self.assertEqual({STAGED: "unneeded"}, self.statuses(self.found()))

    def test_a_task_that_started_since(self):
        """Before anything is deleted it is asked again what tasks need."""
        self.put("image-imports", STAGED)
        found = self.found()
        self.assertEqual({STAGED: "unneeded"}, self.statuses(found))
        self.reading(f"image-imports/{STAGED}")
        cleaned = found.run()
        self.assertEqual({STAGED: "needed by task t1"}, self.statuses(cleaned))
        self.assertEqual([STAGED], self.swift.names("image-imports"))

    def test_a_task_that_started_while_others_were_deleted(self):
        """Again after some seconds, however many there are to delete."""
        for each in (EXPORTED, EXPORTED.replace("0", "1")):
            self.put(TRANSFERS, each)
        cleaned = self.found().run()
        self.assertEqual("deleted", next(cleaned).status)
        self.reading(f"{TRANSFERS}/{EXPORTED.replace('0', '1')}")
        with mock.patch("time.monotonic", return_value=cleanup.time.monotonic() + 6):
            self.assertEqual("needed by task t1", next(cleaned).status)
        self.assertEqual([EXPORTED.replace("0", "1")], self.swift.names(TRANSFERS))

    def test_deleted(self):
        """What nothing needs goes, and each is told when it is gone."""
        self.put("image-imports", STAGED)
        self.put("image-imports_segments", f"{STAGED}/slo/1/2/3/00000000")
        for each in self.found().run():
            self.assertEqual("deleted", each.status)
            self.assertNotIn(
                each.orphan.object.name, self.swift.names(each.orphan.object.container)
            )
        self.assertEqual([], self.swift.names("image-imports_segments"))

    def test_stopped(self):
        """Nothing is deleted after a stop."""
        self.put("image-imports", STAGED)
        found = self.found()
        self.cloud.stop.set()
        self.assertRaises(Cancelled, list, found.run())
        self.assertEqual([STAGED], self.swift.names("image-imports"))
