# SPDX-License-Identifier: Apache-2.0
"""A `qemu-nbd` child that serves one disk to this process alone."""

import contextlib
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.sources._file_layer import FileLayer
from rackspace_imagetasks.sources._tools import (
    ENVIRONMENT,
    StandardError,
    find_program,
    image,
    resources,
)

CONNECTIONS = 4
"""The number of requests in flight: the child decompresses in as many threads."""
_GRACE = 5  # seconds for a child that has failed to end


class Server:
    """A `qemu-nbd` child that this process alone is connected to, from its start to its end.

    :ivar sockets: the connections.
    """

    def __init__(self, layer: FileLayer, driver: str) -> None:
        program = find_program("qemu-nbd", layer.source.name, driver)
        listener, self.sockets = private_listener(CONNECTIONS)
        self._stderr = StandardError()
        # The parent of a death signal is a thread (prctl(2)), not the process: the child gets one
        # that lives as long as the child, whichever threads open and close the disk.
        self._parent = ThreadPoolExecutor(1, thread_name_prefix="qemu-nbd")
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with listener, resources("qemu-nbd", layer.source.name), layer.stdin() as stdin:
                self._process = self._parent.submit(
                    self._start,
                    [program, "--read-only", f"--shared={CONNECTIONS}", image(layer, driver)],
                    listener,
                    stdin,
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
        return 0 if is_running else status, self._stderr.read()

    def close(self) -> None:
        """Kill the child before closing the connections, so that it never serves others."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._parent.shutdown()
        for sock in self.sockets:
            sock.close()
        self._stderr.close()

    def _start(
        self, command: list[str], listener: socket.socket, stdin: int
    ) -> "subprocess.Popen[bytes]":
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("_launch.py"))]
        return subprocess.Popen(
            [*launcher, str(os.getpid()), str(listener.fileno()), *command],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr.writer,
            pass_fds=[listener.fileno()],
            process_group=0,  # Ctrl-C is for this process, which ends the child
            env=os.environ | ENVIRONMENT,
        )


def private_listener(count: int) -> tuple[socket.socket, list[socket.socket]]:
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
