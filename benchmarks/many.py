# SPDX-License-Identifier: Apache-2.0
"""Transfer many small images by several processes at once, and count the requests."""

import lzma
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import cloud
from devcloud.accesslog import AccessLog, Request
from devcloud.faults import Service

IMAGES = 24
PROCESSES = (1, 2, 4)
INTERVAL = 2  # seconds
_SERVICES: tuple[tuple[Service, str], ...] = (
    ("glance", "DFW"), ("swift", "DFW"), ("glance", "ORD"), ("swift", "ORD"),
)  # fmt: skip
_DISK = Path(__file__).parents[1] / "tests" / "corpus" / "go-vhd-xapi.vhd.xz"


def main() -> None:
    """Print a table with a line for each number of processes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cloud.running(folder / "cloud") as here:
            logs = [AccessLog(folder / "cloud", region, service) for service, region in _SERVICES]
            services = " | ".join(f"{service} {region}" for service, region in _SERVICES)
            print(f"\n### Transfer of {IMAGES} small images: CPU time and requests for each\n")
            print(f"| processes | wall s | CPU s | {services} | status of tasks |")
            print(f"|---|---|---|{'---|' * len(logs)}---|")
            for number in PROCESSES:
                images = _import(folder, here, f"shared-by-{number}")
                marks = [log.mark() for log in logs]
                wall, cpu = _transfer(images, number)
                sent = [log.since(mark) for log, mark in zip(logs, marks, strict=True)]
                other = [sum(not _asks_for_tasks(each) for each in requests) for requests in sent]
                counts = [*other, sum(map(len, sent)) - sum(other)]
                each = [f"{count / IMAGES:.1f}" for count in counts]
                print(f"| {number} | {wall:.1f} | {cpu / IMAGES:.2f} | {' | '.join(each)} |")


def _asks_for_tasks(request: Request) -> bool:
    return request.method == "GET" and "/v2/tasks" in request.path


def _import(folder: Path, region: cloud.Region, name: str) -> list[str]:
    """Import the same disk under many names, and return the IDs of the images."""
    disk = lzma.decompress(_DISK.read_bytes())
    files = [folder / f"{name}-{number:02}.vhd" for number in range(IMAGES)]
    for file in files:
        file.write_bytes(disk)
    subprocess.run(
        _command(region.name, "import", *map(str, files), "--wait"),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    found = region.connection.image.images(owner=region.connection.current_project_id)
    return [image.id for image in found if image.name.startswith(name)]


def _transfer(images: list[str], number: int) -> tuple[float, float]:
    """Transfer a share by each process; return the seconds they took, and their CPU seconds."""
    target = cloud.REGIONS[1]
    start, before = time.perf_counter(), os.times()
    processes = [
        subprocess.Popen(
            [
                *_command(cloud.REGIONS[0], "transfer", *images[each::number]),
                *("--to-region", target, "--poll-interval", str(INTERVAL)),
            ],
            stdout=subprocess.DEVNULL,
        )
        for each in range(number)
    ]
    statuses = [process.wait() for process in processes]
    wall, after = time.perf_counter() - start, os.times()
    if any(statuses):
        sys.exit(f"The transfers ended with {statuses}.")
    cpu = after.children_user + after.children_system
    return wall, cpu - before.children_user - before.children_system


def _command(region: str, *words: str) -> list[str]:
    client = [sys.executable, "-m", "openstackclient.shell", "--os-cloud", cloud.USER]
    return [*client, "--os-region-name", region, "image", "task", *words]
