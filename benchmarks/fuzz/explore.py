# SPDX-License-Identifier: Apache-2.0
"""What is read in each mutant: much of a file system, or the facts about a disk.

A helper process imports this module, so it imports nothing but the readers and the standard
library. Each key of `READERS` is also the name of a function of this module.
"""

import contextlib
import dataclasses
import hashlib
import importlib
from collections.abc import Callable, Iterator

from rackspace_imagetasks.bytesource import ByteSource
from rackspace_imagetasks.exceptions import SourceError
from rackspace_imagetasks.guest import _tree
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.filesystems.base import FileSystem, Kind, Volume

_FILE_SYSTEMS = "rackspace_imagetasks.guest.filesystems."
_PATHS = {
    "ext": _FILE_SYSTEMS + "ext:Ext",
    "xfs": _FILE_SYSTEMS + "xfs:Xfs",
    "ntfs": _FILE_SYSTEMS + "ntfs:Ntfs",
    "fat": _FILE_SYSTEMS + "fat:Fat",
    "iso": _FILE_SYSTEMS + "iso:Iso",
    "inspect": "rackspace_imagetasks.guest.inspection:inspect",
}
MAX_PATHS = 48
"""The most paths that are looked at in a file system."""
_MAX_FILE = 64 * 2**10


@dataclasses.dataclass(frozen=True)
class Explored:
    """What was found in a disk.

    :ivar digest: of everything that was read, to compare two runs.
    :ivar damaged: the number of paths that could not be read.
    :ivar caught: the errors of readers that only the last resort in `Tree` caught, by type.
    :ivar has_windows: whether Windows was found.
    :ivar problems: what the facts call unreadable or doubtful.
    """

    digest: str
    damaged: int = 0
    caught: tuple[str, ...] = ()
    has_windows: bool = False
    problems: tuple[str, ...] = ()


def _imported(path: str) -> Callable[..., object] | None:
    module, _, name = path.partition(":")
    try:
        found: Callable[..., object] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return None
    return found


READERS = {name: found for name, path in _PATHS.items() if (found := _imported(path))}
"""The readers that exist, and the inspection."""


def __getattr__(name: str) -> Callable[..., Explored]:
    if name not in READERS:
        raise AttributeError(name)
    return lambda disk, *, deep=False: explore(name, disk, deep=deep)


def explore(name: str, disk: ByteSource, *, deep: bool = False) -> Explored:
    """Read a disk with the reader of this name.

    :raises SourceError: if its superblock cannot be used.
    """
    reader = READERS[name]
    with _noted() as caught:
        if name == "inspect":
            return _inspected(reader(disk, deep=deep), caught)
        return _walked(reader(Volume(disk)), caught)


@contextlib.contextmanager
def _noted() -> Iterator[list[str]]:
    """Note the errors that only the last resort in `Tree` catches."""
    original, caught = _tree.reading, list[str]()

    @contextlib.contextmanager
    def reading(path: str) -> Iterator[None]:
        try:
            with original(path):
                yield
        except SourceError as error:
            if error.__cause__ is not None and not isinstance(error.__cause__, SourceError):
                caught.append(_origin(error.__cause__))
            raise

    _tree.reading = reading
    try:
        yield caught
    finally:
        _tree.reading = original


def _origin(error: BaseException) -> str:
    """Return the type of an error, and the line that raised it."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
    return f"{type(error).__name__} at {where}"


def _inspected(facts: object, caught: list[str]) -> Explored:
    values = list(_values(facts))
    return Explored(
        _digest(values),
        caught=tuple(caught),
        has_windows="windows" in values,
        problems=tuple(sorted(set(_problems(facts)))),
    )


def _values(facts: object) -> Iterator[object]:
    """Yield all values in facts, in their order."""
    if dataclasses.is_dataclass(facts):
        for field in dataclasses.fields(facts):
            yield from _values(getattr(facts, field.name))
    elif isinstance(facts, tuple):
        for item in facts:
            yield from _values(item)
    else:
        yield getattr(facts, "value", facts)


def _problems(facts: object) -> Iterator[str]:
    """Yield what facts call unreadable or doubtful."""
    if dataclasses.is_dataclass(facts):
        for field in dataclasses.fields(facts):
            value = getattr(facts, field.name)
            if field.name in ("problem", "notes", "unreadable"):
                yield from (str(text) for text in _values(value) if text)
            else:
                yield from _problems(value)
    elif isinstance(facts, tuple):
        for item in facts:
            yield from _problems(item)


def _walked(files: FileSystem, caught: list[str]) -> Explored:
    found: list[object] = [files.kind, files.size, files.used, files.label, files.uuid, files.notes]
    damaged = 0
    tree, waiting = Tree(files), ["/"]
    for path in waiting:  # grows
        try:
            names, content = _look_at(tree, path)
        except SourceError:
            damaged += 1
            continue
        found.append((path, content))
        waiting += [f"{path.rstrip('/')}/{name}" for name in names][: MAX_PATHS - len(waiting)]
    return Explored(_digest(found), damaged, tuple(caught))


def _look_at(tree: Tree, path: str) -> tuple[tuple[str, ...], object]:
    """Return the names in a directory, and what there is otherwise."""
    if (target := tree.link(path)) is not None:
        return (), (target, tree.status(path))
    status = tree.status(path)
    if status and status.kind is Kind.DIRECTORY:
        return tree.names(path), None
    return (), (status, tree.read(path, _MAX_FILE))


def _digest(values: list[object]) -> str:
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()
