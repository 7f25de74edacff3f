# SPDX-License-Identifier: Apache-2.0
"""Fill an NTFS file system, mounted by ntfs-3g, with the files that identify Windows.

truncate -s 8M windows.ntfs
mkntfs -Q -F -L Windows windows.ntfs
ntfs-3g windows.ntfs mounted
python3 tests/data/disks/fill_windows.py mounted
umount mounted
"""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.unit.guest import hives

ROOT = Path(sys.argv[1])
SYSTEM = ROOT / "Windows" / "System32"
DRIVERS = ("acpi", "disk", "netkvm", "ntfs", "vioscsi", "viostor", "xenbus", "xenvbd")


def write(path, content=b"MZ"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


program = (
    struct.pack("<2s58xI", b"MZ", 128).ljust(128, b"\0") + b"PE\0\0" + struct.pack("<H", 0x8664)
)
write(SYSTEM / "ntoskrnl.exe", program.ljust(8192, b"\0"))
for name in DRIVERS:
    write(SYSTEM / "drivers" / f"{name}.sys")
for number in range(200):
    write(SYSTEM / f"library{number}.dll")
write(SYSTEM / "config" / "SOFTWARE", b"")
products = {f"Microsoft\\Product {number}": {} for number in range(60)}
hives.make(
    SYSTEM / "config" / "SOFTWARE",
    {"Classes": {}, **products, hives.CURRENT_VERSION: hives.SERVER_2022},
)
hives.make(SYSTEM / "config" / "SYSTEM", hives.SYSTEM)
write(ROOT / "bootmgr")
write(ROOT / "Boot" / "BCD", b"regf")
write(ROOT / "hiberfil.sys", b"HIBR".ljust(4096, b"\0"))
write(ROOT / "Program Files" / "Cloudbase Solutions" / "Cloudbase-Init" / "Python" / "python.exe")
write(ROOT / "Program Files" / "qemu-ga" / "qemu-ga.exe")
