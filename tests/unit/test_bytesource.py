# SPDX-License-Identifier: Apache-2.0
import errno
import os
import stat
from pathlib import Path
from unittest import mock

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource, Extent, FileSource, joined
from rackspace_imagetasks.exceptions import SourceChanged, SourceError


def failing_seek(failing):
    """Return an `os.lseek` that fails with an input/output error for one kind of seek."""
    seek = os.lseek

    def lseek(fd, offset, whence):
        if whence == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return seek(fd, offset, whence)

    return lseek


def _as_device(path):
    """Return an `os.fstat` by which the file at `path` is a block device."""
    fields = list(path.stat())
    fields[0], fields[6] = stat.S_IFBLK | 0o600, 0
    return lambda _file: os.stat_result(fields, {"st_mtime_ns": 7, "st_ctime_ns": 7, "st_rdev": 1})


class FileSourceTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.root = Path(self.useFixture(fixtures.TempDir()).path)
        self.path = self.root / "disk"
        self.path.write_bytes(b"0123456789")

    def open(self):
        source = FileSource(self.path)
        self.addCleanup(source.close)
        return source

    def test_reads_anywhere(self):
        """Any range within the size is read exactly."""
        source = self.open()
        self.assertEqual((b"0123456789", b"345"), (source.read_at(0, 10), source.read_at(3, 3)))

    def test_reads_in_pieces(self):
        """After a short read, the remaining bytes are read."""
        pread, source = os.pread, self.open()
        for most in (1, 3, 5, 9):
            with mock.patch("os.pread", lambda fd, n, at, most=most: pread(fd, min(n, most), at)):
                self.assertEqual(b"0123456789", source.read_at(0, 10))

    def test_a_file_that_became_shorter_is_noticed_while_read(self):
        """A short read is an error, never a short result."""
        source = self.open()
        os.truncate(self.path, 5)
        error = self.assertRaises(SourceChanged, source.read_at, 0, 10)
        self.assertIn("ends at byte 5", str(error))

    def test_changes_are_noticed(self):
        """Writing to the file, replacing it and removing it are all detected."""

        def write():
            self.path.write_bytes(b"9876543210")
            os.utime(self.path, ns=(1, 1))

        def replace():
            (self.root / "other").write_bytes(b"0123456789")
            (self.root / "other").replace(self.path)

        for change in (write, replace, self.path.unlink):
            source = self.open()
            source.verify_unchanged()
            change()
            self.assertRaises(SourceChanged, source.verify_unchanged)

    def test_holes_are_known(self):
        """Only stored extents are data; the rest of a sparse file reads as zeros."""
        with self.path.open("wb") as file:
            file.truncate(64 << 20)
            file.seek(16 << 20)
            file.write(b"x" * (1 << 20))
        source = self.open()
        self.assertEqual([Extent(16 << 20, 1 << 20)], list(source.data_extents()))
        self.assertEqual(bytes(100), source.read_at(0, 100))

    def test_a_file_system_that_fails_to_tell(self):
        """An input/output error is not mistaken for a hole."""
        for whence in (os.SEEK_DATA, os.SEEK_HOLE):
            with mock.patch("os.lseek", failing_seek(whence)):
                error = self.assertRaises(SourceError, list, self.open().data_extents())
            self.assertIn(os.strerror(errno.EIO), str(error))

    def test_what_is_no_file(self):
        """A directory, a missing file and a FIFO are refused immediately, with the reason."""
        os.mkfifo(self.root / "fifo")
        for name, said in (
            ("", "directory"),
            ("none", "not exist"),
            ("fifo", "is a pipe, not a regular file"),
        ):
            error = self.assertRaises(SourceError, FileSource, self.root / name)
            self.assertIn(said, str(error))

    def test_url_and_character_device(self):
        """A URL and a character device are refused, with what to do."""
        for path, said, hint in (
            ("https://example.com/a.qcow2", "'https://example.com/a.qcow2' is a URL", "Download"),
            ("/dev/zero", "not a regular file or a block device", "Specify"),
        ):
            error = self.assertRaises(SourceError, FileSource, path)
            self.assertIn(said, str(error))
            self.assertIn(hint, str(error))

    def test_block_device(self):
        """The size of a block device is the offset of its end; it is opened read-only."""
        flags, opening = [], os.open

        def open_(path, flag):
            flags.append(flag)
            return opening(path, flag)

        # As only root can attach a device, the file is made to look like one of size 0.
        as_device = _as_device(self.path)
        with (
            mock.patch("os.open", open_),
            mock.patch("os.fstat", as_device),
            mock.patch.object(Path, "stat", as_device),
        ):
            source = self.open()
            self.assertEqual((10, b"345"), (source.size, source.read_at(3, 3)))
            self.assertEqual([Extent(0, 10)], list(source.data_extents()))
            source.verify_unchanged()
        self.assertEqual([os.O_RDONLY | os.O_CLOEXEC], flags)

    def test_an_unreadable_file(self):
        """One sentence says what is wrong with the name, and another what to do."""
        loop = self.root / "loop"
        loop.symlink_to(loop)
        for path, said in (
            (loop, "loop' is a symbolic link that leads back to itself. Specify a disk"),
            (f"{self.path}/", "disk/' is not a directory; remove the slash at the end"),
            (self.path / "x", "Not a directory. Specify a disk image file."),
            (self.root / ("x" * 300), "File name too long. Specify a disk image file."),
        ):
            error = self.assertRaises(SourceError, FileSource, path)
            self.assertIn(said, str(error))

    def test_a_file_of_others(self):
        """A file that must not be read leads to its permissions."""
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with mock.patch("os.open", side_effect=denied):  # root may read everything
            error = self.assertRaises(SourceError, FileSource, self.path)
        self.assertIn("disk': Permission denied. Check the permissions", str(error))

    def test_identity_names_content(self):
        """The same file has the same identity; a changed one has another."""
        first = self.open().identity
        self.assertEqual(first, self.open().identity)
        os.utime(self.path, ns=(1, 1))
        self.assertNotEqual(first, self.open().identity)

    def test_closed(self):
        """Closing twice does not close another file that has the same descriptor."""
        with FileSource(self.path) as source:
            fd = source.fileno()
        self.assertRaises(OSError, os.fstat, fd)
        with self.path.open("rb") as another:
            self.assertEqual(fd, another.fileno())
            source.close()
            self.assertEqual(b"0", another.read(1))


class JoinedTest(base.BaseTestCase):
    def test_joined(self):
        """Adjacent extents are joined, empty ones are dropped, and gaps are kept."""
        for extents, expected in (
            ((), ()),
            (((0, 0),), ()),
            (((0, 2), (2, 3), (5, 0)), ((0, 5),)),
            (((1, 1), (3, 0), (4, 1), (9, 0)), ((1, 1), (4, 1))),
        ):
            self.assertEqual(list(expected), list(joined(Extent(*each) for each in extents)))


class BytesSourceTest(base.BaseTestCase):
    def test_reads_outside_are_errors(self):
        """Reads past either end raise an error, as those of a file do."""
        source = BytesSource(b"abc")
        self.assertEqual((b"bc", b""), (source.read_at(1, 2), source.read_at(3, 0)))
        self.assertRaises(SourceError, source.read_at, 2, 2)
        self.assertRaises(SourceError, source.read_at, -1, 1)
