# SPDX-License-Identifier: Apache-2.0
"""How bytes are moved, whatever the job."""

import dataclasses

from rackspace_imagetasks.objects.meter import RateLimit


@dataclasses.dataclass(frozen=True)
class TransferOptions:
    """How much at a time, how fast, and what a failed upload leaves.

    :ivar threads: how many segments travel at once.
    :ivar limit_rate: bytes a second, or None; a `RateLimit` is shared by all jobs that have it.
    :ivar cleanup: whether a failed upload deletes the segments that it has sent.
    """

    threads: int = 4
    limit_rate: int | RateLimit | None = None
    cleanup: bool = False


DEFAULT_TRANSFER = TransferOptions()
