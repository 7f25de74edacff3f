# SPDX-License-Identifier: Apache-2.0
"""The main job, as a newcomer would do it: `python -m devcloud run -- python -m devcloud.demo`.

Prints each command before it runs it, and ends with 1 as soon as one does not do what it should.
"""

import lzma
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SAMPLE = Path("tests/corpus/node-vhd-dynamic.vhd.xz")
_QEMU_TOOLS = ("qemu-img", "sfdisk", "mkfs.ext4")


class Failed(Exception):
    """A command did not do what it should."""


def main() -> int:
    """Run the demonstration in a directory that goes at the end."""
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        sample = _SAMPLE.resolve()
        os.chdir(directory)
        # The `openstack` of this Python's environment, for a disk written by other software.
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        os.environ["OS_CLOUD"] = "alice"
        try:
            demonstrate(make_disk(sample))
        except Failed as error:
            print(f"\nThe demonstration failed: {error}", file=sys.stderr)
            return 1
    print("\nThe disk went in and out of both regions, and is the same.")
    return 0


def demonstrate(disk: str) -> None:
    """Bring a disk in and out of DFW, then to ORD and out of there."""
    say("Import a disk: it becomes an active image, with what a foreign Linux needs to boot.")
    run(f"openstack image task import {disk} --name web --boot-profile hvm --tag demo --wait")
    shown = run("openstack image show web -c status -c disk_format -c properties -c tags")
    expect(all(word in shown for word in ("active", "vhd", "vm_mode='hvm'", "demo")), "image show")

    say("Export it, and save the VHD: each segment is compared with its MD5.")
    run("openstack image task export web --wait --file web.vhd")
    compare(disk, "web.vhd")

    say("What the service would refuse is said before anything is sent.")
    image = run("openstack image show web -f value -c id", quiet=True).strip()
    refused(f"openstack --os-cloud bob image task export {image}", "no image")
    refused(f"openstack --os-cloud carol image task export {image}", "admin role")
    refused("openstack image task export web --container my.exports", "no container name with")

    say("Move it to another region; run again, the command finds it there.")
    expect("transferred" in run("openstack image task transfer web --to-region ORD"), "transfer")
    expect("already there" in run("openstack image task transfer web --to-region ORD"), "transfer")
    run("openstack --os-region-name ORD image task export web --wait --file ord.vhd")
    compare(disk, "ord.vhd")


def make_disk(sample: Path) -> str:
    """Make a qcow2 disk with a partition and a file system; without the tools, unpack a sample.

    The sample is a VHD that Windows 10 wrote.
    """
    if not all(map(shutil.which, _QEMU_TOOLS)):
        say("Take a VHD that Windows 10 wrote (qemu-img is not installed).")
        Path("disk.vhd").write_bytes(lzma.decompress(sample.read_bytes()))
        return "disk.vhd"
    say("Make a qcow2 disk with a partition and an ext4 file system.")
    run("truncate --size 256M disk.raw")
    run("sfdisk --quiet disk.raw", given="1MiB,,L,*\n")
    Path("files").mkdir()
    (Path("files") / "noise").write_bytes(os.urandom(16 << 20))
    run("mkfs.ext4 -q -d files -E offset=1048576 disk.raw 254M")
    run("qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2")
    return "disk.qcow2"


def compare(disk: str, vhd: str) -> None:
    """Compare two disks by what neither the client nor the cloud is made of."""
    if shutil.which("qemu-img"):
        run(f"qemu-img compare {disk} {vhd}")
        return
    import pyvhdi

    contents = []
    for name in (disk, vhd):
        file = pyvhdi.file()
        file.open(name)
        size = file.get_media_size()
        contents.append([file.read_buffer(1 << 20) for _ in range(0, size, 1 << 20)])
    expect(contents[0] == contents[1], f"libvhdi reads other content in {vhd} than in {disk}")
    print(f"libvhdi reads the same content in {disk} and {vhd}.")


def run(command: str, *, given: str = "", quiet: bool = False) -> str:
    """Run a command that must succeed, and give its output."""
    return _run(command, given, quiet=quiet, status=0)[0]


def refused(command: str, reason: str) -> None:
    """Run a command that must be refused for this reason."""
    _, error = _run(command, "", quiet=False, status=1)
    expect(reason in error, f"{command}: it was not refused for '{reason}'")


def _run(command: str, given: str, *, quiet: bool, status: int) -> tuple[str, str]:
    if not quiet:
        print(f"\n$ {command}", flush=True)
    done = subprocess.run(
        shlex.split(command), input=given, capture_output=True, text=True, check=False
    )
    if not quiet:
        print(done.stderr + done.stdout, end="", flush=True)
    expect(done.returncode == status, f"{command}: exit status {done.returncode}, not {status}")
    return done.stdout, done.stderr


def say(text: str) -> None:
    """Tell what comes next."""
    print(f"\n# {text}", flush=True)


def expect(holds: object, what: str) -> None:
    """Stop where the demonstration does not show what it should.

    :raises Failed: naming `what`.
    """
    if not holds:
        raise Failed(what)


if __name__ == "__main__":
    sys.exit(main())
