# SPDX-License-Identifier: Apache-2.0
"""Transfer an image to a KVM cloud, compared with a download, a conversion and an upload."""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import cloud
from benchmarks.disks import GIB, MIB, sparse_disk
from benchmarks.measure import Command, compare, print_table

_BIN = Path(sys.executable).parent
_OPENSTACK: Command = [
    _BIN / "openstack", "--os-cloud", cloud.USER, "--os-region-name", cloud.REGIONS[0],
]  # fmt: skip
_OTHERS = "swift download, qemu-img convert, openstack image create"


def main() -> None:
    """Print a table.

    All programs read the same exported VHD, so that none waits for an export. The transfers run
    where no file can grow.
    """
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as written:
        folder = Path(name)
        raw = sparse_disk(folder / "disk.raw", 8 * GIB, 2 * GIB)
        with cloud.running(folder / "cloud") as here:
            there = cloud.Region(cloud.KVM_REGION, cloud.KVM_USER)
            vhd = _export(raw, here)
            raw.unlink()
            client = _Client(Path(written), there)
            commands = client.commands(here, vhd)
            results = compare(commands, rounds=1, before=client.clear, after=client.look)
        title = "Transfer of a disk of 8 GiB with 2 GiB of data to a KVM cloud"
        print_table(title, [*results.values()], results[_OTHERS])
        print("\nFiles on the client:")
        for command, size in client.files.items():
            print(f"{command}: {size / MIB:,.0f} MiB")


def _export(raw: Path, region: cloud.Region) -> str:
    """Import a disk and transfer the image; return the container and the name of the VHD."""
    words: Command = ["image", "task", "import", raw, "--source-format", "raw", "--wait"]
    subprocess.run([*_OPENSTACK, *words], check=True)
    subprocess.run(_transfer("direct"), check=True)
    store = region.connection.object_store
    (container,) = (each.name for each in store.containers() if each.name.startswith("image-tr")
                    and not each.name.endswith("_segments"))  # fmt: skip
    (name,) = (each.name for each in store.objects(container) if each.name.endswith(".vhd"))
    return f"{container} {name}"


def _transfer(method: str) -> Command:
    return [
        *_OPENSTACK, "image", "task", "transfer", "disk", "--to-cloud", cloud.KVM_USER,
        "--keep-objects", "--method", method,
    ]  # fmt: skip


class _Client:
    """The programs, a directory for their files, and the cloud that gets the image.

    :ivar files: the size of the files that each command has left.
    """

    def __init__(self, folder: Path, target: cloud.Region) -> None:
        self._folder, self._target = folder, target
        self.files: dict[str, int] = {}

    def commands(self, region: cloud.Region, vhd: str) -> dict[str, Command]:
        disk, converted = self._folder / "disk.vhd", self._folder / "disk.qcow2"
        download = (
            f"{_BIN / 'swift'} --os-storage-url {region.address} --os-auth-token {region.token}"
            f" download --quiet {vhd} --output {disk}"
        )
        convert = f"qemu-img convert -f vpc -O qcow2 {disk} {converted}"
        create = (
            f"{_BIN / 'openstack'} --os-cloud {cloud.KVM_USER} image create disk --file {converted}"
            " --disk-format qcow2"
        )
        cannot_write = ["prlimit", "--fsize=0"]
        return {
            "openstack image task transfer": [*cannot_write, *_transfer("auto")],
            "openstack image task transfer --method direct": [*cannot_write, *_transfer("direct")],
            _OTHERS: ["sh", "-c", f"{download} && {convert} && {create}"],
            "openstack --version": [*cannot_write, *_OPENSTACK, "--version"],
        }

    def clear(self) -> None:
        """Delete what the previous command has written, here and in the cloud."""
        for file in self._folder.iterdir():
            file.unlink()
        self._target.delete_objects()
        self._target.delete_images()

    def look(self, command: str) -> None:
        """Note the size of the files that a command has written, without holes."""
        files = [file.stat().st_blocks * 512 for file in self._folder.iterdir()]
        self.files[command] = max(sum(files), self.files.get(command, 0))
