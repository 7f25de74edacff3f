# SPDX-License-Identifier: Apache-2.0
"""Write, read and validate VHDs, compared with qemu-img and the start-up of Python."""

import shutil
import tempfile
from pathlib import Path
from uuid import UUID

from benchmarks.disks import GIB, sparse_disk
from benchmarks.measure import Result, compare, print_table, python

_NOTHING = "pass"
_CONVERT = """
import sys
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.formats.vhd import VirtualVhd
from rackspace_imagetasks.formats.writer import write_file
write_file(VirtualVhd(FileSource(sys.argv[1])), sys.argv[2])
"""
_VIEW = """
import sys
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.formats.vhd import VirtualVhd
vhd, piece = VirtualVhd(FileSource(sys.argv[1])), 256 << 10
for offset in range(0, vhd.size, piece):
    vhd.read_at(offset, min(piece, vhd.size - offset))
"""
_OPEN = """
import sys
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.formats.vhd import VirtualVhd
VirtualVhd(FileSource(sys.argv[1]))
"""
_VALIDATE = """
import sys
from rackspace_imagetasks.bytesource import FileSource
from rackspace_imagetasks.formats.vhd import check
report = check(FileSource(sys.argv[1]))
sys.exit(bool(report.findings) or report.facts.blocks_allocated != 20480)
"""


def main() -> None:
    """Print one table each for conversion, reading and validation."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = sparse_disk(folder / "disk.raw", 8 * GIB, GIB)
        _convert(raw, folder / "disk.vhd")
        _view(raw)
        _validate(_full_vhd(folder / "full.vhd"))


def _convert(raw: Path, vhd: Path) -> None:
    commands = {"convert": python(_CONVERT, raw, vhd), "python": python(_NOTHING)}
    if shutil.which("qemu-img"):
        options = "subformat=dynamic,force_size=on"
        convert = ["qemu-img", "convert", "-O", "vpc", "-o", options, str(raw), str(vhd)]
        commands["qemu-img convert"] = convert
    results = compare(commands, before=lambda: vhd.unlink(missing_ok=True))
    against = results.get("qemu-img convert")
    print_table(
        "Conversion of a sparse raw disk of 8 GiB with 1 GiB of data to a VHD",
        [*results.values()],
        against,
    )
    vhd.unlink(missing_ok=True)


def _view(raw: Path) -> None:
    results = compare({"open and read": python(_VIEW, raw), "only open": python(_OPEN, raw)})
    print_table("Reading the VHD of that disk, 256 KiB at a time", [*results.values()])
    seconds = results["open and read"].wall - results["only open"].wall
    print(f"\nReading only: {GIB / 1e9 / seconds:.1f} GB/s.")


def _validate(vhd: Path) -> None:
    results = compare({"validate": python(_VALIDATE, vhd), "python": python(_NOTHING)})
    print_table("Validation of a 40 GiB VHD with all 20,480 blocks", [*results.values()])
    _without_python(results)


def _without_python(results: dict[str, Result]) -> None:
    seconds = results["validate"].wall - results["python"].wall
    print(f"\nWithout the start-up of Python: {seconds * 1000:.0f} ms.")


class _FullDisk:
    """A disk of 40 GiB with data everywhere, which is generated when it is read."""

    size = 40 * GIB
    name = identity = "full"

    def read_at(self, _offset: int, length: int) -> bytes:
        return b"x" * length

    def data_extents(self) -> list[tuple[int, int]]:
        return [(0, self.size)]


def _full_vhd(path: Path) -> Path:
    """Write the metadata of a full VHD, with holes for its blocks."""
    from rackspace_imagetasks.formats.vhd import VirtualVhd  # noqa: PLC0415

    layout = VirtualVhd(_FullDisk(), uuid=UUID(int=1)).layout
    with path.open("wb") as file:
        file.write(layout.head)
        file.seek(layout.footer_at)
        file.write(layout.footer)
    return path
