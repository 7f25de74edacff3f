# SPDX-License-Identifier: Apache-2.0
"""A client of the Network Block Device protocol: only what is needed to read a disk.

The protocol is the NBD project's doc/proto.md: fixed newstyle handshake, structured replies and
the `base:allocation` context. Each connection has one request in flight; threads share a pool.
All that the server sends is validated before it is used: magics, cookies, lengths and counts.
"""

import contextlib
import os
import queue
import socket
import struct
from collections.abc import Iterator, Sequence

from rackspace_imagetasks.bytesource import BaseSource, Extent, joined
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.sources import _nbd_protocol as protocol
from rackspace_imagetasks.sources._nbd_protocol import MAX_READ, NbdError, receive, send

MAX_STATUS = 2**31
"""The most bytes whose allocation to request at once; the protocol's lengths have 32 bits."""
_MAX_REPLY = 2**20
"""The largest reply in bytes that is not data: extents, errors, options."""

_ALLOCATION = b"base:allocation"
_FLAG_DONT_FRAGMENT = 1 << 2
_CHUNK = struct.Struct(">IHHQI")
_CHUNK_MAGIC = 0x668E33EF
_CHUNK_DONE = 1
_CHUNK_NONE, _CHUNK_DATA, _CHUNK_HOLE, _CHUNK_STATUS, _CHUNK_ERROR = 0, 1, 2, 5, 1 << 15
_STATUS_ZERO = 2


class Connection:
    """One connection to the default export, after its handshake.

    :ivar size: the export's size in bytes.
    :raises NbdError: when it is not an NBD server with the required features.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._cookie = 0
        self._greet()
        self._ask_structured_replies()
        self._context = self._ask_allocation()
        self.size = self._go()

    def read(self, offset: int, length: int) -> bytes:
        """Read `length` bytes, at most `MAX_READ`, from `offset`."""
        self._send_request(protocol.CMD_READ, _FLAG_DONT_FRAGMENT, offset, length)
        content = None
        for kind, size in self._chunks():
            if content is not None or size < 8 or self._receive(8) != offset.to_bytes(8, "big"):
                raise NbdError("it sent data that was not requested")
            if kind == _CHUNK_DATA and size - 8 == length:
                content = self._receive(length)
            elif kind == _CHUNK_HOLE and self._receive(4) == length.to_bytes(4, "big"):
                content = bytes(length)
            else:
                raise NbdError(f"it sent {size - 8} bytes instead of {length}")
        if content is None:
            raise NbdError(f"it sent no data for {length} bytes")
        return content

    def allocation(self, offset: int, length: int) -> list[tuple[int, bool]]:
        """Return (length, reads as zeros) of the extents from `offset` on; at least one."""
        self._send_request(protocol.CMD_BLOCK_STATUS, 0, offset, length)
        stretches: list[tuple[int, bool]] = []
        for kind, size in self._chunks():
            if kind != _CHUNK_STATUS or not 12 <= size <= _MAX_REPLY or size % 8 != 4:
                raise NbdError(f"it sent a block status of type {kind} and {size} bytes")
            context, *fields = struct.unpack(f">{size // 4}I", self._receive(size))
            if context != self._context or stretches:
                raise NbdError("it sent a block status that was not requested")
            stretches = [
                (length, bool(flags & _STATUS_ZERO))
                for length, flags in zip(fields[::2], fields[1::2], strict=True)
            ]
        if not stretches or not all(length for length, _ in stretches):
            raise NbdError("it sent an empty block status")
        return stretches

    def close(self) -> None:
        """Close the connection; the server needs no notice."""
        self._sock.close()

    def _greet(self) -> None:
        greeting = self._receive(18)
        flags = int.from_bytes(greeting[16:], "big")
        if greeting[:16] != protocol.GREETING or not flags & protocol.FIXED_NEWSTYLE:
            raise NbdError("it did not greet as an NBD server")
        self._send(struct.pack(">I", protocol.FIXED_NEWSTYLE | flags & protocol.NO_ZEROES))

    def _ask_structured_replies(self) -> None:
        for _ in self._option(protocol.OPT_STRUCTURED_REPLY, b""):
            raise NbdError("it sent an unexpected reply to the option of structured replies")

    def _ask_allocation(self) -> int:
        query = struct.pack(">III", 0, 1, len(_ALLOCATION)) + _ALLOCATION
        contexts = [
            int.from_bytes(content[:4], "big")
            for kind, content in self._option(protocol.OPT_SET_META_CONTEXT, query)
            if kind == protocol.REP_META_CONTEXT and content[4:] == _ALLOCATION
        ]
        if len(contexts) != 1:
            raise NbdError("it has no base:allocation context")
        return contexts[0]

    def _go(self) -> int:
        sizes = [
            int.from_bytes(content[2:10], "big")
            for kind, content in self._option(protocol.OPT_GO, struct.pack(">IH", 0, 0))
            if kind == protocol.REP_INFO
            and len(content) == 12
            and content[:2] == protocol.INFO_EXPORT.to_bytes(2, "big")
        ]
        if len(sizes) != 1 or sizes[0] >= 2**63:
            raise NbdError("it sent no plausible size of the disk")
        return sizes[0]

    def _option(self, option: int, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Send an option; yield the type and content of each reply before the final ACK."""
        self._send(protocol.OPTION.pack(protocol.OPTION_MAGIC, option, len(content)) + content)
        while True:
            magic, answered, kind, length = protocol.OPTION_REPLY.unpack(
                self._receive(protocol.OPTION_REPLY.size)
            )
            if magic != protocol.OPTION_REPLY_MAGIC or answered != option or length > _MAX_REPLY:
                raise NbdError("it sent a malformed reply to an option")
            reply = self._receive(length)
            if kind & protocol.REP_ERROR:
                raise NbdError(f"it refused option {option}: {_decoded(reply)}")
            if kind == protocol.REP_ACK:
                return
            yield kind, reply

    def _send_request(self, command: int, flags: int, offset: int, length: int) -> None:
        self._cookie += 1
        self._send(
            protocol.REQUEST.pack(
                protocol.REQUEST_MAGIC, flags, command, self._cookie, offset, length
            )
        )

    def _chunks(self) -> Iterator[tuple[int, int]]:
        """Yield the type and length of each chunk with content, which the caller must receive."""
        flags = 0
        while not flags & _CHUNK_DONE:
            magic, flags, kind, cookie, length = _CHUNK.unpack(self._receive(_CHUNK.size))
            if magic != _CHUNK_MAGIC or cookie != self._cookie:
                raise NbdError("it sent a reply without a request")
            if kind & _CHUNK_ERROR:
                self._raise_error(length, final=bool(flags & _CHUNK_DONE))
            if kind != _CHUNK_NONE:
                yield kind, length

    def _raise_error(self, length: int, *, final: bool) -> None:
        if not 6 <= length <= _MAX_REPLY or not final:
            raise NbdError("it sent a malformed error")
        content = self._receive(length)
        number, size = struct.unpack_from(">IH", content)
        reason = _decoded(content[6 : 6 + size])
        raise SourceError(os.strerror(number & 0xFFFF) + (f" ({reason})" if reason else ""))

    def _send(self, content: bytes) -> None:
        send(self._sock, content)

    def _receive(self, length: int) -> bytes:
        return receive(self._sock, length)


