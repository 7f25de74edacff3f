# SPDX-License-Identifier: Apache-2.0
import io
import os
import types

from rackspace_imagetasks.exceptions import IntegrityError, TargetError
from rackspace_imagetasks.flows.image_save import save_object
from rackspace_imagetasks.progress import SILENT
from rackspace_imagetasks.tests.unit.objects import faults
from rackspace_imagetasks.tests.unit.objects.base import MIB, SwiftCase, noise
from rackspace_imagetasks.tests.unit.vhd.builder import Image
from rackspace_imagetasks.vhd import VirtualVhd


class SaveCase(SwiftCase):
    def setUp(self):
        super().setUp()
        self.cloud = types.SimpleNamespace(objects=self.store, stop=None)
        vhd = VirtualVhd(Image(40 * MIB))
        self.content = vhd.read_at(0, vhd.size)
        self.swift.put("exports", "a.vhd", self.content)

    def save(self, target, **options):
        return save_object(self.cloud, "exports", "a.vhd", target, SILENT, **options)


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
        self.assertIn("--no-validate", str(error))
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
