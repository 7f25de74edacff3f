# SPDX-License-Identifier: Apache-2.0
"""What the client and the server of the Network Block Device protocol have in common.

The protocol is the NBD project's doc/proto.md; both ends speak its fixed newstyle handshake.
"""

import socket
import struct

from rackspace_imagetasks.exceptions import SourceError

GREETING = b"NBDMAGICIHAVEOPT"
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
OPTION = struct.Struct(">8sII")
OPTION_MAGIC = b"IHAVEOPT"
OPT_GO, OPT_STRUCTURED_REPLY, OPT_SET_META_CONTEXT = 7, 8, 10
OPTION_REPLY = struct.Struct(">QIII")
OPTION_REPLY_MAGIC = 0x0003E889045565A9
REP_ACK, REP_INFO, REP_META_CONTEXT, REP_ERROR = 1, 3, 4, 1 << 31
REP_ERROR_UNSUPPORTED = REP_ERROR | 1
INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3
FLAG_HAS_FLAGS, FLAG_READ_ONLY = 1, 2

REQUEST = struct.Struct(">IHHQQI")
REQUEST_MAGIC = 0x25609513
CMD_READ, CMD_DISC, CMD_BLOCK_STATUS = 0, 2, 7
SIMPLE_REPLY = struct.Struct(">IIQ")
SIMPLE_REPLY_MAGIC = 0x67446698

MAX_READ = 2 * 2**20
"""The most bytes to request at once; larger requests are not faster."""


class NbdError(SourceError):
    """The other end closed the connection, or violated the protocol."""


def send(sock: socket.socket, *pieces: bytes) -> None:
    """Send all bytes of all pieces.

    :raises NbdError: when the connection fails.
    """
    try:
        for piece in pieces:
            sock.sendall(piece)
    except OSError as error:
        raise NbdError(f"the connection failed: {error.strerror}") from error


def receive(sock: socket.socket, length: int) -> bytes:
    """Receive exactly `length` bytes.

    :raises NbdError: when the connection fails, or is closed before.
    """
    pieces, missing = [], length
    while missing:
        try:
            piece = sock.recv(missing, socket.MSG_WAITALL)
        except OSError as error:
            raise NbdError(f"the connection failed: {error.strerror}") from error
        if not piece:
            raise NbdError("it closed the connection")
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
