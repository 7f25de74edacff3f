# SPDX-License-Identifier: Apache-2.0
import dataclasses
import io
import os
import types
from unittest import mock

from rackspace_imagetasks.exceptions import (
    AccessDenied,
    IntegrityError,
    Refused,
    TargetError,
    TaskTimeout,
    TransferError,
)
from rackspace_imagetasks.formats.vhd import VirtualVhd
from rackspace_imagetasks.glance.tasks import Task
from rackspace_imagetasks.jobs import exports, saves
from rackspace_imagetasks.jobs.options import SaveOptions
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.profile import RACKSPACE
from rackspace_imagetasks.progress import SILENT
from tests.unit.formats.vhd.builder import Image
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, SwiftCase, noise
from tests.unit.test_policy import WEB


class SaveCase(SwiftCase):
    def setUp(self):
        super().setUp()
        self.cloud = types.SimpleNamespace(
            objects=self.store,
            stop=None,
            progress=SILENT,
            profile=RACKSPACE,
            data_transfer=lambda options: DataTransfer(options, SILENT, None),
        )
        vhd = VirtualVhd(Image(40 * MIB))
        self.content = vhd.read_at(0, vhd.size)
        self.swift.put("exports", "a.vhd", self.content)

    def save(self, target, **options):
        source = ObjectName("exports", "a.vhd")
        return saves.plan_save(self.cloud, source, SaveOptions(target=target, **options)).run()


class TestWait(SaveCase):
    def plan(self):
        """Plan to save what a task that still runs will export."""
        options = SaveOptions(target=io.BytesIO())
        plan = saves.plan_save(self.cloud, ObjectName("exports", "a.vhd"), options)
        task = Task.parse({"id": "t1", "type": "export", "status": "processing"})
        return dataclasses.replace(plan, task=task)

    def test_timed_out(self):
        """The wait for the export has a limit, and its end says how to go on."""
        late = TaskTimeout("Timed out.", task_id="t1")
        self.cloud.wait_for = mock.Mock(side_effect=late)
        error = self.assertRaises(TaskTimeout, self.plan().run, timeout=5)
        self.cloud.wait_for.assert_called_once_with(mock.ANY, "Waiting for task 't1'", 5)
        (message,) = error.messages
        self.assertEqual(Hint.FOLLOW_TASK_AND_SAVE, message.hint)
        self.assertIn("waiting for the export to 'exports/a.vhd'; task 't1' is", message.text)


class TestStream(SaveCase):
    def test_saved(self):
        """A VHD is streamed whole, then deleted."""
        out = io.BytesIO()
        self.save(out, delete_object=True)
        self.assertEqual(self.content, out.getvalue())
        self.assertEqual([], self.swift.names("exports"))

    def test_no_vhd(self):
        """What is no VHD does not reach the stream, and is not deleted, unless asked."""
        self.swift.put("exports", "a.vhd", noise(MIB))
        out = io.BytesIO()
        error = self.assertRaises(IntegrityError, self.save, out, delete_object=True)
        self.assertIn("without validation", str(error))
        self.assertEqual((b"", ["a.vhd"]), (out.getvalue(), self.swift.names("exports")))
        self.save(out, validate=False)
        self.assertEqual(noise(MIB), out.getvalue())

    def test_closed(self):
        """A reader that has gone before the last byte leaves the object where it is."""
        reader, writer = os.pipe()
        os.close(reader)
        out = os.fdopen(writer, "wb", buffering=MIB)
        self.assertRaises(TargetError, self.save, out, delete_object=True)
        self.assertEqual(["a.vhd"], self.swift.names("exports"))
        self.assertRaises(BrokenPipeError, out.close)


