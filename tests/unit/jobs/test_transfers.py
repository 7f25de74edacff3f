# SPDX-License-Identifier: Apache-2.0
"""Names and properties by which transfers know each other's work."""

import contextlib
import dataclasses
import types
from unittest import mock

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    Cancelled,
    IntegrityError,
    QuotaExceeded,
    Refused,
    TaskTimeout,
)
from rackspace_imagetasks.glance.settings import NO_SETTINGS
from rackspace_imagetasks.jobs import marks, names, transfers
from rackspace_imagetasks.jobs._completion import mark_source
from rackspace_imagetasks.jobs._departures import exported
from rackspace_imagetasks.jobs._properties import settable
from rackspace_imagetasks.jobs.inspected import Inspected
from rackspace_imagetasks.messages import Hint
from rackspace_imagetasks.objects.data_transfer import DEFAULT_TRANSFER
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.profile import RACKSPACE
from rackspace_imagetasks.progress import SILENT
from tests.unit.jobs import importcase
from tests.unit.jobs.importcase import IMAGES, image_id
from tests.unit.objects.base import Ledger, SwiftCase
from tests.unit.objects.swift import Swift
from tests.unit.test_policy import WEB


def cloud(host="identity.test", region="DFW", project="acme"):
    """Give what of a cloud its names are made of."""
    return types.SimpleNamespace(
        place=(host, region),
        project_place=((host, region), project),
        region=region,
        progress=SILENT,
        project_id=project,
        profile=RACKSPACE,
    )


class NamesTest(base.BaseTestCase):
    def test_a_container_for_each_target(self):
        """Another region, identity service or project is another container, of a legal name."""
        targets = (
            cloud(region="ORD"),
            cloud(region="IAD"),
            cloud("other.test:5000", "ORD"),
            cloud("other.test:5000", "DFW"),
            cloud(region="ORD", project="bob"),
            cloud(project="bob"),
            cloud("other.test:5000", "ORD", "bob"),
        )
        found = [transfers.container_for(cloud(), target) for target in targets]
        self.assertEqual("image-transfers-ORD", found[0])
        self.assertEqual(len(targets), len(set(found)))
        for name in found:
            self.assertRegex(name, "^image-transfers-[A-Za-z0-9-]+$")

    def test_the_same_place(self):
        """Only the same service, region and project are the same place."""
        self.assertTrue(transfers.judge_place(cloud(), cloud(), WEB).refusals)
        for other in (cloud("other.test"), cloud(region="ORD"), cloud(project="bob")):
            self.assertEqual((), transfers.judge_place(cloud(), other, WEB).refusals)

    def test_exports_of_transfers(self):
        """Only an image's ID makes an object one that a transfer may delete."""
        uuid = "01234567-89ab-cdef-0123-456789abcdef"
        self.assertTrue(names.is_transferred_name(f"{uuid}.vhd"))
        self.assertTrue(names.is_transferred_name(names.staged_file(f"{uuid}.vhd", "qcow2")))
        for name in (uuid, f"{uuid}.vhd-00001", f"x{uuid}.vhd", f"{uuid[:-1]}.vhd", "web.vhd"):
            self.assertFalse(names.is_transferred_name(name), name)

    def test_staged_objects_of_imports(self):
        """What an upload is called is known again, whatever the file's name; others are not."""
        for name in ("web", "a b/é%.vhd", "", "." * 9, "x" * 300, "-", "日本"):
            staged = names.staged_name(BytesSource(b"1"), name)
            self.assertTrue(names.is_staged_name(staged), staged)
            for disk_format in ("qcow2", "raw", "vhd"):
                self.assertTrue(names.is_staged_name(names.staged_file(staged, disk_format)))
            self.assertNotEqual(staged, names.staged_name(BytesSource(b"22"), name))
            self.assertNotEqual(staged, names.staged_name(BytesSource(b"1"), name + "x"))
        for name in (
            "web.vhd",
            "web-0123456789abcde.vhd",
            "web-0123456789ABCDEF.vhd",
            "a/" + staged,
        ):
            self.assertFalse(names.is_staged_name(name), name)


