# SPDX-License-Identifier: Apache-2.0
"""Debian 12, installed into a directory by debootstrap, and put on disks without mounts.

debootstrap needs root and some minutes. All else is done by programs that write to files.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.large.bootable import run

PROGRAMS = (
    *("apt-get", "cryptsetup", "debootstrap", "fdisk", "mke2fs", "mkfs.btrfs", "mkfs.fat"),
    *("mkfs.xfs", "mkswap", "mcopy", "sfdisk", "xorriso"),
)
MIB = 1 << 20
ROOT_SIZE = 640 * MIB  # of a file system with everything in it
ROOT_UUID = "6d0b54a0-8f2c-4b4e-9d4a-2f6f3c5b7a11"
BOOT_UUID = "0a4f3c1e-52d7-4c0b-8e6b-7d9f10c2a3b4"

_SUITE = "bookworm"
_PACKAGES = (
    *("linux-image-cloud-amd64", "initramfs-tools", "systemd-sysv", "qemu-guest-agent"),
    *("cloud-init", "python3-cffi-backend"),  # debootstrap finds no dependency that is virtual
    *("grub2-common", "grub-pc-bin", "grub-efi-amd64-bin"),
)
# What is of no use to a disk that is only looked at, and what differs between servers.
_UNUSED = (
    *("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/zoneinfo"),
    *("var/cache/apt", "var/lib/apt/lists", "var/log"),
)
_PROBE = "usr/sbin/grub-probe"
# Answers what grub-mkconfig asks about the devices of the machine, as if it ran in the guest.
_PROBE_ANSWERS = """\
#!/bin/sh
case "$*" in
    *target=device*) echo {device} ;;
    *target=fs_uuid*) echo {uuid} ;;
    *target=fs*) echo {driver} ;;
    *target=partmap*) echo msdos ;;
    *target=abstraction*) echo "{abstraction}" ;;
    *target=compatibility_hint*) echo hd0,msdos1 ;;
esac
"""
_DEFAULTS = """\
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="console=ttyS0,115200"
GRUB_DISABLE_OS_PROBER=true
"""


@dataclass(frozen=True)
class Root:
    """How a system finds its root file system.

    :ivar device: what GRUB finds it on in the guest.
    :ivar driver: what GRUB calls the file system.
    :ivar kind: what fstab calls it.
    :ivar abstraction: what GRUB needs below it.
    :ivar name: how fstab names the device.
    """

    device: str
    driver: str
    kind: str
    abstraction: str = ""
    name: str = f"UUID={ROOT_UUID}"


EXT4 = Root("/dev/vda1", "ext2", "ext4")
XFS = Root("/dev/vda1", "xfs", "xfs")
LVM = Root("/dev/mapper/debian-root", "ext2", "ext4", "lvm", "/dev/mapper/debian-root")


class Debian:
    """Debian in a directory.

    :ivar kernel: the version of its kernel, by the name of the package.
    :ivar cloud_init: the version of cloud-init, by its package.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        run(
            *("debootstrap", "--variant=minbase", "--arch=amd64"),
            *(f"--include={','.join(_PACKAGES)}", _SUITE, root, _mirror()),
            env={**os.environ, "DPKG_FORCE": "unsafe-io"},  # do not wait for the storage
        )
        for path in _UNUSED:
            shutil.rmtree(root / path, ignore_errors=True)
        self._remove_devices()
        (root / "etc/default").mkdir(exist_ok=True)
        (root / "etc/machine-id").write_text("uninitialized\n")
        (root / "etc/default/grub").write_text(_DEFAULTS)
        packages = dict(line.split() for line in self._query("${Package} ${Version}\\n"))
        (self.kernel,) = (
            name.removeprefix("linux-image-")
            for name in packages
            if name.startswith("linux-image-") and name[-12:] == "-cloud-amd64" and "." in name
        )
        self.cloud_init = packages["cloud-init"].partition("-")[0]

    def _remove_devices(self) -> None:
        """Leave nothing in /dev by which a program in the directory reaches this machine."""
        devices = self.root / "dev"
        if devices.is_mount():
            raise RuntimeError(f"debootstrap has left a mount at {devices}.")
        shutil.rmtree(devices)
        devices.mkdir()
        (devices / "null").touch()

    def _query(self, what: str) -> list[str]:
        database = f"--admindir={self.root / 'var/lib/dpkg'}"
        return run("dpkg-query", database, "-W", "-f", what).splitlines()

    def configure(self, root: Root) -> None:
        """Write fstab, and have grub-mkconfig write the configuration of GRUB."""
        (self.root / "etc/fstab").write_text(f"{root.name} / {root.kind} defaults 0 1\n")
        seen = [self.root / f"dev/disk/by-uuid/{ROOT_UUID}", self.root / root.device[1:]]
        for path in seen:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (self.root / _PROBE).write_text(
            _PROBE_ANSWERS.format_map({**vars(root), "uuid": ROOT_UUID})
        )
        (self.root / "boot/grub").mkdir(exist_ok=True)
        run("chroot", self.root, "grub-mkconfig", "-o", "/boot/grub/grub.cfg")
        self._remove_devices()

    def boot_code(self) -> bytes:
        """Return the code of GRUB in the MBR."""
        return (self.root / "usr/lib/grub/i386-pc/boot.img").read_bytes()[:440]

    def efi_program(self) -> bytes:
        """Return GRUB for UEFI in one file."""
        return (self.root / "usr/lib/grub/x86_64-efi/monolithic/grubx64.efi").read_bytes()


