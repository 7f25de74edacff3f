# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM: the first asks work to stop and say how to go on, the second ends at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

EXIT_STATUS = 130
_GRACE = 0.8  # seconds in which work may stop by itself and say where it is


@contextlib.contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on the first signal; raise KeyboardInterrupt where that does not end it soon.

    What the caller has the program ignore, as a shell does for a job in the background, stays
    ignored. Outside the main thread, where Python delivers no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    heeded = [each for each, handler in before.items() if handler is not signal.SIG_IGN]

    def first(_number: int, _frame: FrameType | None) -> None:
        for each in heeded:
            signal.signal(each, lambda *_: os._exit(EXIT_STATUS))
        signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, _GRACE)
        # From a thread: the interrupted code may hold the event's own lock.
        threading.Thread(target=stop.set, daemon=True).start()

    for each in heeded:
        signal.signal(each, first)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each in heeded:
            signal.signal(each, before[each])


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end the work as Ctrl-C does, so that it cleans up."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
