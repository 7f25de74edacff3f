# SPDX-License-Identifier: Apache-2.0
"""The command line: `python -m devcloud up` and `python -m devcloud run -- COMMAND ...`."""

import argparse
import contextlib
import ctypes
import dataclasses
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from devcloud.child import PR_SET_PDEATHSIG
from devcloud.command import find
from devcloud.config.clouds import clouds
from devcloud.environment import for_command
from devcloud.launcher import CannotStart, Cloud
from devcloud.plan import FLEX_REGION, Plan, Settings, sites

_RESTART = signal.SIGUSR1
_METHODS = {"glance-direct", "web-download", "copy-image", "glance-download"}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its status, or with 1 if the cloud does not start."""
    arguments = _parser().parse_args(argv)
    for signum in _ending():  # until the cloud runs; then `_supervise` handles them
        signal.signal(signum, lambda number, _frame: sys.exit(128 + number))
    try:
        sys.exit(_up(arguments) if arguments.verb == "up" else _run(arguments))
    except CannotStart as error:
        sys.exit(f"devcloud: {error}")


def _ending() -> set[signal.Signals]:
    """Return the signals that stop the cloud, without those ignored, such as SIGHUP by nohup."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    return {signum for signum in signals if signal.getsignal(signum) is not signal.SIG_IGN}


def _waited() -> set[signal.Signals]:
    return {*_ending(), _RESTART, signal.SIGCHLD}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="devcloud", description="Run Keystone, Glance and Swift on loopback."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="up | run")
    up = verbs.add_parser("up", help="run a cloud until a signal stops it")
    up.add_argument(
        "--root", type=Path, required=True, help="new directory for the cloud, which is kept"
    )
    run = verbs.add_parser("run", help="run a command with a cloud of its own")
    run.add_argument("--root", type=Path, help="new directory, which is kept (default: temporary)")
    for verb in (up, run):
        verb.add_argument(
            "--regions",
            type=_names,
            default=("DFW", "ORD"),
            metavar="NAME,...",
            help="names of the regions with image tasks (default: DFW,ORD)",
        )
        verb.add_argument(
            "--flex",
            action=argparse.BooleanOptionalAction,
            default=True,
            help=f"also start the flex cloud, region {FLEX_REGION} (default: yes)",
        )
        for setting in dataclasses.fields(Settings):
            is_number = not isinstance(setting.default, str)
            verb.add_argument(
                "--" + setting.name.replace("_", "-"),
                type=functools.partial(_number, setting) if is_number else _methods,
                default=setting.default,
                metavar="N" if is_number else "NAME,...",
                help=f"{setting.metadata['help']} (default: %(default)s)",
            )
    run.add_argument(
        "command", nargs="+", metavar="COMMAND", help="command and its arguments, after --"
    )
    return parser


def _number(setting: "dataclasses.Field[Any]", text: str) -> Any:
    default: Any = setting.default
    kind, least = type(default), setting.metadata["least"]
    try:
        number = kind(text)
    except ValueError:
        number = kind(-1)
    if not least <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of at least {least}")
    return number


def _methods(text: str) -> str:
    """Check the names of import methods: Glance ignores those that it does not know."""
    if unknown := set(text.split(",")) - _METHODS:
        raise argparse.ArgumentTypeError(
            f"unknown import method '{min(unknown)}'; choose from {', '.join(sorted(_METHODS))}"
        )
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not all(name.isalnum() for name in names) or len({*names, FLEX_REGION}) <= len(names):
        raise argparse.ArgumentTypeError(
            f"names must be distinct, consist of letters and digits, and not be {FLEX_REGION}"
        )
    return names


def _up(arguments: argparse.Namespace) -> int:
    with _cloud(arguments, arguments.root) as (cloud, plan):
        print(f"READY OS_CLIENT_CONFIG_FILE={plan.clouds_yaml}", flush=True)
        return _supervise(cloud, None)


def _run(arguments: argparse.Namespace) -> int:
    find(arguments.command[0])
    with contextlib.ExitStack() as stack:
        root = arguments.root or stack.enter_context(_temporary_directory())
        cloud, plan = stack.enter_context(_cloud(arguments, root))
        return _supervise(cloud, _start(arguments.command, plan))


def _start(command: list[str], plan: Plan) -> subprocess.Popen[bytes]:
    environment = for_command(os.environ, plan, set(clouds(plan)))
    # From here on, signals are for the command, as soon as it runs.
    signal.pthread_sigmask(signal.SIG_BLOCK, _waited())
    try:
        return subprocess.Popen(
            command,
            env=environment,
            preexec_fn=_become_command,  # noqa: PLW1509  # this process has no threads
        )
    except OSError as error:
        raise CannotStart(f"Cannot run command '{command[0]}': {error.strerror}.") from error


@contextlib.contextmanager
def _temporary_directory() -> Iterator[Path]:
    """Yield a directory that is removed at the end, unless it has the logs of a failed start."""
    root = Path(tempfile.mkdtemp(prefix="devcloud-"))
    kept = False
    try:
        yield root
    except CannotStart:
        kept = any(root.iterdir())
        raise
    finally:
        if not kept:
            shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _cloud(arguments: argparse.Namespace, root: Path) -> Iterator[tuple[Cloud, Plan]]:
    settings = Settings(
        **{f.name: getattr(arguments, f.name) for f in dataclasses.fields(Settings)}
    )
    cloud = Cloud(root, sites(arguments.regions, flex=arguments.flex), settings)
    try:
        started = time.monotonic()
        plan = cloud.start()
        print(f"devcloud: started in {time.monotonic() - started:.1f} s", file=sys.stderr)
        yield cloud, plan
    finally:
        cloud.stop()


def _become_command() -> None:
    """Unblock signals, and have the kernel send one when the parent is killed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _waited())
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _supervise(cloud: Cloud, command: subprocess.Popen[bytes] | None) -> int:
    """Wait until the command ends, or until a signal if there is none; return the exit status."""
    waited = _waited()
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    while True:
        for name in cloud.reap():
            print(f"devcloud: {name} ended", file=sys.stderr, flush=True)
        if command is not None and command.poll() is not None:
            return _exit_status(command.returncode)
        received = signal.sigwaitinfo(waited)
        if received.si_signo == _RESTART:
            _restart(cloud)
        elif received.si_signo != signal.SIGCHLD:
            if command is None:
                return 0
            if received.si_code <= 0:  # from a process; a terminal also signals the command
                command.send_signal(received.si_signo)


def _restart(cloud: Cloud) -> None:
    """Start dead servers again; if that fails, the other servers keep running."""
    try:
        cloud.restart_dead()
    except CannotStart as error:
        print(f"devcloud: {error}", file=sys.stderr, flush=True)


def _exit_status(returncode: int) -> int:
    """Return the status that a shell would: 128 + n for a command that signal n ended."""
    return returncode if returncode >= 0 else 128 - returncode
