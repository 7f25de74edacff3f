# SPDX-License-Identifier: Apache-2.0
"""An exported VHD saved as qcow2 or raw, while it is received, in one go or in several."""

import functools
import io
import os
import struct
import types
from unittest import mock

import fixtures

from rackspace_imagetasks import ordered
from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import (
    AccessDenied,
    IntegrityError,
    Refused,
    SourceChanged,
    SourceError,
    TargetError,
)
from rackspace_imagetasks.jobs import saves
from rackspace_imagetasks.jobs.options import SaveOptions
from rackspace_imagetasks.objects import views
from rackspace_imagetasks.objects.data_transfer import DataTransfer
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.profile import GLANCE, RACKSPACE
from rackspace_imagetasks.progress import SILENT
from tests.unit.formats.qcow2.reader import Qcow2
from tests.unit.formats.vhd import builder
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, SwiftCase, noise

BLOCK = 2 * MIB
SEGMENT = 3 * MIB
DISK = 40 * MIB
PRESENT = (5, 2, 9, 0, 17, 11, 3)  # in the order of the file, which is not that of the disk


@functools.cache
def exported(present=PRESENT):
    """Return a VHD, and its disk: blocks of noise, of which one is half zeros."""
    vhd = builder.dynamic(DISK, present)
    disk = bytearray(DISK)
    for block in present:
        (sector,) = struct.unpack(">I", vhd.peek(vhd.table_at + 4 * block, 4))
        data = noise(BLOCK, block + 1) if block != 9 else noise(MIB, 1) + bytes(MIB)
        vhd.put((sector + 1) * 512, data)
        disk[block * BLOCK : (block + 1) * BLOCK] = data
    return vhd.read_at(0, vhd.size), bytes(disk)


class MadeFileCase(SwiftCase):
    def setUp(self):
        super().setUp()
        self.cloud = types.SimpleNamespace(
            objects=self.store,
            stop=None,
            region="DFW",
            progress=SILENT,
            profile=RACKSPACE,
            data_transfer=lambda options: DataTransfer(options, SILENT, None),
        )
        patch = mock.patch.object(views, "PIECE", MIB)
        patch.start()
        self.addCleanup(patch.stop)
        self.content, self.disk = exported()
        self.put(self.content)

    def put(self, content):
        pieces = [content[at : at + SEGMENT] for at in range(0, len(content), SEGMENT)]
        self.segments = self.swift.put_slo("exports", "a.vhd", pieces)

    def plan(self, target, **options):
        source = ObjectName("exports", "a.vhd")
        return saves.plan_save(self.cloud, source, SaveOptions(target=target, **options))

    def save(self, name, **options):
        return self.plan(self.dir / name, **options).run()

    def deny(self, number):
        """Refuse a segment."""
        self.swift.fault(faults.status(403), "GET", self.segments[number], times=99)

    def received(self):
        """Return the numbers of the segments that were requested, in order, then forget them."""
        asked = [each.target for each in self.swift.requests("GET", "_segments")]
        self.swift.log.clear()
        return [next(n for n, name in enumerate(self.segments) if name in each) for each in asked]

    def assert_disk(self, path):
        content = path.read_bytes()
        disk = Qcow2(BytesSource(content)).disk() if path.suffix == ".qcow2" else content
        self.assertEqual(self.disk, disk)


