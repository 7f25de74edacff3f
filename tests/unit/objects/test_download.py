# SPDX-License-Identifier: Apache-2.0
import errno
import fcntl
import hashlib
import io
import json
import os
from unittest import mock

import fixtures

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import (
    IntegrityError,
    NotFound,
    ServiceError,
    SourceChanged,
    TargetError,
    TransferError,
    VhdError,
)
from rackspace_imagetasks.objects import _manifest
from rackspace_imagetasks.objects._sparse import SparseFile
from rackspace_imagetasks.objects.download import download, download_stream
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.source import ObjectSource
from rackspace_imagetasks.osc.hints import WORDINGS
from rackspace_imagetasks.partfile import part_file
from tests.unit.objects import faults
from tests.unit.objects.base import MIB, NAME, Ledger, SwiftCase, noise

PIECES = [noise(MIB, 1), noise(MIB, 2), noise(MIB, 3), noise(17, 4)]
CONTENT = b"".join(PIECES)


class DownloadCase(SwiftCase):
    def setUp(self):
        super().setUp()
        self.path = self.dir / "disk.vhd"
        self.part = self.dir / "disk.vhd.part"

    def download(self, name="a", *, overwrite=False, validate=None, **running):
        return download(
            self.store,
            ObjectName("images", name),
            self.path,
            self.transfer(**running),
            overwrite=overwrite,
            validate=validate,
        )

    def assert_right(self, content=CONTENT):
        self.assertEqual(content, self.path.read_bytes())
        self.assertEqual(["disk.vhd"], [entry.name for entry in self.dir.iterdir()])

    def gets(self, part="images_segments"):
        return len(self.swift.requests("GET", part))


