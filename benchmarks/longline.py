# SPDX-License-Identifier: Apache-2.0
"""Upload and download 2 GiB over a long line, compared with other programs and their defaults.

On loopback, where 4 connections are right, the number that adapts must not be slower.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import line, sink
from benchmarks.disks import GIB, random_file
from benchmarks.measure import Command, compare, print_table
from benchmarks.upload import BIN, SEGMENT, rclone_settings

OURS = "rackspace-imagetasks"
ROUND_TRIP = 0.15  # seconds
RATE = 25e6  # bytes per second of each connection


def main() -> None:
    """Print a table for each direction and line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = random_file(folder / "disk", 2 * GIB)
        target = folder / "target"
        with (
            sink.running(sink.Facts.of(file, SEGMENT), folder) as near,
            line.running(near, delay=ROUND_TRIP, rate=RATE) as far,
        ):
            uploads = compare(_uploads(far, file), rounds=1)
            downloads = compare(_downloads(far, target), rounds=1, before=lambda: _empty(target))
            near_uploads = compare(_ours(_uploads(near, file)), rounds=5)
            near_downloads = compare(
                _ours(_downloads(near, target)), rounds=5, before=lambda: _empty(target)
            )
    long = "round trip 150 ms, 25 MB/s for each connection"
    for title, results in (
        (f"Upload of 2 GiB, {long}", uploads),
        (f"Download of 2 GiB, {long}", downloads),
        ("Upload of 2 GiB, loopback", near_uploads),
        ("Download of 2 GiB, loopback", near_downloads),
    ):
        print_table(title, [*results.values()], results[OURS])


def _ours(commands: dict[str, Command]) -> dict[str, Command]:
    return {name: command for name, command in commands.items() if name.startswith(OURS)}


def _uploads(address: str, file: Path) -> dict[str, Command]:
    engine = [sys.executable, "-m", "benchmarks.engine", "upload", address, "ours/disk", file]
    found: dict[str, Command] = {
        OURS: engine,
        "rackspace-imagetasks, 4 threads": [*engine, "--threads", "4"],
        "python-swiftclient": [
            BIN / "swift", "--os-storage-url", address, "--os-auth-token", "any", "upload",
            "--quiet", "--segment-size", str(SEGMENT), "--use-slo", "--object-name", "disk",
            "swiftclient", file,
        ],
    }  # fmt: skip
    if shutil.which("rclone"):
        found["rclone"] = [
            *rclone_settings("sink", address, "any"), "rclone", "copyto", file, "sink:rclone/disk",
        ]  # fmt: skip
    return found


def _downloads(address: str, folder: Path) -> dict[str, Command]:
    file = folder / "disk"
    engine = [sys.executable, "-m", "benchmarks.engine", "download", address, "slo/disk", file]
    swift = [BIN / "swift", "--os-storage-url", address, "--os-auth-token", "any", "download"]
    found: dict[str, Command] = {
        OURS: engine,
        "rackspace-imagetasks, 4 threads": [*engine, "--threads", "4"],
        "python-swiftclient": [*swift, "--quiet", "slo", "disk", "--output", file],
    }
    if shutil.which("rclone"):
        found["rclone"] = [
            *rclone_settings("sink", address, "any"), "rclone", "copyto", "sink:plain/disk", file,
        ]  # fmt: skip
    return found


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