class FormatTest(MadeFileCase):
    def test_in_order_once(self):
        """Each segment is received once and in order; the file has the disk of the VHD."""
        for name in ("a.qcow2", "a.raw", "a.img"):
            done = self.save(name)
            self.assertEqual([0, 1, 2, 3, 4], self.received())
            self.assert_disk(self.dir / name)
            self.assertEqual((self.dir / name).stat().st_size, done.size)
            self.assertFalse((self.dir / f"{name}.part").exists())

    def test_holes(self):
        """What the VHD does not store, and zeros in it, take no space in a raw file."""
        self.save("a.raw")
        stored = (self.dir / "a.raw").stat().st_blocks * 512
        self.assertLessEqual(stored, len(PRESENT) * BLOCK - MIB // 2)

    def test_chosen_format(self):
        """The chosen format takes precedence over the suffix, with a warning if they differ."""
        plan = self.plan(self.dir / "a.raw", disk_format="qcow2")
        self.assertIn("although its name ends with '.raw'", str(plan.warnings[0]))
        plan.run()
        self.assertEqual(b"QFI\xfb", (self.dir / "a.raw").read_bytes()[:4])
        for name, form in (("a.img", "qcow2"), ("a", "raw"), ("a.QCOW2", "qcow2")):
            self.assertEqual((), self.plan(self.dir / name, disk_format=form).warnings)

    def test_vhd(self):
        """Without a known suffix, or with that of VHDs, the file has the bytes of the object."""
        for name, form in (("a.vhd", None), ("a.vpc", None), ("a.x", None), ("a.raw", "vhd")):
            self.save(name, disk_format=form)
            self.assertEqual(self.content, (self.dir / name).read_bytes())

    def test_directory(self):
        """In a directory, the file has the suffix of its format."""
        self.plan(self.dir, disk_format="qcow2").run()
        self.assert_disk(self.dir / "a.qcow2")

    def test_other_formats(self):
        """A format that cannot be written is refused, with what to do; nothing is sent."""
        for name, form in (("a.vmdk", None), ("a.raw", "vdi"), ("a.iso", None), ("a", "x\n")):
            error = self.assertRaises(Refused, self.plan, self.dir / name, disk_format=form)
            self.assertIn("Available formats: qcow2, raw, vhd", str(error))
            self.assertIn("Save the disk as qcow2, then convert", str(error))
        self.assertEqual([], self.swift.log)

    def test_object_in_the_format(self):
        """An object that is in the format already is saved as it is."""
        self.save("a.qcow2")
        image = (self.dir / "a.qcow2").read_bytes()
        self.put(image)
        self.save("b.qcow2")
        self.assertEqual(image, (self.dir / "b.qcow2").read_bytes())

    def test_no_disk(self):
        """An object that is no disk gets no file's name."""
        self.put(noise(MIB + 1))
        self.assertRaises(SourceError, self.save, "a.raw")
        self.assertEqual([], list(self.dir.iterdir()))

    def test_existing_file(self):
        """An existing file is replaced only if that is asked for."""
        (self.dir / "a.raw").write_bytes(b"mine")
        self.assertRaises(TargetError, self.save, "a.raw")
        self.save("a.raw", overwrite=True)
        self.assert_disk(self.dir / "a.raw")

    def test_deletion(self):
        """The object is deleted once the file is complete."""
        self.deny(2)
        self.assertRaises(AccessDenied, self.save, "a.raw", delete_object=True)
        self.assertEqual(["a.vhd"], self.swift.names("exports"))
        self.swift.faults.clear()
        self.save("a.raw", delete_object=True)
        self.assertEqual([], self.swift.names("exports"))

    def test_cloud_without_tasks(self):
        """There are no exports; the message says how to save an image. An object can be saved."""
        self.cloud.profile = GLANCE
        options = SaveOptions(target=self.dir / "b.raw")
        error = self.assertRaises(Refused, saves.plan_save, self.cloud, "0123", options)
        self.assertIn("Export the image itself", str(error))
        self.save("a.raw")
        self.assert_disk(self.dir / "a.raw")


class ExistingFileTest(MadeFileCase):
    """A file that an earlier run has saved, and may have been changed since."""

    def stamp(self, path):
        stat = path.stat()
        return stat.st_ino, stat.st_mtime_ns

    def flip(self, path, offset):
        """Change a byte of a file; return its content."""
        with path.open("r+b") as file:
            (byte,) = os.pread(file.fileno(), 1, offset)
            os.pwrite(file.fileno(), bytes([byte ^ 1]), offset)
        return path.read_bytes()

    def test_identical(self):
        """A file with the same disk is accepted, and not written again, even to replace it."""
        for name in ("a.qcow2", "a.raw"):
            self.save(name)
            before = self.stamp(self.dir / name)
            self.received()
            for overwrite in (False, True):
                done = self.save(name, overwrite=overwrite)
                self.assertEqual("already saved", done.status)
                self.assertEqual((self.dir / name).stat().st_size, done.size)
                self.assertEqual([0, 1, 2, 3, 4], self.received())
            self.assertEqual(before, self.stamp(self.dir / name))
            self.assertEqual([], list(self.dir.glob("*.part")))

    def test_without_holes(self):
        """Zeros that the file stores are the same as its holes."""
        (self.dir / "a.raw").write_bytes(self.disk)
        self.assertEqual("already saved", self.save("a.raw").status)

    def test_different(self):
        """One other byte, in the data, the tables, or a hole: the file is replaced on request."""
        empty = next(n for n in range(DISK // BLOCK) if n not in PRESENT) * BLOCK
        for name, offsets in (
            ("a.raw", (0, empty + 12345, DISK - 1)),
            ("a.qcow2", (8, 65536, 3 * MIB)),
        ):
            path = self.dir / name
            self.save(name)
            for offset in offsets:
                content = self.flip(path, offset)
                error = self.assertRaises(TargetError, self.save, name)
                self.assertIn("already exists", str(error))
                self.assertEqual(content, path.read_bytes())
                self.assertEqual("saved", self.save(name, overwrite=True).status)
                self.assert_disk(path)

    def test_stray_data(self):
        """Data where the disk has none are found before anything is received."""
        self.save("a.raw")
        self.flip(self.dir / "a.raw", DISK - 1)
        self.received()
        self.assertRaises(TargetError, self.save, "a.raw")
        self.assertNotIn(1, self.received())

    def test_other_size(self):
        """A file of another size is refused when the save is planned."""
        self.save("a.raw")
        os.truncate(self.dir / "a.raw", DISK + 512)
        self.received()
        self.assertRaises(TargetError, self.plan, self.dir / "a.raw")
        self.assertNotIn(1, self.received())

    def test_corrupt_object(self):
        """An object that does not match its MD5 is an error, even if the file is the same."""
        self.save("a.raw")
        altered = faults.altered(lambda body: body[:-1] + b"?")
        self.swift.fault(altered, "GET", self.segments[4])
        self.assertRaises(IntegrityError, self.save, "a.raw")
        self.assertEqual(0, self.swift.faults[0].times)

    def test_deletion(self):
        """The object is deleted if the file is complete already."""
        self.save("a.raw")
        self.assertEqual("already saved", self.save("a.raw", delete_object=True).status)
        self.assertEqual([], self.swift.names("exports"))


class AgainTest(MadeFileCase):
    """A second run after one that failed at segment 3."""

    def fail(self, name):
        self.deny(3)
        self.assertRaises(AccessDenied, self.save, name)
        self.swift.faults.clear()
        self.received()
        self.part = self.dir / f"{name}.part"
        self.assertEqual([self.part], list(self.dir.iterdir()))

    def again(self, name):
        """Finish the job; return which segments were received."""
        self.save(name)
        self.assert_disk(self.dir / name)
        return self.received()

    def test_resumed(self):
        """Only the segments that are missing are received, and the one before their piece."""
        for name in ("a.qcow2", "a.raw"):
            self.fail(name)
            self.assertEqual([2, 3, 4], self.again(name))
            (self.dir / name).unlink()

    def test_slow_network(self):
        """Pieces are recorded although each ends in a segment that is still being received."""
        self.useFixture(fixtures.MockPatchObject(views, "PIECE", SEGMENT))
        with mock.patch.object(ordered, "_AHEAD", 1):  # nothing is received before it is needed
            self.fail("a.raw")
        # Segment 0 is verified again: reading begins a little before the end of the piece in it.
        self.assertEqual([1, 2, 3, 4, 0], self.again("a.raw"))

    def test_killed(self):
        """The record in `FILE.part` may be torn, or its end be missing."""
        for cut in (1, 9, 100):
            self.fail("a.raw")
            os.truncate(self.part, self.part.stat().st_size - cut)
            received = self.again("a.raw")
            self.assertEqual([0, 1, 2, 3, 4][received[0] :], received)
            self.assertIn(received[0], (1, 2))
            (self.dir / "a.raw").unlink()

    def test_damaged(self):
        """What is not as it was written is received again, with all that follows."""
        self.fail("a.qcow2")
        with self.part.open("r+b") as file:
            file.seek(4 * MIB)
            file.write(b"?")
        self.assertEqual(1, self.again("a.qcow2")[0])

    def test_other_version(self):
        """Nothing is kept of another version of the object, even with the same layout."""
        self.fail("a.raw")
        other = bytearray(self.content)
        at = self.content.index(noise(BLOCK, 6))
        other[at] ^= 1
        self.disk = bytearray(self.disk)
        self.disk[5 * BLOCK] ^= 1
        self.put(bytes(other))
        self.assertEqual([0, 1, 2, 3, 4], self.again("a.raw"))

    def test_other_format(self):
        """What a run has left of another format is no part of the file, nor of its holes."""
        (self.dir / "a.part").write_bytes(noise(DISK))
        self.save("a", disk_format="raw")
        self.assertEqual(self.disk, (self.dir / "a").read_bytes())
        (self.dir / "a").unlink()
        self.fail("b.raw")
        self.part.rename(self.dir / "b.part")
        self.save("b", disk_format="vhd")
        self.assertEqual(self.content, (self.dir / "b").read_bytes())


class CorruptTest(MadeFileCase):
    def test_segment(self):
        """A segment with another MD5 is an error; the next run begins with it."""
        altered = faults.altered(lambda body: body[:-1] + b"?")
        self.swift.fault(altered, "GET", self.segments[2])
        self.assertRaises(IntegrityError, self.save, "a.raw")
        self.assertEqual(0, self.swift.faults[0].times)
        self.assertFalse((self.dir / "a.raw").exists())
        self.received()
        self.save("a.raw")
        self.assert_disk(self.dir / "a.raw")
        self.assertEqual([1, 2, 3, 4], self.received())

    def test_replaced_meanwhile(self):
        """An object that was replaced while it was received is an error."""
        replace = faults.first(lambda _handler: self.put(exported((1, 2, 3))[0]))
        self.swift.fault(replace, "GET", self.segments[4])
        error = (IntegrityError, SourceChanged)
        self.assertRaises(error, self.save, "a.raw")
        self.assertFalse((self.dir / "a.raw").exists())


class StreamTest(MadeFileCase):
    def test_qcow2(self):
        """A qcow2 file is written in the order of the VHD."""
        out = io.BytesIO()
        self.plan(out, disk_format="qcow2").run()
        self.assertEqual(self.disk, Qcow2(BytesSource(out.getvalue())).disk())
        self.assertEqual([0, 1, 2, 3, 4], self.received())

    def test_raw(self):
        """A raw disk is written if its blocks are in order; otherwise nothing is."""
        out = io.BytesIO()
        error = self.assertRaises(Refused, self.plan(out, disk_format="raw").run)
        self.assertIn("not stored in the order of the disk", str(error))
        self.assertEqual(b"", out.getvalue())
        content, self.disk = exported(tuple(sorted(PRESENT)))
        self.put(content)
        self.received()
        self.plan(out, disk_format="raw").run()
        self.assertEqual(self.disk, out.getvalue())
        self.assertEqual([0, 1, 2, 3, 4], self.received())
