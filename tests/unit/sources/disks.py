# SPDX-License-Identifier: Apache-2.0
"""Disks for tests: small ones that qemu-img wrote, and a known content."""

import dataclasses
import lzma
import os
import shutil
import subprocess
import unittest
from pathlib import Path

import fixtures
from oslotest import base

from rackspace_imagetasks.bytesource import BytesSource
from rackspace_imagetasks.exceptions import SourceError

_DATA = Path(__file__).parents[2] / "data" / "disks"
KIB = 1024
MIB = 1024 * KIB


def _content() -> bytes:
    """Return 5 MiB of zeros, except 64 KiB of numbered sectors at 0, at 3 MiB and at the end."""
    disk = bytearray(5 * MIB)
    for start in (0, 3 * MIB, 5 * MIB - 64 * KIB):
        for offset in range(start, start + 64 * KIB, 512):
            disk[offset : offset + 16] = b"sector %08d\n" % (offset // 512)
    return bytes(disk)


CONTENT = _content()


def packed(name: str) -> bytes:
    """Return a disk image that qemu-img wrote; README.md in its directory says how."""
    return lzma.decompress((_DATA / f"{name}.xz").read_bytes())


def need_qemu(test: unittest.TestCase) -> None:
    """Skip the test if QEMU's tools are not installed, unless the environment requires them."""
    if shutil.which("qemu-nbd") and shutil.which("qemu-img"):
        return
    if os.environ.get("RACKSPACE_IMAGETASKS_REQUIRE_QEMU"):
        test.fail("qemu-nbd and qemu-img are not installed, and they must be here.")
    test.skipTest("qemu-nbd and qemu-img are not installed")


class FaultySource(BytesSource):
    """Bytes in memory that count their reads, and that fail on demand.

    :ivar reads: offset and length of each read.
    :ivar before_read: called before each read.
    """

    def __init__(self, content: bytes, name: str = "the image") -> None:
        super().__init__(content, name)
        self.reads: list[tuple[int, int]] = []
        self.before_read = lambda: None
        self.closed = False
        self._faults: list[_Fault] = []

    def fail(self, error: Exception, *, start: int = 0, times: int = 2**31, after: int = 0) -> None:
        """Raise an error in the next `times` reads that end after `start`.

        :param after: the number of reads that succeed, those before this call included.
        """
        self._faults.append(_Fault(error, start, times, after))

    def fired(self) -> list[int]:
        """Return how often each fault was raised."""
        return [fault.fired for fault in self._faults]

    def _read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        self.before_read()
        if self.closed:
            raise SourceError(f"'{self.name}' is closed.")
        for fault in self._faults:
            is_due = fault.fired < fault.times and len(self.reads) > fault.after
            if is_due and offset + length > fault.start:
                fault.fired += 1
                raise fault.error
        return super()._read(offset, length)

    def close(self) -> None:
        """Refuse further reads."""
        self.closed = True


@dataclasses.dataclass
class _Fault:
    error: Exception
    start: int
    times: int
    after: int
    fired: int = 0


def children(program="qemu-nbd"):
    """Return the PIDs of this process's children that run the program."""
    found = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-x", program],
        check=False,
        capture_output=True,
        text=True,
    )
    return [int(pid) for pid in found.stdout.split()]


class DiskTest(base.BaseTestCase):
    """A test with files in a directory of its own."""

    def setUp(self):
        super().setUp()
        self.directory = Path(self.useFixture(fixtures.TempDir()).path)

    def write(self, name, content):
        path = self.directory / name
        path.write_bytes(content)
        return path

    def unpack(self, name):
        return self.write(name, packed(name))

    def assert_same_disk(self, expected, disk):
        self.assertEqual(len(expected), disk.size)
        self.assertTrue(expected == disk.read_at(0, disk.size))
        covered = bytearray(disk.size)
        for offset, length in disk.data_extents():
            covered[offset : offset + length] = disk.read_at(offset, length)
        self.assertTrue(expected == bytes(covered))
