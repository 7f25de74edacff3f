# SPDX-License-Identifier: Apache-2.0
"""How long work is reported: a phase with a total that advances, and may step back."""

import contextlib
from typing import Protocol


class Phase(Protocol):
    """One stretch of work; safe to use from threads."""

    def advance(self, amount: int) -> None:
        """Count `amount` more bytes as done; negative when a retry takes some back."""

    def note(self, text: str) -> None:
        """Say in a word how it goes, such as a task's status."""


class Progress(Protocol):
    """Where phases are shown: a terminal, a log, a callback, or nowhere."""

    def phase(
        self, title: str, total: int | None = None
    ) -> contextlib.AbstractContextManager[Phase]:
        """Return a phase of `total` bytes, or of unknown length; it lasts while it is entered."""

    def message(self, text: str) -> None:
        """Tell the user one thing that matters now, such as what was decided and why."""


class SilentPhase:
    """A phase that nobody watches."""

    def advance(self, amount: int) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class SilentProgress:
    """Progress that nobody watches."""

    def phase(
        self,
        title: str,  # noqa: ARG002
        total: int | None = None,  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[Phase]:
        """Return a phase that nobody watches."""
        return contextlib.nullcontext(SilentPhase())

    def message(self, text: str) -> None:
        """Do nothing."""


SILENT: Progress = SilentProgress()