class TestFile(SaveCase):
    def test_no_vhd(self):
        """What is no VHD gets no file's name, and stays where it is, unless that was asked for."""
        self.swift.put("exports", "a.vhd", noise(MIB))
        path = self.dir / "disk.vhd"
        self.assertRaises(IntegrityError, self.save, path, delete_object=True)
        self.assertEqual((False, ["a.vhd"]), (path.exists(), self.swift.names("exports")))
        done = self.save(path, validate=False)
        self.assertEqual((noise(MIB), 0), (path.read_bytes(), done.fetched_bytes))

    def test_names_in_a_directory(self):
        """The last part of an object's name is the file's; what cannot be one is refused."""
        for location in ("c/a", "c/x/a", "c/../a"):
            source = ObjectName.parse(location)
            self.assertEqual(self.dir / "a", saves._file_for(source, self.dir, "vhd"))
        for name in ("..", ".", "", "a\x1b[2J", "a\n"):
            self.assertRaises(Refused, saves._file_for, ObjectName("c", name), self.dir, "vhd")

    def test_target_is_checked_before(self):
        """A file in the way is refused before long work."""
        (self.dir / "a.vhd").touch()
        source = ObjectName("exports", "a.vhd")
        for target in (self.dir, self.dir / "a.vhd"):
            in_the_way = SaveOptions(target=target)
            self.assertRaises(TargetError, saves.plan_save, self.cloud, source, in_the_way)
            saves.plan_save(self.cloud, source, dataclasses.replace(in_the_way, overwrite=True))


class TestAgain(SaveCase):
    """A second run with the same file."""

    def setUp(self):
        super().setUp()
        self.path = self.dir / "a.vhd"
        self.path.write_bytes(self.content)

    def gets(self):
        """Return the number of requests for content."""
        queries = [request.query for request in self.swift.requests("GET")]
        return sum("manifest=" not in query and "format=" not in query for query in queries)

    def test_identical(self):
        """It is done, without a request for content, whether a file or a directory is named."""
        before = self.path.stat().st_mtime_ns
        for target in (self.path, self.dir):
            for overwrite in (False, True):
                done = self.save(target, overwrite=overwrite)
                self.assertEqual(("already saved", 0), (done.status, done.fetched_bytes))
                self.assertEqual((self.path, len(self.content)), (done.path, done.size))
        self.assertEqual((before, 0), (self.path.stat().st_mtime_ns, self.gets()))

    def test_identical_segments(self):
        """Each segment of an object is compared, and holes in the file are zeros."""
        pieces = [self.content[:2000], self.content[2000:], bytes(MIB)]
        self.swift.put_dlo("exports", "a.vhd", pieces)
        self.swift.put_slo("exports", "b.vhd", pieces)
        with self.path.open("ab") as file:
            file.truncate(len(self.content) + MIB)
        for name in ("a.vhd", "b.vhd"):
            options = SaveOptions(target=self.path, validate=False)
            plan = saves.plan_save(self.cloud, ObjectName("exports", name), options)
            self.assertEqual("already saved", plan.run().status)
        self.assertEqual(0, self.gets())

    def test_different(self):
        """One byte makes it another file, which only `overwrite` replaces."""
        other = bytes([self.content[0] ^ 1]) + self.content[1:]
        for content in (other, self.content[:-1], self.content + b"x", b""):
            self.path.write_bytes(content)
            error = self.assertRaises(TargetError, self.save, self.path)
            self.assertIn("already exists", str(error))
            self.assertEqual((content, 0), (self.path.read_bytes(), self.gets()))
        done = self.save(self.path, overwrite=True)
        self.assertEqual(("saved", self.content), (done.status, self.path.read_bytes()))

    def test_no_vhd(self):
        """A file that is no VHD is accepted without validation alone, and its object kept."""
        self.swift.put("exports", "a.vhd", noise(MIB))
        self.path.write_bytes(noise(MIB))
        self.assertRaises(IntegrityError, self.save, self.path, delete_object=True)
        self.assertEqual(["a.vhd"], self.swift.names("exports"))
        self.assertEqual("already saved", self.save(self.path, validate=False).status)

    def test_deletion(self):
        """The object that an interrupted run left is deleted."""
        self.assertEqual("already saved", self.save(self.dir, delete_object=True).status)
        self.assertEqual([], self.swift.names("exports"))
        self.assertEqual(self.content, self.path.read_bytes())

    def test_no_object(self):
        """A file of an object that does not exist yet is in the way."""
        self.swift.containers["exports"].clear()
        self.assertRaises(TargetError, self.save, self.path)


