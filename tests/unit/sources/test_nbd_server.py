# SPDX-License-Identifier: Apache-2.0
"""The NBD server against clients that follow a script, well-behaved or not."""

import contextlib
import errno
import socket
import struct
import threading

from oslotest import base

from rackspace_imagetasks.exceptions import ServiceError
from rackspace_imagetasks.sources._nbd_protocol import receive
from rackspace_imagetasks.sources._nbd_server import THREADS, NbdServer
from tests.unit.sources.disks import MIB, FaultySource

_CONTENT = bytes(range(256)) * (3 * MIB // 256) + b"end"
_SIZE = len(_CONTENT) + 509
_GO = struct.pack(">8sIIIH", b"IHAVEOPT", 7, 6, 0, 0)


def _request(cookie, offset, length, *, command=0, magic=0x25609513):
    return struct.pack(">IHHQQI", magic, 0, command, cookie, offset, length)


class NbdServerTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.source, self.failures = FaultySource(_CONTENT), []
        self.connect()

    def connect(self):
        self.client, theirs = socket.socketpair()
        self.addCleanup(self.client.close)
        self.client.settimeout(30)
        self.server = NbdServer(theirs, self.source, self.failures.append)
        self.addCleanup(self.server.close)

    def greet(self):
        """Do the shortest possible handshake."""
        self.assertEqual(b"NBDMAGICIHAVEOPT\0\3", receive(self.client, 18))
        self.client.sendall(b"\0\0\0\3" + _GO)
        self.assertEqual((7, 3, struct.pack(">HQH", 0, _SIZE, 3)), self.option_reply())
        self.assertEqual((7, 3, struct.pack(">HIII", 3, 1, 65536, 2 * MIB)), self.option_reply())
        self.assertEqual((7, 1, b""), self.option_reply())

    def option_reply(self):
        magic, option, kind, length = struct.unpack(">QIII", receive(self.client, 20))
        self.assertEqual(0x3E889045565A9, magic)
        return option, kind, receive(self.client, length)

    def reply(self, length):
        """Return error, cookie and content of the next reply."""
        magic, error, cookie = struct.unpack(">IIQ", receive(self.client, 16))
        self.assertEqual(0x67446698, magic)
        return error, cookie, b"" if error else receive(self.client, length)

    def assert_hung_up(self):
        with contextlib.suppress(ConnectionError):  # it did not read all that was sent
            self.assertEqual(b"", self.client.recv(1))

    def test_reads(self):
        """Any part of the source can be read, up to its last byte."""
        self.greet()
        for offset, length in ((0, 2 * MIB), (MIB - 1, 3), (len(_CONTENT) - 3, 3)):
            self.client.sendall(_request(offset, offset, length))
            self.assertEqual((0, offset, _CONTENT[offset : offset + length]), self.reply(length))

    def test_size_in_sectors(self):
        """Zeros fill the last sector, which QEMU would otherwise wait for."""
        self.greet()
        for offset in (_SIZE - 512, len(_CONTENT), _SIZE - 1):
            self.client.sendall(_request(1, offset, _SIZE - offset))
            expected = _CONTENT[offset:].ljust(_SIZE - offset, b"\0")
            self.assertEqual((0, 1, expected), self.reply(_SIZE - offset))

    def test_other_options(self):
        """Options that are not supported are refused, and the negotiation continues."""
        self.assertEqual(18, len(receive(self.client, 18)))
        self.client.sendall(b"\0\0\0\3")
        for option, content in ((8, b""), (11, b""), (10, b"x" * 4096), (2, b"")):
            self.client.sendall(struct.pack(">8sII", b"IHAVEOPT", option, len(content)) + content)
            self.assertEqual((option, 2**31 + 1, b""), self.option_reply())
        self.client.sendall(_GO)
        self.assertEqual(7, self.option_reply()[0])

    def test_malformed_options(self):
        """An option with a wrong magic or too much content ends the connection."""
        for header in (
            struct.pack(">8sII", b"IHAVEOPT", 10, 4097),
            struct.pack(">8sII", b"IHAVEOPT", 10, 2**32 - 1),
            struct.pack(">8sII", b"ihaveopt", 7, 0),
        ):
            self.connect()
            receive(self.client, 18)
            self.client.sendall(b"\0\0\0\3" + header)
            self.assert_hung_up()

    def test_impossible_reads(self):
        """A read outside the source, or of too much, fails; the source is not asked."""
        self.greet()
        for offset, length in (
            (_SIZE, 1),
            (2**64 - 1, 1),
            (0, 2 * MIB + 1),
            (0, 2**32 - 1),
        ):
            self.client.sendall(_request(1, offset, length))
            self.assertEqual((errno.EINVAL, 1, b""), self.reply(length))
        self.assertEqual([], self.source.reads)

    def test_the_source_fails(self):
        """A failure becomes EIO after it was reported; the next read is answered."""
        self.greet()
        error = ServiceError("No.")
        self.source.fail(error, times=1)
        self.client.sendall(_request(1, 0, 512))
        self.assertEqual((errno.EIO, 1, b""), self.reply(512))
        self.assertEqual([error], self.failures)
        self.client.sendall(_request(2, 0, 512))
        self.assertEqual((0, 2, _CONTENT[:512]), self.reply(512))
        self.assertEqual([1], self.source.fired())

    def test_requests_in_flight(self):
        """A slow read delays only its own reply."""
        self.greet()
        slow, released = threading.Event(), threading.Event()
        self.source.before_read = lambda: slow.is_set() or (slow.set(), released.wait(30))
        self.client.sendall(_request(1, 0, 512))
        self.assertTrue(slow.wait(30))
        for cookie in range(2, 2 + THREADS):
            self.client.sendall(_request(cookie, 512, 5))
            self.assertEqual((0, cookie, _CONTENT[512:517]), self.reply(5))
        released.set()
        self.assertEqual((0, 1, _CONTENT[:512]), self.reply(512))

    def test_other_requests(self):
        """Writes, other commands and garbage end the connection."""
        for request in (
            _request(1, 0, 512, command=1) + bytes(512),
            _request(1, 0, 512, command=7),
            _request(1, 0, 512, magic=1),
            _request(1, 0, 0, command=2),
        ):
            self.connect()
            self.greet()
            self.client.sendall(request)
            self.assert_hung_up()

    def test_client_that_goes_away(self):
        """The threads end with the client, also in the middle of a request."""
        self.greet()
        self.client.sendall(_request(1, 0, 512)[:10])
        self.client.close()
        self.server._threads.join(30)
        self.assertFalse(any(thread.is_alive() for thread in self.server._threads._threads))

    def test_close_ends_a_client_that_does_not_read(self):
        """A client that asks for more than it reads cannot delay the end."""
        self.greet()
        self.client.sendall(_request(1, 0, 2 * MIB) * 2 * THREADS)
        receive(self.client, 16)
        self.server.close()
        self.server._threads.join(30)
        self.assertFalse(any(thread.is_alive() for thread in self.server._threads._threads))

    def test_close_while_the_source_is_read(self):
        """A read of the source that takes long is abandoned."""
        self.greet()
        reading, released = threading.Event(), threading.Event()
        self.addCleanup(released.set)
        self.source.before_read = lambda: (reading.set(), released.wait(30))
        self.client.sendall(_request(1, 0, 512))
        self.assertTrue(reading.wait(30))
        self.server.close()
        self.assertFalse(released.is_set())
        self.assert_hung_up()
