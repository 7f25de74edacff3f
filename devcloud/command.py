# SPDX-License-Identifier: Apache-2.0
"""Check the command to run with the cloud."""

import os
import re
import shutil
from pathlib import Path

from devcloud.launcher import CannotStart


def find(program: str) -> None:
    """Check that a program can run, before a cloud is started for it.

    :raises CannotStart: if the program does not exist or the kernel cannot run it.
    """
    path = shutil.which(program)
    if path is None:
        raise CannotStart(f"Command '{program}' not found; nothing was started.")
    if problem := _problem(Path(path)):
        raise CannotStart(f"Cannot run command '{program}': {problem}; nothing was started.")


def _problem(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:  # an unreadable program may still be executable
        return None
    if head.startswith(b"#!"):
        line = head[2:].partition(b"\n")[0].strip(b" \t")
        interpreter = os.fsdecode(re.split(rb"[ \t]", line)[0])
        return (
            None
            if os.access(interpreter, os.X_OK)
            else f"its interpreter '{interpreter}' does not exist"
        )
    # A shell would run a text file as a script; the kernel does not.
    return None if b"\0" in head else "it does not begin with '#!' and an interpreter"