class TestFind(SaveCase):
    def find(self, text, **task):
        task = Task.parse({"id": "t1", "type": "export", "status": "success", **task})
        self.cloud.tasks = mock.Mock()
        self.cloud.tasks.get.return_value = task
        return saves.plan_save(self.cloud, text, SaveOptions(target=io.BytesIO())).source

    def test_location(self):
        """Text with a slash is a container and an object, whose name may have more of them."""
        self.assertEqual(("c", "a/b"), self.find("c/a/b"))
        for text in ("/a", "c/", "/"):
            self.assertRaises(Refused, self.find, text)

    def test_task(self):
        """A task's own input must name what it says it has written; only an export does."""
        given = {"receiving_swift_container": "c", "image_uuid": "1"}
        result = {"export_location": "c/1.vhd"}
        self.assertEqual(("c", "1.vhd"), self.find("t1", input=given, result=result))
        self.assertRaises(Refused, self.find, "t1", type="import", input=given, result=result)
        for location in ("c/2.vhd", "d/1.vhd", "c/x/1.vhd"):
            elsewhere = {"export_location": location}
            self.assertRaises(IntegrityError, self.find, "t1", input=given, result=elsewhere)


class TestDelete(SaveCase):
    def test_replaced(self):
        """An object that another client has replaced since it was fetched is not deleted."""
        path = self.dir / "disk.vhd"
        replace = faults.first(lambda handler: handler.swift.put("exports", "a.vhd", b"other"))

        def at_second_look(handler):
            return len(handler.swift.requests("HEAD")) == 2 and replace(handler)

        self.swift.fault(at_second_look, "HEAD", times=9)
        error = self.assertRaises(IntegrityError, self.save, path, delete_object=True)
        self.assertIn("not deleted", str(error))
        self.assertEqual(b"other", self.swift.read("exports", "a.vhd"))
        self.assertEqual(self.content, path.read_bytes())

    def test_gone(self):
        """An object that another client has deleted meanwhile is as good as deleted."""

        def vanish(handler):
            if len(handler.swift.requests("HEAD")) == 2:
                handler.swift.containers["exports"].clear()
            return False

        self.swift.fault(vanish, "HEAD", times=9)
        self.save(self.dir, delete_object=True)
        self.assertEqual(self.content, (self.dir / "a.vhd").read_bytes())

    def test_refused(self):
        """The message has one hint, that of the job, and none of the error that it quotes."""
        why = Message("Not now.", Hint.TRY_AGAIN)
        with mock.patch.object(saves, "delete", side_effect=AccessDenied(why)) as delete:
            error = self.assertRaises(TransferError, self.save, self.dir, delete_object=True)
        delete.assert_called_once()
        text = "'exports/a.vhd' is saved, but could not be deleted completely: Not now."
        self.assertEqual(f"{text} Clean container 'exports' to delete the rest.", str(error))


class TestExport(SaveCase):
    """An export that is saved to a file as well, and whose VHD an earlier run has exported."""

    def export(self, **options):
        image = dataclasses.replace(WEB, id="a")
        save = saves.plan_save(
            self.cloud,
            ObjectName("exports", "a.vhd"),
            SaveOptions(target=self.dir / "a.vhd", **options),
        )
        return exports.ExportPlan(self.cloud, image, "exports", is_exported=True, save=save)

    def test_already_saved(self):
        """The first run saves the VHD; the second one reports that it is saved already."""
        first, second = self.export().run(), self.export().run()
        self.assertEqual("exported before", first.status)
        self.assertEqual(self.content, (self.dir / "a.vhd").read_bytes())
        self.assertEqual(dataclasses.replace(first, status="already saved", task_id=None), second)
        self.assertEqual((len(self.content), "exports/a.vhd"), (second.size, second.location))

    def test_replaced(self):
        """A file with other content is replaced, which is not called already saved."""
        (self.dir / "a.vhd").write_bytes(b"other")
        self.assertEqual("exported before", self.export(overwrite=True).run().status)
        self.assertEqual(self.content, (self.dir / "a.vhd").read_bytes())
