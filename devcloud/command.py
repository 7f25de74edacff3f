# SPDX-License-Identifier: Apache-2.0
"""The command that runs beside the cloud."""

import os
import re
import shutil
from pathlib import Path

from devcloud.launcher import CannotStart


def find(program: str) -> None:
    """Look for a program before a cloud is started for it.

    :raises CannotStart: when it is not there, or the kernel could not run it.
    """
    path = shutil.which(program)
    if path is None:
        raise CannotStart(f"There is no command '{program}'; nothing was started.")
    if problem := _problem(Path(path)):
        raise CannotStart(f"The command '{program}' cannot run: {problem}; nothing was started.")


def _problem(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:  # what cannot be read may still be run
        return None
    if head.startswith(b"#!"):
        line = head[2:].partition(b"\n")[0].strip(b" \t")
        interpreter = os.fsdecode(re.split(rb"[ \t]", line)[0])
        return None if os.access(interpreter, os.X_OK) else f"there is no '{interpreter}'"
    # A shell would take a text for a script of its own; the kernel does not.
    return None if b"\0" in head else "it does not begin with '#!' and an interpreter"
