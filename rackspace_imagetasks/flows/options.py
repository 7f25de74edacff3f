# SPDX-License-Identifier: Apache-2.0
"""How bytes are moved, whatever the job."""

import dataclasses

from rackspace_imagetasks.objects.meter import RateLimit


@dataclasses.dataclass(frozen=True)
class TransferOptions:
    """Parallel requests, bytes per second (None: no limit), and what a failed upload leaves.

    A `RateLimit` is shared by all jobs that are given these options.
    """

    threads: int = 4
    limit_rate: int | RateLimit | None = None
    cleanup: bool = False


DEFAULT_TRANSFER = TransferOptions()
