# SPDX-License-Identifier: Apache-2.0
"""Downloads from a real Swift with faults: what arrives, is requested, and remains."""

import time

from devcloud import operations
from devcloud.faults import Rule
from rackspace_imagetasks.exceptions import IntegrityError, NotFound, ServiceError, SourceChanged
from rackspace_imagetasks.objects.download import download
from rackspace_imagetasks.objects.source import ObjectSource
from tests.functional import objectcase
from tests.functional.objectcase import MIB, fixed_vhd, noise

PIECES = [noise(MIB, seed) for seed in range(8)]
SILENCE = 15.0  # seconds


class DownloadCase(objectcase.ObjectCase):
    def setUp(self):
        super().setUp()
        self.path = self.tmp / "saved"
        self.part = self.tmp / "saved.part"

    def download(self, name="disk", pieces=PIECES, **options):
        """Download an object, which must be complete."""
        done = self.try_download(name, **options)
        self.assertEqual(b"".join(pieces), self.path.read_bytes())
        self.assertFalse(self.part.exists())
        return done

    def try_download(self, name="disk", read_timeout=60.0, sleep=time.sleep, threads=8):
        store = self.store(read_timeout=read_timeout, sleep=sleep)
        transfer = self.transfer(sleep, threads=threads)
        return download(store, self.object(name), self.path, transfer)

    def fault(self, segment, **effect):
        return self.inject(Rule("GET", f"/{self.place}_segments/disk/{segment:08d}$", **effect))

    def fetched(self, part):
        return sum(request.sent for request in self.requests("GET", part))


class SegmentTest(DownloadCase):
    def setUp(self):
        super().setUp()
        self.put_slo("disk", PIECES)
        self.begin()

    def test_passing_answers(self):
        """After each transient status, only that segment is requested again."""
        statuses = (408, 429, 498, 499, 500, 502, 503, 504)
        for segment, status in enumerate(statuses):
            self.fault(segment, status=status, headers={"Retry-After": "1"})
        waits = []
        self.download(sleep=waits.append)
        for segment, status in enumerate(statuses):
            self.assertEqual([status, 206], self.statuses("GET", f"/disk/{segment:08d}"))
        self.assertGreaterEqual(sum(waits), len(statuses))

    def test_broken_connections(self):
        """After a connection breaks or ends early, reading resumes at the byte reached."""
        effects = (
            {"drop": "before"},
            {"drop": "download", "offset": 500_000},
            {"truncate": 500_000},
        )
        for segment, effect in enumerate(effects):
            self.fault(segment, **effect)
        self.download()
        self.assertEqual(2, len(self.requests("GET", "/disk/00000000")))
        for segment in (1, 2):
            first, second = self.requests("GET", f"/disk/{segment:08d}")
            self.assertEqual(f"bytes=0-{MIB - 1}", first.range)
            self.assertRegex(second.range, rf"bytes=[1-9][0-9]*-{MIB - 1}$")
            self.assertLess(second.sent, MIB)

    def test_stalled(self):
        """A request that stalls in the middle of a body times out and is sent again."""
        stalled = self.fault(3, stall=SILENCE, offset=500_000)
        self.download(read_timeout=1.5)
        self.assertEqual([1], stalled.fired())
        again = self.requests("GET", "/disk/00000003", status=206)
        self.assertTrue([request for request in again if request.seconds < SILENCE])

    def test_more_than_declared(self):
        """Bytes beyond the requested range are ignored."""
        headers = {"Content-Range": f"bytes 0-{MIB - 1}/{MIB}", "Content-Length": str(MIB + 9)}
        body = "x" * (MIB + 9)
        self.fault(3, status=206, headers=headers, body=body)
        self.download()
        self.assertEqual([206, 206], self.statuses("GET", "/disk/00000003"))

    def test_corrupted_on_the_way(self):
        """A segment with one wrong byte is fetched again."""
        self.fault(3, corrupt=True, offset=300_000)
        self.download()
        self.assertEqual(2 * MIB, self.fetched("/disk/00000003"))

    def test_corrupted_for_good(self):
        """A corrupt segment is named; the next run keeps the segments that are right."""
        self.fault(3, corrupt=True, offset=300_000, times=3)
        error = self.assertRaises(IntegrityError, self.try_download, threads=1)
        self.assertIn(f"'{self.place}_segments/disk/00000003' is corrupt", str(error))
        self.assertFalse(self.path.exists())
        self.begin()
        done = self.download()
        self.assertEqual(3 * MIB, done.reused_bytes)
        self.assertEqual(5 * MIB, self.fetched("/disk/0000"))

    def test_given_up(self):
        """After the last retry, the last response is reported, and FILE.part is kept."""
        self.fault(2, status=503, times=8)
        error = self.assertRaises(
            ServiceError, self.try_download, threads=1, sleep=lambda _seconds: None
        )
        self.assertIn("503", str(error))
        self.assertTrue(self.part.exists())
        self.assertEqual(2 * MIB, self.download().reused_bytes)

    def test_altered_on_disk(self):
        """A segment that is corrupt on the server's disk is named, and no file appears."""
        account = self.connection.object_store.get_endpoint().rpartition("/")[2]
        container, name = f"{self.place}_segments", "disk/00000005"
        stored = operations.object_file(self.root, "DFW", account, container, name)
        with stored.open("r+b") as opened:
            opened.write(b"rotten")
        error = self.assertRaises((IntegrityError, NotFound), self.try_download)
        self.assertIn(f"{container}/{name}'", str(error))
        self.assertFalse(self.path.exists())

    def test_missing(self):
        """A deleted segment is named."""
        self.connection.object_store.delete(f"/{self.place}_segments/disk/00000005")
        error = self.assertRaises(NotFound, self.try_download)
        self.assertIn(f"{self.place}_segments/disk/00000005", str(error))

    def test_a_segment_is_replaced(self):
        """A segment that was replaced under the same name is detected."""
        self.swift().put_object(f"{self.place}_segments", "disk/00000005", noise(MIB, 99))
        error = self.assertRaises(IntegrityError, self.try_download)
        self.assertIn("disk/00000005' was replaced", str(error))


