# SPDX-License-Identifier: Apache-2.0
"""Download 2 GiB of random data to a file, compared with other programs."""

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import sink
from benchmarks.disks import GIB, random_file
from benchmarks.measure import Command, compare, print_table
from benchmarks.upload import BIN, SEGMENT, rclone_settings


def main() -> None:
    """Print a table for HTTP and one for TLS."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = sink.Facts.of(random_file(folder / "disk", 2 * GIB), SEGMENT)
        target = folder / "target"
        for tls in (False, True):
            with sink.running(facts, folder, tls=tls) as address:
                ca = folder / "certificate.pem" if tls else None
                results = compare(
                    commands(address, target, ca), rounds=3, before=lambda: _empty(target)
                )
            title = f"Download of 2 GiB to a file, {'TLS' if tls else 'HTTP'}"
            print_table(title, [*results.values()], results["rackspace-imagetasks, SLO, MD5"])


def commands(address: str, folder: Path, ca: Path | None) -> dict[str, Command]:
    """Return the command of each program; each writes to `folder`."""
    file = folder / "disk"
    engine = [sys.executable, "-m", "benchmarks.engine", "download", address]
    swift = [
        BIN / "swift", "--os-storage-url", address, "--os-auth-token", "any",
        *(["--os-cacert", ca] if ca else []), "download", "--quiet",
    ]  # fmt: skip
    ca_option = ["--ca", ca] if ca else []
    found: dict[str, Command] = {
        "rackspace-imagetasks, SLO, MD5": [*engine, "slo/disk", file, *ca_option],
        "rackspace-imagetasks, plain object, MD5": [*engine, "plain/disk", file, *ca_option],
        "swift download, plain object, MD5": [*swift, "plain", "disk", "--output", file],
        "swift download, an object for each segment, MD5": [
            *swift, "segments", "--output-dir", folder,
        ],
        "swift download, SLO, no MD5": [*swift, "slo", "disk", "--output", file],
    }  # fmt: skip
    if shutil.which("rclone"):
        found["rclone, plain object, MD5"] = [
            *rclone_settings("sink", address, "any"),
            "rclone", "copyto", *(["--ca-cert", ca] if ca else []), "sink:plain/disk", file,
        ]  # fmt: skip
    found["receive, MD5 and write alone"] = [
        sys.executable, "-m", "benchmarks.floor", f"{address}/plain/disk", file, str(2 * GIB),
        *([ca] if ca else []),
    ]  # fmt: skip
    return found


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
