# SPDX-License-Identifier: Apache-2.0
import dataclasses
import lzma
import os
from pathlib import Path
from unittest import mock

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.exceptions import Refused, SourceError
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.osc.hints import worded_error
from rackspace_imagetasks.profile import RACKSPACE
from rackspace_imagetasks.progress import SilentProgress
from rackspace_imagetasks.sources.staging import open_for_import
from tests.unit.formats.vhd.builder import by_qemu, dynamic, fixed

CORPUS = Path(__file__).parents[2] / "corpus"


class Told(SilentProgress):
    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


class StagingTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.root = Path(self.useFixture(fixtures.TempDir()).path)
        self.told = Told()

    def write(self, content, name="disk"):
        path = self.root / name
        path.write_bytes(content)
        return path

    def corpus(self, name):
        return self.write(lzma.decompress((CORPUS / f"{name}.xz").read_bytes()), name)

    def open(self, path, **how):
        source = open_for_import(path, RACKSPACE, self.told, **how)
        self.addCleanup(source.close)
        return source

    def test_a_vhd_that_grows_is_sent_as_it_is(self):
        """XenServer's own VHD is uploaded unchanged, without a message."""
        self.assertIsInstance(self.open(self.corpus("go-vhd-xapi.vhd")), FileSource)
        self.assertEqual([], self.told.messages)

    def test_vhds_that_would_not_grow_are_laid_out_anew(self):
        """VHDs by qemu and fixed ones are converted to resizable ones, with the reason."""
        for name, reason in (("go-vhd-qemu.vhd", "cannot resize"), ("node-vhd-fixed.vhd", "zeros")):
            source = self.open(self.corpus(name))
            self.assertTrue(vhd.check(source).facts.grows)
            self.assertIn(reason, self.told.messages[-1])
            self.assertRegex(self.told.messages[-1], r" \(vhd-[a-z]+, [0-9.]+ [KMG]iB\) to a ")

    def test_a_vhd_is_opened_and_read_once(self):
        """To convert a VHD its file is opened once, and no part of its metadata read twice."""
        path = self.write(by_qemu(8 * 2**20).peek(0, by_qemu(8 * 2**20).size))
        opened, read, reading = [], [], os.pread
        opening = os.open

        def open_(name, *arguments, **keywords):
            opened.append(Path(name))
            return opening(name, *arguments, **keywords)

        def pread(fd, length, offset):
            read.append(offset)
            return reading(fd, length, offset)

        with mock.patch("os.open", open_), mock.patch("os.pread", pread):
            source = self.open(path)
        self.assertIn("Converting", self.told.messages[-1])
        self.assertTrue(vhd.check(source).facts.grows)
        self.assertEqual(1, opened.count(path))
        self.assertEqual(1, read.count(0))
        for offset in (1536, path.stat().st_size - 4096, path.stat().st_size - 512):
            self.assertLessEqual(read.count(offset), 1, offset)

    def test_vhds_that_only_xenserver_refuses_are_laid_out_anew(self):
        """Errors that a new layout corrects do not stop an import; the message says why."""
        for image, reason in (
            (dynamic().header(8, 8, 0), "data offset of the dynamic header is 0x0"),
            (dynamic(version=0x00000001), "the creator 'tap' is 0.1"),
            (dynamic(version=0x00010004), "the creator 'tap' is 1.4"),
            (dynamic().footer(56, 4, b"\xff\xff\x10\xff"), "geometry 65535/16/255 is larger"),
            (dynamic().footer(24, 4, 0xFFFFFFFF), "is more than 30 minutes in the future"),
            (fixed().footer(16, 8, 0xFFFFFFFF), "data offset of a fixed disk"),
            (fixed(), "cannot resize a fixed VHD"),
            (dynamic().cut(1), "511 bytes"),
            (dynamic(entries=4), "has 4 entries, but the disk has 3 blocks"),
        ):
            content = image.put(8 * 512 + 510, b"\x55\xaa").peek(0, image.size)
            source = self.open(self.write(content))
            self.assertIn(reason, self.told.messages[-1])
            self.assertEqual((), vhd.check(source).findings)
            self.assertTrue(vhd.check(source).facts.grows)
            inner, before = vhd.open_disk(source), vhd.open_disk(image)
            self.assertEqual(before.read_at(0, 2**20), inner.read_at(0, 2**20))

    def test_no_convert(self):
        """The file can be uploaded unchanged on request."""
        source = self.open(self.corpus("go-vhd-qemu.vhd"), convert=False)
        self.assertIsInstance(source, FileSource)

    def test_a_broken_vhd_is_not_mended_silently(self):
        """A file that the service refuses is not converted, but refused with the code."""
        source = self.open(self.corpus("go-vhd-win8-child.vhd"))
        self.assertEqual(721, vhd.check(source).code)

    def test_a_raw_disk(self):
        """A boot signature makes a file a raw disk."""
        content = bytes(510) + b"\x55\xaa" + bytes(2**20 - 512)
        report = vhd.check(self.open(self.write(content)))
        self.assertEqual((), report.errors)
        self.assertEqual(2 * 2**20, report.facts.virtual_size)

    def test_possibly_a_raw_disk(self):
        """Without a signature the format must be specified; a size that no disk has is refused."""
        path = self.write(bytes(2**20))
        error = self.assertRaises(Refused, self.open, path)
        self.assertIn("--source-format raw", worded_error(error))
        self.assertTrue(vhd.check(self.open(path, source_format="raw")).facts.grows)
        self.assertRaises(SourceError, self.open, self.write(b"no disk"))
        for size in (512, 1024):  # shorter than where a file system has its magic
            self.assertRaises(Refused, self.open, self.write(bytes(size)))
        for at, magic in ((510, b"\x55\xaa"), (0x438, b"\x53\xef")):
            content = bytes(at) + magic + bytes(2**20 - at - 2)
            self.assertEqual((), vhd.check(self.open(self.write(content))).errors)

    def test_a_refused_disk_is_closed(self):
        """Neither the file nor a program that reads it stays open: a whole batch may be refused."""
        for content in (bytes(2**20), self.corpus("go-vhd-qemu.vhd").read_bytes()):
            path = self.write(content)
            opened = set(Path("/proc/self/fd").iterdir())
            strict = dataclasses.replace(RACKSPACE, max_virtual_size=512)
            self.assertRaises(Refused, open_for_import, path, strict, self.told)
            self.assertEqual(opened, set(Path("/proc/self/fd").iterdir()))

    def test_specified_format(self):
        """A raw disk that carries a VHD of XenServer's is not taken for that VHD."""
        path = self.corpus("go-vhd-xapi.vhd")
        source = self.open(path, source_format="raw")
        self.assertEqual(path.read_bytes(), vhd.open_disk(source).read_at(0, 3584))
        self.assertRaises(SourceError, self.open, path, source_format="nonsense")
        self.assertRaises(Refused, self.open, path, source_format="raw", convert=False)

    def test_the_same_disk_gives_the_same_bytes(self):
        """A resume on another day finds the segments of the first: UUID and time are the disk's."""
        path = self.write(bytes(510) + b"\x55\xaa" + b"x" * (2**21 - 512))
        (self.root / "x").mkdir()
        first, second = self.open(path), self.open(self.root / "x" / ".." / "disk")
        self.assertEqual(first.identity, second.identity)
        self.assertEqual(first.read_at(0, first.size), second.read_at(0, second.size))
