# SPDX-License-Identifier: Apache-2.0
"""Harm for a running cloud: end and restart its servers, reach into Swift's disk."""

import hashlib
import json
import os
import select
import signal
import time
from pathlib import Path

from devcloud.config.swift import DEVICE, HASH_AFFIX
from devcloud.plan import Plan

_PATIENCE = 60.0  # seconds


def pids(root: str | os.PathLike[str]) -> dict[str, int]:
    """Return the process ID of the `launcher` and of each server, as `swift-object-DFW`."""
    return {name: int(pid) for name, pid in json.loads(_pids_file(root).read_text()).items()}


def kill_server(root: str | os.PathLike[str], name: str) -> None:
    """End a server at once; its ports refuse connections when this returns."""
    server = os.pidfd_open(pids(root)[name])
    try:
        signal.pidfd_send_signal(server, signal.SIGKILL)
        select.select([server], [], [], _PATIENCE)
    finally:
        os.close(server)


def restart_dead(root: str | os.PathLike[str]) -> None:
    """Have the launcher start again what has ended, and wait until it is there.

    :raises TimeoutError: when it does not come up.
    """
    before = _pids_file(root).stat().st_ino
    os.kill(pids(root)["launcher"], signal.SIGUSR1)
    deadline = time.monotonic() + _PATIENCE
    while _pids_file(root).stat().st_ino == before:
        if time.monotonic() > deadline:
            raise TimeoutError("The launcher has not restarted its servers.")
        time.sleep(0.01)


def object_file(
    root: str | os.PathLike[str], region: str, account: str, container: str, name: str
) -> Path:
    """Find the file that is an object's content; write into it to corrupt the object.

    `account` is the last part of the object-store's address, as `AUTH_0123`. The layout is that of
    Swift's object server.

    :raises StopIteration: when there is no such object.
    """
    path = f"{HASH_AFFIX}/{account}/{container}/{name}{HASH_AFFIX}"
    digest = hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()
    objects = Plan.load(Path(root)).swift_dir(region) / "devices" / DEVICE / "objects"
    return next(objects.glob(f"*/{digest[-3:]}/{digest}/*.data"))


def _pids_file(root: str | os.PathLike[str]) -> Path:
    return Path(root) / "pids.json"
