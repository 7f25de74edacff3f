# SPDX-License-Identifier: Apache-2.0
"""What Swift and Glance were asked, so that a test can count requests and bytes.

    log = AccessLog(root, "DFW")
    mark = log.mark()
    ...
    assert [r.path for r in log.since(mark) if r.method == "PUT"] == [...]

A request that was answered in full is in the log by the time its client has the answer.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from devcloud.faults import Service
from devcloud.plan import Plan


@dataclass(frozen=True)
class Request:
    """One request as its service saw it. Times in seconds, `received` and `sent` body bytes."""

    time: float
    method: str
    path: str  # decoded
    query: str  # as it came
    status: int  # 0: cut off by a fault before any answer
    received: int
    sent: int
    seconds: float
    range: str
    agent: str


class AccessLog:
    """The log of one region's service, of the cloud in `root`."""

    def __init__(
        self, root: str | os.PathLike[str], region: str, service: Service = "swift"
    ) -> None:
        self._path = Plan.load(Path(root)).access_log(region, service)

    def mark(self) -> int:
        """Return the place that the log has reached."""
        return self._path.stat().st_size

    def since(self, mark: int = 0) -> list[Request]:
        """Return the requests logged after `mark`, in the order of their ends."""
        with self._path.open() as log:
            log.seek(mark)
            return [Request(**json.loads(line)) for line in log if line.endswith("\n")]
