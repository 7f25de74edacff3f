# SPDX-License-Identifier: Apache-2.0
"""Import a raw disk, compared with qemu-img and python-swiftclient."""

import sys
import tempfile
from pathlib import Path

from benchmarks import cloud
from benchmarks.disks import GIB, sparse_disk
from benchmarks.measure import Command, compare, print_table

_BIN = Path(sys.executable).parent


def main() -> None:
    """Print a table; the two commands of the other programs do not create the import task."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = sparse_disk(folder / "disk.raw", 8 * GIB, GIB)
        with cloud.running(folder / "cloud") as region:
            results = compare(_commands(raw, region), rounds=2, before=region.empty)
        ours, theirs, *parts = results.values()
        title = "Import of a sparse raw disk of 8 GiB with 1 GiB of data, to a real Swift"
        print_table(title, [ours, theirs, *parts], theirs)


def _commands(raw: Path, region: cloud.Region) -> dict[str, Command]:
    vhd = raw.with_suffix(".vhd")
    convert = f"qemu-img convert -O vpc -o subformat=dynamic,force_size=on {raw} {vhd}"
    upload = (
        f"{_BIN / 'swift'} --os-storage-url {region.address} --os-auth-token {region.token} upload"
        f" --quiet --segment-size 134217728 --use-slo --object-name disk.vhd image-imports {vhd}"
    )
    openstack = [_BIN / "openstack", "--os-cloud", cloud.USER, "--os-region-name", region.name]
    return {
        "openstack image task import": [
            *openstack, "image", "task", "import", raw, "--source-format", "raw",
        ],
        "qemu-img convert, then swift upload": ["sh", "-c", f"{convert} && {upload}"],
        "only qemu-img convert": convert.split(),
        "only swift upload": upload.split(),
        "openstack --version": [*openstack, "--version"],
    }  # fmt: skip
