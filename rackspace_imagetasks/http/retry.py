# SPDX-License-Identifier: Apache-2.0
"""The retry policy: the number of attempts, and the delays between them."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Statuses of transient failures. Two are specific to Swift: 498, too many requests per second,
#: and 499, "Client Disconnect", which a client that is still connected gets when the connection
#: between two of its servers ended before all of the body had passed.
TRANSIENT_STATUSES = frozenset({408, 429, 498, 499, 500, 502, 503, 504})
_FIRST_DELAY = 0.5  # seconds
_LONGEST_DELAY = 30.0
_LONGEST_RETRY_AFTER = 300.0


@dataclass(frozen=True)
class RetryPolicy:
    """The number of attempts, timeouts in seconds, and the size of a response.

    :ivar attempts: maximum number of times a request is sent.
    :ivar connect_timeout: for a connection, and for sending one chunk of a request's body.
    :ivar read_timeout: for the next byte of a response.
    :ivar answer_timeout: for a whole short response, from its headers to its end.
    :ivar answer_size: maximum number of bytes of a short response.
    """

    attempts: int = 8
    connect_timeout: float = 60.0
    read_timeout: float = 120.0
    answer_timeout: float = 300.0
    answer_size: int = 16 * 1024**2


def backoff(attempt: int, retry_after: str | None = None) -> float:
    """Return the seconds to wait after failed attempt `attempt` (1, 2, ...), with jitter.

    :param retry_after: the response's header of that name; honoured up to five minutes.
    """
    growing = min(_FIRST_DELAY * float(2 ** min(attempt - 1, 20)), _LONGEST_DELAY)
    jittered = growing * random.uniform(0.5, 1.0)  # noqa: S311
    return max(jittered, min(requested_delay(retry_after), _LONGEST_RETRY_AFTER))


def requested_delay(retry_after: str | None) -> float:
    """Return the seconds that a Retry-After header asks for; 0 if it cannot be understood.

    The header holds seconds or a date (RFC 9110, 10.2.3).
    """
    if not retry_after:
        return 0.0
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return (date - datetime.now(UTC)).total_seconds() if date.tzinfo else 0.0
