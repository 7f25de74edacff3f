# SPDX-License-Identifier: Apache-2.0
"""Copy 2 GiB from the Swift of one region to that of another, compared with rclone."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import cloud
from benchmarks.disks import GIB, random_file
from benchmarks.measure import Command, compare, print_table
from benchmarks.upload import rclone_settings

_ENGINE = [sys.executable, "-m", "benchmarks.engine"]


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = random_file(folder / "disk", 2 * GIB)
        with cloud.running(folder / "cloud") as here:
            there = cloud.Region(cloud.REGIONS[1])
            upload = [*_ENGINE, "upload", here.address, "c/disk", file, "--token", here.token]
            subprocess.run(upload, check=True)
            file.unlink()
            results = compare(_commands(here, there), rounds=3, before=there.empty)
        ours = results["rackspace-imagetasks, 4 threads"]
        print_table("Copy of 2 GiB between two regions", [*results.values()], ours)


def _commands(here: cloud.Region, there: cloud.Region) -> dict[str, Command]:
    copy = [*_ENGINE, "copy", here.address, "c/disk", there.address, "--token", here.token]
    found: dict[str, Command] = {
        f"rackspace-imagetasks, {threads} threads": [*copy, "--threads", str(threads)]
        for threads in (4, 8)
    }
    if shutil.which("rclone"):
        remotes = [rclone_settings(region.name, region.address, region.token)
                   for region in (here, there)]  # fmt: skip
        found["rclone copyto"] = [
            *remotes[0], *remotes[1], "rclone", "copyto",
            f"{here.name}:c/disk", f"{there.name}:c/disk",
        ]  # fmt: skip
    return found
