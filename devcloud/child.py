# SPDX-License-Identifier: Apache-2.0
"""A process that the launcher starts: it imports a program once and forks its servers.

It receives a specification as JSON in the environment (DEVCLOUD_CHILD), and bound sockets.
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
from typing import Self

from devcloud.plan import Plan

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Job:
    """One server: the file descriptors of its sockets by part, and of its readiness pipe."""

    name: str
    place: str  # its region, or the site of a Keystone
    sockets: dict[str, int]
    ready_fd: int


@dataclass(frozen=True)
class Specification:
    """A program (keystone, glance, swift) and its servers to fork."""

    program: str
    launcher: int
    root: str
    jobs: tuple[Job, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        values = json.loads(text)
        jobs = tuple(Job(**job) for job in values.pop("jobs"))
        return cls(**values, jobs=jobs)


def main() -> None:
    specification = Specification.read(os.environ.pop("DEVCLOUD_CHILD"))
    sys.argv[1:] = []  # Keystone parses them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a running launcher blocks its signals
    warnings.simplefilter("ignore")
    _preload(specification.program)
    importer = os.getpid()
    for job in specification.jobs:
        if os.fork() == 0:
            try:
                _become_server(specification, job, importer)
            except BaseException:  # noqa: BLE001  # goes to the log; the process exits
                traceback.print_exc()
            os._exit(1)
    os._exit(0)  # the launcher, a subreaper, adopts the servers


def _preload(program: str) -> None:
    if program == "keystone":
        from devcloud.servers import keystone

        keystone.preload()
    elif program == "glance":
        from devcloud.servers import glance

        glance.preload()
    elif program == "swift":
        from devcloud.servers import swift

        swift.preload()


def _become_server(specification: Specification, job: Job, importer: int) -> None:
    _die_with(specification.launcher, importer)
    for other in specification.jobs:
        if other is not job:  # otherwise the port of a dead server would still accept connections
            for fd in (*other.sockets.values(), other.ready_fd):
                os.close(fd)
    sockets = {part: socket.socket(fileno=fd) for part, fd in job.sockets.items()}
    plan = Plan.load(Path(specification.root))
    _serve(specification.program, plan, job.place, sockets, lambda: _report_ready(job.ready_fd))


def _die_with(launcher: int, importer: int) -> None:
    """Have the kernel send SIGTERM when the launcher ends for any reason."""
    while os.getppid() == importer:  # until the launcher has become the parent
        time.sleep(0.001)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != launcher:  # it ended before the call above
        os._exit(1)


def _report_ready(fd: int) -> None:
    os.write(fd, str(os.getpid()).encode())
    os.close(fd)


def _serve(
    program: str,
    plan: Plan,
    place: str,
    sockets: dict[str, socket.socket],
    ready: Callable[[], None],
) -> None:
    if program == "swift":
        from devcloud.servers import swift

        swift.serve(plan, place, sockets, ready)
        return
    from devcloud.servers import http

    if program == "glance":
        from devcloud.servers import glance

        http.serve(glance.application(plan, place), sockets["glance"], ready)
    from devcloud.servers import keystone

    http.serve(keystone.application(plan, plan.site(place)), sockets["keystone"], ready)


if __name__ == "__main__":
    main()
