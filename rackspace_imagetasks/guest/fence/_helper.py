# SPDX-License-Identifier: Apache-2.0
"""The parent of the helper process: starts it, reads the disk for it, and ends it.

Everything that the helper sends is untrusted from its first read on.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Generic, NamedTuple, Never, Self, TypeVar

import rackspace_imagetasks.guest
from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError
from rackspace_imagetasks.guest.fence import _records
from rackspace_imagetasks.guest.fence._protocol import (
    HEADER,
    MAX_READ,
    Failure,
    Job,
    Kind,
    Limits,
    Protection,
    Ready,
    budget_spent,
)

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

_BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv[3]);"
    " from rackspace_imagetasks.guest.fence._worker import main; main(*sys.argv[1:3])"
)
_PACKAGE_ROOT = Path(rackspace_imagetasks.guest.__file__).absolute().parents[2]
_POLL = 0.1  # seconds
_GRACE = 2  # seconds for a helper that closed its connection to end, and say why by its status
_MAX_SMALL = 64 * 2**10
"""The most bytes of a message other than the result."""
_MAX_STDERR = 4096


class InspectionFailed(ImageTasksError):
    """The contents of a disk could not be found, for a reason that is not the disk's source."""


class Fenced(NamedTuple, Generic[Result]):
    """The result of a function that ran in a helper process.

    :ivar protections: those that held in addition to the limits.
    :ivar reads: how often the disk was read.
    :ivar read_bytes: how much of it was read.
    """

    value: Result
    protections: tuple[Protection, ...]
    reads: int
    read_bytes: int


def run_fenced(
    disk: ByteSource,
    function: str,
    kind: type[Result],
    *,
    deep: bool = False,
    limits: Limits | None = None,
    stop: threading.Event | None = None,
) -> Fenced[Result]:
    """Call `function(disk, deep=deep)` in a helper process, which reads the disk through this one.

    :param function: `module:name`; it must return an instance of `kind`, a dataclass that
        consists of text, numbers, enumerations, tuples, and dataclasses of these.
    :param stop: set by any thread to end the helper.
    :raises InspectionFailed: if the function raises an error, or the helper crashes, exceeds a
        limit, or sends something invalid.
    :raises Cancelled: if `stop` is set.
    :raises ImageTasksError: the error of the disk, if that cannot be read.
    """
    limits = limits or Limits()
    try:
        with _Helper(Job(function, disk.size, deep, limits), stop) as helper:
            return _Service(disk, helper, limits).result(kind)
    except _Failed as failed:
        raise InspectionFailed(
            f"The contents of '{disk.name}' could not be inspected: {failed.reason}"
        ) from failed


class _Failed(Exception):
    """The helper did not do its job; `reason` completes a sentence, with its full stop."""

    def __init__(self, reason: str) -> None:
        self.reason = reason.removesuffix(".") + "."
        super().__init__(self.reason)


