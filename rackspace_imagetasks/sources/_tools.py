# SPDX-License-Identifier: Apache-2.0
"""QEMU's programs as child processes, and why one failed."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator

from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.sources._file_layer import FileLayer

ENVIRONMENT = {"LC_ALL": "C"}
"""What the programs need so that their messages are in English."""
_CORRUPT = 2  # exit status of `qemu-img check`
_LOADER_FAILED = 127  # as the dynamic loader fails without memory
_NO_RESOURCES = re.compile(
    r"cannot allocate|out of memory|failed to (allocate|map)|resource temporarily unavailable"
    r"|(create|creating|spawn)\w* (a )?(new )?thread|too many open files",
    re.IGNORECASE,
)
_LOG_TO_REPLAY = "log that needs to be replayed"
_MAX_OUTPUT = 2**20


class StandardError:
    """What a child writes to its standard error, as far as it fits into a pipe.

    A file would be subject to RLIMIT_FSIZE, even in memory. A child never waits for the pipe: what
    does not fit is lost.

    :ivar writer: the descriptor for the child.
    """

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._content = b""
        self._lock = threading.Lock()
        with contextlib.suppress(OSError):  # beyond the limit of all the user's pipes
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, _MAX_OUTPUT)

    def read(self) -> bytes:
        """Return everything that was written so far."""
        with self._lock, contextlib.suppress(BlockingIOError):
            while self._reader >= 0 and (piece := os.read(self._reader, _MAX_OUTPUT)):
                self._content += piece
        return self._content

    def close(self) -> None:
        """Close the pipe; closing it twice has no effect."""
        with self._lock:
            if self._reader >= 0:
                os.close(self._reader)
                os.close(self.writer)
                self._reader = -1


def find_program(program: str, name: str, driver: str) -> str:
    path = shutil.which(program)
    if path is None:
        text = f"The program {program}, which reads '{name}' ({driver}), is not installed."
        raise SourceError(Message(text, Hint.INSTALL_QEMU))
    return path


def image(layer: FileLayer, driver: str) -> str:
    """Return the specification of a disk in this format, for QEMU to open."""
    node = {
        "driver": driver,
        "read-only": True,
        # Not even the file that the header names: such a file is refused before, and here again.
        "backing": None,
        "file": layer.node,
    }
    return "json:" + json.dumps(node)


@contextlib.contextmanager
def qemu_img(
    command: str, layer: FileLayer, driver: str
) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], bytes]]]:
    """Run qemu-img on the file, at most as long as the block.

    Yields the process, and a function that returns its standard error.
    """
    stderr = StandardError()
    try:
        with (
            resources("qemu-img", layer.source.name),
            layer.stdin() as stdin,
            subprocess.Popen(
                [
                    find_program("qemu-img", layer.source.name, driver),
                    command,
                    "--output=json",
                    image(layer, driver),
                ],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr.writer,
                process_group=0,
                env=os.environ | ENVIRONMENT,
            ) as process,
        ):
            try:
                yield process, stderr.read
            except BaseException:
                process.kill()
                raise
    finally:
        stderr.close()


@contextlib.contextmanager
def resources(program: str, name: str) -> Iterator[None]:
    """Turn the lack of memory, processes or threads into a sentence."""
    try:
        yield
    except MemoryError as error:
        raise _no_resources(program, name, "out of memory") from error
    except RuntimeError as error:  # of a thread that cannot be started
        raise _no_resources(program, name, str(error)) from error
    except OSError as error:
        raise _no_resources(program, name, error.strerror or str(error)) from error


def failure(program: str, status: int, output: bytes, name: str) -> SourceError | None:
    """Return the error if the program failed for a reason other than a damaged disk."""
    said = output.decode(errors="replace")
    if _LOG_TO_REPLAY in said:
        text = f"'{name}' was not closed properly: its log must be replayed before it is read."
        return SourceError(Message(text, Hint.REPLAY_LOG))
    if status < 0:
        return _no_resources(program, name, f"it was ended by {signal.Signals(-status).name}")
    if status == _LOADER_FAILED or (status != _CORRUPT and _NO_RESOURCES.search(said)):
        return _no_resources(program, name, last_line(output) or "it could not be started")
    return None


def _no_resources(program: str, name: str, reason: str) -> SourceError:
    text = f"Cannot read '{name}', because {program} failed: {reason.rstrip('.')}."
    return SourceError(Message(text, Hint.FREE_MEMORY))


def last_line(output: bytes) -> str:
    """Return QEMU's last line, without the parts that are only of use to this program."""
    lines = output.decode(errors="replace").strip().split("\n")
    return re.sub(r"^(qemu-\w+: |ERROR:? )|(Could|Failed)[^']*'json:.*}': ", "", lines[-1])
