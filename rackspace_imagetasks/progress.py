# SPDX-License-Identifier: Apache-2.0
"""How long work is reported: a phase with a total that advances, and can step back."""

import contextlib
import enum
from typing import Protocol, Self

from rackspace_imagetasks.messages import Message


class PhaseKind(enum.StrEnum):
    """What the work of a phase is."""

    EXPORT = "export"
    IMPORT = "import"
    WAIT = "wait"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    COPY = "copy"
    CHECK = "check"
    SCAN = "scan"
    WRITE = "write"


class PhaseTitle(str):
    """The title of a phase, from which programs can tell the kind of work.

    :ivar task_id: the task that is waited for, if any.
    """

    __slots__ = ("kind", "task_id")

    kind: PhaseKind
    task_id: str | None

    def __new__(cls, kind: PhaseKind, text: str, task_id: str | None = None) -> Self:
        """Return the title with this text."""
        title = super().__new__(cls, text)
        title.kind, title.task_id = kind, task_id
        return title


class Phase(Protocol):
    """One stage of a job; safe to use from threads."""

    def advance(self, amount: int) -> None:
        """Count `amount` more bytes as done; negative if a retry has to repeat some."""

    def note(self, text: str) -> None:
        """Show a short status, such as the status of a task."""


class Progress(Protocol):
    """Where phases are shown: a terminal, a log, a callback, or nowhere."""

    def phase(
        self, title: str, total: int | None = None
    ) -> contextlib.AbstractContextManager[Phase]:
        """Return a phase of `total` bytes, or of unknown length, that lasts while it is entered."""

    def message(self, message: str | Message) -> None:
        """Tell the user something now, such as what was decided and why."""


class SilentPhase:
    """A phase that is not shown."""

    def advance(self, amount: int) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class SilentProgress:
    """Progress that is not shown."""

    def phase(
        self,
        title: str,  # noqa: ARG002
        total: int | None = None,  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[Phase]:
        """Return a phase that is not shown."""
        return contextlib.nullcontext(SilentPhase())

    def message(self, message: str | Message) -> None:
        """Do nothing."""


SILENT: Progress = SilentProgress()