class _Helper:
    """A helper process and the connection to it; ends the process when the context ends."""

    def __init__(self, job: Job, stop: threading.Event | None) -> None:
        self._limits = job.limits
        self._left = job.limits.seconds
        self._stop = stop
        self._socket, theirs = socket.socketpair()
        self._stderr, stderr = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._process = _start(job, theirs, stderr)
        except OSError as error:
            self._close()
            raise _Failed(f"the helper process could not be started: {error.strerror}") from error
        finally:
            theirs.close()
            os.close(stderr)
        self._socket.settimeout(_POLL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        if said := self._said():
            LOG.debug("The helper process wrote %r.", said)
        self._close()

    def _said(self) -> bytes:
        try:
            return os.read(self._stderr, _MAX_STDERR)
        except BlockingIOError:  # the process has not ended yet, and wrote nothing
            return b""

    def _close(self) -> None:
        self._socket.close()
        os.close(self._stderr)

    def receive(self, length: int) -> bytes:
        """Return exactly `length` bytes from the helper."""
        content = bytearray()
        while len(content) < length:
            content += self._receive_some(length - len(content))
        return bytes(content)

    def _receive_some(self, length: int) -> bytes:
        with _Wait(self):
            try:
                content = self._socket.recv(min(length, MAX_READ))
            except TimeoutError:
                return b""
            except OSError:
                content = b""
        if not content:
            self._explain_end()
        return content

    def send(self, content: bytes) -> None:
        """Send bytes to the helper."""
        view = memoryview(content)
        while view:
            with _Wait(self):
                try:
                    view = view[self._socket.send(view) :]
                except TimeoutError:
                    continue
                except OSError:
                    self._explain_end()

    def check(self) -> None:
        """Return unless the helper must end, or has used up its time."""
        if self._stop is not None and self._stop.is_set():
            raise Cancelled("The inspection was stopped.")
        if self._left <= 0:
            raise _Failed(f"it did not finish within {self._limits.seconds:g} seconds")

    def count(self, seconds: float) -> None:
        """Count time that was spent waiting for the helper."""
        self._left -= seconds

    def _explain_end(self) -> Never:
        """Raise the reason why the helper ended, or closed its socket."""
        try:
            status = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            raise _Failed("the helper process closed its connection") from None
        if status == -signal.SIGXCPU:
            raise _Failed(f"it takes more than {self._limits.cpu_seconds} s of processor time")
        if status < 0:
            raise _Failed(f"the helper process crashed ({_signal_name(-status)})")
        raise _Failed(f"the helper process ended early, with status {status}")


class _Wait:
    """Counts the time of one wait for a helper; refuses to begin one that must not last."""

    def __init__(self, helper: _Helper) -> None:
        self._helper = helper

    def __enter__(self) -> None:
        self._helper.check()
        self._start = time.monotonic()

    def __exit__(self, *_error: object) -> None:
        self._helper.count(time.monotonic() - self._start)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _start(job: Job, sock: socket.socket, stderr: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            *(sys.executable or "python3", "-I", "-S", "-B", "-c", _BOOTSTRAP),
            *(str(sock.fileno()), _records.encode(job).decode(), str(_PACKAGE_ROOT)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=[sock.fileno()],
        cwd="/",
        env={},
        start_new_session=True,  # Ctrl-C is for this process, which ends the helper
    )


class _Service:
    """Reads the disk for a helper until it sends its result."""

    def __init__(self, disk: ByteSource, helper: _Helper, limits: Limits) -> None:
        self._disk = disk
        self._helper = helper
        self._limits = limits
        self._reads = self._read_bytes = 0

    def result(self, kind: type[Result]) -> Fenced[Result]:
        """Return the result of the helper."""
        message, _, length = self._header()
        if message != Kind.READY:
            raise _Failed("the helper process did not start as expected")
        protections = self._record(Ready, length, _MAX_SMALL).protections
        while True:
            message, offset, length = self._header()
            match message:
                case Kind.READ:
                    self._read(offset, length)
                case Kind.FAILURE:
                    raise _Failed(self._record(Failure, length, _MAX_SMALL).reason)
                case Kind.RESULT:
                    value = self._record(kind, length, self._limits.result_bytes)
                    return Fenced(value, protections, self._reads, self._read_bytes)
                case _:
                    raise _Failed("the helper process sent an unknown message")

    def _header(self) -> tuple[int, int, int]:
        kind, offset, length = HEADER.unpack(self._helper.receive(HEADER.size))
        return kind, offset, length

    def _read(self, offset: int, length: int) -> None:
        if not 0 < length <= MAX_READ or offset + length > self._disk.size:
            raise _Failed("the helper process asked for bytes that the disk does not have")
        self._reads += 1
        self._read_bytes += length
        if self._reads > self._limits.reads or self._read_bytes > self._limits.read_bytes:
            raise _Failed(budget_spent(self._limits))
        self._helper.send(self._disk.read_at(offset, length))

    def _record(self, kind: type[Result], length: int, most: int) -> Result:
        if length > most:
            raise _Failed(f"the helper process sent a message of more than {most} bytes")
        content = self._helper.receive(length)
        try:
            return _records.decode(kind, content)
        except _records.InvalidRecord as error:
            raise _Failed(f"the helper process sent something invalid: {error}") from error
