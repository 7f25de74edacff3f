# SPDX-License-Identifier: Apache-2.0
"""Whether the quotas of the account and of its containers allow an upload, before it begins.

The service enforces quotas itself (https://docs.openstack.org/swift/latest/middleware.html), but
only when a segment is too much: an hour into an upload. Its numbers may be some seconds old, so
what passes here can still be refused there.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from rackspace_imagetasks.messages import Hint, Message
from rackspace_imagetasks.objects._records import Usage
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.segments import Segment, segments_container
from rackspace_imagetasks.objects.store import ObjectStore
from rackspace_imagetasks.text import format_size, format_sizes

Usages = Mapping[str, Usage | None]
"""What containers hold; None for one that does not exist."""
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
    found: list[Message] = []
    for need in needs:
        subject = f"Container '{need.container}' in region '{region}'"
        found += _exceeded(subject, _usage(store, need.container, known), need)
    whole = Need("", sum(need.objects for need in needs), sum(need.size for need in needs))
    found += _exceeded(f"The account in region '{region}'", store.account_usage(), whole)
    return found


def find_exhausted(
    store: ObjectStore, containers: Iterable[str], region: str, known: Usages = NOTHING_KNOWN
) -> list[Message]:
    """Return a message for each quota that allows nothing more, for a size that is not known.

    :param known: what the caller has read already; the service is asked for the rest.
    """
    usages = {
        f"Container '{name}' in region '{region}'": _usage(store, name, known)
        for name in containers
    }
    usages[f"The account in region '{region}'"] = store.account_usage()
    return [
        Message(f"{subject} {text}: nothing more can be written to it.", Hint.RAISE_QUOTA)
        for subject, usage in usages.items()
        for text, left in (_size_left(usage), _objects_left(usage))
        if left <= 0
    ]


def _usage(store: ObjectStore, container: str, known: Usages) -> Usage:
    """Return what a container holds and its quotas; nothing if it does not exist."""
    found = known[container] if container in known else store.container_usage(container)
    return found or Usage()


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
