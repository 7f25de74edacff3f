# SPDX-License-Identifier: Apache-2.0
"""What an interrupt says: how far the job is, and how to go on."""

import contextlib
from collections.abc import Iterator

from rackspace_imagetasks.exceptions import Cancelled, TaskTimeout
from rackspace_imagetasks.text import format_size

RESUME_HINT = "What was done is kept; run the same command again to go on."


@contextlib.contextmanager
def resumable(doing: str, go_on: str = RESUME_HINT) -> Iterator[None]:
    """Have an interrupt, or the end of the time to wait, say how far `doing` is and how to go on.

    :param doing: what is done, to complete "Stopped while ...".
    """
    try:
        yield
    except Cancelled as error:
        raise Cancelled(f"Stopped while {doing}{_so_far(error)}. {go_on}") from error
    except TaskTimeout as error:
        raise TaskTimeout(
            f"The time to wait is over while {doing}. Task {error.task_id} goes on in the cloud."
            f" {go_on}",
            task_id=error.task_id,
        ) from error


def _so_far(error: Cancelled) -> str:
    if error.kept is None or error.total is None:
        return ""
    return f", with {format_size(error.kept)} of {format_size(error.total)} in place"


@contextlib.contextmanager
def hinting(hint: str) -> Iterator[None]:
    """Add `hint` to what an interrupt, or the end of the time to wait, says."""
    try:
        yield
    except Cancelled as error:
        raise Cancelled(f"{error} {hint}") from error
    except TaskTimeout as error:
        raise TaskTimeout(f"{error} {hint}", task_id=error.task_id) from error
