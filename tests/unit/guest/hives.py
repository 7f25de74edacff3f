# SPDX-License-Identifier: Apache-2.0
"""Hives of the Windows registry, which hivexsh fills."""

import struct
from functools import reduce
from operator import xor

from tests.unit.formats.vhd.oracles import require, run

_NONE = 0xFFFFFFFF
_KEY_SIZE = 88  # of the cell of the root key
CURRENT_VERSION = r"Microsoft\Windows NT\CurrentVersion"
SERVER_2022 = {
    "ProductName": "string:Windows Server 2022 Standard",
    "InstallationType": "string:Server",
    "CurrentVersion": "string:6.3",
    "CurrentMajorVersionNumber": "dword:10",
    "CurrentMinorVersionNumber": "dword:0",
    "CurrentBuild": "string:20348",
    "UBR": "dword:2113",
    "BuildLabEx": "string:20348.859.amd64fre.fe_release_svc_prod2.220707-1832",
}
SYSTEM = {
    "Select": {"Current": "dword:2", "Default": "dword:1"},
    "ControlSet001\\Services\\vioscsi": {"Start": "dword:0"},
    "ControlSet002\\Services\\vioscsi": {"Start": "dword:4"},
    "ControlSet002\\Services\\viostor": {"Start": "dword:0", "Type": "dword:1"},
    "ControlSet002\\Services\\xennet": {"Start": "dword:0"},
    "ControlSet002\\Services\\netkvm": {"Start": "dword:3"},
}


def empty():
    """Return a hive that has a root key alone."""
    name, descriptor = b"ROOT", struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    security_at = 32 + _KEY_SIZE
    numbers = (0, 0, 0, 0, _NONE, _NONE, 0, _NONE, security_at, _NONE)
    key = struct.pack("<2sHQ10I", b"nk", 0x2C, 0, *numbers)
    key += struct.pack("<5I2H", 0, 0, 0, 0, 0, len(name), 0) + name
    links = (security_at, security_at, 1, len(descriptor))
    security = struct.pack("<2sH4I", b"sk", 0, *links) + descriptor
    cells = b"".join(
        struct.pack("<i", -size) + cell.ljust(size - 4, b"\0")
        for cell, size in ((key, _KEY_SIZE), (security, 48))
    )
    bins = struct.pack("<4sII20x", b"hbin", 0, 4096) + cells
    bins += struct.pack("<i", 4096 - len(bins))
    header = struct.pack("<4sIIQIIIIII", b"regf", 1, 1, 0, 1, 5, 0, 1, 32, 4096).ljust(508, b"\0")
    checksum = reduce(xor, struct.unpack("<127I", header))
    return (header + struct.pack("<I", checksum)).ljust(4096, b"\0") + bins.ljust(4096, b"\0")


def make(path, keys):
    """Write a hive with values by key; each value is a type and a text, as hivexsh wants it."""
    require("hivexsh")
    path.write_bytes(empty())
    lines, known = [], set()
    for key, values in keys.items():
        lines.append("cd \\")
        parts = key.split("\\")
        for depth, name in enumerate(parts, 1):
            if tuple(parts[:depth]) not in known:
                known.add(tuple(parts[:depth]))
                lines.append(f"add {name}")
            lines.append(f"cd {name}")
        lines.append(f"setval {len(values)}")
        lines += [line for pair in values.items() for line in pair]
    run("hivexsh", "-w", path, stdin="\n".join([*lines, "commit", ""]))
    return path
