# SPDX-License-Identifier: Apache-2.0
"""Compare programs: run the processes alternately and report the medians."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Command = Sequence[str | os.PathLike[str]]


class Run(NamedTuple):
    """The time in seconds and the peak memory in bytes of one process.

    The peak is at least the memory of the benchmark itself, which the kernel counts until the
    program starts: about 50 MiB if the benchmark uses a cloud.
    """

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Result:
    """The runs of one command."""

    name: str
    runs: tuple[Run, ...]

    @property
    def wall(self) -> float:
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        return statistics.median(run.cpu for run in self.runs)

    @property
    def peak(self) -> int:
        return max(run.peak for run in self.runs)


def python(code: str, *arguments: object) -> list[str]:
    """Return the command that runs this code in a new Python process."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def run(command: Command) -> Run:
    """Run a command and measure it.

    :raises subprocess.CalledProcessError: if the command fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)


def compare(
    commands: Mapping[str, Command],
    *,
    rounds: int = 7,
    before: Callable[[], None] = lambda: None,
    after: Callable[[str], None] = lambda _name: None,
) -> dict[str, Result]:
    """Run the commands alternately, so that disturbances affect all of them.

    The first round fills the caches and is not counted.

    :param before: called before each run, for example to delete the result of the previous run.
    :param after: called after each run with the name of its command.
    """
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            before()
            result = run(command)
            after(name)
            if turn:
                runs[name].append(result)
    return {name: Result(name, tuple(measured)) for name, measured in runs.items()}


def print_table(title: str, results: Sequence[Result], against: Result | None = None) -> None:
    """Print the results as a Markdown table.

    :param against: the result to which the ratios relate.
    """
    print(f"\n### {title}\n")
    print("| | CPU s | min to max | ratio | wall s | ratio | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for result in results:
        cpu = sorted(run.cpu for run in result.runs)
        cells = [
            f"{result.cpu:.2f}",
            f"{cpu[0]:.2f} to {cpu[-1]:.2f}",
            f"{result.cpu / against.cpu:.2f}" if against else "",
            f"{result.wall:.2f}",
            f"{result.wall / against.wall:.2f}" if against else "",
            f"{result.peak / 2**20:.0f}",
        ]
        print(f"| {result.name} | {' | '.join(cells)} |")
