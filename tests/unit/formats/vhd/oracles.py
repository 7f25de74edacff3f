# SPDX-License-Identifier: Apache-2.0
"""Other people's programs, asked what they think of a file."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import unittest

import pyvhdi

_PIECE = 1 << 20
_DEMANDED = "RACKSPACE_IMAGETASKS_REQUIRE_QEMU"


def require(*programs):
    """Skip the test where a program is not installed, unless the environment demands it."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [program for program in programs if not shutil.which(program, path=path)]
    if missing and os.environ.get(_DEMANDED):
        raise AssertionError(f"{_DEMANDED} is set, but there is no {', '.join(missing)}")
    if missing:
        raise unittest.SkipTest(f"not installed: {', '.join(missing)}")


def run(*command, stdin=None):
    """Run a program and return its output, or fail with its error message."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path},
    )
    if done.returncode:
        raise AssertionError(f"{command[0]} failed: {done.stderr or done.stdout}")
    return done.stdout


def qemu_size(path):
    """The disk's size as qemu-img sees it in a VHD."""
    return json.loads(run("qemu-img", "info", "-f", "vpc", "--output=json", path))["virtual-size"]


def digest(size, read):
    """The SHA-256 of `size` bytes, read by `read(offset, length)`."""
    total = hashlib.sha256()
    for offset in range(0, size, _PIECE):
        total.update(read(offset, min(_PIECE, size - offset)))
    return total.hexdigest()


def libvhdi_digest(path, size=None):
    """The SHA-256 of the disk's first `size` bytes, or of all of it, as libvhdi reads it."""
    file = pyvhdi.file()
    file.open(str(path))
    try:
        size = file.get_media_size() if size is None else size
        return digest(size, lambda at, length: file.read_buffer_at_offset(length, at))
    finally:
        file.close()


def libvhdi_size(path):
    """The disk's size as libvhdi sees it."""
    file = pyvhdi.file()
    file.open(str(path))
    try:
        return file.get_media_size()
    finally:
        file.close()


def libvhdi_digest_of(content, size):
    """The SHA-256 of the first `size` bytes of the disk in a file's content, by libvhdi."""
    file = pyvhdi.file()
    file.open_file_object(io.BytesIO(content))
    try:
        return digest(size, lambda at, length: file.read_buffer_at_offset(length, at))
    finally:
        file.close()
