# SPDX-License-Identifier: Apache-2.0
"""Standard output and standard error: closed, full, in any encoding, or carrying data."""

import contextlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from osc_lib import exceptions as osc_exceptions

if TYPE_CHECKING:
    from osc_lib.shell import OpenStackShell

LOG = logging.getLogger(__name__)


def prepare(app: "OpenStackShell") -> None:
    """Replace closed streams, and let the result contain text that the locale cannot encode.

    The replacement discards what is written, and takes up the descriptor, so that no file that is
    opened later receives what a library writes to standard error.
    """
    for name in ("stdout", "stderr"):
        if getattr(app, name) is None:
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
            setattr(app, name, stream)
            setattr(sys, name, stream)
    if isinstance(app.stdout, io.TextIOWrapper):
        app.stdout.reconfigure(errors="backslashreplace")


def write_line(stream: TextIO, line: str) -> None:
    """Write a line for the user; if nobody can read it, the work continues nevertheless."""
    with contextlib.suppress(OSError):
        stream.write(f"{line}\n")
        stream.flush()


def reserve_for_data(app: "OpenStackShell") -> None:
    """Keep everything but data off standard output, which the client's --timing would write to.

    :raises CommandError: if standard output is closed or a terminal.
    """
    if app.stdout is None:
        problem = "Standard output is closed; name a file instead of '-'."
        raise osc_exceptions.CommandError(problem)
    if app.stdout.isatty():
        problem = "Standard output is a terminal; redirect it, or name a file instead of '-'."
        raise osc_exceptions.CommandError(problem)
    if app.options.timing:
        app.options.timing = False
        LOG.warning("Ignoring --timing: standard output is used for the disk.")
