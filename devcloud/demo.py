# SPDX-License-Identifier: Apache-2.0
"""The main tasks, as a new user would do them.

    python -m devcloud run -- python -m devcloud.demo

Prints each command before running it, and exits with status 1 as soon as a command does not do what
it should.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_QEMU_TOOLS = ("qemu-img", "sfdisk", "mkfs.ext4")
_MIB = 1 << 20
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Failed(Exception):
    """A command did not do what it should."""


def main() -> int:
    """Run the demonstration in a temporary directory, and return its exit status."""
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        os.chdir(directory)
        # Find the `openstack` of this Python's environment.
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        os.environ["OS_CLOUD"] = "alice"
        try:
            demonstrate(make_disk())
        except Failed as error:
            print(f"\nThe demonstration failed: {error}", file=sys.stderr)
            return 1
    print("\nThe disk went into and out of both regions and both clouds without a change.")
    return 0


def demonstrate(disk: str) -> None:
    """Import a disk to DFW and export it; transfer it to ORD, to flex and back, and compare it."""
    say("Import a disk: it becomes an active image with the properties that Linux needs to boot.")
    run(f"openstack image task import {disk} --name web --boot-profile hvm --tag demo --wait")
    shown = run("openstack image show web -c status -c disk_format -c properties -c tags")
    expect(all(word in shown for word in ("active", "vhd", "vm_mode='hvm'", "demo")), "image show")

    say("Export the image and save the VHD: the MD5 of each segment is verified.")
    run("openstack image task export web --wait --file web.vhd")
    compare(disk, "web.vhd")

    say("Requests that the service would refuse are reported before anything is sent.")
    image = run("openstack image show web -f value -c id", quiet=True).strip()
    refused(f"openstack --os-cloud bob image task export {image}", image)
    refused(f"openstack --os-cloud carol image task export {image}", "role")
    refused("openstack image task export web --container my.exports", "my.exports")

    say("Transfer the image to another region; when run again, the command finds it there.")
    transferred, found = (
        set(_UUID.findall(run("openstack image task transfer web --to-region ORD")))
        for _ in range(2)
    )
    expect(len(transferred) == 1 and found == transferred, "the second transfer made another image")
    run("openstack --os-region-name ORD image task export web --wait --file ord.vhd")
    compare(disk, "ord.vhd")

    say("Move the image to a KVM cloud without image tasks: it is converted while it is sent.")
    run("openstack image task transfer web --to-cloud flex")
    flex = "openstack --os-cloud flex --os-region-name SJC3"
    shown = run(f"{flex} image show web -c status -c disk_format -c properties")
    expect(all(word in shown for word in ("active", "qcow2", "virtio")), "image show in flex")
    if shutil.which("qemu-img"):
        run(f"{flex} image save web --file flex.qcow2")
        compare(disk, "flex.qcow2")

    say("The other way: an image of the KVM cloud becomes a VHD, and has the same content.")
    form = "qcow2" if shutil.which("qemu-nbd") else "raw"
    run(f"{flex} image task import {disk} --name new --disk-format {form}")
    run(f"{flex} image task transfer new --to-cloud alice --to-region DFW")
    run("openstack image task export new --wait --file back.vhd")
    compare(disk, "back.vhd")


def make_disk() -> str:
    """Make a disk with a partition and return its name: qcow2 with a file system, else raw."""
    if not all(map(shutil.which, _QEMU_TOOLS)):
        say("Make a raw disk with a partition of random data (qemu-img is not installed).")
        write_raw_disk(Path("disk.raw"))
        return "disk.raw"
    say("Make a qcow2 disk with a partition and an ext4 file system.")
    run("truncate --size 256M disk.raw")
    run("sfdisk --quiet disk.raw", given="1MiB,,L,*\n")
    Path("files").mkdir()
    (Path("files") / "noise").write_bytes(os.urandom(16 * _MIB))
    run("mkfs.ext4 -q -d files -E offset=1048576 disk.raw 254M")
    run("qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2")
    return "disk.qcow2"


def write_raw_disk(path: Path) -> None:
    """Write a disk of 64 MiB: a boot record with one Linux partition at 1 MiB, partly filled."""
    start, size = _MIB // 512, 63 * _MIB // 512
    partition = bytes([0x80, 0, 0, 0, 0x83, 0, 0, 0])
    partition += start.to_bytes(4, "little") + size.to_bytes(4, "little")
    with path.open("wb") as file:
        file.truncate(64 * _MIB)
        file.write(bytes(446) + partition + bytes(48) + b"\x55\xaa")
        file.seek(_MIB)
        file.write(os.urandom(16 * _MIB))


def compare(disk: str, vhd: str) -> None:
    """Compare two disks with software that neither the client nor the cloud uses."""
    if shutil.which("qemu-img"):
        run(f"qemu-img compare {disk} {vhd}")
        return
    import pyvhdi

    file = pyvhdi.file()
    file.open(vhd)
    same = file.read_buffer(file.get_media_size()) == Path(disk).read_bytes()
    expect(same, f"libvhdi reads other content in {vhd} than {disk} has")
    print(f"libvhdi reads the content of {disk} in {vhd}.")


def run(command: str, *, given: str = "", quiet: bool = False) -> str:
    """Run a command that must succeed, and return its output.

    :param given: the standard input.
    """
    return _run(command, given, quiet=quiet, status=0)[0]


def refused(command: str, reason: str) -> None:
    """Run a command that must be refused with a message that mentions the reason."""
    _, error = _run(command, "", quiet=False, status=1)
    is_explained = reason in error and "Traceback" not in error
    expect(is_explained, f"{command}: the message does not mention '{reason}'")


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
    """Print a heading for the next step."""
    print(f"\n# {text}", flush=True)


def expect(holds: object, what: str) -> None:
    """Stop the demonstration if a result is not as expected.

    :raises Failed: with `what`, if `holds` is false.
    """
    if not holds:
        raise Failed(what)


if __name__ == "__main__":
    sys.exit(main())
