# SPDX-License-Identifier: Apache-2.0
"""Messages about waits: a user who sees nothing happen is told what is waited for."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from rackspace_imagetasks.http.retry import requested_delay
from rackspace_imagetasks.messages import Message

Notify = Callable[[Message], None]

_LONG_WAIT = 5.0  # seconds: a retry after that, or later, is announced
_SILENCE = 25.0  # seconds without an answer
_REPEATED = 30.0  # seconds in which the same is not said again, whichever thread waits


class Notices:
    """Says what a client waits for, once for all the threads that wait for the same.

    :param notify: where to say it; None to say nothing.
    :param silence: seconds without an answer after which it is said that it is still missing.
    """

    def __init__(
        self,
        notify: Notify | None,
        clock: Callable[[], float] = time.monotonic,
        silence: float = _SILENCE,
    ) -> None:
        self._notify = notify
        self._silence = silence
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}

    def retrying(
        self, problem: str, endpoint: str, delay: float, retry_after: str | None, *, first: bool
    ) -> None:
        """Say that a request is sent again, if that takes long or the service cannot be reached.

        :param problem: the sentence that says why.
        :param endpoint: whom the request is for, if nobody answered.
        :param delay: seconds until then.
        :param retry_after: the answer's header of that name.
        :param first: whether the request has failed for the first time.
        """
        if delay < _LONG_WAIT and not (first and endpoint):
            return
        text = problem
        if endpoint:
            text += f" The endpoint is {endpoint}."
        if requested_delay(retry_after) > delay:
            text += f" The service asks for a wait of {requested_delay(retry_after):.0f} s."
        self._say(endpoint or problem, f"{text} Trying again in {max(delay, 1):.0f} s.")

    @contextlib.contextmanager
    def waiting(self, service: str, action: str) -> Iterator[None]:
        """Say that an answer is still missing if it takes long; lasts while it is entered."""
        if self._notify is None:
            yield
            return
        text = f"Still waiting for the {service} to {action}."
        timer = threading.Timer(self._silence, self._say, (text, text))
        timer.daemon = True
        with contextlib.suppress(RuntimeError):  # no thread to spare
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _say(self, key: str, text: str) -> None:
        if self._notify is None:
            return
        with self._lock:
            now = self._clock()
            if now - self._said.get(key, float("-inf")) < _REPEATED:
                return
            self._said[key] = now
        self._notify(Message(text))
