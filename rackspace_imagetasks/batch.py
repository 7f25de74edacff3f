# SPDX-License-Identifier: Apache-2.0
"""The same job for many subjects, some at a time: one that fails does not stop the others."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError
from rackspace_imagetasks.text import printable

S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True)
class Outcome(Generic[S, R]):
    """What became of one subject: a result or an error."""

    subject: S
    result: R | None = None
    error: ImageTasksError | None = None

    @property
    def reason(self) -> str:
        """Why it failed, a line for each reason, with the subject's name."""
        lines = str(self.error).splitlines()
        return "\n".join(f"{printable(self.subject)}: {line}" for line in lines)


def run_each(
    subjects: Sequence[S], job: Callable[[S], R], *, concurrency: int = 4
) -> list[Outcome[S, R]]:
    """Run the job for each subject, `concurrency` at a time; the outcomes are in their order.

    :raises Cancelled: when any job was; no further one is begun. It says what each of those says of
        how to go on, what had failed, and how many were done.
    """
    waiting: queue.SimpleQueue[tuple[int, S]] = queue.SimpleQueue()
    for numbered in enumerate(subjects):
        waiting.put(numbered)
    outcomes: dict[int, Outcome[S, R]] = {}
    bugs: list[BaseException] = []
    ending = threading.Event()

    def work() -> None:
        while not ending.is_set():
            try:
                number, subject = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                outcomes[number] = Outcome(subject, result=job(subject))
            except ImageTasksError as error:
                outcomes[number] = Outcome(subject, error=error)
                if isinstance(error, Cancelled):
                    ending.set()
            except BaseException as error:  # noqa: BLE001  raised again where the caller is
                bugs.append(error)
                ending.set()

    # Daemons: an interrupt ends the program, whatever they wait for.
    threads = [
        threading.Thread(target=work, daemon=True) for _ in range(min(concurrency, len(subjects)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if bugs:
        raise bugs[0]
    ended = [outcomes[number] for number in sorted(outcomes)]
    if any(isinstance(outcome.error, Cancelled) for outcome in ended):
        raise Cancelled(*_summary(ended, len(subjects)))
    return ended


def _summary(ended: Sequence[Outcome[S, R]], total: int) -> list[str]:
    """Return how far a batch got that was stopped, a line for each job that did not finish."""
    errors = [outcome for outcome in ended if outcome.error]
    if total == 1:
        return str(errors[0].error).splitlines()
    said = [line for outcome in errors for line in outcome.reason.splitlines()]
    said.append(f"{len(ended) - len(errors)} of {total} were done, {total - len(ended)} not begun.")
    return said
