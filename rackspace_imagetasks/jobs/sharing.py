# SPDX-License-Identifier: Apache-2.0
"""What transfers of an image to several targets have in common: steps taken once, and one read."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.shared_read import ONLY_READER, PartReader
from rackspace_imagetasks.threads import own_copy

Result = TypeVar("Result")

_POLL = 0.1  # seconds


class Sharing(Protocol):
    """What a transfer shares with others of the same image.

    :ivar reader: reads the image.
    :ivar turn: entered for what only one of them does at a time.
    """

    @property
    def reader(self) -> PartReader:
        """What reads the image."""

    @property
    def turn(self) -> "contextlib.AbstractContextManager[object]":
        """A context in which only one of the transfers is at a time."""

    def once(self, step: str, work: Callable[[], Result]) -> Result:
        """Return the result of a step that one transfer takes for all of them, or raise its error.

        :param step: what all of them call the step.
        """

    def at_end(self, work: Callable[[], None]) -> None:
        """Do what is to be done when all of them are complete."""


class Alone:
    """The sharing of a transfer to the only target."""

    reader = ONLY_READER
    turn: contextlib.AbstractContextManager[object] = contextlib.nullcontext()

    def once(self, step: str, work: Callable[[], Result]) -> Result:  # noqa: ARG002
        """Take the step."""
        return work()

    def at_end(self, work: Callable[[], None]) -> None:
        """Do it at once."""
        work()


ALONE: Sharing = Alone()


class SharedSteps:
    """Steps that one of several transfers takes for all of them; safe to use from threads.

    :param stop: ends the wait for a step that another transfer takes.
    """

    def __init__(self, stop: threading.Event) -> None:
        self.turn = threading.RLock()
        self._cancellation = Cancellation(abort=stop)
        self._lock = threading.Lock()
        self._steps: dict[str, _Step] = {}

    def once(self, step: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Return the result of a step, or raise a copy of its error.

        :raises Cancelled: when `stop` is set while another transfer takes the step.
        """
        with self._lock:
            shared = self._steps.setdefault(step, _Step())
        while not shared.lock.acquire(timeout=_POLL):
            self._cancellation.check()
        try:
            shared.take(work)
        finally:
            shared.lock.release()
        if shared.error:
            raise own_copy(shared.error) from shared.error
        return shared.result


class _Step:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_taken = False
        self.result: object = None
        self.error: BaseException | None = None

    def take(self, work: Callable[[], object]) -> None:
        if self.is_taken:
            return
        try:
            self.result = work()
        except BaseException as error:  # noqa: BLE001 - raised again for each transfer
            self.error = error
        self.is_taken = True


class Shared:
    """The sharing of one of several transfers.

    :param steps: those of all of them.
    """

    def __init__(self, steps: SharedSteps, reader: PartReader = ONLY_READER) -> None:
        self.reader = reader
        self.turn = steps.turn
        self._steps = steps

    def once(self, step: str, work: Callable[[], Result]) -> Result:
        """Take a step for all transfers, unless it is taken."""
        result: Result = self._steps.once(step, work)
        return result

    def at_end(self, work: Callable[[], None]) -> None:
        """Do nothing: this transfer does not know when the others are complete."""
