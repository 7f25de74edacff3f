# SPDX-License-Identifier: Apache-2.0
"""Functions that a helper process calls in tests; the process imports no test framework."""

import ctypes
import dataclasses
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.guest.fence._protocol import HEADER, Kind


def _is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


_IMPORTED_WITH = {
    "descriptors": tuple(number for number in range(1024) if _is_open(number)),
    "environment": tuple(sorted(os.environ)),
    "arguments": tuple(sys.orig_argv),
    "directory": str(Path.cwd()),
    "session": os.getsid(0) == os.getpid(),
}
SOCKET = int(sys.argv[1]) if sys.argv[0] == "-c" and sys.argv[1:] else 1


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a function saw or could do."""

    texts: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    is_deep: bool = False


@dataclasses.dataclass(frozen=True)
class Start:
    """How the process was when it imported this module, before it was confined."""

    descriptors: tuple[int, ...]
    environment: tuple[str, ...]
    arguments: tuple[str, ...]
    directory: str
    session: bool


def start(disk, *, deep):
    return Start(**_IMPORTED_WITH)


def read(disk, *, deep):
    """Return the first and the last bytes of the disk."""
    texts = (disk.read_at(0, 4).decode(), disk.read_at(disk.size - 4, 4).decode())
    return Seen(texts, (disk.size,), deep)


def read_all(disk, *, deep):
    content = disk.read_at(0, disk.size)
    return Seen(numbers=(len(content), sum(content)))


def crash(disk, *, deep):
    ctypes.string_at(0)


def abort(disk, *, deep):
    os.abort()


def end(disk, *, deep):
    os._exit(3)


def end_as_if_done(disk, *, deep):
    os._exit(0)


def spin(disk, *, deep):
    while True:
        pass


def sleep(disk, *, deep):
    disk.read_at(0, 1)
    while True:
        time.sleep(1)


def allocate(disk, *, deep):
    return Seen(numbers=(len(bytearray(1 << 30)),))


def allocate_slowly(disk, *, deep):
    kept = []
    while True:
        kept.append(bytes(1 << 16))


def fail(disk, *, deep):
    raise ZeroDivisionError("a mistake")


def refuse(disk, *, deep):
    raise SourceError("'/etc' cannot be read: a circle.")


def exit_by_exception(disk, *, deep):
    raise SystemExit(0)


def attempt(disk, *, deep):
    """Return the names of the forbidden acts that succeeded."""
    return Seen(tuple(name for name, act in ACTS.items() if _succeeds(act)))


def _succeeds(act):
    try:
        act()
    except OSError:
        return False
    return True


def _use_network():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", 9))  # sends nothing


def _fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()


ACTS = {
    "read a file": lambda: Path(os.__file__).open("rb").close(),
    "write a file": lambda: Path("/dev/null").open("wb").close(),
    "list a directory": lambda: list(Path("/").iterdir()),
    "use the network": _use_network,
    "start a process": _fork,
    "run a program": lambda: subprocess.run(["/bin/true"], check=True),
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "open a descriptor": lambda: [os.close(end) for end in os.pipe()],
    "duplicate a descriptor": lambda: os.close(os.dup(SOCKET)),
}


def write(content):
    while content:
        content = content[os.write(SOCKET, content) :]


def message(kind, content, length=None):
    write(HEADER.pack(kind, 0, len(content) if length is None else length) + content)


def send_noise(disk, *, deep):
    write(b"\xff" * 100)


def send_invalid(disk, *, deep):
    message(Kind.RESULT, b'{"texts": ')


def send_wrong_type(disk, *, deep):
    message(Kind.RESULT, b'{"texts": [1], "numbers": [], "is_deep": false}')


def send_escape(disk, *, deep):
    message(Kind.FAILURE, b'{"reason": "\\u001b[2J it is fine"}')


def send_ready(disk, *, deep):
    message(Kind.READY, b'{"protections": []}')


def send_much(disk, *, deep):
    message(Kind.RESULT, b"", 2**32 - 1)


def send_too_long_reason(disk, *, deep):
    message(Kind.FAILURE, b"", 2**20)


def send_half(disk, *, deep):
    message(Kind.RESULT, b'{"texts"', 100)
    os._exit(0)


def send_wrong_record(disk, *, deep):
    return Start((), (), (), "", True)


def return_other(disk, *, deep):
    return object()


def close(disk, *, deep):
    os.close(SOCKET)
    spin(disk, deep=deep)


def read_beyond(disk, *, deep):
    write(HEADER.pack(Kind.READ, disk.size - 1, 2))
    spin(disk, deep=deep)


def read_nothing(disk, *, deep):
    write(HEADER.pack(Kind.READ, 0, 0))
    spin(disk, deep=deep)


def read_too_much(disk, *, deep):
    write(HEADER.pack(Kind.READ, 0, 2**20 + 1))
    spin(disk, deep=deep)


def read_without_end(disk, *, deep):
    """Read through the pages, which end it."""
    while True:
        for offset in range(0, disk.size, 1 << 16):
            disk.read_at(offset, 1)


def read_past_the_pages(disk, *, deep):
    """Read without asking the pages, as a program does that has taken over the process."""
    while True:
        write(HEADER.pack(Kind.READ, 0, 512))
        os.read(SOCKET, 512)


def ask_without_reading(disk, *, deep):
    """Ask for bytes, but do not take them."""
    while True:
        write(HEADER.pack(Kind.READ, 0, 2**20))
