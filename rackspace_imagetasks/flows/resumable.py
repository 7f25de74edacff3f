# SPDX-License-Identifier: Apache-2.0
"""What an interrupt says: how far the job is, and the command that goes on."""

import contextlib
from collections.abc import Iterator

from rackspace_imagetasks.exceptions import Cancelled, TaskTimeout
from rackspace_imagetasks.progress import Phase, Progress
from rackspace_imagetasks.text import format_size

GO_ON = "What was done is kept; run the same command again to go on."


@contextlib.contextmanager
def resumable(doing: str, progress: Progress) -> Iterator[Progress]:
    """Have an interrupt, or the end of the time to wait, say how far `doing` is and how to go on.

    Gives the progress to report to, so that the bytes moved are known.

    :param doing: what is done, to complete "Stopped while ...".
    """
    counted = _Counted(progress)
    try:
        yield counted
    except Cancelled as error:
        raise Cancelled(f"Stopped while {doing}{counted}. {GO_ON}") from error
    except TaskTimeout as error:
        raise TaskTimeout(
            f"The time to wait is over while {doing}. Task {error.task_id} goes on in the cloud."
            f" {GO_ON}",
            error.task_id,
        ) from error


@contextlib.contextmanager
def hinting(hint: str) -> Iterator[None]:
    """Add `hint` to what an interrupt, or the end of the time to wait, says."""
    try:
        yield
    except Cancelled as error:
        raise Cancelled(f"{error} {hint}") from error
    except TaskTimeout as error:
        raise TaskTimeout(f"{error} {hint}", error.task_id) from error


class _Counted:
    """Progress that remembers how far its last phase of a known length came."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last: _CountedPhase | None = None

    def __str__(self) -> str:
        return f", {self._last} moved" if self._last else ""

    @contextlib.contextmanager
    def phase(self, title: str, total: int | None = None) -> Iterator[Phase]:
        with self._progress.phase(title, total) as phase:
            counted = _CountedPhase(phase, total)
            self._last = counted if total else self._last
            yield counted

    def message(self, text: str) -> None:
        self._progress.message(text)


class _CountedPhase:
    """A phase that knows how far it is; an approximate count will do."""

    def __init__(self, phase: Phase, total: int | None) -> None:
        self._phase, self._total, self._done = phase, total, 0

    def __str__(self) -> str:
        return f"{format_size(self._done)} of {format_size(self._total or 0)}"

    def advance(self, amount: int) -> None:
        self._done += amount
        self._phase.advance(amount)

    def note(self, text: str) -> None:
        self._phase.note(text)
