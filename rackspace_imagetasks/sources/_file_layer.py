# SPDX-License-Identifier: Apache-2.0
"""How QEMU reads the file that contains a disk: always as its standard input.

There is no temporary file, no socket with a name and no copy. QEMU gets a descriptor of the open
file, or of a connection to an NBD server in this process that reads the source for it.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.sources._nbd_server import NbdServer


class FileLayer:
    """The file below a format that QEMU reads.

    :ivar source: the bytes of the file.
    :ivar node: QEMU's description of its standard input.
    """

    node: ClassVar[Mapping[str, object]]

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self._failures = 0
        self._last_failure: BaseException | None = None
        self._lock = threading.Lock()

    def stdin(self) -> contextlib.AbstractContextManager[int]:
        """Lend the descriptor that a child gets as its standard input."""
        raise NotImplementedError

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Raise the source's own error if it cannot be read meanwhile, whatever QEMU makes of it.

        QEMU knows only that there is an error, and may ignore it.
        """
        before, error = self._failures, None
        try:
            yield
        except SourceError as raised:
            error = raised
        if self._failures > before and self._last_failure:
            raise self._last_failure
        if error:
            raise error

    def close(self) -> None:
        """End the service of the source, which remains open."""

    def _note_failure(self, failure: BaseException) -> None:
        with self._lock:
            self._last_failure = failure
            self._failures += 1


class _OpenFile(FileLayer):
    """A local file, which QEMU reads itself, even if it was renamed."""

    # `file` is not the protocol of a URL.
    node: ClassVar = {"driver": "file", "filename": "/dev/fd/0"}

    def __init__(self, source: FileSource) -> None:
        super().__init__(source)
        self._file = source

    @contextlib.contextmanager
    def stdin(self) -> Iterator[int]:
        """Lend the descriptor of the open file."""
        yield self._file.fileno()


class _ServedSource(FileLayer):
    """Any other source, which this process reads for QEMU."""

    node: ClassVar = {"driver": "nbd", "server": {"type": "fd", "str": "0"}}

    def __init__(self, source: ByteSource) -> None:
        super().__init__(source)
        self._servers: list[NbdServer] = []

    @contextlib.contextmanager
    def stdin(self) -> Iterator[int]:
        """Lend a new connection, which ends with the child."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._servers.append(NbdServer(ours, self.source, self._note_failure))
            yield theirs.fileno()

    def close(self) -> None:
        """End all connections."""
        for server in self._servers:
            server.close()


def file_layer(source: ByteSource) -> FileLayer:
    """Return the layer for a source."""
    return _OpenFile(source) if isinstance(source, FileSource) else _ServedSource(source)
