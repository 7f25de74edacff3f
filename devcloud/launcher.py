# SPDX-License-Identifier: Apache-2.0
"""Start the processes of the cloud, wait until they respond, and stop them."""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from devcloud import config
from devcloud.check import check
from devcloud.child import Job, Specification
from devcloud.environment import for_server
from devcloud.files import write_json
from devcloud.plan import HOST, Plan, Settings, Site

_PR_SET_CHILD_SUBREAPER = 36
_START_SECONDS = 120.0
_STOP_SECONDS = 5.0
_TAIL_LINES = 25


class CannotStart(Exception):
    """The cloud did not start; the message gives the reason, with the end of the relevant log."""


class Cloud:
    """The servers of the cloud in an empty directory."""

    def __init__(self, root: Path, sites: tuple[Site, ...], settings: Settings) -> None:
        self._root, self._sites, self._settings = root.absolute(), sites, settings
        self._pids: dict[str, int] = {}
        self._importers: list[subprocess.Popen[bytes]] = []  # each exits after its forks

    def start(self) -> Plan:
        """Start all servers and wait until each service has responded to a user.

        :raises CannotStart: if the directory is unsuitable or a server does not start.
        """
        _prepare(self._root)
        sockets = {name: _listen() for site in self._sites for name in site.port_names}
        ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
        self._plan = Plan(self._root, self._sites, ports, self._settings)
        config.write_all(self._plan)
        self._launch(_servers(self._sites), sockets)
        self._check()
        return self._plan

    def _check(self) -> None:
        try:
            check(self._plan)
        except OSError as error:
            raise CannotStart(
                f"A service does not respond ({error}); see the logs in '{self._root}'."
            ) from error

    def restart_dead(self) -> None:
        """Restart the servers that have ended, on their previous ports.

        :raises CannotStart: if a port is in use or a server does not start.
        """
        self.reap()
        dead = [server for server in _servers(self._sites) if server[1] not in self._pids]
        ports = [name for _program, _name, names in dead for name in names]
        self._launch(dead, {name: self._listen_again(name) for name in ports})

    def _listen_again(self, name: str) -> socket.socket:
        port = self._plan.ports[name]
        try:
            return _listen(port)
        except OSError as error:
            raise CannotStart(
                f"Cannot restart {name} on port {port} ({error.strerror})."
            ) from error

    def stop(self) -> None:
        """Stop all servers: with SIGTERM, and with SIGKILL if they do not end."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._pids.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            deadline = time.monotonic() + _STOP_SECONDS
            while self._pids and time.monotonic() < deadline:
                self.reap()
                time.sleep(0.005)

    def reap(self) -> list[str]:
        """Return the names of the servers that have ended since the last call."""
        ended = []
        for name, pid in list(self._pids.items()):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    continue
            del self._pids[name]
            ended.append(name)
        return ended

    def _launch(self, servers: "list[_Server]", sockets: dict[str, socket.socket]) -> None:
        _adopt_orphans(True)
        try:
            self._wait(self._spawn_all(servers, sockets))
        except BaseException:
            for importer in self._importers:  # its servers are in its process group
                os.killpg(importer.pid, signal.SIGKILL)
            raise
        finally:
            while self._importers:
                self._importers.pop().wait()
            _adopt_orphans(False)
        write_json(self._root / "pids.json", {"launcher": os.getpid(), **self._pids})

    def _spawn_all(
        self, servers: "list[_Server]", sockets: dict[str, socket.socket]
    ) -> dict[int, tuple[str, str]]:
        """Start the programs of the servers; return (program, server) by readiness pipe."""
        waiting: dict[int, tuple[str, str]] = {}
        for program in ("keystone", "glance", "swift"):
            jobs = [_job(name, ports, sockets) for kind, name, ports in servers if kind == program]
            if jobs:
                waiting |= {read: (program, job.name) for read, job in jobs}
                self._spawn(program, [job for _read, job in jobs])
        for sock in sockets.values():
            sock.close()
        return waiting

    def _spawn(self, program: str, jobs: list[Job]) -> None:
        specification = Specification(program, os.getpid(), str(self._root), tuple(jobs))
        source = str(Path(__file__).parent.parent)
        environment = for_server(os.environ) | {
            "DEVCLOUD_CHILD": json.dumps(asdict(specification)),
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": source,
        }
        fds = [fd for job in jobs for fd in (job.ready_fd, *job.sockets.values())]
        with _log(self._root, program).open("ab") as log:
            importer = subprocess.Popen(
                [sys.executable, "-m", "devcloud.child"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=fds,
                start_new_session=True,
                cwd=self._root,
            )
        self._importers.append(importer)
        for job in jobs:
            os.close(job.ready_fd)

    def _wait(self, waiting: dict[int, tuple[str, str]]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while waiting:
            readable, _, _ = select.select(list(waiting), [], [], deadline - time.monotonic())
            if not readable:
                program, name = next(iter(waiting.values()))
                raise CannotStart(self._failure(program, f"{name} was not ready in time"))
            for fd in readable:
                pid = os.read(fd, 100)
                os.close(fd)
                program, name = waiting.pop(fd)
                if not pid:
                    raise CannotStart(self._failure(program, f"{name} ended during its start"))
                self._pids[name] = int(pid)

    def _failure(self, program: str, problem: str) -> str:
        log = _log(self._root, program)
        tail = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n  ".join([f"{problem}; the end of {log}:", *tail])


def _adopt_orphans(adopt: bool) -> None:
    """Set whether this process becomes the parent of servers whose own parent has ended."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(adopt))


_Server = tuple[str, str, list[str]]  # program, name, names of its ports


def _servers(sites: tuple[Site, ...]) -> list[_Server]:
    servers: list[_Server] = [
        ("keystone", f"keystone-{site.name}", [f"{site.name}/keystone"]) for site in sites
    ]
    for region in (region for site in sites for region in site.regions):
        servers += [
            ("glance", f"glance-{region}", [f"{region}/glance"]),
            ("swift", f"swift-proxy-{region}", [f"{region}/proxy"]),
            ("swift", f"swift-listings-{region}", [f"{region}/account", f"{region}/container"]),
            ("swift", f"swift-object-{region}", [f"{region}/object"]),
        ]
    return servers


def _job(name: str, ports: list[str], sockets: dict[str, socket.socket]) -> tuple[int, Job]:
    read, write = os.pipe()
    parts = {port.rpartition("/")[2]: sockets[port].fileno() for port in ports}
    return read, Job(name, ports[0].partition("/")[0], parts, write)


def _listen(port: int = 0) -> socket.socket:
    """Bind a socket, by default to a free port; clients can connect before the server runs."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    sock.listen(1024)
    return sock


def _log(root: Path, program: str) -> Path:
    return root / f"{program}.out"


def _prepare(root: Path) -> None:
    if odd := {character for character in str(root) if _is_special(character)}:
        shown = ", ".join(sorted(map(repr, odd)))
        raise CannotStart(
            f"Cannot create a cloud in {str(root)!r}: configuration files cannot contain {shown} in"
            " a path; choose another directory with --root."
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise CannotStart(f"Directory '{root}' is not empty; choose a new directory.")
        os.setxattr(root, "user.devcloud", b"1")
    except OSError as error:
        raise CannotStart(
            f"Cannot create a cloud in '{root}' ({error.strerror}): Swift requires a writable"
            " directory on a file system with extended attributes, such as ext4 or XFS; choose one"
            " with --root."
        ) from error


def _is_special(character: str) -> bool:
    """Return whether INI files or SQLite URLs interpret a character of a path."""
    return character in "%$?#\\" or not character.isprintable()
