# SPDX-License-Identifier: Apache-2.0
"""Whether the quotas of the account and of its containers allow an upload, before it begins.

The service enforces quotas itself (https://docs.openstack.org/swift/latest/middleware.html), but
only when a segment is too much: an hour into an upload. Its numbers may be some seconds old, so
what passes here can still be refused there.
"""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects._records import Usage
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import Segment, segments_container
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.text import format_size, format_sizes
from rackspace_imagetasks.threads import in_background

Usages = Mapping[str, Usage | None]
"""What containers and the account hold; None for a container that does not exist."""
ACCOUNT = ""  # among the names of containers
NOTHING_KNOWN: Usages = MappingProxyType({})

_MARKER = 1  # the object that shows other processes that the target is in use


class Need(NamedTuple):
    """How many objects and bytes are to be added to a container."""

    container: str
    objects: int
    size: int


def needs_of_object(target: ObjectName, size: int, present_size: int | None) -> list[Need]:
    """Return what one PUT of an object needs; nothing if an object of this size exists."""
    if present_size == size:
        return []
    return [Need(target.container, 1 + _MARKER, size)]


def needs_of_segments(
    store: ObjectStore, target: ObjectName, segments: list[Segment]
) -> list[Need]:
    """Return what a segmented object needs besides the segments that an earlier run has written."""
    container = segments_container(target.container)
    prefix = segments[0].name.rpartition("/")[0] + "/"
    listed = store.list_objects(container, prefix, absent_is_empty=True)
    present = {entry.name: entry.bytes for entry in listed}
    missing = [each.length for each in segments if present.get(each.name) != each.length]
    return [
        Need(target.container, 1 + _MARKER, 0),
        Need(container, len(missing), sum(missing)),
    ]


def find_exceeded(
    store: ObjectStore, needs: Iterable[Need], region: str, known: Usages = NOTHING_KNOWN
) -> list[Message]:
    """Return a message for each quota that does not allow what is needed.

    :param known: what the caller has read already; the service is asked for the rest.
    """
    needs = [need for need in needs if need.objects]
    if not needs:
        return []
    objects, size = sum(need.objects for need in needs), sum(need.size for need in needs)
    needs.append(Need(ACCOUNT, objects, size))
    usages = _usages(store, [need.container for need in needs], known)
    return [
        message
        for need in needs
        for message in _exceeded(_subject(need.container, region), usages[need.container], need)
    ]


def find_exhausted(
    store: ObjectStore, containers: Iterable[str], region: str, known: Usages = NOTHING_KNOWN
) -> list[Message]:
    """Return a message for each quota that allows nothing more, for a size that is not known.

    :param known: what the caller has read already; the service is asked for the rest.
    """
    usages = _usages(store, [*containers, ACCOUNT], known)
    return [
        Message(
            f"{_subject(name, region)} {text}: nothing more can be written to it.",
            Hint.RAISE_QUOTA,
        )
        for name, usage in usages.items()
        for text, left in (_size_left(usage), _objects_left(usage))
        if left <= 0
    ]


def _usages(store: ObjectStore, names: Sequence[str], known: Usages) -> dict[str, Usage]:
    """Return what containers and the account hold, and their quotas.

    A container that does not exist holds nothing, and has no quotas.
    """
    lookups = {
        name: in_background(functools.partial(_usage, store, name))
        for name in names
        if name not in known
    }
    return {
        name: (lookups[name]() if name in lookups else known[name]) or Usage() for name in names
    }


def _usage(store: ObjectStore, name: str) -> Usage | None:
    return store.account_usage() if name == ACCOUNT else store.container_usage(name)


def _subject(name: str, region: str) -> str:
    if name == ACCOUNT:
        return f"The account in region '{region}'"
    return f"Container '{name}' in region '{region}'"


def _exceeded(subject: str, usage: Usage, need: Need) -> Iterator[Message]:
    text, left = _size_left(usage)
    if need.size > left:
        needed_text, left_text = format_sizes(need.size, max(int(left), 0))
        room = f"there is room for {left_text}, but {needed_text} are needed"
        yield Message(f"{subject} {text}: {room}.", Hint.RAISE_QUOTA)
    text, left = _objects_left(usage)
    if need.objects > left:
        room = f"there is no room for {need.objects} more"
        yield Message(f"{subject} {text}: {room}.", Hint.RAISE_QUOTA)


def _size_left(usage: Usage) -> tuple[str, float]:
    """Return the quota of bytes in words, and how many are left."""
    if usage.max_size is None:
        return "", math.inf
    text = f"has a quota of {format_size(usage.max_size)} and holds {format_size(usage.size)}"
    return text, usage.max_size - usage.size


def _objects_left(usage: Usage) -> tuple[str, float]:
    """Return the quota of objects in words, and how many are left."""
    if usage.max_objects is None:
        return "", math.inf
    objects = "object" if usage.max_objects == 1 else "objects"
    text = f"has a quota of {usage.max_objects} {objects} and holds {usage.objects}"
    return text, usage.max_objects - usage.objects
