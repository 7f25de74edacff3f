# SPDX-License-Identifier: Apache-2.0
"""The data of an image in a file: resumed, verified, from services with and without ranges."""

import tempfile
from pathlib import Path
from unittest import mock

from rackspace_imagetasks.exceptions import IntegrityError, ServiceError, TargetError
from rackspace_imagetasks.glance.download import download_image, find_image_download
from rackspace_imagetasks.objects import _fetch
from tests.unit.glance.dataservice import DataCase
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, noise

CONTENT = noise(5 * MIB + 7)


class DownloadCase(DataCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "web.raw"
        self.part = self.path.with_name("web.raw.part")
        patch = mock.patch.object(_fetch, "PIECE", MIB)
        patch.start()
        self.addCleanup(patch.stop)
        self.image = self.stored(CONTENT)

    def download(self, **options):
        return download_image(self.source(self.image), self.path, self.transfer(), **options)

    def ranges(self):
        """Return the ranges that were requested, but for the one that shows that they work."""
        requests = self.service.requests("GET", "/file")
        headers = [request.headers.get("Range") for request in requests]
        return sorted(each for each in headers if each and each != "bytes=0-0")

    def alter(self, **values):
        self.service.images[self.image["id"]] |= values


class RangesTest(DownloadCase):
    def test_ranges(self):
        """Each piece is one request, and the file has exactly the data."""
        done = self.download()
        self.assertEqual(CONTENT, self.path.read_bytes())
        self.assertEqual((len(CONTENT), 0), (done.fetched_bytes, done.reused_bytes))
        self.assertEqual(6, len(self.ranges()))
        self.assertFalse(self.part.exists())

    def test_resumed(self):
        """What an earlier run left is not requested again, but is hashed with the rest."""
        self.part.write_bytes(CONTENT[: 3 * MIB])
        done = self.download()
        self.assertEqual(CONTENT, self.path.read_bytes())
        self.assertEqual(3 * MIB, done.reused_bytes)
        self.assertEqual(3, len(self.ranges()))

    def test_damaged_part(self):
        """Wrong bytes of an earlier run are found by the hash, and everything is fetched again."""
        self.part.write_bytes(noise(MIB, 9) + CONTENT[MIB : 3 * MIB])
        done = self.download()
        self.assertEqual(CONTENT, self.path.read_bytes())
        self.assertEqual(0, done.reused_bytes)

    def test_other_hashes(self):
        """An image has only an MD5, or a hash that is unknown here: the MD5 is compared."""
        self.alter(os_hash_algo="whirlpool-9", os_hash_value="0")
        self.assertEqual(len(CONTENT), self.download().fetched_bytes)
        self.alter(checksum="0" * 32)
        error = self.assertRaises(IntegrityError, self.download, overwrite=True)
        self.assertIn("their MD5 is", str(error))

    def test_wrong_hash(self):
        """Data that do not match the hash get no file's name."""
        self.alter(os_hash_value="0" * 128)
        error = self.assertRaises(IntegrityError, self.download)
        self.assertIn("their SHA512 is", str(error))
        self.assertEqual((False, True), (self.path.exists(), self.part.exists()))

    def test_no_hash(self):
        """Data without any hash are saved, but what an earlier run left is not trusted."""
        self.alter(checksum=None, os_hash_algo=None, os_hash_value=None)
        self.part.write_bytes(noise(3 * MIB, 9))
        self.assertEqual(0, self.download().reused_bytes)
        self.assertEqual(CONTENT, self.path.read_bytes())
        self.assertIsNone(self.find())

    def find(self):
        return find_image_download(self.source(self.image), self.path, self.transfer())

    def test_found(self):
        """A file with the data is recognised without a request for data; others are not."""
        self.assertIsNone(self.find())
        self.download()
        before = len(self.ranges())
        self.assertEqual(0, self.find().fetched_bytes)
        self.path.write_bytes(CONTENT[:-1] + b"?")
        self.assertIsNone(self.find())
        self.assertEqual(before, len(self.ranges()))
        self.assertRaises(TargetError, self.download)


class NoRangesTest(DownloadCase):
    def test_one_stream(self):
        """Without ranges the data comes in one stream, which begins again when it breaks."""
        for ranges in ("refused", "ignored"):
            self.service.ranges = ranges
            self.fault(faults.cut(2 * MIB), "GET", "/file", times=2)  # the first one is a probe
            self.download(overwrite=True)
            self.assertEqual(CONTENT, self.path.read_bytes())
        self.assertEqual([2, 2], self.fired())

    def test_gives_up(self):
        """A stream that never gets further is an error, and `FILE.part` remains."""
        self.service.ranges = "ignored"
        self.fault(faults.cut(MIB), "GET", "/file", times=99)
        self.assertRaises(ServiceError, self.download)
        self.assertFalse(self.path.exists())
