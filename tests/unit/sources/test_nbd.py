# SPDX-License-Identifier: Apache-2.0
"""The NBD client against a server that follows a script, well-behaved or not."""

import socket
import struct
import threading

from oslotest import base

from rackspace_imagetasks.bytesource import Extent
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.sources._nbd import NbdDisk
from rackspace_imagetasks.sources._nbd_protocol import NbdError

_MIB = 2**20
_SIZE = 4 * _MIB
_GREETING = b"NBDMAGICIHAVEOPT\0\3"


def _option_reply(option, kind, content=b"", magic=0x3E889045565A9):
    return struct.pack(">QIII", magic, option, kind, len(content)) + content


_HANDSHAKE = (
    _GREETING,
    _option_reply(8, 1),
    _option_reply(10, 4, struct.pack(">I", 7) + b"base:allocation") + _option_reply(10, 1),
    _option_reply(7, 3, struct.pack(">HQH", 0, _SIZE, 0x8F)) + _option_reply(7, 1),
)


def _chunk(kind, content=b"", *, cookie=1, done=True, length=None, magic=0x668E33EF):
    length = len(content) if length is None else length
    return struct.pack(">IHHQI", magic, done, kind, cookie, length) + content


def _data(offset, content, **fields):
    return _chunk(1, struct.pack(">Q", offset) + content, **fields)


def _status(*stretches, context=7, **fields):
    pairs = b"".join(struct.pack(">II", *stretch) for stretch in stretches)
    return _chunk(5, struct.pack(">I", context) + pairs, **fields)


class ScriptedServer(threading.Thread):
    """Answers each request with the next part of a script, then closes the connection."""

    def __init__(self, sock, script):
        super().__init__(daemon=True)
        self._sock, self._script = sock, script

    def run(self):
        with self._sock as sock, sock.makefile("rwb", buffering=0) as stream:
            for number, answer in enumerate(self._script):
                if number == 1:
                    stream.read(4)  # the client's flags
                if 1 <= number <= 3:
                    stream.read(int.from_bytes(stream.read(16)[12:], "big"))
                elif number and not stream.read(28):
                    return
                stream.write(answer)


