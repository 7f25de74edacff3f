# SPDX-License-Identifier: Apache-2.0
"""Operations on a running cloud: kill, restart and limit servers, find data on their disks."""

import contextlib
import hashlib
import json
import os
import resource
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from devcloud.config.swift import DEVICE, HASH_AFFIX
from devcloud.plan import Plan

_TIMEOUT = 60.0  # seconds


def pids(root: str | os.PathLike[str]) -> dict[str, int]:
    """Return the process IDs of the `launcher` and of each server, such as `swift-object-DFW`."""
    return {name: int(pid) for name, pid in json.loads(_pids_file(root).read_text()).items()}


def kill_server(root: str | os.PathLike[str], name: str) -> None:
    """Kill a server; when this returns, its ports refuse connections."""
    server = os.pidfd_open(pids(root)[name])
    try:
        signal.pidfd_send_signal(server, signal.SIGKILL)
        select.select([server], [], [], _TIMEOUT)
    finally:
        os.close(server)


def restart_dead(root: str | os.PathLike[str]) -> None:
    """Have the launcher restart the servers that have ended, and wait until they run.

    :raises TimeoutError: if a server does not start.
    """
    before = _pids_file(root).stat().st_ino
    os.kill(pids(root)["launcher"], signal.SIGUSR1)
    deadline = time.monotonic() + _TIMEOUT
    while _pids_file(root).stat().st_ino == before:
        if time.monotonic() > deadline:
            raise TimeoutError("The launcher did not restart its servers in time.")
        time.sleep(0.01)


@contextlib.contextmanager
def full_disk(root: str | os.PathLike[str], name: str, max_bytes: int) -> Iterator[None]:
    """Let a Glance server store no file that is larger than `max_bytes`, until the block ends.

    Larger uploads fail as they do on a full disk. The limit also applies to the server's database
    and logs, and to the uploads of other tests, so it should be some MiB at least.
    """
    pid = pids(root)[name]
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (max_bytes, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def object_file(
    root: str | os.PathLike[str], region: str, account: str, container: str, name: str
) -> Path:
    """Return the file with the content of an object; write to it to corrupt the object.

    :param account: the last part of the object store's URL, such as `AUTH_0123`.
    :raises StopIteration: if there is no such object.
    """
    path = f"{HASH_AFFIX}/{account}/{container}/{name}{HASH_AFFIX}"
    digest = hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()
    objects = Plan.load(Path(root)).swift_dir(region) / "devices" / DEVICE / "objects"
    return next(objects.glob(f"*/{digest[-3:]}/{digest}/*.data"))


def image_file(root: str | os.PathLike[str], region: str, image_id: str) -> Path:
    """Return the file with the data of an image; write to it to corrupt the image."""
    return Plan.load(Path(root)).glance_dir(region) / "images" / image_id


def _pids_file(root: str | os.PathLike[str]) -> Path:
    return Path(root) / "pids.json"
