# SPDX-License-Identifier: Apache-2.0
"""Read damaged disks, and count what happens: `python -m benchmarks.fuzz [--mutants NUMBER]`.

Each mutant is a real disk with random changes where it is read. Batches of them are read in
processes that may crash or hang, and a sample in the helper process as well.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.fuzz.batch import SLOW, Batch
from benchmarks.fuzz.disks import DISKS
from benchmarks.fuzz.explore import READERS, explore
from rackspace_imagetasks.bytesource import FileSource

MUTANTS = 200_000
_BATCH = 500
_FENCED = 250  # of so many mutants, one is read in the helper process, too
_PATIENCE = 120  # seconds for one mutant, after which its process is ended
_OUTCOMES = ("same", "different", "damaged", "endless", "hang", "crash", "unhandled")
_FAILURES = ("endless", "hang", "crash", "unhandled")
_MAX_EXAMPLES = 5
_MAX_SHOWN = 16  # bytes of a change

Line = dict[str, Any]


class Tally:
    """What became of the mutants of one disk."""

    def __init__(self) -> None:
        self.outcomes = Counter[str]()
        self.fenced = Counter[str]()
        self.caught = Counter[str]()
        self.slow = self.lost_windows = self.lost_by_error = 0
        self.examples: list[str] = []

    @property
    def failures(self) -> int:
        """The number of mutants that must not end as they did."""
        return (
            sum(self.outcomes[each] for each in _FAILURES)
            + self.lost_by_error
            + self.fenced["different"]
        )

    def add(self, line: Line) -> None:
        """Count a mutant."""
        self.outcomes[line["outcome"]] += 1
        self.caught.update(line["caught"])
        self.slow += line["seconds"] >= SLOW
        self.lost_windows += line["lost_windows"]
        self.lost_by_error += bool(line["lost_windows"] and line["caught"])
        if line["fenced"]:
            self.fenced[line["fenced"]] += 1
        is_failure = line["outcome"] in _FAILURES or line["fenced"] == "different"
        if is_failure and len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(f"{line['number']}: {line['outcome']} {line['detail']}".strip())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz")
    parser.add_argument("disks", nargs="*", metavar="DISK", help="disks to mutate (default: all)")
    parser.add_argument("--mutants", type=int, default=MUTANTS, help="number of mutants in all")
    parser.add_argument("--replay", type=int, metavar="NUMBER", help="read one mutant of one disk")
    arguments = parser.parse_args()
    if unknown := set(arguments.disks) - DISKS.keys():
        parser.error(f"there is no disk {', '.join(sorted(unknown))}; there are {', '.join(DISKS)}")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        paths = dict(_made(arguments.disks or list(DISKS), Path(folder)))
        if arguments.replay is None:
            sys.exit(_fuzz(paths, arguments.mutants))
        for name, path in paths.items():
            _replay(name, path, arguments.replay)


def _made(names: list[str], folder: Path) -> Iterator[tuple[str, Path]]:
    """Make the disks that can be read."""
    for name in names:
        if DISKS[name].reader not in READERS:
            print(f"{name}: there is no reader '{DISKS[name].reader}'")
            continue
        DISKS[name].make(folder / name)
        yield name, folder / name


def _replay(name: str, path: Path, number: int) -> None:
    """Read one mutant without catching its error."""
    with FileSource(path) as source:
        mutant = Batch(name, source, 0).mutant(number)
        for offset, content in mutant.patches:
            print(f"{len(content)} bytes at {offset}: {content[:_MAX_SHOWN].hex(' ')}")
        print(explore(DISKS[name].reader, mutant))


def _fuzz(paths: dict[str, Path], mutants: int) -> int:
    if not paths:
        return 1
    each = -(-mutants // len(paths))
    tallies = {name: Tally() for name in paths}
    start = time.monotonic()
    work = [
        (name, range(first, min(first + _BATCH, each)))
        for first in range(0, each, _BATCH)
        for name in paths
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda batch: list(_lines(batch[0], paths[batch[0]], batch[1])), work)
        for done, ((name, _), batch) in enumerate(zip(work, results, strict=True), 1):
            for line in batch:
                tallies[name].add(line)
            print(f"{done} of {len(work)} batches", file=sys.stderr)
    _report(tallies, time.monotonic() - start)
    return int(any(tally.failures for tally in tallies.values()))


def _lines(name: str, path: Path, numbers: range) -> Iterator[Line]:
    """Yield the lines of a batch; after a mutant that ends the process, continue with the next."""
    first = numbers.start
    while first < numbers.stop:
        lines, reason = _run(name, path, range(first, numbers.stop))
        yield from lines
        first += len(lines)
        if reason:
            yield {
                "number": first, "outcome": reason[0], "detail": reason[1], "caught": (),
                "lost_windows": False, "fenced": "", "seconds": 0.0,
            }  # fmt: skip
            first += 1


def _run(name: str, path: Path, numbers: range) -> tuple[list[Line], tuple[str, str] | None]:
    """Run a process; return its lines, and the outcome of the mutant that ended it, if any."""
    command = (sys.executable, "-m", "benchmarks.fuzz.batch", name, path)
    bounds = (str(numbers.start), str(numbers.stop), str(_FENCED))
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen([*command, *bounds], stdout=output) as process:
            is_hanging = not _ends(process, output.fileno())
            process.kill()
        output.seek(0)
        lines = [json.loads(line) for line in output if line.endswith(b"\n")]
    if is_hanging:
        return lines, ("hang", "it had to be killed")
    if len(lines) == len(numbers):
        return lines, None
    return lines, ("crash", f"status {process.returncode}")


def _ends(process: "subprocess.Popen[bytes]", output: int) -> bool:
    """Wait for a process as long as its output grows; return whether it ended."""
    size = -1
    while size != os.fstat(output).st_size:
        size = os.fstat(output).st_size
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
            return True
    return False


def _report(tallies: dict[str, Tally], seconds: float) -> None:
    print(f"{'disk':26}{'mutants':>9}" + "".join(f"{each:>10}" for each in _OUTCOMES))
    total = Counter[str]()
    for name, tally in tallies.items():
        total.update(tally.outcomes)
        _row(name, tally.outcomes)
    _row("all", total)
    every = tallies.values()
    fenced = sum((tally.fenced for tally in every), Counter[str]())
    caught = sum((tally.caught for tally in every), Counter[str]())
    print(f"\n{seconds:.0f} seconds; {sum(tally.slow for tally in every)} mutants took {SLOW} s.")
    print(f"In the helper process: {dict(fenced)}.")
    print(f"Windows not found, and nothing is called damaged: "
          f"{sum(tally.lost_windows for tally in every)}; after an error of a reader: "
          f"{sum(tally.lost_by_error for tally in every)}.")  # fmt: skip
    print(f"Errors that only the last resort caught: {caught.total()}")
    for error, count in caught.most_common(20):
        print(f"  {count:6} {error}")
    for name, tally in tallies.items():
        for example in tally.examples:
            print(f"{name} {example}")


def _row(name: str, outcomes: Counter[str]) -> None:
    counts = "".join(f"{outcomes[each]:>10}" for each in _OUTCOMES)
    print(f"{name:26}{outcomes.total():>9}{counts}")


if __name__ == "__main__":
    main()
