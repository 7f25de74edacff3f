# SPDX-License-Identifier: Apache-2.0
"""What the launcher starts: a process that imports a program once and forks its servers.

Its orders come as JSON in the environment (DEVCLOUD_CHILD), its sockets are bound already.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devcloud.plan import Plan

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Job:
    """One server process: the file descriptors of its sockets by part, and of its ready pipe."""

    name: str
    region: str
    sockets: dict[str, int]
    ready_fd: int


@dataclass(frozen=True)
class Orders:
    """A program (keystone, glance, swift) and the servers of it to fork."""

    program: str
    launcher: int
    root: str
    jobs: tuple[Job, ...]

    @classmethod
    def read(cls, text: str) -> "Orders":
        values = json.loads(text)
        jobs = tuple(Job(**job) for job in values.pop("jobs"))
        return cls(**values, jobs=jobs)


def main() -> None:
    orders = Orders.read(os.environ.pop("DEVCLOUD_CHILD"))
    sys.argv[1:] = []  # Keystone, for one, parses them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a launcher that is up blocks what it waits for
    warnings.simplefilter("ignore")
    _preload(orders.program)
    importer = os.getpid()
    for job in orders.jobs:
        if os.fork() == 0:
            try:
                _become(orders, job, importer)
            except BaseException:  # noqa: BLE001  # it ends here, in the log
                traceback.print_exc()
            os._exit(1)
    os._exit(0)  # the launcher, a subreaper, inherits the servers


def _preload(program: str) -> None:
    if program == "glance":
        from devcloud.servers import glance

        glance.preload()
    elif program == "swift":
        from devcloud.servers import swift

        swift.preload()


def _become(orders: Orders, job: Job, importer: int) -> None:
    _die_with(orders.launcher, importer)
    for other in orders.jobs:
        if other is not job:  # or the port of a dead server would still accept
            for fd in (*other.sockets.values(), other.ready_fd):
                os.close(fd)
    sockets = {part: socket.socket(fileno=fd) for part, fd in job.sockets.items()}
    plan = Plan.load(Path(orders.root))
    _serve(orders.program, plan, job.region, sockets, lambda: _say_ready(job.ready_fd))


def _die_with(launcher: int, importer: int) -> None:
    """Ask the kernel for a SIGTERM when the launcher ends, however it ends."""
    while os.getppid() == importer:  # until it has ended and the launcher is the parent
        time.sleep(0.001)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != launcher:  # it ended before the kernel was asked
        os._exit(1)


def _say_ready(fd: int) -> None:
    os.write(fd, str(os.getpid()).encode())
    os.close(fd)


def _serve(
    program: str,
    plan: Plan,
    region: str,
    sockets: dict[str, socket.socket],
    ready: Callable[[], None],
) -> None:
    if program == "swift":
        from devcloud.servers import swift

        swift.serve(plan, region, sockets, ready)
        return
    from devcloud.servers import http

    if program == "glance":
        from devcloud.servers import glance

        http.serve(glance.application(plan, region), sockets["glance"], ready)
    from devcloud.servers import keystone

    http.serve(keystone.application(plan), sockets["keystone"], ready)


if __name__ == "__main__":
    main()
