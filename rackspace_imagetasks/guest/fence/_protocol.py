# SPDX-License-Identifier: Apache-2.0
"""What the helper process and its parent send to each other over a pair of sockets.

The helper sends messages: a header, and `length` bytes of content unless it is a read. The parent
sends nothing but the bytes of each read, or ends the helper.
"""

import dataclasses
import enum
import struct

from rackspace_imagetasks.units import MIB

HEADER = struct.Struct(">BQI")  # kind, offset, length
MAX_READ = MIB
"""The most bytes of one read."""


class Kind(enum.IntEnum):
    """What a message of the helper is."""

    READY = 1
    """The protections that hold; nothing of the disk has been read yet."""
    READ = 2
    RESULT = 3
    FAILURE = 4
    """Why there is no result."""


class Protection(enum.StrEnum):
    """What restricts the helper in addition to its limits, which always hold."""

    NO_NEW_PRIVILEGES = "no new privileges"
    NAMESPACES = "namespaces"
    LANDLOCK = "Landlock"
    SECCOMP = "seccomp"


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the helper may use at most.

    :ivar memory: address space in bytes.
    :ivar cpu_seconds: processor time.
    :ivar seconds: how long the parent waits for the helper in all; reading the disk, which can
        mean waiting for a network, does not count.
    :ivar reads: reads of the disk.
    :ivar read_bytes: bytes of the disk.
    :ivar result_bytes: the length of the result.
    """

    memory: int = 192 * MIB
    cpu_seconds: int = 20
    seconds: float = 60.0
    reads: int = 10_000
    read_bytes: int = 256 * MIB
    result_bytes: int = 4 * MIB


@dataclasses.dataclass(frozen=True)
class Job:
    """What the helper does.

    :ivar function: called with the disk and `deep`, as `module:name`; returns a dataclass.
    :ivar size: of the disk in bytes.
    """

    function: str
    size: int
    deep: bool
    limits: Limits


@dataclasses.dataclass(frozen=True)
class Ready:
    """The content of a message of this kind."""

    protections: tuple[Protection, ...]


@dataclasses.dataclass(frozen=True)
class Failure:
    """The content of a message of this kind.

    :ivar reason: a clause that completes "it could not be inspected: ...".
    """

    reason: str


def budget_spent(limits: Limits) -> str:
    """Return the reason of a failure because the disk was read too often, or too much of it."""
    return (
        f"finding its contents takes more than {limits.reads} reads or"
        f" {limits.read_bytes // MIB} MiB"
    )


def memory_spent(limits: Limits) -> str:
    """Return the reason of a failure because memory was not sufficient."""
    return f"finding its contents takes more than {limits.memory // MIB} MiB of memory"
