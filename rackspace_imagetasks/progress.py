# SPDX-License-Identifier: Apache-2.0
"""How long work is reported: a phase with a total that advances, and may step back."""

from types import TracebackType
from typing import Protocol, Self


class Phase(Protocol):
    """One stretch of work, from `with progress.phase(...)` on; safe to use from threads."""

    def advance(self, amount: int) -> None:
        """Count `amount` more bytes as done; negative when a retry takes some back."""

    def note(self, text: str) -> None:
        """Say in a word how it goes, such as a task's status."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Progress(Protocol):
    """Where phases are shown: a terminal, a log, a callback, or nowhere."""

    def phase(self, title: str, total: int | None = None) -> Phase:
        """Begin a phase of `total` bytes, or of unknown length."""

    def message(self, text: str) -> None:
        """Tell the user one thing that matters now, such as what was decided and why."""


class SilentPhase:
    """A phase that nobody watches."""

    def advance(self, amount: int) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do nothing."""


class SilentProgress:
    """Progress that nobody watches."""

    def phase(self, title: str, total: int | None = None) -> Phase:  # noqa: ARG002
        """Give a phase that nobody watches."""
        return SilentPhase()

    def message(self, text: str) -> None:
        """Do nothing."""


SILENT: Progress = SilentProgress()