def ext4(image: Path, tree: Path, *, size: int = ROOT_SIZE, uuid: str = ROOT_UUID) -> Path:
    """Make an ext4 file system with the files of a directory."""
    _empty(image, size)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-U", uuid, "-L", "root", "-d", tree, image)
    return image


def xfs(image: Path, tree: Path) -> Path:
    """Make an XFS file system with the files of a directory."""
    _empty(image, ROOT_SIZE)
    prototype = image.with_suffix(".proto")
    prototype.write_text("\n".join(("prototype", "0 0", *_prototype("", tree), "")))
    run("mkfs.xfs", "-q", "-m", f"uuid={ROOT_UUID}", "-L", "root", "-p", prototype, image)
    return image


def _prototype(name: str, folder: Path) -> Iterator[str]:
    """Yield the lines of mkfs.xfs(8) about a directory; they have no names with spaces."""
    yield f"{name} d--755 0 0"
    for child in sorted(os.scandir(folder), key=lambda each: each.name):
        if " " in child.name:
            continue
        if child.is_symlink():
            yield f"{child.name} l--777 0 0 {Path(child).readlink()}"
        elif child.is_dir():
            yield from _prototype(child.name, Path(child))
        elif child.is_file():
            yield f"{child.name} ---{child.stat().st_mode & 0o777:03o} 0 0 {child.path}"
    yield "$"


def btrfs(image: Path, tree: Path) -> Path:
    """Make a Btrfs file system with the files of a directory."""
    _empty(image, ROOT_SIZE)
    run("mkfs.btrfs", "-q", "-U", ROOT_UUID, "-L", "root", "--rootdir", tree, image)
    return image


def luks(image: Path, size: int = 32 * MIB) -> Path:
    """Make an encrypted volume, with a key that is derived quickly."""
    _empty(image, size)
    run(
        *("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2"),
        *("--pbkdf-force-iterations", "1000", "--uuid", ROOT_UUID, "--key-file", "-", image),
        input="secret",
    )
    return image


def _empty(image: Path, size: int) -> None:
    with image.open("wb") as file:
        file.truncate(size)


def _mirror() -> str:
    """Return the mirror of Debian from which this machine gets its packages."""
    targets = run(
        *("apt-get", "indextargets", "--format", "$(REPO_URI)"),
        *("Created-By: Packages", "Label: Debian", "Component: main"),
    )
    return targets.split()[0]
