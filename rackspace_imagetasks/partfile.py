# SPDX-License-Identifier: Apache-2.0
"""A file that has its name only once it is complete: until then it is `FILE.part`."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from rackspace_imagetasks.exceptions import TargetError
from rackspace_imagetasks.text import printable


class PartFile:
    """The open `FILE.part`; safe to write to from threads."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data` at `offset`.

        :raises TargetError: when the file system does not take it.
        """
        rest = memoryview(data)
        while rest:
            with _target_errors(self.path):
                written = os.pwrite(self.fd, rest, offset)
            offset, rest = offset + written, rest[written:]

    def reserve(self, offset: int, length: int) -> None:
        """Have the file system set this range aside; to write it is then cheaper.

        :raises TargetError: when there is no room for it.
        """
        with _target_errors(self.path):
            os.posix_fallocate(self.fd, offset, length)

    def resize(self, size: int) -> None:
        """Make the file `size` bytes long; what is added is a hole.

        :raises TargetError: when the file system does not allow it.
        """
        with _target_errors(self.path):
            os.ftruncate(self.fd, size)


def _nothing() -> None:
    """Do nothing."""


@contextlib.contextmanager
def part_file(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    keep: bool = False,
    mark: bytes = b"",
    sync: bool = True,
    confirm: Callable[[], None] = _nothing,
) -> Iterator[PartFile]:
    """Open `FILE.part` for writing, and give it its name when the block ends well.

    One process at a time writes it. A symbolic link is followed, and a file that is replaced leaves
    its mode to the new one, from the first byte on.

    :param overwrite: replace a file that has the name.
    :param keep: leave `FILE.part` after an error, unless it is empty, and begin with what an
        earlier run left in it.
    :param mark: with `keep` false, what a `FILE.part` begins with that may be thrown away, as an
        earlier run left it; another one is somebody's, and only `overwrite` replaces it.
    :param confirm: called when all is stored, before the file gets its name; what it raises is
        raised.
    :param sync: have the file stored before it gets its name, so that what has the name is complete
        even after the machine fails; without it, only after the program does.
    :raises TargetError: when the file cannot be written, or exists and may not be replaced.
    """
    target = _followed(Path(path))
    require_writable(target, overwrite=overwrite)
    part = target.with_name(target.name + ".part")
    with _target_errors(part):
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        _lock(part, fd)
        if not keep and not overwrite:
            _require_marked(part, fd, mark)
        try:
            # Not a new file, which ext4 would then flush when it is closed.
            if not keep and os.fstat(fd).st_size:
                os.ftruncate(fd, 0)
            _take_mode(target, fd, at_least=0o600)  # before there is anything to read
            yield PartFile(part, fd)
            _require_free(target, overwrite)
            _complete(part, fd, target, confirm, sync=sync)
        except BaseException:
            if not keep or not os.fstat(fd).st_size:
                part.unlink(missing_ok=True)
            raise
    finally:
        os.close(fd)


def _followed(path: Path) -> Path:
    if not path.is_symlink():
        return path
    with _target_errors(path):
        path.exists()  # the system may forbid to follow another's link, in a folder for all
    return Path(os.path.realpath(path))


def require_writable(path: Path, *, overwrite: bool) -> None:
    """Check that a file can be written there; worth it before long work.

    :raises TargetError: when it exists and may not be replaced, or its directory takes none.
    """
    path = _followed(path)
    _require_free(path, overwrite)
    folder = path.parent
    if not folder.is_dir():
        raise TargetError(f"There is no directory '{printable(folder)}'; create it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TargetError(
            f"The directory '{printable(folder)}' may not be written to; name a file elsewhere."
        )


def _require_free(target: Path, overwrite: bool) -> None:
    name = printable(target)
    with _target_errors(target):
        # What is still a link leads to itself.
        if target.is_symlink() or target.is_dir() or (target.exists() and not target.is_file()):
            raise TargetError(f"'{name}' is not a regular file; name a file to write.")
        if target.exists() and not overwrite:
            raise TargetError(
                f"'{name}' exists; name another file, or replace it with --overwrite."
            )


def _lock(part: Path, fd: int) -> None:
    """Take the file for this process, and make sure that nobody completed it meanwhile."""
    try:
        _flock(fd)
        same = os.path.samestat(os.fstat(fd), part.stat())
    except (BlockingIOError, FileNotFoundError):
        same = False
    if not same:
        name = printable(part)
        raise TargetError(f"'{name}' is being written by another process; wait for its end.")


def _require_marked(part: Path, fd: int, mark: bytes) -> None:
    """Check that what is in the file, if anything, is what a run like this one left."""
    if os.fstat(fd).st_size and not (mark and os.pread(fd, len(mark), 0) == mark):
        raise TargetError(
            f"'{printable(part)}' is there, perhaps of a download that can go on; remove it, or"
            " replace it with --overwrite."
        )


def _flock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # a file system without locks: nothing can be known


def _take_mode(target: Path, fd: int, *, at_least: int = 0) -> None:
    """Give the file the mode and owner of the one that it replaces, as far as that is allowed."""
    try:
        old = target.stat()
    except FileNotFoundError:
        return
    with contextlib.suppress(PermissionError):
        os.fchown(fd, old.st_uid, old.st_gid)
    with contextlib.suppress(PermissionError):  # as of a file system without modes
        os.fchmod(fd, stat.S_IMODE(old.st_mode) | at_least)


def _complete(
    part: Path, fd: int, target: Path, confirm: Callable[[], None], *, sync: bool
) -> None:
    with _target_errors(target):
        if sync:
            os.fsync(fd)
        _take_mode(target, fd)
    confirm()
    with _target_errors(target):
        part.replace(target)
        if sync:
            _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def _target_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(f"Cannot write '{printable(path)}': {error.strerror}.") from error
