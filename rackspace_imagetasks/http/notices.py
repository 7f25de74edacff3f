# SPDX-License-Identifier: Apache-2.0
"""Messages about waits: the user is told what a client waits for, and why it retries."""

import contextlib
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from rackspace_imagetasks.events import report_retry
from rackspace_imagetasks.http._waits import SILENCE, WAITS, Wait
from rackspace_imagetasks.http.retry import requested_delay
from rackspace_imagetasks.messages import Message

Notify = Callable[[Message], None]

_LONG_WAIT = 5.0  # seconds: a retry that lets the user wait so long in all is announced
_REPEATED = 8.0  # seconds in which the same retry is not announced again, whichever thread waits


class Notices:
    """Tells what a client waits for, once for all the threads that wait for the same.

    :param notify: called with each message; None to tell nothing.
    """

    def __init__(self, notify: Notify | None) -> None:
        self._notify = notify
        self._waits = WAITS
        self.clock = WAITS.clock
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}

    def retrying(
        self, problem: str, delay: float, elapsed: float, *, endpoint: str, retry_after: str | None
    ) -> None:
        """Report a retry; tell the user if it takes long or the service cannot be reached.

        :param problem: the sentence that says why.
        :param delay: seconds until the retry.
        :param elapsed: seconds since the first attempt.
        :param endpoint: the URL of the service, if it cannot be reached.
        :param retry_after: the response's header of that name.
        """
        report_retry(problem, delay)
        if delay + elapsed < _LONG_WAIT and not endpoint:
            return
        text = problem
        if endpoint:
            text += f" The endpoint is {endpoint}."
        if requested_delay(retry_after) > delay:
            text += f" The service asks for a delay of {requested_delay(retry_after):.0f} s."
        self._say(endpoint or problem, f"{text} Retrying in {max(delay, 1):.0f} s.", _REPEATED)

    def waiting(
        self, missing: str, service: str, action: str, url: Callable[[], str]
    ) -> contextlib.AbstractContextManager[Wait | None]:
        """Return a wait that is reported if it takes long; it lasts while it is entered.

        :param missing: what is waited for, such as "a response from the image service".
        :param service: the service; of several waits for it, one is reported.
        :param action: what was requested, to complete "waiting for a response to ...".
        :param url: returns a URL of the service, which is told if there is no connection soon.
        """
        if self._notify is None:
            return contextlib.nullcontext()

        def report(missing: str, seconds: float) -> bool:
            text = f"Still waiting for {missing} to {action} ({seconds:.0f} s)."
            return self._say(service, text, SILENCE)

        return self._waits.waiting(missing, report, lambda: self._connecting(url(), service))

    def _connecting(self, url: str, service: str) -> None:
        """Tell the user once which scheme, host and port are tried: the rest may be secret."""
        scheme, address, *_rest = urlsplit(url)
        endpoint = f"{scheme}://{address.rpartition('@')[2]}"
        text = f"Connecting to {endpoint} (the {service})..."
        self._say(text, text, float("inf"))

    def _say(self, key: str, text: str, interval: float) -> bool:
        """Tell the user a text unless the same key was told within an interval."""
        if self._notify is None:
            return False
        with self._lock:
            now = self.clock()
            if now - self._said.get(key, float("-inf")) < interval:
                return False
            self._said[key] = now
        self._notify(Message(text))
        return True
