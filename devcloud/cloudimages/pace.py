# SPDX-License-Identifier: Apache-2.0
"""How fast a task moves bytes."""

import time
from collections.abc import Iterable, Iterator

from devcloud.cloudimages.options import OPTIONS

CHUNK = 1 << 20


def pace(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Hand the chunks on, each after the delay that was ordered."""
    for chunk in chunks:
        time.sleep(OPTIONS.step_delay)
        yield chunk
