# SPDX-License-Identifier: Apache-2.0
"""Disks for tests: small ones that qemu-img wrote, and a known content."""

import lzma
import os
import shutil
import unittest
from pathlib import Path

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
