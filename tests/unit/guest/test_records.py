# SPDX-License-Identifier: Apache-2.0
"""Records that cross the boundary of the helper process."""

import dataclasses
import enum
import json
from typing import Literal

from oslotest import base

from rackspace_imagetasks.guest.fence import _records as records


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


@dataclasses.dataclass(frozen=True)
class Leaf:
    name: str
    size: int | None


@dataclasses.dataclass(frozen=True)
class Root:
    leaves: tuple[Leaf, ...]
    pair: tuple[str, int]
    colour: Colour
    is_sure: bool
    share: float
    table: Literal["gpt", "mbr"] | None = None
    children: tuple["Root", ...] = ()

    def __post_init__(self):
        if self.share > 1:
            raise ValueError("a share is at most 1")


ROOT = Root((Leaf("\udcff\x1b", None), Leaf("", 2**64 - 1)), ("a", 1), Colour.ONE, True, 0.5, "gpt")
JSON = {
    "leaves": [{"name": "\udcff\x1b", "size": None}, {"name": "", "size": 2**64 - 1}],
    "pair": ["a", 1],
    "colour": 1,
    "is_sure": True,
    "share": 0.5,
    "table": "gpt",
    "children": [],
}


def decode(value):
    return records.decode(Root, json.dumps(value).encode())


class RecordsTest(base.BaseTestCase):
    def refusal(self, content):
        return str(self.assertRaises(records.InvalidRecord, records.decode, Root, content))

    def test_encode(self):
        """A dataclass becomes an object with all its fields, an enumeration its value."""
        self.assertEqual(JSON, json.loads(records.encode(ROOT)))

    def test_decode(self):
        """What was written is read, even names that are not UTF-8."""
        self.assertEqual(ROOT, decode(JSON))
        self.assertEqual(
            dataclasses.replace(ROOT, children=(ROOT,)), decode({**JSON, "children": [JSON]})
        )

    def test_wrong_values(self):
        """A value that its annotation does not allow is refused, and the message names it."""
        for path, field, value in (
            ("leaves", "leaves", {}),
            ("leaves", "leaves", "ab"),
            ("leaves", "leaves", [{"name": "", "size": 1}] * (records.MAX_ITEMS + 1)),
            ("leaves.0", "leaves", [["", 1]]),
            ("leaves.0.name", "leaves", [{"name": None, "size": 1}]),
            ("leaves.0.name", "leaves", [{"name": "x" * (records.MAX_TEXT + 1), "size": 1}]),
            ("leaves.0.size", "leaves", [{"name": "", "size": True}]),
            ("leaves.0.size", "leaves", [{"name": "", "size": 1.0}]),
            ("leaves.0.size", "leaves", [{"name": "", "size": 2**64}]),
            ("leaves.0.size", "leaves", [{"name": ""}]),
            ("leaves.0.other", "leaves", [{"name": "", "size": 1, "other": 1}]),
            ("pair", "pair", ["a"]),
            ("pair", "pair", ["a", 1, 1]),
            ("pair.1", "pair", ["a", "1"]),
            ("colour", "colour", "blue"),
            ("colour", "colour", True),
            ("is_sure", "is_sure", 1),
            ("share", "share", "1"),
            ("table", "table", "none"),
            ("children.0", "children", [None]),
        ):
            with self.subTest(path, value=str(value)[:40]):
                text = self.refusal(json.dumps({**JSON, field: value}).encode())
                self.assertIn(f"'{path}' ", text)

    def test_own_rules(self):
        """The rules of a dataclass hold for what is read, too."""
        text = self.refusal(json.dumps({**JSON, "share": 2}).encode())
        self.assertIn("a share is at most 1", text)

    def test_not_json(self):
        """What is not JSON is refused, as are numbers that JSON does not have."""
        for content in (b"", b"\xff", b"{", b"[" * 100_000, b"9" * 10_000):
            self.assertEqual("it is not valid JSON", self.refusal(content))
        for share in (b"NaN", b"Infinity", b"-Infinity"):
            content = json.dumps(JSON).encode().replace(b"0.5", share)
            self.assertEqual("it is not valid JSON", self.refusal(content))
        self.assertIn("'share' ", self.refusal(json.dumps(JSON).encode().replace(b"0.5", b"1e999")))

    def test_depth(self):
        """A type that contains itself is read to a certain depth only."""
        value = JSON
        for _ in range(records.MAX_DEPTH):
            value = {**value, "children": [value]}
        self.assertIn("nested too deeply", self.refusal(json.dumps(value).encode()))

    def test_types_that_are_not_supported(self):
        """A record with a type that cannot be validated is a programming error."""
        for kind in (dict, int | str, object):
            self.assertRaises(TypeError, records.decode, kind, b"1")
