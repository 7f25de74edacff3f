# SPDX-License-Identifier: Apache-2.0
"""The helper process: calls one function with the disk, which it reads through its parent.

It starts without credentials, environment and descriptors except for its socket. It imports what
it needs, gives up what it does not need, and only then reads the first byte.
"""

import codecs
import importlib
import os
from collections.abc import Callable
from typing import NoReturn

from rackspace_imagetasks.exceptions import ImageTasksError
from rackspace_imagetasks.guest.fence import _confinement, _records
from rackspace_imagetasks.guest.fence._pages import PagedSource
from rackspace_imagetasks.guest.fence._protocol import (
    HEADER,
    Failure,
    Job,
    Kind,
    Ready,
    memory_spent,
)

# Python imports the modules of encodings when they are first used.
_ENCODINGS = (
    "ascii", "cp437", "cp1252", "latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be",
)  # fmt: skip


class Parent:
    """The parent, at the other end of the socket."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fetch(self, offset: int, length: int) -> bytes:
        """Return bytes of the disk."""
        self._write(HEADER.pack(Kind.READ, offset, length))
        pieces = []
        while length > 0:
            piece = os.read(self._descriptor, length)
            if not piece:
                os._exit(1)  # the parent is gone
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def send(self, kind: Kind, content: object) -> None:
        """Send a message with a dataclass."""
        encoded = _records.encode(content)
        self._write(HEADER.pack(kind, 0, len(encoded)) + encoded)

    def _write(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._descriptor, content) :]


def main(descriptor: str, job: str) -> NoReturn:
    """Do a job; does not return, because no code may run after it that needs more rights."""
    parent = Parent(int(descriptor))
    _run(parent, _records.decode(Job, job.encode()))
    os._exit(0)


def _run(parent: Parent, job: Job) -> None:
    function = _imported(job.function)
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
    parent.send(Kind.READY, Ready(_confinement.confine(job.limits)))
    disk = PagedSource(job.size, parent.fetch, job.limits)
    try:
        parent.send(Kind.RESULT, function(disk, deep=job.deep))
    except MemoryError:
        parent.send(Kind.FAILURE, Failure(memory_spent(job.limits)))
    except ImageTasksError as error:
        parent.send(Kind.FAILURE, Failure(error.text))
    except Exception as error:  # noqa: BLE001 - a mistake in a reader must not end the command
        parent.send(Kind.FAILURE, Failure(f"a {type(error).__name__} occurred: {error}"))


def _imported(function: str) -> Callable[..., object]:
    module, _, name = function.partition(":")
    found: Callable[..., object] = getattr(importlib.import_module(module), name)
    return found