class NbdDisk(BaseSource):
    """The disk that is read through connections to one NBD server, by any number of threads.

    :param sockets: connected sockets, one for each request in flight.
    :raises NbdError: when the handshake fails.
    """

    def __init__(self, sockets: Sequence[socket.socket], name: str, identity: str) -> None:
        self._connections = [Connection(sock) for sock in sockets]
        super().__init__(name, self._connections[0].size, identity)
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue()
        for connection in self._connections:
            self._idle.put(connection)

    def _read(self, offset: int, length: int) -> bytes:
        end = offset + length
        with self._connection(offset) as connection:
            pieces = [
                connection.read(start, min(MAX_READ, end - start))
                for start in range(offset, end, MAX_READ)
            ]
        return b"".join(pieces)

    def data_extents(self) -> Iterator[Extent]:
        """Return the extents that the server does not know to be zeros, joined."""
        return joined(extent for extent, zeros in self._stretches() if not zeros)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()

    def _stretches(self) -> Iterator[tuple[Extent, bool]]:
        offset = 0
        while offset < self.size:
            with self._connection(offset) as connection:
                found = connection.allocation(offset, min(MAX_STATUS, self.size - offset))
            for length, zeros in found:
                # The last extent may end after the requested range, but never after the disk.
                end = min(offset + length, self.size)
                yield Extent(offset, end - offset), zeros
                offset = end

    @contextlib.contextmanager
    def _connection(self, offset: int) -> Iterator[Connection]:
        """Lend a connection; turn its errors into sentences."""
        connection = self._idle.get()
        try:
            yield connection
        except NbdError as error:
            connection.close()  # where the next reply begins is unknown
            raise NbdError(
                f"Cannot read '{self.name}' at offset {offset} from qemu-nbd: {error}."
            ) from error
        except SourceError as error:
            raise SourceError(f"Cannot read '{self.name}' at offset {offset}: {error}.") from error
        finally:
            self._idle.put(connection)


def _decoded(content: bytes) -> str:
    return content.decode(errors="replace")
