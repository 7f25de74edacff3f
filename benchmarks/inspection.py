# SPDX-License-Identifier: Apache-2.0
"""Inspect a disk of 40 GiB: time, reads and memory, from a file and from a VHD in an object."""

import subprocess
import tempfile
from pathlib import Path

from benchmarks.disks import GIB, MIB
from benchmarks.fuzz.disks import write_system
from benchmarks.measure import compare, print_table, python
from rackspace_imagetasks.bytesource import ByteSource, FileSource
from rackspace_imagetasks.formats.vhd import VhdFile, VirtualVhd, open_disk
from rackspace_imagetasks.guest.facts import DiskFacts
from rackspace_imagetasks.guest.fence import run_fenced
from tests.unit.guest.mutation import Recorder

_IMPORTS = """
import resource, sys
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.guest.facts import DiskFacts
from rackspace_imagetasks.guest.fence import run_fenced
"""
_INSPECT = (
    _IMPORTS
    + """
with FileSource(sys.argv[1]) as disk:
    facts = run_fenced(disk, "rackspace_imagetasks.guest.inspection:inspect", DiskFacts).value
if not facts.systems:
    sys.exit("no system was found")
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
)
_FILES = 20_000
_FIRST_PARTITION = MIB


def main() -> None:
    """Print the time, and what was read."""
    with tempfile.TemporaryDirectory() as folder:
        disk = _disk(Path(folder))
        command = python(_INSPECT, disk)
        results = compare({"inspect": command, "imports": python(_IMPORTS)})
        print_table("Inspection of a raw disk of 40 GiB", [*results.values()])
        seconds = results["inspect"].wall - results["imports"].wall
        peak = int(subprocess.run(command, check=True, capture_output=True).stdout) / 1024
        print(f"\nWithout the imports: {seconds:.2f} s. Peak memory of the helper: {peak:.0f} MiB.")
        with FileSource(disk) as raw:
            stored = Recorder(raw)
            _print_reads("the raw disk", stored, stored)
            stored = Recorder(VirtualVhd(raw))
            _print_reads("a VHD of it in an object", stored, open_disk(VhdFile(stored)))


def _print_reads(title: str, stored: Recorder, disk: ByteSource) -> None:
    """Print what an inspection reads of a file or an object, each read of which is a request."""
    run_fenced(disk, "rackspace_imagetasks.guest.inspection:inspect", DiskFacts)
    print(f"Reads of {title}: {len(stored.reads)}, {stored.read_bytes / MIB:.1f} MiB.")


def _disk(folder: Path) -> Path:
    """Make a disk with a partition table and a system with many files."""
    root = folder / "root"
    write_system(root)
    for number in range(_FILES):
        path = root / "usr" / f"share{number % 200}" / f"file{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"content\n" * 1000)
    disk = folder / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(40 * GIB)
    options = ("-q", "-F", "-t", "ext4", "-d", root, "-E", f"offset={_FIRST_PARTITION}")
    size = (40 * GIB - 2 * _FIRST_PARTITION) // 1024
    subprocess.run(["mke2fs", *options, disk, f"{size}k"], check=True)
    table = b"label: dos\nstart=2048, type=83, bootable\n"
    subprocess.run(["sfdisk", "-q", disk], input=table, check=True)
    return disk
