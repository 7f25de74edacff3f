# SPDX-License-Identifier: Apache-2.0
"""Dataclasses as JSON, validated like a server's answer when they are read.

The annotations of a dataclass say what is valid: text, whole numbers, `bool`, `float`, `None`,
enumerations, `Literal`, tuples, and other dataclasses of these.
"""

import dataclasses
import enum
import functools
import json
import math
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, Never, TypeVar, Union

MAX_TEXT = 64 * 2**10
"""The most characters of one text."""
MAX_ITEMS = 20_000
"""The most items of one tuple."""
MAX_DEPTH = 32
"""The most values that are inside each other."""
_NUMBERS = range(-(2**63), 2**64)

Record = TypeVar("Record")
_Path = tuple[str, ...]


class InvalidRecord(ValueError):
    """JSON that does not describe a value of the expected type."""


def encode(record: object) -> bytes:
    """Return a value of dataclasses, tuples and simple values as JSON."""
    return json.dumps(_plain(record), allow_nan=False, separators=(",", ":")).encode()


def decode(kind: type[Record], content: bytes) -> Record:
    """Return the value of type `kind` that JSON describes.

    :raises InvalidRecord: if it does not describe one.
    """
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except (RecursionError, ValueError) as error:
        raise InvalidRecord("it is not valid JSON") from error
    loaded: Record = _load(kind, value, ())
    return loaded


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in _fields(type(value))}
    return value


def _refuse_constant(name: str) -> Never:
    raise ValueError(name)  # NaN and infinities are not JSON


def _refuse(path: _Path, rule: str) -> Never:
    raise InvalidRecord(f"'{'.'.join(path)}' {rule}" if path else f"it {rule}")


def _load(kind: Any, value: object, path: _Path) -> Any:  # noqa: ANN401 - any type of a field
    if len(path) > MAX_DEPTH:
        _refuse(path, "is nested too deeply")
    if load_simple := _SIMPLE.get(kind):
        return load_simple(value, path)
    if load_composed := _COMPOSED.get(typing.get_origin(kind)):
        return load_composed(typing.get_args(kind), value, path)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _load_member(kind, value, path)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _load_dataclass(kind, value, path)
    raise TypeError(f"a record cannot contain {kind!r}")


def _load_text(value: object, path: _Path) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        _refuse(path, f"is not a text of at most {MAX_TEXT} characters")
    return value


def _load_number(value: object, path: _Path) -> int:
    if type(value) is not int or value not in _NUMBERS:
        _refuse(path, "is not a whole number of 64 bits")
    return value


def _load_bool(value: object, path: _Path) -> bool:
    if not isinstance(value, bool):
        _refuse(path, "is neither true nor false")
    return value


def _load_float(value: object, path: _Path) -> float:
    if type(value) is int and value in _NUMBERS:
        return float(value)
    if not isinstance(value, float) or not math.isfinite(value):
        _refuse(path, "is not a number")
    return value


def _load_none(value: object, path: _Path) -> None:
    if value is not None:
        _refuse(path, "is not null")


_SIMPLE: dict[Any, Callable[[object, _Path], Any]] = {
    str: _load_text,
    int: _load_number,
    bool: _load_bool,
    float: _load_float,
    types.NoneType: _load_none,
}


def _load_optional(kinds: tuple[Any, ...], value: object, path: _Path) -> Any:  # noqa: ANN401
    others = [kind for kind in kinds if kind is not types.NoneType]
    if len(others) != 1:
        raise TypeError(f"a record cannot contain one of {kinds!r}")
    return None if value is None else _load(others[0], value, path)


def _load_literal(choices: tuple[Any, ...], value: object, path: _Path) -> Any:  # noqa: ANN401
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    return _refuse(path, "is not one of the possible values")


def _load_tuple(kinds: tuple[Any, ...], value: object, path: _Path) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        _refuse(path, f"is not a list of at most {MAX_ITEMS} items")
    if kinds[1:] == (...,):
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        _refuse(path, f"does not have {len(kinds)} items")
    pairs = zip(kinds, value, strict=True)
    return tuple(_load(kind, item, (*path, str(n))) for n, (kind, item) in enumerate(pairs))


_COMPOSED: dict[Any, Callable[[tuple[Any, ...], object, _Path], Any]] = {
    Literal: _load_literal,
    Union: _load_optional,
    types.UnionType: _load_optional,
    tuple: _load_tuple,
}


def _load_member(kind: type[enum.Enum], value: object, path: _Path) -> enum.Enum:
    for member in kind:
        if type(member.value) is type(value) and member.value == value:
            return member
    return _refuse(path, "is not one of the possible values")


def _load_dataclass(kind: type, value: object, path: _Path) -> object:
    if not isinstance(value, dict):
        _refuse(path, "is not an object")
    fields, hints = _fields(kind), _hints(kind)
    wrong = sorted(value.keys() ^ {field.name for field in fields})
    if wrong:
        name = wrong[0]
        _refuse((*path, name), "is not expected" if name in value else "is missing")
    loaded = {name: _load(hints[name], value[name], (*path, name)) for name in value}
    try:
        return kind(**loaded)
    except ValueError as error:
        return _refuse(path, f"is not valid: {error}")


def _fields(kind: type) -> tuple["dataclasses.Field[Any]", ...]:
    return tuple(field for field in dataclasses.fields(kind) if field.init)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
