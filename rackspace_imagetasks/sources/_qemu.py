# SPDX-License-Identifier: Apache-2.0
"""Disks in the formats that QEMU reads, served to this process alone by a `qemu-nbd` child.

There is no temporary file and no socket with a name in the file system. QEMU opens only this one
open file, in this one format, without a backing file. It never probes the format and never
interprets a file name as a URL.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rackspace_imagetasks.bytesource import Extent, FileSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.sources._nbd import MAX_READ, NbdDisk, NbdError
from rackspace_imagetasks.sources._readahead import ReadAhead

CONNECTIONS = 4
"""The number of requests in flight: the child decompresses in as many threads."""
# Exit statuses of `qemu-img check` of a sound disk.
_SOUND, _ONLY_LEAKS, _CANNOT_CHECK = 0, 3, 63
_CORRUPT = 2
_LOADER_FAILED = 127  # as the dynamic loader fails without memory
_NO_RESOURCES = re.compile(
    r"cannot allocate|out of memory|failed to (allocate|map)|resource temporarily unavailable"
    r"|(create|creating|spawn)\w* (a )?(new )?thread|too many open files",
    re.IGNORECASE,
)
_GRACE = 5  # seconds for a child that has failed to end
_LOG_TO_REPLAY = "log that needs to be replayed"


class QemuDisk(ReadAhead):
    """The disk in `file`.

    :param driver: QEMU's name of the format.
    :raises SourceError: when qemu-nbd is not installed, or cannot read the file.
    """

    def __init__(self, file: FileSource, driver: str) -> None:
        _check_whole(file, driver)
        self._file = file
        self._server = _Server(file, driver)
        super().__init__(self._connect(driver), MAX_READ)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            return super()._read(offset, length)
        except NbdError as error:
            raise self._explained(error) from error

    def data_extents(self) -> Iterator[Extent]:
        """Yield the disk's extents."""
        try:
            yield from super().data_extents()
        except NbdError as error:
            raise self._explained(error) from error

    def _explained(self, error: NbdError) -> SourceError:
        """Return why the child ended, if it did; otherwise the error itself."""
        return _failure("qemu-nbd", *self._server.end(), self._file) or error

    def verify_unchanged(self) -> None:
        """Check that the file is still the one that was opened.

        :raises SourceChanged: when it was written to, replaced or removed.
        """
        self._file.verify_unchanged()

    def close(self) -> None:
        """End the child, then close the connections."""
        self._server.close()

    def _connect(self, driver: str) -> NbdDisk:
        file = self._file
        try:
            return NbdDisk(self._server.sockets, file.name, f"{file.identity}-{driver}")
        except NbdError as error:
            status, output = self._server.end()
            self._server.close()
            raise _failure("qemu-nbd", status, output, file) or SourceError(
                f"qemu-nbd cannot read '{file.name}' as {driver}:"
                f" {(_last_line(output) or str(error)).rstrip('.')}."
            ) from error
        except BaseException:
            self._server.close()
            raise


