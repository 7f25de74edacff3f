# SPDX-License-Identifier: Apache-2.0
import json
import uuid
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Replace a file atomically: a reader sees the old or the new content."""
    new = path.with_suffix(f".new-{uuid.uuid4().hex}")
    new.write_text(json.dumps(content, indent=1))
    new.rename(path)
