# SPDX-License-Identifier: Apache-2.0
"""The names that this tool gives to what it stages, and tells from a user's own. Pure."""

import hashlib
import re
from pathlib import PurePath

from rackspace_imagetasks.bytesource import ByteSource

CONTAINER_PREFIX = "image-transfers-"
"""What the names of all containers that transfers use begin with."""


def staged_name(source: ByteSource, name: str) -> str:
    """Name the staged object of an upload: the same content, the same name, so a resume finds it.

    Safe in any URL: letters, digits, `.`, `_` and `-`.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(name).stem).strip(".-")[:80] or "disk"
    key = f"{source.size}\0{source.identity}\0{name}"
    return f"{stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.vhd"


def is_staged_name(name: str) -> bool:
    """Tell what `staged_name` gives from the names of a user's own objects."""
    return re.fullmatch(r"[A-Za-z0-9._-]{1,80}-[0-9a-f]{16}\.vhd", name) is not None


def is_transferred_name(name: str) -> bool:
    """Tell the object of a transfer, an export's, from what a user has put into its container."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.vhd", name) is not None