class TestNbd(base.BaseTestCase):
    def connect(self, script):
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        server = ScriptedServer(theirs, script)
        server.start()
        self.addCleanup(server.join, 10)
        return NbdDisk([ours], "the.file", "id")

    def disk(self, *answers):
        """Return a disk whose server completes the handshake, then sends these answers."""
        disk = self.connect((*_HANDSHAKE, *answers))
        self.addCleanup(disk.close)
        return disk

    def assert_no_handshake(self, *script):
        return self.assertRaises(NbdError, self.connect, script)

    def assert_broken(self, answer, length=512):
        """A read fails with a sentence, and so does every later one: the connection is closed."""
        disk = self.disk(answer)
        error = self.assertRaises(NbdError, disk.read_at, 1024, length)
        self.assertIn("Cannot read 'the.file' at offset 1024", str(error))
        self.assertRaises(NbdError, disk.read_at, 0, 512)

    def assert_no_extents(self, answer):
        error = self.assertRaises(NbdError, list, self.disk(answer).data_extents())
        self.assertNotIn("closed the connection", str(error))  # nor was it asked again without end

    def test_reads_data_and_holes(self):
        """A read is answered by one piece of data, or by one hole."""
        hole = _chunk(2, struct.pack(">QI", 512, 512), cookie=2)
        disk = self.disk(_data(0, b"a" * 512), hole)
        self.assertEqual(_SIZE, disk.size)
        self.assertEqual(b"a" * 512, disk.read_at(0, 512))
        self.assertEqual(bytes(512), disk.read_at(512, 512))

    def test_end_of_a_reply_in_a_chunk_of_its_own(self):
        """Data may be followed by an empty chunk that ends the reply."""
        disk = self.disk(_data(0, b"a" * 512, done=False) + _chunk(0))
        self.assertEqual(b"a" * 512, disk.read_at(0, 512))

    def test_large_reads_are_divided(self):
        """A read of more than the client's limit is several requests."""
        answers = [_data(n * 2 * _MIB, bytes([n]) * 2 * _MIB, cookie=n + 1) for n in range(2)]
        disk = self.disk(*answers)
        self.assertEqual(b"\0" * 2 * _MIB + b"\1" * 2 * _MIB, disk.read_at(0, _SIZE))

    def test_outside_the_disk_asks_nobody(self):
        """A read beyond the end is refused without a request."""
        disk = self.disk()
        for offset, length in ((_SIZE, 1), (-1, 1), (0, _SIZE + 1)):
            error = self.assertRaises(SourceError, disk.read_at, offset, length)
            self.assertIn("Cannot read", str(error))

    def test_extents(self):
        """Zeros are not in the extents; adjacent ones are joined, and the end is clipped."""
        first = _status((_MIB, 0), (_MIB, 1), (_MIB, 3))
        disk = self.disk(first, _status((2**31, 0), cookie=2))
        self.assertEqual([Extent(0, 2 * _MIB), Extent(3 * _MIB, _MIB)], list(disk.data_extents()))

    def test_error_of_the_server(self):
        """The server's error message is passed on; the next read can succeed."""
        words = b"bad \x1b[31mcluster"
        error = _chunk(32769, struct.pack(">IH", 5, len(words)) + words)
        disk = self.disk(error, _data(0, b"a" * 512, cookie=2))
        raised = self.assertRaises(SourceError, disk.read_at, 0, 512)
        self.assertIn("Input/output error (bad \ufffd[31mcluster)", str(raised))
        self.assertEqual(b"a" * 512, disk.read_at(0, 512))

    def test_wrong_answers_to_a_read(self):
        """Wrong magics, cookies, offsets, lengths and types end the connection, not the program."""
        block = b"a" * 512
        for answer in (
            b"",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            _data(1024, block, magic=0x67446698),
            _data(1024, block, cookie=9),
            _data(0, block),
            _data(1024, block[:-1]),
            _data(1024, block + b"a"),
            _data(1024, block, length=2**32 - 1),
            _data(1024, block, length=2**20),
            _data(1024, block)[:-100],
            _data(1024, block, done=False) + _data(1024, block),
            _chunk(0),
            _chunk(1, b"a"),
            _chunk(2, struct.pack(">QI", 1024, 2**32 - 1)),
            _chunk(5, struct.pack(">III", 7, 512, 0)),
            _chunk(77, bytes(520)),
        ):
            self.assert_broken(answer)

    def test_wrong_errors(self):
        """An error that is too short, too long or not the end of its reply is malformed."""
        for answer in (
            _chunk(32769, b"\0"),
            _chunk(32769, b"", length=2**32 - 1),
            _chunk(32769, struct.pack(">IH", 5, 0), done=False),
        ):
            self.assert_broken(answer)

    def test_errors_with_odd_numbers(self):
        """Any error number, and any length of its message, is accepted."""
        disk = self.disk(_chunk(32769, struct.pack(">IH", 2**32 - 1, 2**16 - 1) + b"x"))
        self.assertIn("(x)", str(self.assertRaises(SourceError, disk.read_at, 0, 512)))

    def test_wrong_answers_to_a_status(self):
        """A block status that is empty, of length 0, huge or of another context is refused."""
        for answer in (
            _status(),
            _status((0, 0)),
            _status((_MIB, 0), (0, 0)),
            _status((_MIB, 0), context=8),
            _status((_MIB, 0), done=False) + _status((_MIB, 0)),
            _status((_MIB, 0), length=2**32 - 4),
            _status((_MIB, 0), length=13),
            _data(0, bytes(512)),
            _chunk(0),
        ):
            self.assert_no_extents(answer)

    def test_no_nbd_server(self):
        """Anything but a server of the newstyle handshake is refused."""
        for script in (
            (),
            (b"SSH-2.0-OpenSSH_9.2\r\n",),
            (b"NBDMAGIC" + bytes(144),),
            (b"NBDMAGICIHAVEOPT\0\0",),
        ):
            self.assert_no_handshake(*script)

    def test_handshakes_that_lack_something(self):
        """Each option must be acknowledged by a valid reply."""
        unsupported = 2**31 + 1
        for number, answer in (
            (1, _option_reply(8, unsupported, b"no \x1b")),
            (1, _option_reply(8, 1, magic=1)),
            (1, _option_reply(9, 1)),
            (1, _option_reply(8, 3, b"more") + _option_reply(8, 1)),
            (2, _option_reply(10, 1)),
            (2, _option_reply(10, 4, b"\0\0\0\7base:other") + _option_reply(10, 1)),
            (3, _option_reply(7, 1)),
            (3, _option_reply(7, 3, b"\0\0") + _option_reply(7, 1)),
            (3, _option_reply(7, 3, struct.pack(">HQH", 0, 2**63, 0)) + _option_reply(7, 1)),
            (3, struct.pack(">QIII", 0x3E889045565A9, 7, 3, 2**32 - 1)),
        ):
            error = self.assert_no_handshake(*_HANDSHAKE[:number], answer)
            self.assertNotIn("closed the connection", str(error))  # it did not go on
