# SPDX-License-Identifier: Apache-2.0
"""Read mutants of one disk in this process, which may crash or hang.

`python -m benchmarks.fuzz.batch DISK FILE FIRST END FENCED` writes a line of JSON for each mutant;
the mutant after the last line is the one that ended the process.
"""

import dataclasses
import json
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fuzz.disks import DISKS
from benchmarks.fuzz.explore import Explored, explore
from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.exceptions import ImageTasksError, SourceError
from rackspace_imagetasks.guest.fence import InspectionFailed, run_fenced
from tests.unit.guest.mutation import Mutant, mutations, read_ranges

MEMORY = 512 << 20
"""The most address space of a batch."""
SLOW = 2.0
"""Processor time in seconds from which a mutant counts as slow."""
HANG = 20
"""Processor time in seconds after which a mutant counts as a hang."""


class Hang(BaseException):
    """No `except Exception` of a reader catches this."""


@dataclasses.dataclass
class Line:
    """What became of one mutant.

    :ivar outcome: `same`, `different`, `damaged` (in part or as a whole), `endless` (too many
        reads), `hang` or `unhandled`.
    :ivar detail: the error that was not handled.
    :ivar caught: errors that only the last resort in `Tree` caught.
    :ivar lost_windows: whether Windows was not found, and no fact says that something is damaged.
    :ivar fenced: `same`, `failed` or `different` from this process; empty without a helper process.
    """

    number: int
    outcome: str
    detail: str = ""
    caught: tuple[str, ...] = ()
    lost_windows: bool = False
    fenced: str = ""
    seconds: float = 0.0


class Batch:
    """Mutants of one disk, which has been read without damage before.

    :param fenced: the helper process reads one of so many mutants, too; none if it is 0.
    """

    def __init__(self, name: str, source: ByteSource, fenced: int) -> None:
        self._name = name
        self._reader = DISKS[name].reader
        self._source = source
        self._fenced = fenced
        self._clean = explore(self._reader, source)
        self._ranges = read_ranges(source, lambda disk: explore(self._reader, disk))

    def mutant(self, number: int) -> Mutant:
        """Return a mutant, always the same one for a number."""
        seed = f"{self._name} {number}"
        return next(iter(mutations(self._source, self._ranges, seed=seed, count=1)))

    def read(self, number: int) -> Line:
        """Read a mutant in this process, and in a helper process if it is its turn."""
        start = time.process_time()
        line, explored = self._explore(number)
        line.seconds = round(time.process_time() - start, 3)
        if self._fenced and number % self._fenced == 0:
            line.fenced = self._explore_fenced(number, explored)
        return line

    def _explore(self, number: int) -> tuple[Line, Explored | None]:
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG)
        try:
            explored = explore(self._reader, self.mutant(number))
        except SourceError:
            return Line(number, "damaged"), None
        except Hang:
            return Line(number, "hang"), None
        except AssertionError as error:  # of the mutant, which counts its reads
            return Line(number, "endless", str(error)), None
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            return Line(number, "unhandled", f"{type(error).__name__}: {error}"), None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return self._judged(number, explored), explored

    def _judged(self, number: int, explored: Explored) -> Line:
        outcome = "same" if explored.digest == self._clean.digest else "different"
        problems = set(explored.problems) - set(self._clean.problems)
        if explored.damaged > self._clean.damaged or problems:
            outcome = "damaged"
        lost = self._clean.has_windows and not explored.has_windows and not problems
        return Line(number, outcome, caught=explored.caught, lost_windows=lost)

    def _explore_fenced(self, number: int, explored: Explored | None) -> str:
        function = f"benchmarks.fuzz.explore:{self._reader}"
        try:
            fenced = run_fenced(self.mutant(number), function, Explored)
        except InspectionFailed:
            return "failed" if explored else "same"
        except (AssertionError, ImageTasksError):  # of the mutant, in this process
            return "failed"
        return "same" if fenced.value == explored else "different"


def lines(name: str, path: Path, numbers: range, fenced: int) -> Iterator[Line]:
    """Read mutants of a disk."""
    with FileSource(path) as source:
        batch = Batch(name, source, fenced)
        yield from map(batch.read, numbers)


def main(name: str, path: str, first: str, end: str, fenced: str) -> None:
    signal.signal(signal.SIGVTALRM, _hang)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in lines(name, Path(path), range(int(first), int(end)), int(fenced)):
        print(json.dumps(dataclasses.asdict(line)), flush=True)


def _hang(_number: int, _frame: object) -> None:
    raise Hang


if __name__ == "__main__":
    main(*sys.argv[1:])
