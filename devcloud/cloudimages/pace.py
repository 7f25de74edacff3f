# SPDX-License-Identifier: Apache-2.0
"""The speed at which tasks transfer data."""

import time
from collections.abc import Iterable, Iterator

from devcloud.cloudimages.options import OPTIONS

CHUNK = 1 << 20


def pace(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks, each after the configured delay."""
    for chunk in chunks:
        time.sleep(OPTIONS.step_delay)
        yield chunk
