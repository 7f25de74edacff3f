# SPDX-License-Identifier: Apache-2.0
"""A server of the Network Block Device protocol: only what QEMU needs to read a byte source.

It knows one export, one command (read) and only simple replies. The client is validated as a
stranger: after a violation of the protocol the connection ends.
"""

import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Callable

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.sources import _nbd_protocol as protocol
from rackspace_imagetasks.sources._nbd_protocol import MAX_READ, NbdError, receive, send
from rackspace_imagetasks.threads import ThreadPool
from rackspace_imagetasks.units import SECTOR, divide_up

THREADS = 4
"""The number of requests of one connection that are answered at the same time."""
_GRACE = 0.2  # seconds for reads of the source that are in progress when it is no longer served
_MAX_OPTION = 4096  # bytes
_PREFERRED_BLOCK = 64 * 2**10


class NbdServer:
    """Serves a source to the other end of a connected socket, which it owns.

    :param failed: called with the exception of each read of the source that fails; the client
        gets EIO after that.
    """

    def __init__(
        self, sock: socket.socket, source: ByteSource, failed: Callable[[BaseException], None]
    ) -> None:
        self._sock = sock
        self._source = source
        # QEMU counts in sectors, and would wait for the rest of the last one.
        self._size = divide_up(source.size, SECTOR) * SECTOR
        self._failed = failed
        self._is_greeted = False
        self._receiving, self._sending = threading.Lock(), threading.Lock()
        try:
            self._threads = ThreadPool(self._serve, range(THREADS), THREADS, threading.Event())
        except BaseException:
            self._hang_up()
            sock.close()
            raise

    def close(self) -> None:
        """End the connection; a read of the source that takes long is abandoned."""
        self._hang_up()
        self._threads.join(_GRACE)
        self._sock.close()

    def _serve(self, _thread: int) -> None:
        """Answer requests, of which each thread receives the next one when it is free."""
        try:
            with contextlib.suppress(NbdError):  # the client is gone, or will notice
                while request := self._next_request():
                    self._answer(*request)
        finally:
            self._hang_up()  # whatever happens, the client must not wait

    def _hang_up(self) -> None:
        """Wake all threads that wait for the client, and the client."""
        with contextlib.suppress(OSError):  # the client did so, or the socket is closed
            self._sock.shutdown(socket.SHUT_RDWR)

    def _next_request(self) -> tuple[int, int, int] | None:
        """Return cookie, offset and length of the next read, or None after the last one."""
        with self._receiving:
            if not self._is_greeted:
                self._is_greeted = True
                self._greet()
            magic, _, command, cookie, offset, length = protocol.REQUEST.unpack(
                receive(self._sock, protocol.REQUEST.size)
            )
        if command == protocol.CMD_DISC:
            return None
        if magic != protocol.REQUEST_MAGIC or command != protocol.CMD_READ:
            raise NbdError("it sent a request that is not supported")
        return cookie, offset, length

    def _answer(self, cookie: int, offset: int, length: int) -> None:
        error, content = 0, b""
        if length > MAX_READ or offset + length > self._size:
            error = errno.EINVAL
        else:
            try:
                content = self._read(offset, length)
            except BaseException as failure:  # noqa: BLE001 - raised again in the reader's thread
                self._failed(failure)
                error = errno.EIO
        reply = protocol.SIMPLE_REPLY.pack(protocol.SIMPLE_REPLY_MAGIC, error, cookie)
        with self._sending:
            send(self._sock, reply, content)

    def _read(self, offset: int, length: int) -> bytes:
        """Read the source, which zeros fill up to whole sectors."""
        offset = min(offset, self._source.size)
        content = self._source.read_at(offset, min(length, self._source.size - offset))
        return content.ljust(length, b"\0")

    def _greet(self) -> None:
        """Negotiate until the client asks for the export."""
        flags = protocol.FIXED_NEWSTYLE | protocol.NO_ZEROES
        send(self._sock, protocol.GREETING, flags.to_bytes(2, "big"))
        receive(self._sock, 4)  # the client's flags, which make no difference for `GO`
        while (option := self._receive_option()) != protocol.OPT_GO:
            self._reply(option, protocol.REP_ERROR_UNSUPPORTED)
        flags = protocol.FLAG_HAS_FLAGS | protocol.FLAG_READ_ONLY
        info = struct.pack(">HQH", protocol.INFO_EXPORT, self._size, flags)
        self._reply(option, protocol.REP_INFO, info)
        sizes = struct.pack(">HIII", protocol.INFO_BLOCK_SIZE, 1, _PREFERRED_BLOCK, MAX_READ)
        self._reply(option, protocol.REP_INFO, sizes)
        self._reply(option, protocol.REP_ACK)

    def _receive_option(self) -> int:
        header = receive(self._sock, protocol.OPTION.size)
        magic, option, length = protocol.OPTION.unpack(header)
        if magic != protocol.OPTION_MAGIC or length > _MAX_OPTION:
            raise NbdError("it sent a malformed option")
        receive(self._sock, length)
        return int(option)

    def _reply(self, option: int, kind: int, content: bytes = b"") -> None:
        header = (protocol.OPTION_REPLY_MAGIC, option, kind, len(content))
        send(self._sock, protocol.OPTION_REPLY.pack(*header), content)
