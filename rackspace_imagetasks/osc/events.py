# SPDX-License-Identifier: Apache-2.0
"""The option `--events`: the events of jobs as JSON lines in a file."""

import argparse
import contextlib
import fcntl
import os
import threading
import typing

from rackspace_imagetasks.i18n import _

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.events import Event

_FIRST_DESCRIPTOR = 2  # standard output carries the result


class EventFile:
    """A file or another open descriptor to which events are written.

    A line is written by one call where the system allows it, so that several processes can append
    to the same file.

    :param descriptor: is closed by `close()`, after which events are ignored: a thread that an
        interrupt has abandoned must not write to a file that gets the same number.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._lock = threading.Lock()

    def write(self, event: "Event") -> None:
        """Append an event.

        :raises OSError: if it cannot be written.
        """
        import json

        line = memoryview((json.dumps(_without_secrets(event.as_dict())) + "\n").encode())
        with self._lock:
            while line and self._descriptor is not None:
                line = line[os.write(self._descriptor, line) :]

    def close(self) -> None:
        """Close the file."""
        with self._lock, contextlib.suppress(OSError):
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)


def add_events_option(parser: argparse.ArgumentParser) -> None:
    """Add --events."""
    parser.add_argument(
        "--events",
        metavar="<file>",
        type=event_file,
        help=_(
            "File to append events to, as JSON lines, or the number of an open file descriptor,"
            " 2 or higher (default: none)"
        ),
    )


def event_file(text: str) -> EventFile:
    """Open the file or the descriptor that a text names, for argparse."""
    try:
        return EventFile(_descriptor(int(text)) if _is_number(text) else _opened(text))
    except (OSError, OverflowError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        what = _("file descriptor %s") if _is_number(text) else _("file '%s'")
        problem = _("cannot write events to %(what)s: %(reason)s")
        raise argparse.ArgumentTypeError(
            problem % {"what": what % text, "reason": reason}
        ) from error


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


def _descriptor(number: int) -> int:
    """Return a duplicate of a descriptor that can be written to."""
    if number < _FIRST_DESCRIPTOR:
        raise ValueError(_("the number must be 2 or higher"))
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise ValueError(_("it is open for reading only"))
    return os.dup(number)


def _without_secrets(fields: dict[str, object]) -> dict[str, object]:
    """Mask the secrets of this process, which messages of a service may quote."""
    from rackspace_imagetasks.osc.secrets import without_secrets

    return {
        name: without_secrets(value) if isinstance(value, str) else value
        for name, value in fields.items()
    }
