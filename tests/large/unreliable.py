# SPDX-License-Identifier: Apache-2.0
"""Services of which one request in twenty fails, in one of five ways."""

import contextlib

from devcloud import faults
from devcloud.faults import Rule

_SHARE = 0.01  # of each of five faults


@contextlib.contextmanager
def unreliable(root, *regions):
    """Have 5 % of the requests to both services of each region fail.

    :returns: what gives, for each service, how often each fault happened.
    """
    share = {"path": "^/v[12]/", "chance": _SHARE, "times": None}
    rules = (
        *(Rule(status=status, **share) for status in (429, 500, 503)),
        Rule(drop="before", **share),
        Rule(drop="answer", **share),
    )
    with contextlib.ExitStack() as stack:
        injected = [
            stack.enter_context(faults.inject(root, region, *rules, service=service))
            for region in regions
            for service in ("swift", "glance")
        ]
        yield lambda: [each.fired() for each in injected]