class _Server:
    """A `qemu-nbd` child that this process alone is connected to, from its start to its end.

    :ivar sockets: the connections.
    """

    def __init__(self, file: FileSource, driver: str) -> None:
        program = _program("qemu-nbd", file.name, driver)
        listener, self.sockets = _private_listener(CONNECTIONS)
        self._stderr = os.memfd_create("qemu-nbd")
        # The parent of a death signal is a thread (prctl(2)), not the process: the child gets one
        # that lives as long as the child, whichever threads open and close the disk.
        self._parent = ThreadPoolExecutor(1, thread_name_prefix="qemu-nbd")
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with listener, _resources("qemu-nbd", file):
                self._process = self._parent.submit(
                    self._start,
                    [program, "--read-only", f"--shared={CONNECTIONS}", _image(driver)],
                    listener,
                    file,
                ).result()
        except BaseException:
            self.close()
            raise

    def end(self) -> tuple[int, bytes]:
        """End the child; return its exit status, and its standard error."""
        process = self._process
        if process is None:  # closed by another thread
            return 0, b""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_GRACE)  # it has failed, and is about to end
        is_running = process.poll() is None
        process.kill()
        status = process.wait()
        return 0 if is_running else status, os.pread(self._stderr, 2**20, 0)

    def close(self) -> None:
        """Kill the child before closing the connections, so that it never serves others."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._parent.shutdown()
        for sock in self.sockets:
            sock.close()
        if self._stderr >= 0:
            os.close(self._stderr)
            self._stderr = -1

    def _start(
        self, command: list[str], listener: socket.socket, file: FileSource
    ) -> "subprocess.Popen[bytes]":
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("_launch.py"))]
        return subprocess.Popen(
            [*launcher, str(os.getpid()), str(listener.fileno()), *command],
            stdin=file.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            pass_fds=[listener.fileno()],
            process_group=0,  # Ctrl-C is for this process, which ends the child
            env=os.environ | {"LC_ALL": "C"},
        )


def _program(program: str, name: str, driver: str) -> str:
    path = shutil.which(program)
    if path is None:
        text = f"The program {program}, which reads '{name}' ({driver}), is not installed."
        raise SourceError(Message(text, Hint.INSTALL_QEMU))
    return path


def _image(driver: str) -> str:
    """Return the specification of standard input in this format, for QEMU to open."""
    image = {
        "driver": driver,
        "read-only": True,
        # Not even the file that the header names: such a file is refused before, and here again.
        "backing": None,
        # The open file itself, even if it was renamed; `file` is not the protocol of a URL.
        "file": {"driver": "file", "filename": "/dev/fd/0"},
    }
    return "json:" + json.dumps(image)


def _check_whole(file: FileSource, driver: str) -> None:
    """Check the disk's tables: QEMU reads the missing part of a truncated file as zeros.

    :raises SourceError: when they are damaged or refer to data after the end of the file, or when
        qemu-img cannot check them.
    """
    with _qemu_img("check", file, driver) as (checking, errors):
        checking.communicate()
        status, output = checking.returncode, errors()
    if status not in (_SOUND, _ONLY_LEAKS, _CANNOT_CHECK):
        raise _failure("qemu-img", status, output, file) or _damaged(
            file, _last_line(output) or "its tables are inconsistent"
        )
    with _qemu_img("map", file, driver) as (mapping, errors):
        assert mapping.stdout
        if any(_ends_after(line, file.size) for line in mapping.stdout):
            raise _damaged(file, "its last data would be after the end of the file")
        status, output = mapping.wait(), errors()
    if status:
        raise _failure("qemu-img", status, output, file) or _damaged(
            file, "its tables cannot be read to their end"
        )


@contextlib.contextmanager
def _qemu_img(
    command: str, file: FileSource, driver: str
) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], bytes]]]:
    """Run qemu-img on the open file, at most as long as the block.

    Yields the process, and a function that returns its standard error.
    """
    stderr = os.memfd_create("qemu-img")
    try:
        with (
            _resources("qemu-img", file),
            subprocess.Popen(
                [_program("qemu-img", file.name, driver), command, "--output=json", _image(driver)],
                stdin=file.fileno(),
                stdout=subprocess.PIPE,
                stderr=stderr,
                process_group=0,
                env=os.environ | {"LC_ALL": "C"},
            ) as process,
        ):
            try:
                yield process, lambda: os.pread(stderr, 2**20, 0)
            except BaseException:
                process.kill()
                raise
    finally:
        os.close(stderr)


@contextlib.contextmanager
def _resources(program: str, file: FileSource) -> Iterator[None]:
    """Turn the lack of memory, processes or threads into a sentence."""
    try:
        yield
    except MemoryError as error:
        raise _no_resources(program, file, "out of memory") from error
    except RuntimeError as error:  # of a thread that cannot be started
        raise _no_resources(program, file, str(error)) from error
    except OSError as error:
        raise _no_resources(program, file, error.strerror or str(error)) from error


def _failure(program: str, status: int, output: bytes, file: FileSource) -> SourceError | None:
    """Return the error if the program failed for a reason other than a damaged disk."""
    said = output.decode(errors="replace")
    if _LOG_TO_REPLAY in said:
        text = f"'{file.name}' was not closed properly: its log must be replayed before it is read."
        return SourceError(Message(text, Hint.REPLAY_LOG))
    if status < 0:
        return _no_resources(program, file, f"it was ended by {signal.Signals(-status).name}")
    if status == _LOADER_FAILED or (status != _CORRUPT and _NO_RESOURCES.search(said)):
        return _no_resources(program, file, _last_line(output) or "it could not be started")
    return None


def _no_resources(program: str, file: FileSource, reason: str) -> SourceError:
    text = f"Cannot read '{file.name}', because {program} failed: {reason.rstrip('.')}."
    return SourceError(Message(text, Hint.FREE_MEMORY))


def _ends_after(line: bytes, size: int) -> bool:
    """Return whether an extent, a line of `qemu-img map`, ends after the end of the file.

    `qemu-img check` does not detect the loss of less than a cluster.
    """
    try:
        extent = json.loads(line.strip().strip(b"[],"))
    except ValueError:
        return False
    if not extent.get("data") or extent.get("compressed") or "offset" not in extent:
        return False
    return int(extent["offset"]) + int(extent["length"]) > size


def _damaged(file: FileSource, reason: str) -> SourceError:
    text = f"'{file.name}' is damaged or incomplete: {reason.rstrip('.')}."
    return SourceError(Message(text, Hint.COMPARE_WITH_ORIGINAL))


def _last_line(output: bytes) -> str:
    """Return QEMU's last line, without the parts that are only of use to this program."""
    lines = output.decode(errors="replace").strip().split("\n")
    return re.sub(r"^(qemu-\w+: |ERROR:? )|(Could|Failed)[^']*'json:.*}': ", "", lines[-1])


def _private_listener(count: int) -> tuple[socket.socket, list[socket.socket]]:
    """Return a listening socket whose clients are already connected, and the client sockets.

    Every process on this machine could connect to an abstract socket. But a full queue of `count`
    connections of this process has no room for another's (if one came first, our last connection
    would fail, and another socket is tried), and after shutdown(2) the kernel queues no more, even
    when the queue becomes shorter. The server can only accept the connections in the queue.
    """
    for _ in range(100):
        listener = socket.socket(socket.AF_UNIX)
        sockets = [socket.socket(socket.AF_UNIX) for _ in range(count)]
        listener.bind("")  # the kernel picks a free abstract name
        listener.listen(count - 1)  # Linux queues one more than it is told
        try:
            for sock in sockets:
                sock.setblocking(False)
                sock.connect(listener.getsockname())
                sock.setblocking(True)
        except BlockingIOError:
            for sock in (listener, *sockets):
                sock.close()
            continue
        listener.shutdown(socket.SHUT_RD)
        return listener, sockets
    raise SourceError("Another program keeps connecting to the private sockets of this one.")
