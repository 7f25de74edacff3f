# SPDX-License-Identifier: Apache-2.0
"""Faults to order: a test says which requests go wrong, and how, in Swift or Glance.

    with inject(root, "DFW", Rule("PUT", "/staging/", status=503)) as injected:
        ...
    assert injected.fired() == [1]

Each `inject` is one file in a directory that the service looks into at every request, so several
tests may inject at once; let their rules match their own containers. The first rule that matches
and is not used up takes the request. Glance's tasks ask too, before they start: their method is
`TASK`, their path `/import/CONTAINER/OBJECT` or `/export/IMAGE`; `delay` makes one slow and `body`
fails it with that message.
"""

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from devcloud.files import write_json
from devcloud.plan import Plan

Service = Literal["swift", "glance"]


@dataclass(frozen=True)
class Rule:
    """Which requests (`method` to `times`) and what happens to them (the rest).

    `path` and `query` are regular expressions, searched in the decoded path and the raw query.
    """

    method: str = ""  # any
    path: str = ""
    query: str = ""
    skip: int = 0  # matching requests to let through first
    times: int | None = 1  # None: all that follow

    delay: float = 0.0  # seconds before anything else
    status: int | None = None  # answer with this, `headers` and `body`; nothing is carried out
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    # Close the connection: before anything is read, when `offset` bytes of the request's body or
    # of the response's are through, or after the work is done, in place of the answer.
    drop: Literal["", "before", "upload", "download", "answer"] = ""
    stall: float = 0.0  # seconds of silence when `offset` bytes of either body are through
    offset: int = 0
    bytes_per_second: float | None = None  # of either body
    corrupt: bool = False  # invert the byte of the response's body at `offset`
    truncate: int | None = None  # a shorter response, complete by its own Content-Length

    def matches(self, method: str, path: str, query: str) -> bool:
        """Say whether a request is meant, however often the rule has been used."""
        return (
            self.method in ("", method)
            and re.search(self.path, path) is not None
            and re.search(self.query, query) is not None
        )


class Injected:
    """Rules in force; `fired` also tells after they were taken back."""

    def __init__(self, path: Path, rules: tuple[Rule, ...]) -> None:
        self._path = path
        self._fired = [0] * len(rules)
        write_json(path, [asdict(rule) for rule in rules])

    def fired(self) -> list[int]:
        """Return for each rule how often it was applied."""
        with contextlib.suppress(FileNotFoundError):
            self._fired = json.loads(fired_file(self._path).read_text())
        return self._fired

    def take_back(self) -> None:
        """End the rules."""
        self._path.unlink()
        self.fired()
        fired_file(self._path).unlink(missing_ok=True)


@contextlib.contextmanager
def inject(
    root: str | os.PathLike[str], region: str, *rules: Rule, service: Service = "swift"
) -> Iterator[Injected]:
    """Put rules in force in one region's service of the cloud in `root`, and take them back."""
    directory = Plan.load(Path(root)).faults_dir(region, service)
    injected = Injected(directory / f"{time.time_ns()}-{uuid.uuid4().hex}.json", rules)
    try:
        yield injected
    finally:
        injected.take_back()


def fired_file(rules_file: Path) -> Path:
    """Say where the service counts for a file of rules."""
    return rules_file.with_suffix(".fired")
