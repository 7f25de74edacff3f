# SPDX-License-Identifier: Apache-2.0
import json
import uuid
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Replace a file at once: a reader sees all of the old one or of the new."""
    new = path.with_suffix(f".new-{uuid.uuid4().hex}")
    new.write_text(json.dumps(content, indent=1))
    new.rename(path)