class TestKinds(DownloadCase):
    def test_slo(self):
        """A Static Large Object is downloaded with one GET per segment."""
        self.swift.put_slo("images", "a", PIECES)
        ledger = Ledger()
        done = self.download(progress=ledger)
        self.assert_right()
        self.assertEqual(
            (len(CONTENT), len(CONTENT), 0, 4),
            (done.size, done.fetched_bytes, done.reused_bytes, done.segments),
        )
        self.assertEqual(4, self.gets())
        self.assertEqual([len(CONTENT)], list(ledger.sums.values()))

    def test_dlo(self):
        """A Dynamic Large Object is downloaded, whatever its name and container of segments."""
        self.swift.put_dlo("images", "a b/%41 é", PIECES)
        self.download("a b/%41 é")
        self.assert_right()
        self.path.unlink()
        for index, piece in enumerate(PIECES):
            self.swift.put("else where", f"x/{index:08d}", piece)
        self.swift.put("images", "c", b"", X_Object_Manifest="else%20where/x/")
        self.download("c")
        self.assert_right()

    def test_plain(self):
        """A plain object is downloaded, and so is an empty one."""
        self.swift.put("images", "a", CONTENT)
        self.download()
        self.assert_right()
        self.swift.put("images", "empty", b"")
        self.download("empty", overwrite=True)
        self.assert_right(b"")

    def test_nested(self):
        """Nested manifests are followed."""
        self.swift.put_slo("images", "inner", PIECES[1:3])
        self.swift.put("images", "first", PIECES[0])
        self.swift.put("images", "last", PIECES[3])
        paths = [{"path": f"/images/{name}"} for name in ("first", "inner", "last")]
        adapter = self.swift.adapter()
        adapter.put("images/a?multipart-manifest=put", json=paths)
        self.download()
        self.assert_right()

    def nest(self, name, inner, times):
        """Store a manifest that names another manifest several times."""
        paths = [{"path": f"/images/{inner}"}] * times
        self.swift.adapter().put(f"images/{name}?multipart-manifest=put", json=paths)

    def test_nested_without_measure(self):
        """Too many nested manifests are refused, whether or not they have any content."""
        for pieces in ([], [b"1"]):
            self.swift.put_slo("images", "inner", pieces)
            self.nest("middle", "inner", 8)
            self.nest("a", "middle", 8)
            for bound in ("_MAX_MANIFESTS", "_MAX_SEGMENTS"):
                self.swift.log.clear()
                with mock.patch.object(_manifest, bound, 20):
                    error = self.assertRaises(TransferError, self.download)
                self.assertIn("more than 20", str(error))
                self.assertLessEqual(self.gets(""), 20)

    def test_nested_too_deep(self):
        """A manifest nested deeper than allowed is refused."""
        self.swift.put_slo("images", "inner", PIECES)
        self.nest("middle", "inner", 1)
        self.nest("a", "middle", 1)
        with mock.patch.object(_manifest, "_MAX_NESTING", 1):
            self.assertIn(
                "nested more than 1 levels deep",
                str(self.assertRaises(TransferError, self.download)),
            )
        with mock.patch.object(_manifest, "_MAX_NESTING", 2):
            self.download()
        self.assert_right()

    def test_replaced_between_head_and_manifest(self):
        """If the object is replaced between HEAD and manifest, both are read again."""
        self.swift.put_slo("images", "a", PIECES)
        other = [noise(MIB, 9), *PIECES[1:]]
        replace = faults.first(lambda handler: handler.swift.put_slo("images", "a", other))
        self.swift.fault(replace, "GET", "images/a")
        done = self.download()
        self.assert_right(b"".join(other))
        self.assertEqual(self.swift.containers["images"]["a"].etag, done.etag)

    def test_empty_with_an_md5_of_more(self):
        """An object that is empty according to the service, but has another MD5, is refused."""
        self.swift.put("images", "a", CONTENT)
        self.swift.fault(faults.status(200, Content_Length="0", ETag="1" * 32), "HEAD", times=99)
        error = self.assertRaises(IntegrityError, self.download)
        self.assertIn("1" * 32, str(error))
        self.assertFalse(self.path.exists())

    def test_uploaded(self):
        """An uploaded object is downloaded."""
        self.upload(BytesSource(CONTENT), segment_size=MIB)
        self.download()
        self.assert_right()

    def test_missing(self):
        """An object that does not exist is named, and no file is created."""
        error = self.assertRaises(NotFound, self.download)
        self.assertIn("images/a", str(error))
        self.assertFalse(self.path.exists())

    def test_holes(self):
        """Blocks of zeros use no disk space, also at the end and in segments of zeros only."""
        pieces = [PIECES[0], bytes(MIB), bytes(MIB // 2) + noise(MIB // 2), bytes(MIB)]
        self.swift.put_slo("images", "a", pieces)
        self.swift.put("images", "plain", b"".join(pieces))
        for name in ("a", "plain"):
            self.download(name, overwrite=True)
            self.assert_right(b"".join(pieces))
            self.assertLess(self.path.stat().st_blocks * 512, 2 * MIB)

    def test_stream(self):
        """A stream receives the bytes in order."""
        self.swift.put_slo("images", "a", PIECES)
        out = io.BytesIO()
        download_stream(self.store, NAME, out, self.transfer())
        self.assertEqual(CONTENT, out.getvalue())

    def test_stream_closed(self):
        """A reader that closes the stream is an error of the target."""
        self.swift.put("images", "a", CONTENT)
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb", buffering=0) as out:
            self.assertRaises(TargetError, download_stream, self.store, NAME, out, self.transfer())

    def test_stream_closed_with_all_in_its_buffer(self):
        """The download is complete only after the buffer is flushed."""
        self.swift.put("images", "a", b"content")
        reader, writer = os.pipe()
        os.close(reader)
        out = os.fdopen(writer, "wb")
        self.assertRaises(TargetError, download_stream, self.store, NAME, out, self.transfer())
        self.assertRaises(BrokenPipeError, out.close)

    def test_source_of_replaced_object(self):
        """Replacing a manifest between two reads is detected by the second."""
        self.swift.put_slo("images", "a", PIECES)
        source = ObjectSource(self.store, NAME)
        source.read_at(0, 512)
        self.swift.put_slo("images", "a", [noise(MIB, 9), *PIECES[1:]])
        error = self.assertRaises(SourceChanged, source.read_at, len(CONTENT) - 512, 512)
        self.assertIn("replaced", str(error))


class TestFaults(DownloadCase):
    def setUp(self):
        super().setUp()
        self.names = self.swift.put_slo("images", "a", PIECES)

    def fault(self, action, times=1):
        self.swift.fault(action, "GET", self.names[1], times)

    def test_broken_off(self):
        """After a connection breaks, reading resumes at the byte that was reached."""
        for sent in (0, 1, 700_000):
            self.fault(faults.cut(sent))
            self.download(overwrite=True)
            self.assert_right()
        ranges = [entry.headers["Range"] for entry in self.swift.requests("GET", self.names[1])]
        self.assertEqual(["bytes=1-1048575", "bytes=700000-1048575"], [ranges[3], ranges[5]])

    def test_statuses(self):
        """Transient statuses, resets and stalls are survived."""
        self.store = self.new_store(read_timeout=0.2)
        for action in (faults.status(503), faults.status(498), faults.reset(), faults.stall()):
            self.fault(action)
            self.download(overwrite=True)
            self.assert_right()

    def test_always_broken(self):
        """A connection that always breaks ends in an error with the position; the rest is kept."""
        self.store = self.new_store(retries=2)
        self.fault(faults.cut(1), times=99)  # a byte each time is no progress
        error = self.assertRaises(ServiceError, self.download, threads=1)
        self.assertIn(self.names[1], str(error))
        self.assertEqual(3, len(self.swift.requests("GET", self.names[1])))
        self.assertFalse(self.path.exists())
        self.swift.faults.clear()
        self.assertEqual(MIB, self.download().reused_bytes)
        self.assert_right()

    def test_altered_once(self):
        """A segment that arrives corrupt is fetched again."""
        self.fault(faults.altered(lambda body: b"X" + body[1:]))
        self.download()
        self.assert_right()
        self.assertEqual(5, self.gets())

    def test_altered_into_zeros(self):
        """Zeros that replace the bytes of a corrupt response are written."""
        pieces = [bytes(MIB), PIECES[1]]
        self.names = ["", *self.swift.put_slo("images", "a", pieces)]
        self.fault(faults.altered(lambda body: noise(len(body))))
        self.download()
        self.assert_right(b"".join(pieces))

    def test_altered_for_good(self):
        """A segment whose content does not match the manifest is named."""
        self.fault(faults.altered(lambda body: b"X" + body[1:]), times=99)
        error = self.assertRaises(IntegrityError, self.download)
        self.assertIn(self.names[1], str(error))
        self.assertEqual(3, len(self.swift.requests("GET", self.names[1])))
        self.assertFalse(self.path.exists())

    def test_replaced(self):
        """A segment that was replaced is detected."""
        self.swift.put("images_segments", self.names[1], PIECES[2])
        error = self.assertRaises(IntegrityError, self.download)
        self.assertIn("replaced", str(error))

    def test_missing(self):
        """A segment that does not exist is named."""
        del self.swift.containers["images_segments"][self.names[1]]
        self.swift.containers["images"]["a"].slo[1]["bytes"] = MIB
        with mock.patch.object(type(self.swift), "content", return_value=CONTENT):
            error = self.assertRaises(NotFound, self.download)
        self.assertIn(self.names[1], str(error))

    def test_overlong(self):
        """Bytes beyond the requested range are ignored."""
        self.fault(faults.overlong(b"more"), times=99)
        self.download()
        self.assert_right()

    def test_another_range(self):
        """A response with another range than the requested one is refused."""

        def act(handler):
            handler.read_body()
            handler.answer(206, {"Content-Range": f"bytes 5-{MIB + 4}/{2 * MIB}"}, PIECES[2])
            return True

        self.fault(act, times=99)
        error = self.assertRaises(IntegrityError, self.download)
        self.assertIn(self.names[1], str(error))

    def test_range_that_is_ignored(self):
        """A response with the whole object is refused if a part of it was requested."""
        source = ObjectSource(self.store, NAME)
        for offset, length in ((MIB, 512), (0, 512), (512, len(CONTENT) - 512)):
            answer = faults.status(200, CONTENT, ETag=source.info.etag)
            self.swift.fault(answer, "GET", "images/a")
            self.assertRaises(SourceChanged, source.read_at, offset, length)
        self.swift.fault(answer, "GET", "images/a")
        self.assertEqual(CONTENT, source.read_at(0, len(CONTENT)))

    def test_manifest_is_nonsense(self):
        """A manifest that is not valid is reported as an error."""
        for body in (
            b"",
            b"null",
            b"[1]",
            b"[{}]",
            b'[{"name": "x", "bytes": -1, "hash": ""}]',
            b'[{"name": "/c/o", "bytes": 1e400, "hash": "0"}]',
            b"[" * 100_000,
        ):
            self.swift.faults.clear()
            self.swift.fault(faults.status(200, body), "GET", "images/a", times=99)
            self.assertRaises((ServiceError, IntegrityError), self.download)

    def test_manifest_of_parts(self):
        """Inline data and ranges of segments are refused with a hint to another tool."""
        entries = self.swift.containers["images"]["a"].slo
        for odd in ({"data": "aGVsbG8="}, {**entries[1], "range": "0-99"}):
            body = json.dumps([entries[0], odd, *entries[2:]]).encode()
            self.swift.fault(faults.status(200, body), "GET", "images/a")
            error = self.assertRaises(TransferError, self.download)
            self.assertIn("another tool", str(error))
            (message,) = error.messages
            self.assertIn("`swift download images a`", message.worded(WORDINGS))

    def test_validate(self):
        """A file that `validate` refuses is not renamed."""

        def refuse(source):
            self.assertEqual(CONTENT, source.read_at(0, source.size))
            raise VhdError("No footer.")

        self.assertRaises(VhdError, self.download, validate=refuse)
        self.assertFalse(self.path.exists())
        self.assertEqual(len(CONTENT), self.download(validate=lambda source: None).reused_bytes)
        self.assert_right()


class TestDlo(DownloadCase):
    def setUp(self):
        super().setUp()
        self.names = self.swift.put_dlo("images", "a", PIECES)

    def refused(self):
        error = self.assertRaises(IntegrityError, self.download)
        self.assertFalse(self.path.exists())
        return str(error)

    def test_missing(self):
        """A gap in the numbers is named, after the listing has had time to catch up."""
        del self.swift.containers["images"][self.names[1]]
        self.assertIn("lacks segments 2.", self.refused())
        self.assertGreater(sum(self.waits), 2)
        self.assertEqual(0, len(self.swift.requests("GET", self.names[0])))

    def test_first_missing(self):
        """A missing first segment is a gap."""
        del self.swift.containers["images"][self.names[0]]
        self.assertIn("lacks segments 1", self.refused())

    def test_missing_where_numbers_begin_at_0(self):
        """A gap in segments numbered from 0, as python-swiftclient does, is found."""
        for index, piece in enumerate(PIECES):
            self.swift.put("others", f"a/{index:08d}", piece)
        self.swift.put("images", "a", b"", X_Object_Manifest="others/a/")
        del self.swift.containers["others"]["a/00000001"]
        self.assertIn("lacks segments 1.", self.refused())

    def test_many_missing(self):
        """Only the first missing segments are named, however many there are."""
        self.swift.put("images", "a-9999999999999999", b"x")
        self.assertRegex(self.refused(), "lacks segments 5, 6, 7, 8, 9 and [0-9]+ more")

    def test_extra(self):
        """A segment without a number, or with one that occurs twice, is named as extra."""
        self.swift.put("images", "a-00002.bak", PIECES[1])
        self.swift.put("images", "a-2", PIECES[1])
        message = self.refused()
        self.assertIn("a-00002.bak", message)
        self.assertIn("'a-2'", message)

    def test_listing_lags(self):
        """A segment that is listed late is waited for."""
        self.swift.unlisted.add(self.names[1])
        catches_up = faults.first(lambda handler: handler.swift.unlisted.clear())
        self.swift.fault(faults.first(lambda handler: None), "GET", "images/", times=1)
        self.swift.fault(catches_up, "GET", "images/")
        self.download()
        self.assert_right()

    def test_last_not_listed(self):
        """A listing with fewer bytes than HEAD is read again, then refused."""
        self.swift.unlisted.add(self.names[-1])
        self.assertIn(str(len(CONTENT)), self.refused())

    def test_altered(self):
        """A segment that does not match the listing is named."""
        self.swift.fault(faults.altered(lambda b: b[1:] + b"X"), "GET", self.names[1], times=99)
        self.assertIn(self.names[1], self.refused())

    def test_no_container(self):
        """A missing container of segments is named."""
        self.swift.put("images", "a", b"", X_Object_Manifest="elsewhere/a-")
        self.assertIn("elsewhere", self.refused())


class TestResume(DownloadCase):
    def setUp(self):
        super().setUp()
        self.names = self.swift.put_slo("images", "a", PIECES)

    def test_parts_of_it(self):
        """Only the segments that are missing or wrong in the file are fetched."""
        self.part.write_bytes(PIECES[0] + bytes(MIB) + PIECES[2][:-1] + b"X" + PIECES[3])
        done = self.download()
        self.assert_right()
        self.assertEqual(MIB + 17, done.reused_bytes)
        self.assertEqual(2, self.gets())

    def test_a_part_of_a_segment(self):
        """A segment resumes shortly before the end of the data in the file."""
        with self.part.open("wb") as part:
            part.write(PIECES[0])
            part.seek(2 * MIB)
            part.write(PIECES[2][: MIB // 2])
            part.truncate(len(CONTENT))
        done = self.download(threads=1)
        self.assert_right()
        self.assertEqual(MIB + MIB // 4, done.reused_bytes)
        ranges = [get.headers["Range"] for get in self.swift.requests("GET", "images_segments")]
        self.assertEqual([f"bytes={n}-{MIB - 1}" for n in (0, MIB // 4)], ranges[:2])

    def test_a_part_of_a_segment_that_is_wrong(self):
        """A partial segment that turns out to be wrong is fetched from its start."""
        with self.part.open("wb") as part:
            part.write(noise(MIB // 2, 9))
            part.truncate(len(CONTENT))
        self.assertEqual(0, self.download().reused_bytes)
        self.assert_right()

    def test_odd_sizes(self):
        """Segments of any size are recognized."""
        pieces = [noise(300_001, 1), noise(77, 2), noise(262_145, 3)]
        self.swift.put_slo("images", "a", pieces)
        self.part.write_bytes(b"".join(pieces))
        self.assertEqual(sum(map(len, pieces)), self.download().reused_bytes)
        self.assertEqual(0, self.gets())

    def test_room_for_the_rest(self):
        """Data that is in the file needs no more disk space."""
        self.part.write_bytes(b"".join(PIECES[:3]))
        with mock.patch("os.statvfs", return_value=mock.Mock(f_bavail=1, f_frsize=4096)):
            self.assertEqual(3 * MIB, self.download().reused_bytes)
        self.assert_right()

    def test_file_that_becomes_shorter(self):
        """A file that another program truncates while it is checked is an error."""
        with part_file(self.path, keep=True) as part:
            part.resize(MIB)
            self.assertRaises(TargetError, list, SparseFile(part).read_chunks(0, MIB + 1))

    def test_of_another_object(self):
        """The partial file of another, larger object is overwritten."""
        self.part.write_bytes(noise(5 * MIB, 9))
        self.assertEqual(0, self.download().reused_bytes)
        self.assert_right()

    def test_zeros_over_other_bytes(self):
        """Zeros are written over the bytes of another object."""
        pieces = [PIECES[0], bytes(MIB)]
        self.swift.put_slo("images", "a", pieces)
        self.part.write_bytes(noise(2 * MIB, 9))
        self.download()
        self.assert_right(b"".join(pieces))

    def test_zeros_where_holes_are_unknown(self):
        """Zeros are written if the file system does not report holes."""
        pieces = [PIECES[0], bytes(MIB)]
        self.swift.put_slo("images", "a", pieces)
        self.part.write_bytes(noise(2 * MIB, 9))
        with mock.patch("os.lseek", side_effect=OSError(errno.EIO, "I/O error")):
            self.download()
        self.assert_right(b"".join(pieces))

    def test_hole_that_is_right(self):
        """A hole counts as a segment of zeros, and not as a segment of other bytes."""
        self.swift.put_slo("images", "a", [PIECES[0], bytes(MIB), PIECES[2]])
        with self.part.open("wb") as part:
            part.write(PIECES[0])
            part.truncate(3 * MIB)
        self.assertEqual(2 * MIB, self.download().reused_bytes)
        self.assert_right(PIECES[0] + bytes(MIB) + PIECES[2])

    def test_plain(self):
        """A plain object resumes at the end of the file."""
        self.swift.put("images", "a", CONTENT)
        self.part.write_bytes(CONTENT[: MIB + 5])
        self.assertEqual(MIB + 5, self.download().reused_bytes)
        self.assert_right()
        self.assertEqual(
            f"bytes={MIB + 5}-{len(CONTENT) - 1}",
            self.swift.requests("GET", "images/a")[0].headers["Range"],
        )

    def test_large_plain(self):
        """A large plain object is fetched in ranges, each of which is resumed."""
        self.useFixture(fixtures.MonkeyPatch("rackspace_imagetasks.objects._fetch.PIECE", MIB))
        self.swift.put("images", "a", CONTENT)
        self.assertEqual(0, self.download().reused_bytes)
        self.assert_right()
        self.assertEqual(4, self.gets("images/a"))
        with self.part.open("wb") as part:
            part.write(PIECES[0])
            part.seek(2 * MIB)
            part.write(PIECES[2][: MIB // 2])
            part.truncate(len(CONTENT))
        self.assertEqual(MIB + MIB // 4, self.download(overwrite=True).reused_bytes)
        self.assert_right()
        self.assertEqual(4 + 3, self.gets("images/a"))

    def test_large_plain_of_another_object(self):
        """If the MD5 of the whole is wrong, all of the object is fetched."""
        self.useFixture(fixtures.MonkeyPatch("rackspace_imagetasks.objects._fetch.PIECE", MIB))
        self.swift.put("images", "a", CONTENT)
        self.part.write_bytes(noise(2 * MIB, 9) + CONTENT[2 * MIB :])
        ledger = Ledger()
        self.assertEqual(0, self.download(progress=ledger).reused_bytes)
        self.assert_right()
        self.assertEqual([len(CONTENT)], list(ledger.sums.values()))

    def test_large_plain_altered_for_good(self):
        """An object whose content does not match its ETag is refused."""
        self.useFixture(fixtures.MonkeyPatch("rackspace_imagetasks.objects._fetch.PIECE", MIB))
        self.swift.put("images", "a", CONTENT)
        self.swift.fault(faults.altered(lambda body: b"x" + body[1:]), "GET", "images/a", times=99)
        self.assertIn("is corrupt", str(self.assertRaises(IntegrityError, self.download)))
        self.assertFalse(self.path.exists())

    def test_plain_of_another_object(self):
        """A plain object is fetched again if the file begins with other data."""
        self.swift.put("images", "a", CONTENT)
        for left in (noise(MIB, 9), noise(5 * MIB, 9)):
            self.part.write_bytes(left)
            ledger = Ledger()
            self.assertEqual(0, self.download(overwrite=True, progress=ledger).reused_bytes)
            self.assert_right()
            self.assertEqual(len(CONTENT), ledger.sums["Downloading a"])

    def test_plain_complete(self):
        """A plain object that is complete in the file is not fetched."""
        self.swift.put("images", "a", CONTENT)
        self.part.write_bytes(CONTENT)
        self.download()
        self.assert_right()
        self.assertEqual(0, self.gets("images/a"))


class TestTarget(DownloadCase):
    def setUp(self):
        super().setUp()
        self.swift.put_slo("images", "a", PIECES)

    def refused(self, **options):
        error = self.assertRaises(TargetError, self.download, **options)
        return str(error)

    def test_exists(self):
        """An existing file is not changed unless it may be overwritten."""
        self.path.write_bytes(b"mine")
        self.assertIn("exists", self.refused())
        self.assertEqual(b"mine", self.path.read_bytes())
        self.assertEqual([], self.swift.log)
        self.download(overwrite=True)
        self.assert_right()

    def test_no_directory(self):
        """A missing directory is an error before any request."""
        self.path = self.dir / "none" / "disk.vhd"
        self.assertIn("does not exist", self.refused())
        self.assertEqual([], self.swift.log)

    def test_read_only(self):
        """A read-only file system is an error before any request."""
        with mock.patch("os.open", side_effect=OSError(errno.EROFS, os.strerror(errno.EROFS))):
            self.assertIn("Read-only file system", self.refused())
        self.assertEqual([], self.swift.log)

    def test_link(self):
        """FILE.part is not written through a symbolic link."""
        (self.dir / "victim").write_bytes(b"mine")
        self.part.symlink_to(self.dir / "victim")
        self.refused()
        self.assertEqual(b"mine", (self.dir / "victim").read_bytes())

    def test_two_runs(self):
        """Two runs cannot write the same file."""
        with self.part.open("wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.assertIn("Another process", self.refused())

    def test_no_space(self):
        """Insufficient disk space is found before a byte is fetched."""
        stat = mock.Mock(f_bavail=1, f_frsize=4096)
        with mock.patch("os.statvfs", return_value=stat):
            self.assertIn("4 KiB free, but 3 MiB", self.refused())
        self.assertEqual(0, self.gets())

    def test_disk_full(self):
        """A disk that fills up ends the download; the next run reuses what is written."""
        pwrite, room = os.pwrite, [MIB]

        def limited(fd, data, offset):
            room[0] -= len(data)
            if room[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return pwrite(fd, data, offset)

        with mock.patch("os.pwrite", limited):
            self.assertIn("No space left", self.refused(threads=1))
        self.assertFalse(self.path.exists())
        self.assertEqual(MIB, self.download().reused_bytes)
        self.assert_right()

    def test_hash_of_content(self):
        """The bytes have the SHA-256 of those that were stored."""
        self.download()
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.assertEqual(hashlib.sha256(CONTENT).hexdigest(), digest)