class CopyTest(importcase.ImportCase):
    """The image at the target: here, the target is the only cloud that is used."""

    def plan(self, **changes):
        source, target = cloud(), self.tasks.cloud
        image = dataclasses.replace(WEB, properties={"a": "b"}, tags=("gold",), min_ram=512)
        return transfers.TransferPlan(
            source=source,
            target=target,
            image=image,
            origin="origin",
            departure=exported(source, image),
            staged=names.exported_object("image-transfers-ORD", image.id),
            settings=settable(image, RACKSPACE, RACKSPACE),
            **changes,
        )

    def test_only_an_active_marked_copy_counts(self):
        """One that is still queued, or has its marks from another image, is none."""
        number = 1
        for status, marked, counts in (
            ("queued", image_id(1), False),
            ("active", image_id(1), False),  # of another image
            ("active", image_id(3), True),
        ):
            properties = {"image_task_source": "origin", "image_task_marked": marked}
            copy = self.glance.image(number, status=status, **properties)
            found = self.plan().same_import.find().image
            self.assertEqual(copy if counts else None, found and found.id)
            number += 1
        self.assertIn("owner=acme", self.sent("GET")[-1])
        self.assertIn("image_task_source=origin", self.sent("GET")[-1])

    def test_the_copy_is_completed(self):
        """It gets the image's properties, tags and needs, and the marks with its own ID."""
        self.assertEqual(image_id(10), self.plan()._import(Inspected(), None))
        (task,) = self.glance.tasks.values()
        given = {
            "import_from": "image-transfers-ORD/1.vhd",
            "import_from_format": "vhd",
            "image_properties": {"name": "web"},
        }
        self.assertEqual(given, task["input"])
        wanted = {
            "a": "b",
            "image_task_source": "origin",
            "image_task_marked": image_id(10),
            "tags": ["gold"],
            "min_disk": 40,
            "min_ram": 512,
        }
        copy = self.glance.images[image_id(10)]
        self.assertEqual(wanted, {key: copy[key] for key in wanted})
        self.assertEqual(["POST", "PATCH"], self.methods())

    def test_another_run_was_earlier(self):
        """Of two copies made at the same instant, this run deletes its own."""
        self.glance.at_ticks = [
            lambda: self.glance.task("other", 29, input=self.glance.tasks["own-0"]["input"])
        ]
        copy = self.plan()._import(Inspected(), None)
        self.assertEqual([copy], list(self.glance.images))
        self.assertEqual(copy, self.glance.tasks["other"]["result"]["image_id"])

    def test_a_source_that_was_renamed(self):
        """The task of an earlier run is found under the former name, and its image completed."""
        given = {
            "import_from": "image-transfers-ORD/1.vhd",
            "image_properties": {"name": "former"},
        }
        for status in ("processing", "success"):
            self.glance.tasks.clear()
            self.glance.images.clear()
            task = self.glance.task("earlier", 5, input=given)
            if status == "success":
                self.glance.succeed(task)
            found = self.plan().same_import.find().task
            self.assertEqual(("earlier", status), (found.id, found.status))
            self.assertEqual(image_id(10), self.plan(importing=found)._import(Inspected(), None))
            self.assertEqual([image_id(10)], list(self.glance.images))
        self.assertEqual(["PATCH", "PATCH"], self.methods())

    def test_the_mark_of_the_source(self):
        """It is read back; a refusal says that the image was transferred, and to where."""
        ours = self.glance.image(1)
        image, mark = self.tasks.cloud.images.get(ours), marks.transfer_mark("origin")
        mark_source(self.tasks.cloud, image, mark, "ORD")
        self.assertLessEqual(mark.properties(ours).items(), self.glance.images[ours].items())
        mark_source(self.tasks.cloud, self.tasks.cloud.images.get(ours), mark, "ORD")
        self.assertEqual(["PATCH"], self.methods())
        for status, kind in ((200, IntegrityError), (403, AccessDenied), (413, QuotaExceeded)):
            refused = self.requests.patch(f"{IMAGES}/{ours}", json={}, status_code=status)
            image = self.tasks.cloud.images.get(self.glance.image(1))
            error = self.assertRaises(kind, mark_source, self.tasks.cloud, image, mark, "ORD")
            self.assertTrue(refused.called)
            self.assertIn("was transferred to region 'ORD', but could not be marked", str(error))
            self.assertEqual(Hint.RESUME, error.messages[-1].hint)

    def test_stopped_at_the_end(self):
        """A stop after the import says how to finish the transfer."""
        plan = self.plan(existing=WEB)
        complete = mock.Mock(side_effect=Cancelled("Stopped on request."))
        plan.source.images = mock.Mock(complete=complete)
        error = self.assertRaises(Cancelled, plan.run)
        complete.assert_called_once()
        self.assertEqual(
            "Stopped while transferring image 'web' to region 'DFW'. Finished work is kept; repeat"
            " the job to resume.",
            str(error),
        )

    def test_a_copy_that_is_another_image(self):
        """A task that reports another image changes nothing on it."""
        self.glance.outcomes["own-0"] = {"owner": "f" * 32}
        error = self.assertRaises(IntegrityError, self.plan()._import, Inspected(), None)
        self.assertIn("belongs to another project", str(error))
        self.assertEqual(["POST"], self.methods())

    def test_timeout(self):
        """The message says how to resume; there is no result of an import."""
        self.glance.held.add("own-0")
        error = self.assertRaises(TaskTimeout, self.plan()._import, Inspected(), 0.01)
        self.assertIn("Timed out while importing image 'web' in region 'DFW'", str(error))
        self.assertIsNone(error.result)


