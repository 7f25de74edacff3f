# SPDX-License-Identifier: Apache-2.0
import errno
import os
from pathlib import Path
from unittest import mock

import fixtures
from oslotest import base

from rackspace_imagetasks.exceptions import TargetError
from rackspace_imagetasks.osc.hints import worded_error
from rackspace_imagetasks.partfile import part_file, require_writable, target_path


class PartFileTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.useFixture(fixtures.TempDir()).path)
        self.path = self.folder / "file"
        self.part = self.folder / "file.part"

    def names(self):
        return [path.name for path in self.folder.iterdir()]

    def test_named_when_complete(self):
        """The file gets its name only when the block ends, with everything that was written."""
        with part_file(self.path) as part:
            part.resize(10)
            part.write_at(8, b"ok")
            self.assertEqual(["file.part"], self.names())
        self.assertEqual(["file"], self.names())
        self.assertEqual(bytes(8) + b"ok", self.path.read_bytes())

    def test_writes_in_pieces(self):
        """After a short write, the remaining bytes are written."""
        pwrite = os.pwrite
        for most in (1, 3, 9):
            with (
                mock.patch("os.pwrite", lambda fd, data, at, n=most: pwrite(fd, data[:n], at)),
                part_file(self.path, overwrite=True) as part,
            ):
                part.write_at(2, b"0123456789")
            self.assertEqual(bytes(2) + b"0123456789", self.path.read_bytes())

    def test_stored_before_it_is_named(self):
        """With `sync`, the file is flushed before it is renamed, and its directory after."""
        rename = Path.replace
        for sync, expected in (
            (True, ["file.part", "named", self.folder.name]),
            (False, ["named"]),
        ):
            done = []

            def fsync(fd, done=done):
                done.append(Path(f"/proc/self/fd/{fd}").readlink().name)

            def replace(part, target, done=done):
                done.append("named")
                rename(part, target)

            with (
                mock.patch("os.fsync", fsync),
                mock.patch.object(Path, "replace", replace),
                part_file(self.path, overwrite=True, sync=sync),
            ):
                pass
            self.assertEqual(expected, done)

    def test_error_leaves_nothing(self):
        """After an error or an interrupt, no file remains."""
        for error in (ValueError, KeyboardInterrupt):
            with self.assertRaises(error), part_file(self.path) as part:
                part.write_at(0, b"half")
                raise error
            self.assertEqual([], self.names())

    def test_kept_for_a_resume(self):
        """With `keep`, the part file is kept after an error, and continued by the next run."""
        with self.assertRaises(ValueError), part_file(self.path, keep=True) as part:
            part.write_at(0, b"half")
            raise ValueError
        with part_file(self.path, keep=True) as part:
            part.write_at(4, b" and half")
        self.assertEqual(b"half and half", self.path.read_bytes())

    def test_nothing_is_kept_of_nothing(self):
        """After an error before the first write, no file remains, even with `keep`."""
        with self.assertRaises(ValueError), part_file(self.path, keep=True):
            raise ValueError
        self.assertEqual([], list(self.path.parent.iterdir()))

    def test_earlier_part_file_is_not_mixed_in(self):
        """Without `keep`, the part file of an earlier run is discarded."""
        self.part.write_bytes(b"old and long")
        with part_file(self.path, mark=b"old") as part:
            part.write_at(0, b"new")
        self.assertEqual(b"new", self.path.read_bytes())

    def test_part_file_of_another_run(self):
        """A part file that no run like this one left is kept unless it may be replaced."""
        self.part.write_bytes(b"precious")
        for mark in (b"", b"old"):
            with self.assertRaises(TargetError) as caught, part_file(self.path, mark=mark):
                pass
            self.assertIn("--overwrite", worded_error(caught.exception))
            self.assertEqual(b"precious", self.part.read_bytes())
        with part_file(self.path, overwrite=True) as part:
            part.write_at(0, b"new")
        self.assertEqual(b"new", self.path.read_bytes())

    def test_a_link_is_followed(self):
        """The target of a symbolic link is created or replaced, and the link remains."""
        link = self.folder / "link"
        link.symlink_to(self.path)
        with part_file(link) as part:
            part.write_at(0, b"made")
        with self.assertRaises(TargetError), part_file(link):
            pass
        with part_file(link, overwrite=True) as part:
            part.write_at(0, b"anew")
        self.assertTrue(link.is_symlink())
        self.assertEqual(b"anew", self.path.read_bytes())

    def test_the_mode_is_there_from_the_first_byte(self):
        """The part file of a private file is private from its first byte on."""
        self.path.write_bytes(b"secret")
        for mode in (0o600, 0o400):
            self.path.chmod(mode)
            for _run in range(2):  # the second goes on with what the first left
                with (
                    self.assertRaises(ValueError),
                    part_file(self.path, overwrite=True, keep=True) as part,
                ):
                    part.write_at(0, b"half")
                    self.assertEqual(0o600, self.part.stat().st_mode & 0o777)
                    raise ValueError

    def test_a_link_to_itself(self):
        """A symbolic link to itself is refused, and remains."""
        self.path.symlink_to("file")
        for overwrite in (False, True):
            with (
                self.assertRaises(TargetError) as caught,
                part_file(self.path, overwrite=overwrite),
            ):
                pass
            says = f"'{self.path}' is a symbolic link that leads back to itself."
            self.assertIn(says, str(caught.exception))
        self.assertTrue(self.path.is_symlink())

    def test_the_mode_stays(self):
        """The mode of a private file is kept."""
        self.path.write_bytes(b"secret")
        self.path.chmod(0o600)
        with part_file(self.path, overwrite=True):
            pass
        self.assertEqual(0o600, self.path.stat().st_mode & 0o777)

    def test_confirm(self):
        """If `confirm` raises an exception, the file does not get its name."""
        confirm = mock.Mock(side_effect=ValueError)
        with self.assertRaises(ValueError), part_file(self.path, confirm=confirm) as part:
            part.write_at(0, b"x")
        self.assertFalse(self.path.exists())

    def test_one_writer_at_a_time(self):
        """A second writer is refused, without effect on the first."""
        with part_file(self.path) as first:
            first.write_at(0, b"first")
            with self.assertRaises(TargetError) as caught, part_file(self.path):
                pass
        self.assertIn("Another process", str(caught.exception))
        self.assertEqual(b"first", self.path.read_bytes())

    def test_file_system_without_locks(self):
        """Files can be written on a file system without locks."""
        no_locks = OSError(errno.ENOLCK, "No locks available")
        with mock.patch("fcntl.flock", side_effect=no_locks), part_file(self.path) as part:
            part.write_at(0, b"ok")
        self.assertEqual(b"ok", self.path.read_bytes())

    def test_name_taken_meanwhile(self):
        """A file that appears under the name while ours is written is not replaced."""
        with self.assertRaises(TargetError), part_file(self.path):
            self.path.write_bytes(b"theirs")
        self.assertEqual(b"theirs", self.path.read_bytes())

    def test_no_regular_file(self):
        """Directories, FIFOs, missing folders and a link as FILE.part are refused."""
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        for path in (self.folder, fifo, self.folder / "none" / "file"):
            with self.assertRaises(TargetError) as caught, part_file(path, overwrite=True):
                pass
            self.assertTrue(str(caught.exception).endswith("."))
        victim = self.folder / "victim"
        victim.write_bytes(b"precious")
        self.part.symlink_to(victim)
        with self.assertRaises(TargetError), part_file(self.path):
            pass
        self.assertEqual(b"precious", victim.read_bytes())

    def test_slash_at_the_end(self):
        """A slash at the end names a directory, which must exist."""
        self.assertEqual(self.folder, target_path(f"{self.folder}/"))
        self.assertEqual(self.path, target_path(str(self.path)))
        error = self.assertRaises(TargetError, target_path, f"{self.path}/")
        self.assertIn("file/' is not a directory; remove the slash at the end", str(error))

    def test_directory_of_others(self):
        """A directory that is not writable is refused before any work."""
        with mock.patch("os.access", return_value=False):  # root may write everywhere
            error = self.assertRaises(TargetError, require_writable, self.path, overwrite=False)
        self.assertIn(f"Directory '{self.folder}' is not writable", str(error))
        for lacking in (os.W_OK, os.X_OK):
            with mock.patch("os.access", lambda _path, mode, no=lacking: not mode & no):
                self.assertRaises(TargetError, require_writable, self.path, overwrite=False)

    def test_file_systems_error_is_said(self):
        """An error of the file system is a TargetError that names the file and the reason."""
        for action in (lambda part: part.resize(-1), lambda part: part.reserve(0, 0)):
            with self.assertRaises(TargetError) as caught, part_file(self.path) as part:
                action(part)
            self.assertIn("file.part': Invalid argument.", str(caught.exception))
