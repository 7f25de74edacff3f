# SPDX-License-Identifier: Apache-2.0
"""Standard output and standard error: closed, full, in any encoding, or carrying data."""

import contextlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from osc_lib import exceptions as osc_exceptions

if TYPE_CHECKING:
    from osc_lib.shell import OpenStackShell


def prepare(app: "OpenStackShell") -> None:
    """Replace closed streams, and let the result contain text that the locale cannot encode.

    The replacement discards what is written, and takes up the descriptor, so that no file that is
    opened later receives what a library writes to standard error.
    """
    for name in ("stdout", "stderr"):
        if getattr(app, name) is None:
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
            setattr(app, name, stream)
    if isinstance(app.stdout, io.TextIOWrapper):
        app.stdout.reconfigure(errors="backslashreplace")


def write_line(stream: TextIO, line: str) -> None:
    """Write a line for the user; if nobody can read it, the work continues nevertheless."""
    with contextlib.suppress(OSError):
        stream.write(f"{line}\n")
        stream.flush()


def require_data_stream(app: "OpenStackShell") -> None:
    """Check that standard output can carry data, and will carry nothing else.

    :raises CommandError: if it is closed or a terminal, or --timing would write to it, too.
    """
    if app.stdout is None:
        problem = "Standard output is closed; name a file instead of '-'."
    elif app.stdout.isatty():
        problem = "Standard output is a terminal; redirect it, or name a file instead of '-'."
    elif app.options.timing:
        problem = (
            "--timing writes a table to standard output, which carries the VHD; leave it out, or"
            " name a file instead of '-'."
        )
    else:
        return
    raise osc_exceptions.CommandError(problem)
