# SPDX-License-Identifier: Apache-2.0
"""Disks in the formats that QEMU reads, served to us alone by a `qemu-nbd` child.

No byte goes through a temporary file, no socket has a name in the file system, and qemu is told
what to open: this one open file, as this one format, with no backing file. It never probes, and
never takes a file's name for a URL.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.sources.nbd import MAX_READ, NbdDisk, NbdError
from rackspace_imagetasks.sources.readahead import ReadAhead
from rackspace_imagetasks.text import printable

CONNECTIONS = 4
"""Requests in flight: a child decompresses in as many threads."""
# Exit statuses of `qemu-img check` beside 0.
_ONLY_LEAKS = 3
_NOTHING_TO_CHECK = 63


class QemuDisk(ReadAhead):
    """The disk in `file`, as a `ByteSource`.

    :param driver: QEMU's name of the file's format.
    :raises SourceError: when qemu-nbd is not installed, or cannot read the file.
    """

    def __init__(self, file: FileSource, driver: str) -> None:
        _check_whole(file, driver)
        self._file = file
        self.name = file.name
        self.identity = f"{file.identity}-{driver}"
        self._server = _Server(file, driver)
        super().__init__(self._shake_hands(driver), MAX_READ)

    def verify_unchanged(self) -> None:
        """Check the file.

        :raises SourceChanged: when it was written to, replaced or removed.
        """
        self._file.verify_unchanged()

    def close(self) -> None:
        """End the child, then drop the connections."""
        self._server.close()

    def _shake_hands(self, driver: str) -> NbdDisk:
        try:
            return NbdDisk(self._server.sockets, self.name, self.identity)
        except NbdError as error:
            reason = self._server.last_words() or f"it gave {error}"
            self._server.close()
            raise SourceError(
                f"qemu-nbd cannot read '{self.name}' as {driver}: {reason.rstrip('.')}."
            ) from error
        except BaseException:
            self._server.close()
            raise


class _Server:
    """A `qemu-nbd` child whose every connection is ours, from before it starts to after it ends.

    :ivar sockets: the connections.
    """

    def __init__(self, file: FileSource, driver: str) -> None:
        program = _program("qemu-nbd", file.name, driver)
        listener, self.sockets = _private_listener(CONNECTIONS)
        self._stderr = os.memfd_create("qemu-nbd")
        # The parent that a death signal is about is a thread (prctl(2)), not the process: the
        # child gets one that lives as long as it, whoever opens and whoever closes the disk.
        self._parent = ThreadPoolExecutor(1, thread_name_prefix="qemu-nbd")
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with listener:
                self._process = self._parent.submit(
                    self._start,
                    [program, "--read-only", f"--shared={CONNECTIONS}", _image(driver)],
                    listener,
                    file,
                ).result()
        except BaseException:
            self.close()
            raise

    def last_words(self) -> str:
        """Return the last line of what it said, once it has ended; empty if it said nothing."""
        if self._process:
            self._process.kill()  # it has ended, or does not speak our protocol
            self._process.wait()
        return _last_line(os.pread(self._stderr, 2**20, 0))

    def close(self) -> None:
        """Kill it *before* the connections go, so that it never serves another in their place."""
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
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
        return subprocess.Popen(
            [*launcher, str(os.getpid()), str(listener.fileno()), *command],
            stdin=file.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            pass_fds=[listener.fileno()],
            process_group=0,  # Ctrl-C is for us; we end it
            env=os.environ | {"LC_ALL": "C"},
        )


def _program(program: str, name: str, driver: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SourceError(
            f"Reading '{name}' ({driver}) needs the program {program}; install the package"
            " qemu-utils (Debian, Ubuntu) or qemu-img (RHEL, Fedora)."
        )
    return path


def _image(driver: str) -> str:
    """Return what QEMU opens: its standard input, as this format."""
    image = {
        "driver": driver,
        "read-only": True,
        # Not even what the file's header names: refused before, and here once more.
        "backing": None,
        # The open file itself, whatever its path has become; `file` is no URL's protocol.
        "file": {"driver": "file", "filename": "/dev/fd/0"},
    }
    return "json:" + json.dumps(image)


def _check_whole(file: FileSource, driver: str) -> None:
    """Check the disk's tables: of a file that was cut off, QEMU reads the rest as zeros.

    :raises SourceError: when they are damaged, or point behind the file's end.
    """
    with _qemu_img("check", file, driver) as checking:
        _, said = checking.communicate()
    if checking.returncode not in (0, _ONLY_LEAKS, _NOTHING_TO_CHECK):
        raise _not_whole(file, _last_line(said) or "its tables contradict each other")
    with _qemu_img("map", file, driver) as mapping:
        assert mapping.stdout
        if any(_ends_behind(line, file.size) for line in mapping.stdout):
            raise _not_whole(file, "its last data would be behind the end of the file")
    if mapping.returncode:
        raise _not_whole(file, "its tables cannot be read to their end")


@contextlib.contextmanager
def _qemu_img(command: str, file: FileSource, driver: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run qemu-img, on the open file, no longer than the block."""
    with subprocess.Popen(
        [_program("qemu-img", file.name, driver), command, "--output=json", _image(driver)],
        stdin=file.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if command == "check" else subprocess.DEVNULL,
        process_group=0,
        env=os.environ | {"LC_ALL": "C"},
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _ends_behind(line: bytes, size: int) -> bool:
    """Read a line of `qemu-img map`, an extent: the check above overlooks less than a cluster."""
    try:
        extent = json.loads(line.strip().strip(b"[],"))
    except ValueError:
        return False
    if not extent.get("data") or extent.get("compressed") or "offset" not in extent:
        return False
    return int(extent["offset"]) + int(extent["length"]) > size


def _not_whole(file: FileSource, reason: str) -> SourceError:
    return SourceError(
        f"'{file.name}' is damaged, or not all of it is there: {reason.rstrip('.')}; compare it"
        " with its original."
    )


def _last_line(output: bytes) -> str:
    """Return what QEMU said last, without what only we know the meaning of."""
    lines = output.decode(errors="replace").strip().split("\n")
    return printable(
        re.sub(r"^(qemu-\w+: |ERROR:? )|(Could|Failed)[^']*'json:.*}': ", "", lines[-1])
    )


def _private_listener(count: int) -> tuple[socket.socket, list[socket.socket]]:
    """Return a listening socket that already has all the connections it will ever have, and those.

    Anyone on this machine could connect to an abstract socket. But a queue of `count` places in
    which `count` connections of ours wait has no room for another's (if one came first, our last
    would be refused, and we try another socket), and after shutdown(2) the kernel queues no more,
    also when places become free. The server can only accept what waits: ours.
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
    raise SourceError("Another program on this machine keeps connecting to our sockets; end it.")
