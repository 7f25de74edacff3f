# SPDX-License-Identifier: Apache-2.0
"""Fill an NTFS file system, mounted by ntfs-3g, with what is seldom in one.

truncate -s 12M features.ntfs
mkntfs -Q -F -C -L System -c 1024 features.ntfs
ntfs-3g features.ntfs mounted -o compression
python3 fill_ntfs.py mounted
umount mounted
"""

import os
import random
import struct
import sys
from pathlib import Path

ROOT = Path(sys.argv[1])
NAMES = (
    "grün.txt",
    "ÀÉ.txt",
    "日本.txt",
    "\U0001f600.txt",
    "Z~1",
    "_x",
    "[y]",
    "`b",
    "\u017f.txt",
    "\u0131.txt",
)
LINES = b"".join(b"line %d of a text\n" % number for number in range(9000))
NOISE = random.Random(1)


def write(path, content):
    path.write_bytes(content)
    return path


def reparse(path, tag, data):
    os.setxattr(path, "system.ntfs_reparse_data", struct.pack("<IHH", tag, len(data), 0) + data)


def link(target, *flags):
    stored = target.encode("utf-16-le")
    sizes = (0, len(stored), len(stored), len(stored))
    return struct.pack(f"<HHHH{len(flags)}I", *sizes, *flags) + stored * 2


def fill():
    """Write small files until the volume is nearly full."""
    state = os.statvfs(ROOT)
    count = state.f_bavail * state.f_frsize // 5120 - 60
    return [write(ROOT / f"fill{number}", bytes(4096)) for number in range(count)]


def names():
    (ROOT / "names").mkdir()
    for number in range(300):
        write(ROOT / "names" / f"File {number:04} with a long name.dll", b"%d" % number)
    for name in NAMES:
        write(ROOT / "names" / name, name.encode())


def compressed():
    folder = ROOT / "compressed"
    folder.mkdir()
    os.setxattr(folder, "system.ntfs_attrib_be", struct.pack(">I", 0x810))
    write(folder / "text", LINES)
    write(folder / "noise", NOISE.randbytes(17000))
    mixed = NOISE.randbytes(17000) + bytes(200_000) + LINES[:100_000] + b"\xaa" * 66_000
    write(folder / "mixed", mixed)


def fragmented():
    paths = fill()
    for path in paths[::2]:
        path.unlink()
    with (ROOT / "fragmented").open("wb") as file:
        for number in range(len(paths) * 2):
            file.write(b"%08d" % number + bytes(1016))
    for path in paths[1::2]:
        path.unlink()


def sparse():
    with (ROOT / "sparse").open("wb") as file:
        file.seek(5 << 20)
        file.write(b"end")
        file.seek(1 << 20)
        file.write(b"middle")


def links():
    for name in ("absolute", "junction"):
        (ROOT / name).mkdir()
    reparse(ROOT / "absolute", 0xA000000C, link("\\??\\C:\\names", 0))
    reparse(ROOT / "junction", 0xA0000003, link("\\??\\C:\\names"))
    reparse(write(ROOT / "relative", b""), 0xA000000C, link("names\\grün.txt", 1))
    reparse(write(ROOT / "compact", b""), 0x80000017, struct.pack("<IIII", 1, 2, 1, 0))


names()
compressed()
fragmented()
sparse()
links()
