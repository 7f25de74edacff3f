# SPDX-License-Identifier: Apache-2.0
"""Files for the measurements, and their MD5s."""

import hashlib
import os
import sys
from pathlib import Path

MIB, GIB = 1 << 20, 1 << 30
_PIECE = MIB


def random_file(path: Path, size: int) -> Path:
    """Write random bytes, which no program can compress or skip."""
    with path.open("wb") as file:
        for offset in range(0, size, _PIECE):
            file.write(os.urandom(min(_PIECE, size - offset)))
    return path


def sparse_disk(path: Path, size: int, data: int, parts: int = 64) -> Path:
    """Write random data in equal parts that are spread over a disk of zeros."""
    with path.open("wb") as file:
        file.truncate(size)
        for part in range(parts):
            file.seek(part * (size // parts))
            file.write(os.urandom(data // parts))
    return path


def md5_of(path: Path, offset: int, length: int) -> str:
    """Return the MD5 of a range of a file, in hexadecimal."""
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        file.seek(offset)
        while length > 0 and (piece := file.read(min(_PIECE, length))):
            md5.update(piece)
            length -= len(piece)
    return md5.hexdigest()


if __name__ == "__main__":
    print(md5_of(Path(sys.argv[1]), 0, Path(sys.argv[1]).stat().st_size))
