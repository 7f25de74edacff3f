# SPDX-License-Identifier: Apache-2.0
"""Files that get their names only when they are complete; until then they are `FILE.part`."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from rackspace_imagetasks.exceptions import TargetError
from rackspace_imagetasks.messages import Hint, Message


class PartFile:
    """The open `FILE.part`; safe to write to from threads."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data` at `offset`.

        :raises TargetError: when the file system refuses it.
        """
        rest = memoryview(data)
        while rest:
            with _target_errors(self.path):
                written = os.pwrite(self.fd, rest, offset)
            offset, rest = offset + written, rest[written:]

    def reserve(self, offset: int, length: int) -> None:
        """Allocate this range in the file system; writing it is then cheaper.

        :raises TargetError: when the file system is full.
        """
        with _target_errors(self.path):
            os.posix_fallocate(self.fd, offset, length)

    def resize(self, size: int) -> None:
        """Set the file's size to `size` bytes; added bytes are a hole.

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
    """Open `FILE.part` for writing, and rename it to `FILE` when the block succeeds.

    Only one process at a time can write it. A symbolic link is followed, and the new file has the
    mode of the file that it replaces from its first byte on.

    :param overwrite: replace an existing file.
    :param keep: keep `FILE.part` after an error, unless it is empty, and continue with an existing
        one.
    :param mark: if `keep` is false, the beginning of a `FILE.part` that an earlier run left and
        that is discarded; any other one is replaced only if `overwrite` is true.
    :param confirm: called when everything is stored, before the file is renamed; its exceptions
        are raised.
    :param sync: flush the file before it is renamed, so that `FILE` is complete even after the
        machine fails; otherwise it is complete after the program fails.
    :raises TargetError: when the file cannot be written, or exists and `overwrite` is false.
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
            _copy_mode(target, fd, at_least=0o600)  # before there is anything to read
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
        path.exists()  # the system may forbid following another user's link in a shared directory
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        text = f"'{path}' is a symbolic link that leads back to itself."
        raise TargetError(Message(text, Hint.CHOOSE_FILE))
    return target


def target_path(name: str | os.PathLike[str]) -> Path:
    """Return the path of a file or directory to write to.

    :raises TargetError: when a slash at the end says that it is a directory, but there is none.
    """
    text, path = os.fspath(name), Path(name)
    if text.endswith("/") and not path.is_dir():
        problem = f"'{text}' is not a directory; remove the slash at the end to name a file."
        raise TargetError(problem)
    return path


def require_writable(path: Path, *, overwrite: bool) -> None:
    """Check that a file can be written, before long work.

    :raises TargetError: when it exists and `overwrite` is false, or its directory is not writable.
    """
    path = _followed(path)
    _require_free(path, overwrite)
    folder = path.parent
    if not _followed(folder).is_dir():
        text = f"Directory '{folder}' does not exist."
        raise TargetError(Message(text, Hint.CREATE_DIRECTORY))
    if not os.access(folder, os.W_OK | os.X_OK):
        text = f"Directory '{folder}' is not writable."
        raise TargetError(Message(text, Hint.CHOOSE_FILE))


def _require_free(target: Path, overwrite: bool) -> None:
    with _target_errors(target):
        if target.is_dir():
            raise TargetError(Message(f"'{target}' is a directory.", Hint.CHOOSE_FILE))
        if target.is_symlink() or (target.exists() and not target.is_file()):
            raise TargetError(Message(f"'{target}' is not a regular file.", Hint.CHOOSE_FILE))
        if target.exists() and not overwrite:
            raise TargetError(Message(f"'{target}' already exists.", Hint.REPLACE_FILE))


def _lock(part: Path, fd: int) -> None:
    """Lock the file for this process, and check that no other has just completed it."""
    try:
        _flock(fd)
        same = os.path.samestat(os.fstat(fd), part.stat())
    except (BlockingIOError, FileNotFoundError):
        same = False
    if not same:
        text = f"Another process is writing '{part}'."
        raise TargetError(Message(text, Hint.WAIT_FOR_OTHER_PROCESS))


def _require_marked(part: Path, fd: int, mark: bytes) -> None:
    """Check that the file is empty, or was left by a run like this one."""
    if os.fstat(fd).st_size and not (mark and os.pread(fd, len(mark), 0) == mark):
        text = f"'{part}' already exists; it may be of a download that can be resumed."
        raise TargetError(Message(text, Hint.REPLACE_PART_FILE))


def _flock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # the file system has no locks


def _copy_mode(target: Path, fd: int, *, at_least: int = 0) -> None:
    """Copy mode and owner of the file that is replaced, as far as permitted."""
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
        _copy_mode(target, fd)
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
def output_errors() -> Iterator[None]:
    """Report an output stream that cannot be written, such as a pipe that nobody reads.

    :raises TargetError: for an OSError.
    """
    try:
        yield
    except OSError as error:
        raise TargetError(f"Cannot write the output: {error.strerror}.") from error


@contextlib.contextmanager
def _target_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(f"Cannot write '{path}': {error.strerror}.") from error