class RoomTest(SwiftCase):
    def test_quota(self):
        """A copy that does not fit is refused, as soon as its size is known; nothing is sent."""
        here, there = cloud(), cloud(region="ORD")
        here.objects = self.store
        departure = exported(here, WEB)
        self.swift.put(*departure.object, b"four")
        other = Swift()
        self.addCleanup(other.close)
        there.objects = ObjectStore(other.adapter(), sleep=self.waits.append)
        plan = transfers.TransferPlan(
            source=here,
            target=there,
            image=WEB,
            origin="origin",
            departure=departure,
            staged=ObjectName("staged", "1.vhd"),
            settings=NO_SETTINGS,
        )
        other.quotas[""] = {"X-Account-Meta-Quota-Bytes": "3"}
        valid = mock.Mock(errors=(), warnings=())
        with mock.patch.object(transfers, "check", return_value=valid):
            error = self.assertRaises(Refused, plan._copy, DEFAULT_TRANSFER)
        self.assertIn("The account in region 'ORD' has a quota of 3 bytes", str(error))
        self.assertEqual([], other.requests("PUT"))
        self.assertEqual((), transfers._judge_room(plan).refusals)
        other.quotas["staged_segments"] = {"X-Container-Meta-Quota-Count": "0"}
        other.containers["staged_segments"] = {}
        (text,) = map(str, transfers._judge_room(plan).refusals)
        self.assertIn("Container 'staged_segments' in region 'ORD'", text)


class ExportTest(SwiftCase):
    def test_what_another_transfer_needs(self):
        """The export is deleted by the last of the transfers that use it."""
        here = cloud()
        here.objects = self.store
        here.progress = Ledger()
        image = dataclasses.replace(WEB, id="01234567-89ab-cdef-0123-456789abcdef")
        departure = exported(here, image)
        self.swift.put(*departure.object, b"vhd")
        with departure.in_use("identity.test/IAD/acme"):
            with departure.in_use("identity.test/ORD/acme"):
                pass
            departure.finish(["identity.test/ORD/acme"], keep_objects=False)
            (text,) = here.progress.messages
            self.assertIn(f"Keeping object '{departure.object}'", text)
        self.assertEqual([departure.object.name], self.swift.names(departure.object.container))
        with contextlib.suppress(Cancelled), departure.in_use("identity.test/ORD/acme"):
            raise Cancelled("The process was killed.")
        departure.finish(["identity.test/ORD/acme"], keep_objects=False)
        (marker,) = self.swift.names(departure.object.container)
        self.assertIn("/in-use/", marker)


class PropertiesTest(base.BaseTestCase):
    def test_where_it_comes_from(self):
        """A copy has its original's origin; a snapshot that inherited the marks has its own."""
        marked = {"image_task_source": "first", "image_task_marked": WEB.id}
        copied = dataclasses.replace(WEB, properties=marked)
        snapshot = dataclasses.replace(WEB, properties=marked | {"image_task_marked": "2"})
        self.assertEqual("first", marks.origin_of(copied, cloud().place))
        for image in (WEB, snapshot):
            self.assertEqual("identity.test/DFW/1", marks.origin_of(image, cloud().place))

    def test_a_marked_snapshot(self):
        """Marked for a transfer, a snapshot still does not count as the import it was made from."""
        mark = marks.import_mark("web.vhd")
        imported = dataclasses.replace(WEB, properties=mark.properties(WEB.id))
        self.assertTrue(mark.is_on(imported))
        transferred = marks.transfer_mark("origin").properties("2")
        properties = {**imported.properties, **transferred}
        snapshot = dataclasses.replace(imported, id="2", properties=properties)
        self.assertFalse(mark.is_on(snapshot))
        self.assertTrue(marks.transfer_mark("origin").is_on(snapshot))
