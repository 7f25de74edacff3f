# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, SIGTERM, SIGHUP: the first lets work stop and report; the second ends it at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

EXIT_STATUS = 130
_GRACE = 0.8  # seconds in which work can stop by itself and report how far it got
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = b"\x1b[?25h"  # which progress bars hide


@contextlib.contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on the first signal; raise KeyboardInterrupt if that does not end the work soon.

    Signals that the calling program ignores, as a shell does for background jobs, remain
    ignored. Outside the main thread it does nothing.
    """
    before = _handled(_ENDING)
    if not before:
        yield
        return

    def first(_number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, _end_at_once)
        _ignore_hangups(before)
        signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, _GRACE)
        # From a thread: the interrupted code may hold the event's own lock.
        threading.Thread(target=stop.set, daemon=True).start()

    for each in before:
        signal.signal(each, first)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, so that it cleans up."""
    before = _handled((signal.SIGTERM, signal.SIGHUP))

    def end(number: int, frame: FrameType | None) -> None:
        _ignore_hangups(before)
        _interrupt(number, frame)

    for each in before:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _handled(signals: Iterable[signal.Signals]) -> dict[signal.Signals, Any]:
    """Return the signals that can be handled and are not ignored, each with its handler.

    Python delivers signals to the main thread, and lets no other one handle them.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {each: signal.getsignal(each) for each in signals}
    return {each: handler for each, handler in handlers.items() if handler != signal.SIG_IGN}


def _ignore_hangups(handled: Iterable[signal.Signals]) -> None:
    """Ignore a second SIGHUP: the kernel sends one, and an exiting shell sends another."""
    if signal.SIGHUP in handled:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    if os.isatty(2):
        os.write(2, _SHOW_CURSOR)
    os._exit(EXIT_STATUS)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
