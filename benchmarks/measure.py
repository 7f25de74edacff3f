# SPDX-License-Identifier: Apache-2.0
"""Measuring programs side by side: interleaved, as whole processes, and by the median."""

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
    """One process from start to end; seconds, and bytes of memory at its peak.

    The kernel counts its parent's memory until it starts: the peak is no less than the benchmark's
    own, some 50 MiB where it talks to a cloud.
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
    """Give the command that runs this code in a Python of its own."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def run(command: Command) -> Run:
    """Run a command to its end.

    :raises subprocess.CalledProcessError: when it fails.
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
) -> dict[str, Result]:
    """Run the commands in turns, so that what disturbs one disturbs all.

    The first round warms the cache and is not counted.

    :param before: is called before each run, such as to remove what the last one made.
    """
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            before()
            result = run(command)
            if turn:
                runs[name].append(result)
    return {name: Result(name, tuple(measured)) for name, measured in runs.items()}


def print_table(title: str, results: Sequence[Result], against: Result | None = None) -> None:
    """Print results as Markdown; the ratios are to one of them."""
    print(f"\n### {title}\n")
    print("| | CPU s | least to most | ratio | wall s | ratio | peak MiB |")
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
