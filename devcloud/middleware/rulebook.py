# SPDX-License-Identifier: Apache-2.0
"""The rules in force in this process, from the files of `devcloud.faults`."""

import functools
import json
import random
import threading
from dataclasses import dataclass
from pathlib import Path

from devcloud.faults import Asked, Rule, fired_file
from devcloud.files import write_json


@dataclass
class _RuleSet:
    path: Path
    rules: list[Rule]
    matched: list[int]
    fired: list[int]

    @classmethod
    def read(cls, path: Path) -> "_RuleSet":
        rules = [Rule(**values) for values in json.loads(path.read_text())]
        return cls(path, rules, [0] * len(rules), [0] * len(rules))

    def apply(self, asked: Asked) -> Rule | None:
        """Return the first rule that applies, and count its use."""
        for number, rule in enumerate(self.rules):
            if not rule.matches(asked):
                continue
            self.matched[number] += 1
            used_up = rule.times is not None and self.fired[number] >= rule.times
            if used_up or self.matched[number] <= rule.skip:
                continue
            if random.random() < rule.chance:
                self.fired[number] += 1
                write_json(fired_file(self.path), self.fired)
                return rule
        return None


class RuleBook:
    """All rule sets of a directory, the oldest first. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sets: dict[Path, _RuleSet] = {}
        self._lock = threading.Lock()

    def apply(self, asked: Asked) -> Rule | None:
        """Return the rule for a request, if any, and count its use."""
        with self._lock:
            for rule_set in self._current():
                if (rule := rule_set.apply(asked)) is not None:
                    return rule
        return None

    def _current(self) -> list[_RuleSet]:
        current: dict[Path, _RuleSet] = {}
        for path in sorted(self._directory.glob("*.json")):
            try:
                current[path] = self._sets.get(path) or _RuleSet.read(path)
            except FileNotFoundError:  # its test has just removed it
                continue
        self._sets = current
        return list(current.values())


@functools.cache
def rule_book(directory: str) -> RuleBook:
    """Return the only rule book of this process for a directory, which has the counts."""
    return RuleBook(Path(directory))
