# SPDX-License-Identifier: Apache-2.0
"""What the documented commands need beforehand, by the name that the pages use for it.

Each preparation is a function of the running page, in whose directory and cloud it works.
"""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import yaml

from devcloud.faults import Rule
from tests.unit.guest import inspecteddisks

Preparation = Callable[[Any], None]  # of the test case that runs the page
PREPARATIONS: dict[str, Preparation] = {}

_MIB = 1 << 20
_BLOCK = 2 * _MIB
_STARTED_SECONDS = 60.0


def prepares(name: str) -> Callable[[Preparation], Preparation]:
    """Register a function under the name that a page's `prepare:` comment has."""

    def register(function: Preparation) -> Preparation:
        PREPARATIONS[name] = function
        return function

    return register


def write_disk(path: Path, blocks: int, used: int) -> None:
    """Write a raw disk of `blocks` 2 MiB blocks, `used` of which hold data."""
    noise = random.Random(path.name)
    with path.open("wb") as file:
        file.truncate(blocks * _BLOCK)
        file.write(noise.randbytes(510) + b"\x55\xaa")
        for block in [0, *sorted(noise.sample(range(1, blocks), used - 1))]:
            file.seek(block * _BLOCK + _MIB // 2)
            file.write(noise.randbytes(_MIB))


@prepares("disk.qcow2")
def _disk(page):
    write_disk(Path("disk.raw"), 128, 17)
    page.tool("qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2")


@prepares("debian.qcow2")
def _debian_disk(page):
    files = inspecteddisks.debian(**{"etc/fstab": "/dev/xvda1 / ext4 defaults 0 1\n"})
    root = inspecteddisks.ext4(Path("root.img"), files)
    code = inspecteddisks.grub_code()
    script = "label: dos\n,48M,83,*\n,16M,82\n"
    inspecteddisks.partitioned(Path("debian.raw"), script, {1: root}, boot_code=code)
    page.tool("qemu-img convert -f raw -O qcow2 debian.raw debian.qcow2")


@prepares("web-server.raw, web-server.qcow2, web-server-qemu.vhd")
def _web_server_disks(page):
    write_disk(Path("web-server.raw"), 256, 27)
    page.tool("qemu-img convert -f raw -O qcow2 web-server.raw web-server.qcow2")
    page.tool("qemu-img convert -f raw -O vpc -o force_size=on web-server.raw web-server-qemu.vhd")


@prepares("web-server.vhd")
def _web_server_vhd(page):
    page.run_client("openstack image vhd convert web-server.raw web-server.vhd")


@prepares("cut.vhd")
def _cut(page):
    page.run_client("openstack image vhd convert web-server.raw cut.vhd")
    with Path("cut.vhd").open("r+b") as file:
        file.truncate(40_000_000)


@prepares("big.raw")
def _big(page):
    write_disk(Path("big.raw"), 192, 2)
    noise = random.Random("big")
    with Path("big.raw").open("r+b") as file:
        for block in range(192):
            file.seek(block * _BLOCK + 512)
            file.write(noise.randbytes(_MIB))


@prepares("the image web-server")
def _image(page):
    page.run_client(
        "openstack image task import web-server.qcow2 --boot-profile hvm --tag gold --wait"
        " --property os_distro=debian"
    )


@prepares("the image web-server is exported")
def _export(page):
    page.run_client("openstack image task export web-server --wait")
    page.translation.give(page.image_id("web-server"))


@prepares("three images with role=web")
def _web_images(page):
    for number in (1, 2, 3):
        page.run_client(
            "openstack image task import web-server.qcow2 --property role=web --wait"
            f" --name web-{number}"
        )
        time.sleep(1.1)  # the service sorts images by the second of their creation


@prepares("the image database")
def _database(page):
    page.run_client("openstack image task import web-server.qcow2 --name database --wait")


@prepares("the directory disks")
def _directory(page):
    Path("disks").mkdir()


@prepares("an object of the export's name in the container other")
def _object_in_the_way(page):
    swift = page.sdk().object_store
    swift.create_container("other")
    swift.upload_object("other", f"{page.image_id('web-server')}.vhd", data=b"something else")


@prepares("the cloud othercloud")
def _other_cloud(page):
    path = page.root / "clouds.yaml"
    clouds = yaml.safe_load(path.read_text())
    clouds["clouds"]["othercloud"] = clouds["clouds"]["bob"]
    path.write_text(yaml.safe_dump(clouds))


@prepares("a failed import")
def _failed_import(page):
    page.inject(Rule("TASK", "/import/", body="Error 111: failed validation"), service="glance")
    page.run_client("openstack image task import disk.raw --name failed --wait", status=1)


@prepares("15 minutes later")
def _later(page):
    """Have the service's clock, by which `clean` judges ages, be ahead for a command."""
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=16), usegmt=True)
    page.inject(Rule("HEAD", "/image-imports$", status=204, headers={"Date": date}, times=None))


@prepares("the task fails with 523")
def _task_fails(page):
    message = "Error 523: the VHD is neither fixed nor dynamic"
    page.inject(Rule("TASK", "/import/", body=message), service="glance")


@prepares("the task takes 5 seconds")
def _slow_task(page):
    page.inject(Rule("TASK", "", delay=5), service="glance")


@prepares("Ctrl-C while the task runs")
def _stop_waiting(page):
    page.inject(Rule("TASK", "", delay=5), service="glance")
    page.interrupt_when(page.has_running_task)


@prepares("Ctrl-C while the third segment is sent")
def _stop_upload(page):
    rule = Rule("PUT", "image-imports_segments/", skip=2, stall=60, offset=_MIB)
    injected = page.inject(rule)
    page.interrupt_when(lambda: injected.fired() == [1])


@prepares("Ctrl-C while the download stalls")
def _stop_download(page):
    injected = page.inject(
        Rule("GET", "image-exports/.*-00001", offset=50 * _MIB, stall=60, times=2)
    )
    part = Path("big.vhd.part")
    page.interrupt_when(lambda: injected.fired() == [2] and _is_quiet(part))


@prepares("an export of the image big")
def _export_big(page):
    page.run_client("openstack image task export big --wait")
    page.translation.give(page.image_id("big"))


@prepares("the task quota is used up")
def _task_quota(page):
    page.inject(Rule("POST", "/tasks", status=413), service="glance")


@prepares("the account is full")
def _account_full(page):
    page.inject(Rule("PUT", r"/image-imports/full-[^/]*$", status=413))


def _is_quiet(path: Path) -> bool:
    """Tell whether a file does not grow for a second."""
    before = path.stat().st_blocks
    time.sleep(1)
    return path.stat().st_blocks == before


def interrupted(command: list[str], condition: Callable[[], bool]) -> str:
    """Run a program, send it SIGINT once the condition holds, and return what it printed."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        deadline = time.monotonic() + _STARTED_SECONDS
        while not condition():
            if time.monotonic() > deadline or process.poll() is not None:
                process.kill()
                raise AssertionError(f"nothing to interrupt in {command}: {process.stdout.read()}")
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=30)[0]