class DynamicTest(DownloadCase):
    def setUp(self):
        super().setUp()
        self.put_dlo("disk", PIECES)
        self.begin()

    def delete(self, number):
        self.connection.object_store.delete(f"/{self.place}/disk-{number:05d}")

    def test_whole(self):
        """Each segment of a DLO is fetched once."""
        self.download()
        self.assertEqual([206] * len(PIECES), self.statuses("GET", "/disk-"))

    def test_missing_and_extra(self):
        """Missing and extra segments are named before a byte is fetched."""
        self.delete(3)
        self.swift().put_object(self.place, "disk-notes", b"x")
        error = self.assertRaises(IntegrityError, self.try_download, sleep=lambda _seconds: None)
        self.assertIn("lacks segments 3 and has extra segments 'disk-notes'", str(error))
        self.assertEqual([], self.requests("GET", "/disk-"))

    def test_the_listing_lags_behind(self):
        """A listing without the last segments is read again."""
        self.inject(Rule("GET", f"/{self.place}$", "prefix=disk-", status=200, body="[]"))
        self.download()


class ReplacedTest(DownloadCase):
    def test_between_two_ranges(self):
        """Two versions of an object that is replaced meanwhile are not mixed."""
        swift = self.swift()
        swift.put_object(self.place, "disk", PIECES[0])
        self.inject(Rule("GET", f"/{self.place}/disk$", drop="download", offset=500_000))
        replaced = []

        def sleep(_seconds):
            replaced.append(swift.put_object(self.place, "disk", PIECES[1]))

        error = self.assertRaises(IntegrityError, self.try_download, sleep=sleep)
        self.assertIn("was replaced while it was being read. Try again.", str(error))
        self.assertFalse(self.path.exists())
        self.download(pieces=PIECES[1:2])

    def test_the_manifest(self):
        """Replacing a manifest between two reads of a byte source is detected."""
        self.put_slo("disk", PIECES)
        source = ObjectSource(self.store(), self.object("disk"))
        self.assertEqual(PIECES[0], source.read_at(0, MIB))
        self.put_slo("disk", PIECES[::-1])
        self.assertRaises(SourceChanged, source.read_at, 0, MIB)


class CommandTest(DownloadCase):
    def test_faults_on_the_way(self):
        """The command saves an export despite several faults."""
        content = fixed_vhd(b"".join(PIECES[:4]))
        self.put_dlo("disk.vhd", [content[at : at + MIB] for at in range(0, len(content), MIB)])
        effects = (
            {"status": 503, "headers": {"Retry-After": "1"}},
            {"drop": "download", "offset": 300_000},
            {"corrupt": True, "offset": 300_000},
            {"truncate": 300_000},
        )
        for number, effect in enumerate(effects, 1):
            self.inject(Rule("GET", f"/{self.place}/disk.vhd-{number:05d}$", **effect))
        self.begin()
        (row,) = self.save("disk.vhd", self.path).rows
        self.assertEqual(content, self.path.read_bytes())
        self.assertEqual(len(content), row["Size"])
        for number in range(1, len(effects) + 1):
            self.assertEqual(2, len(self.requests("GET", f"/disk.vhd-{number:05d}")))

    def test_damage_is_said(self):
        """A corrupt segment ends the command; the next run fetches only that segment."""
        content = fixed_vhd(b"".join(PIECES[:4]))
        self.put_slo("disk.vhd", [content[at : at + MIB] for at in range(0, len(content), MIB)])
        self.inject(Rule("GET", f"/{self.place}_segments/disk.vhd/00000004", corrupt=True, times=3))
        outcome = self.save("disk.vhd", self.path, "--threads", 1, status=1)
        self.assertIn("disk.vhd/00000004' is corrupt", outcome.stderr)
        self.assertEqual("", outcome.stdout)
        self.assertFalse(self.path.exists())
        (row,) = self.save("disk.vhd", self.path).rows
        self.assertEqual((content, 512), (self.path.read_bytes(), row["Fetched"]))
