# SPDX-License-Identifier: Apache-2.0
"""When a request is worth sending again, and how long to wait before."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: 498 is Swift's own: the account sends requests faster than it may.
RETRIED_STATUSES = frozenset({408, 429, 498, 500, 502, 503, 504})
_FIRST_DELAY = 0.5  # seconds
_LONGEST_DELAY = 30.0
_LONGEST_RETRY_AFTER = 300.0


def backoff(attempt: int, retry_after: str | None = None) -> float:
    """Return the seconds to wait after failed attempt `attempt` (1, 2, ...), with jitter.

    :param retry_after: the answer's header of that name; honoured up to five minutes.
    """
    growing = min(_FIRST_DELAY * float(2 ** min(attempt - 1, 20)), _LONGEST_DELAY)
    jittered = growing * random.uniform(0.5, 1.0)  # noqa: S311
    return max(jittered, min(_seconds(retry_after), _LONGEST_RETRY_AFTER))


def _seconds(retry_after: str | None) -> float:
    """Read seconds, or a date (RFC 9110, 10.2.3); 0 for nonsense."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return (date - datetime.now(UTC)).total_seconds() if date.tzinfo else 0.0
