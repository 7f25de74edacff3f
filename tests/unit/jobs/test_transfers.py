# SPDX-License-Identifier: Apache-2.0
"""Names and properties by which transfers know each other's work."""

import dataclasses
import types
from unittest import mock

from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.glance.images import ImageSettings
from rackspace_imagetasks.glance.tasks import Task
from rackspace_imagetasks.jobs import exports, marks, names, transfers
from rackspace_imagetasks.profile import RACKSPACE
from rackspace_imagetasks.progress import SILENT
from tests.unit.test_policy import WEB


def cloud(host="identity.test", region="DFW", project="acme"):
    """Give what of a cloud its names are made of."""
    return types.SimpleNamespace(
        place=(host, region),
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
        self.assertTrue(transfers._judge_place(cloud(), cloud(), WEB).refusals)
        for other in (cloud("other.test"), cloud(region="ORD"), cloud(project="bob")):
            self.assertEqual((), transfers._judge_place(cloud(), other, WEB).refusals)

    def test_exports_of_transfers(self):
        """Only an image's ID makes an object one that a transfer may delete."""
        uuid = "01234567-89ab-cdef-0123-456789abcdef"
        self.assertTrue(names.is_transferred_name(f"{uuid}.vhd"))
        for name in (uuid, f"{uuid}.vhd-00001", f"x{uuid}.vhd", f"{uuid[:-1]}.vhd", "web.vhd"):
            self.assertFalse(names.is_transferred_name(name), name)

    def test_staged_objects_of_imports(self):
        """What an upload is called is known again, whatever the file's name; others are not."""
        for name in ("web", "a b/é%.vhd", "", "." * 9, "x" * 300, "-", "日本"):
            staged = names.staged_name(BytesSource(b"1"), name)
            self.assertTrue(names.is_staged_name(staged), staged)
            self.assertNotEqual(staged, names.staged_name(BytesSource(b"22"), name))
            self.assertNotEqual(staged, names.staged_name(BytesSource(b"1"), name + "x"))
        for name in (
            "web.vhd",
            "web-0123456789abcde.vhd",
            "web-0123456789ABCDEF.vhd",
            "a/" + staged,
        ):
            self.assertFalse(names.is_staged_name(name), name)


class CopyTest(base.BaseTestCase):
    def test_only_an_active_marked_copy_counts(self):
        """One that is still queued, or has its marks from another image, is none."""
        target = cloud(region="ORD")
        target.images = mock.Mock()
        marked = {"image_task_source": "x", "image_task_marked": WEB.id}
        good = dataclasses.replace(WEB, properties=marked)
        queued = dataclasses.replace(good, status="queued")
        inherited = dataclasses.replace(good, id="2")
        for found, copy in (([queued, inherited], None), ([queued, inherited, good], good)):
            target.images.select.return_value = iter(found)
            self.assertEqual(copy, transfers._find_copy(target, "x"))
        target.images.select.assert_called_with("acme", {"image_task_source": "x"})

    def test_the_copy_is_completed(self):
        """It gets the image's properties, tags and needs, and the marks with its own ID."""
        image = dataclasses.replace(WEB, properties={"a": "b"}, tags=("gold",), min_ram=512)
        source, target = cloud(), cloud(region="ORD")
        plan = transfers.TransferPlan(
            source=source,
            target=target,
            image=image,
            origin="origin",
            export=exports.ExportPlan(source, image, "image-transfers-ORD"),
        )
        target.images, target.tasks = mock.Mock(), mock.Mock()
        target.tasks.find.return_value = None
        ended = {"id": "t", "type": "import", "status": "success", "result": {"image_id": "new"}}
        target.wait_for = lambda task, title, timeout: Task.parse(ended)
        target.tasks.create.return_value = Task.parse(ended | {"status": "pending"})
        given = {
            "import_from": "image-transfers-ORD/1.vhd",
            "import_from_format": "vhd",
            "image_properties": {"name": "web"},
        }
        self.assertEqual("new", plan._import(None))
        target.tasks.create.assert_called_once_with("import", given)
        settings = ImageSettings(
            {"a": "b", "image_task_source": "origin", "image_task_marked": "new"},
            tags=("gold",),
            min_disk=40,
            min_ram=512,
        )
        target.images.complete.assert_called_once_with("new", settings)


class PropertiesTest(base.BaseTestCase):
    def test_what_travels(self):
        """Neither the providers' properties, nor Glance's own, nor the marks of transfers."""
        fixed = {"com.rackspace__1__x", "os_glance_x", "image_task_source", "image_task_marked"}
        image = dataclasses.replace(
            WEB, properties=dict.fromkeys(fixed | {"mine", "os_distro"}, "1")
        )
        target = cloud(region="ORD")
        target.profile = dataclasses.replace(RACKSPACE, protected_prefix="org.other__")
        moved = transfers.settable_properties(image, cloud(), target)
        self.assertEqual({"mine", "os_distro"}, moved.keys())
        image.properties["org.other__y"] = "1"
        self.assertEqual(moved, transfers.settable_properties(image, cloud(), target))

    def test_where_it_comes_from(self):
        """A copy has its original's origin; a snapshot that inherited the marks has its own."""
        marked = {"image_task_source": "first", "image_task_marked": WEB.id}
        copied = dataclasses.replace(WEB, properties=marked)
        snapshot = dataclasses.replace(WEB, properties=marked | {"image_task_marked": "2"})
        self.assertEqual("first", marks.origin_of(copied, cloud().place))
        for image in (WEB, snapshot):
            self.assertEqual("identity.test/DFW/1", marks.origin_of(image, cloud().place))
