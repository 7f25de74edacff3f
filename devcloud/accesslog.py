# SPDX-License-Identifier: Apache-2.0
"""The requests that Swift and Glance received, so that a test can count requests and bytes.

    log = AccessLog(root, "DFW")
    mark = log.mark()
    ...
    assert [r.path for r in log.since(mark) if r.method == "PUT"] == [...]

A request is in the log before its client has received the complete response.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from devcloud.faults import Service
from devcloud.plan import Plan


@dataclass(frozen=True)
class Request:
    """One request as the service saw it.

    Times are in seconds; `received` and `sent` are the bytes of the bodies.
    """

    time: float
    method: str
    path: str  # decoded
    query: str  # as received
    status: int  # 0: a fault closed the connection before any response
    received: int
    sent: int
    seconds: float
    range: str
    agent: str


class AccessLog:
    """The access log of a service in one region of the cloud in `root`."""

    def __init__(
        self, root: str | os.PathLike[str], region: str, service: Service = "swift"
    ) -> None:
        self._path = Plan.load(Path(root)).access_log(region, service)

    def mark(self) -> int:
        """Return the current end of the log, for `since`."""
        return self._path.stat().st_size

    def since(self, mark: int = 0) -> list[Request]:
        """Return the requests logged after `mark`, in the order of completion."""
        with self._path.open() as log:
            log.seek(mark)
            return [Request(**json.loads(line)) for line in log if line.endswith("\n")]
