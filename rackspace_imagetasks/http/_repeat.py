# SPDX-License-Identifier: Apache-2.0
"""The loop that retries transient failures."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rackspace_imagetasks.exceptions import ImageTasksError
from rackspace_imagetasks.http._request import TransientError
from rackspace_imagetasks.http.cancellation import Cancellation
from rackspace_imagetasks.http.notices import Notices
from rackspace_imagetasks.http.retry import RetryPolicy, backoff
from rackspace_imagetasks.messages import Hint, Message

Result = TypeVar("Result")


def _final(transient: TransientError) -> ImageTasksError:
    """Return the failure of the last attempt, with the address that could not be reached."""
    if transient.endpoint:
        text = f"The endpoint is {transient.endpoint}."
        transient.failure.add(Message(text, Hint.CHECK_NETWORK))
    return transient.failure


@dataclass(frozen=True)
class Repeater:
    """Repeats what fails transiently, within a policy, and announces long delays."""

    retry: RetryPolicy
    cancellation: Cancellation
    notices: Notices

    def run(self, act: Callable[[], Result]) -> Result:
        """Return the result of an act that is repeated while its failure is transient.

        :raises ImageTasksError: the failure, if it is final or the last one.
        :raises Cancelled: as soon as the work is cancelled.
        """
        started = self.notices.clock()
        for attempt in itertools.count(1):
            self.cancellation.check()
            try:
                return act()
            except TransientError as transient:
                if attempt >= self.retry.attempts:
                    raise _final(transient) from transient.__cause__
                self.pause(
                    str(transient.failure),
                    attempt,
                    elapsed=self.notices.clock() - started,
                    endpoint=transient.endpoint,
                    retry_after=transient.retry_after,
                )
        raise AssertionError("unreachable")

    def pause(
        self,
        problem: str,
        attempt: int,
        *,
        elapsed: float = 0.0,
        endpoint: str = "",
        retry_after: str | None = None,
    ) -> None:
        """Wait until another attempt may be made, and announce it if that takes long.

        :param problem: the sentence that says why.
        :param attempt: the number of the attempt that failed.
        :param elapsed: seconds since the first attempt.
        """
        delay = backoff(attempt, retry_after)
        self.notices.retrying(problem, delay, elapsed, endpoint=endpoint, retry_after=retry_after)
        self.cancellation.wait(delay)
