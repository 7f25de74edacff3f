# SPDX-License-Identifier: Apache-2.0
"""Fault injection: a test defines which requests to Swift or Glance fail, and how.

    with inject(root, "DFW", Rule("PUT", "/staging/", status=503)) as injected:
        ...
    assert injected.fired() == [1]

Each call of `inject` writes one file to a directory that the service reads for every request, so
several tests can inject faults at the same time; their rules should match only their own
containers and images. The first matching rule that is not used up applies to the request. Rules
also apply to Glance tasks before they start: the method is `TASK` and the path is
`/import/CONTAINER/OBJECT` or `/export/IMAGE`; `delay` and `until` delay the task, and `body` makes
it fail with that message.
"""

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from devcloud.files import write_json
from devcloud.plan import Plan

Service = Literal["swift", "glance"]

_PATIENCE = 120.0  # seconds
_POLL = 0.02  # seconds


class Asked(NamedTuple):
    """What rules look at in a request.

    :ivar image: looks up the name of the image whose ID is in the path.
    """

    method: str
    path: str
    query: str = ""
    range: str = ""
    image: Callable[[], str] = str


@dataclass(frozen=True)
class Rule:
    """A fault: the requests it applies to (`method` to `chance`), and its effect (the rest).

    `path`, `query`, `range` and `image` are regular expressions, searched in the decoded path, the
    raw query, the `Range` header, and the name of the image whose ID is in the path.
    """

    method: str = ""  # any
    path: str = ""
    query: str = ""
    range: str = ""
    image: str = ""
    skip: int = 0  # number of matching requests to pass first
    times: int | None = 1  # None: no limit
    chance: float = 1.0  # probability that it applies to a matching request

    delay: float = 0.0  # seconds to wait first
    until: str = ""  # path of a file; wait first until it exists
    status: int | None = None  # respond with this, `headers` and `body` only
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    # Close the connection: before anything is read, after `offset` bytes of the request's or the
    # response's body, or after the request has been carried out, in place of the response.
    drop: Literal["", "before", "upload", "download", "answer"] = ""
    stall: float = 0.0  # seconds to pause after `offset` bytes of either body
    offset: int = 0
    bytes_per_second: float | None = None  # of either body
    corrupt: bool = False  # invert the byte at `offset` of the response's body
    truncate: int | None = None  # shorten the response, with a matching Content-Length

    def matches(self, asked: Asked) -> bool:
        """Return whether the rule is for a request, even if it is used up."""
        return (
            self.method in ("", asked.method)
            and re.search(self.path, asked.path) is not None
            and re.search(self.query, asked.query) is not None
            and re.search(self.range, asked.range) is not None
            and (not self.image or re.search(self.image, asked.image()) is not None)
        )

    def hold(self) -> None:
        """Wait as long as the rule says; not for ever, as the test may have failed."""
        time.sleep(self.delay)
        deadline = time.monotonic() + _PATIENCE
        while self.until and not Path(self.until).exists() and time.monotonic() < deadline:
            time.sleep(_POLL)


class Injected:
    """Rules in force; `fired` also works after their removal."""

    def __init__(self, path: Path, rules: tuple[Rule, ...]) -> None:
        self._path = path
        self._fired = [0] * len(rules)
        write_json(path, [asdict(rule) for rule in rules])

    def fired(self) -> list[int]:
        """Return how often each rule was applied."""
        with contextlib.suppress(FileNotFoundError):
            self._fired = json.loads(fired_file(self._path).read_text())
        return self._fired

    def remove(self) -> None:
        """Remove the rules, if they are still in force."""
        self._path.unlink(missing_ok=True)
        self.fired()
        fired_file(self._path).unlink(missing_ok=True)


@contextlib.contextmanager
def inject(
    root: str | os.PathLike[str], region: str, *rules: Rule, service: Service = "swift"
) -> Iterator[Injected]:
    """Apply rules to a service in one region of the cloud in `root`, until the block ends."""
    directory = Plan.load(Path(root)).faults_dir(region, service)
    injected = Injected(directory / f"{time.time_ns()}-{uuid.uuid4().hex}.json", rules)
    try:
        yield injected
    finally:
        injected.remove()


def fired_file(rules_file: Path) -> Path:
    """Return where the service counts how often the rules of a file were applied."""
    return rules_file.with_suffix(".fired")
