# SPDX-License-Identifier: Apache-2.0
"""Small Linux guests on disks with a boot loader, and QEMU to boot them.

A disk is made of Debian's packages, which are downloaded but not installed; it takes neither root
nor mounts nor loop devices. The kernel, the initial RAM file system and the configuration of the
boot loader are in /boot of the root file system, as on a disk that Debian's installer has made.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("apt-get", "dpkg-deb", "cpio", "sfdisk", "mke2fs", "qemu-system-x86_64")
PROMPT = "guest login:"  # what the guest prints when its own init runs

# Modules of Debian's kernel in the order of their dependencies.
VIRTIO = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev"),
    *("virtio_pci", "virtio_blk"),
)
IDE = ("scsi_common", "scsi_mod", "libata", "ata_piix", "crc-t10dif", "sd_mod")
XEN = ("xen-blkfront",)

_LABEL = "rootfs"
_DISK_SIZE = 96 << 20
_PARTITION = 1 << 20  # where the only partition starts; the boot loader has the space before it
_BOOT_SECONDS = 300  # without KVM, some 6 s on an idle machine
_PACKAGES = ("busybox-static", "grub-common", "grub-pc-bin", "libdevmapper1.02.1")
_KERNEL = "linux-image-cloud-amd64"  # depends on the package of the current version
_GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "normal", "linux", "search")

_OS_RELEASE = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
ID=debian
"""
_GRUB_CFG = """\
set timeout=0
menuentry 'Debian GNU/Linux' {{
    search --no-floppy --label --set=root {label}
    linux /boot/vmlinuz-{version} root={root} ro console=ttyS0 panic=-1
    initrd /boot/initrd.img-{version}
}}
"""
_INITRAMFS_INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
for module in {modules}; do /bin/busybox insmod /modules/$module.ko; done
root={root}
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    case $root in
        *=*) device=$(/bin/busybox findfs $root 2>/dev/null) ;;
        *) device=$root ;;
    esac
    [ -b "$device" ] && break
    /bin/busybox sleep 0.3
done
if ! /bin/busybox mount -t ext4 -o ro "$device" /root; then
    echo "Root device $root not found; block devices: $(/bin/busybox ls /sys/class/block)"
    /bin/busybox poweroff -f
fi
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
"""
_INIT = f"""\
#!/bin/busybox sh
. /etc/os-release
echo "$PRETTY_NAME on $(/bin/busybox cat /etc/hostname)"
echo "{PROMPT}"
/bin/busybox poweroff -f
"""


@dataclass(frozen=True)
class Guest:
    """What decides on which hardware a disk boots.

    :ivar root: the root device, as fstab and the configuration of the boot loader name it.
    :ivar drivers: the modules in the initial RAM file system, in the order of loading.
    """

    root: str
    drivers: tuple[str, ...]


PORTABLE = Guest(f"LABEL={_LABEL}", (*IDE, *XEN, *VIRTIO))
WITHOUT_VIRTIO = Guest(f"LABEL={_LABEL}", (*IDE, *XEN))  #: boots from an IDE disk
XEN_ONLY = Guest("/dev/xvda1", XEN)


class Packages:
    """The contents of Debian's packages in a directory, which is filled.

    :ivar version: the version of the kernel.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        depends = run("apt-cache", "depends", _KERNEL)
        kernel = re.search(r"Depends: (linux-image-\S+)", depends)
        if kernel is None:
            raise RuntimeError(f"Package {_KERNEL} has no kernel; run `apt-get update`.")
        run("apt-get", "download", "-qq", kernel[1], *_PACKAGES, cwd=folder)
        for package in folder.glob("*.deb"):
            run("dpkg-deb", "-x", package, folder)
        self.version = kernel[1].removeprefix("linux-image-")

    @property
    def busybox(self) -> Path:
        return self._folder / "bin/busybox"

    @property
    def boot_sector(self) -> bytes:
        """The code of GRUB before the partition table; it loads what follows the sector."""
        return (self._folder / "usr/lib/grub/i386-pc/boot.img").read_bytes()[:440]

    @property
    def kernel_files(self) -> list[Path]:
        return [self._folder / f"boot/{name}-{self.version}" for name in ("vmlinuz", "config")]

    def module(self, name: str) -> Path | None:
        """Return the file of a kernel module; if the kernel has the module built in, `None`."""
        modules = self._folder / f"lib/modules/{self.version}"
        found = next(modules.rglob(f"{name}.ko"), None)
        if found is None and f"/{name}.ko" not in (modules / "modules.builtin").read_text():
            raise RuntimeError(f"Kernel {self.version} has no module '{name}'.")
        return found

    def grub(self, target: Path) -> bytes:
        """Make the image of GRUB that reads its configuration in the first partition."""
        run(
            self._folder / "usr/bin/grub-mkimage", "--format", "i386-pc", "--output", target,
            "--directory", self._folder / "usr/lib/grub/i386-pc",
            "--prefix", "(hd0,msdos1)/boot/grub", *_GRUB_MODULES,
            env={"LD_LIBRARY_PATH": str(self._folder / "lib/x86_64-linux-gnu")},
        )  # fmt: skip
        return target.read_bytes()


def build(disk: Path, packages: Packages, guest: Guest) -> None:
    """Write a raw disk with an MBR, GRUB, and a guest on the only partition.

    :param disk: the new file; directories for the contents of the disk are made next to it.
    """
    work = disk.with_suffix(".work")
    root = work / "root"
    _fill_root(root, packages, guest)
    initrd = _initramfs(work / "initramfs", packages, guest)
    (root / f"boot/initrd.img-{packages.version}").write_bytes(initrd)
    grub = packages.grub(work / "core.img")
    if len(grub) > _PARTITION - 512:
        raise RuntimeError(f"GRUB has {len(grub)} bytes and does not fit before the partition.")
    with disk.open("wb") as file:
        file.truncate(_DISK_SIZE)
    run("sfdisk", "--quiet", disk, input=f"label: dos\nstart={_PARTITION // 512},type=83,bootable")
    _make_file_system(disk, root)
    with disk.open("r+b") as file:
        file.write(packages.boot_sector)
        file.seek(512)
        file.write(grub)
    shutil.rmtree(work)


def boot(disk: Path, disk_format: str, interface: str = "virtio") -> str:
    """Boot a disk in QEMU, without changing it, until it powers off; return its console output.

    :param interface: how the guest sees the disk: `virtio` or `ide`.
    """
    command = [
        "qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-nic", "none", "-no-reboot",
        "-nographic", "-monitor", "none", "-serial", "stdio",
        "-drive", f"file={disk},format={disk_format},if={interface},snapshot=on",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            console, _ = process.communicate(timeout=_BOOT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            console, _ = process.communicate()
            console += b"\n(killed: it did not power off in %d s)\n" % _BOOT_SECONDS
    return console.decode(errors="replace").replace("\r", "")


def _fill_root(root: Path, packages: Packages, guest: Guest) -> None:
    for folder in ("bin", "boot/grub", "dev", "etc", "proc", "sbin", "sys"):
        (root / folder).mkdir(parents=True)
    shutil.copy(packages.busybox, root / "bin")
    for file in packages.kernel_files:
        shutil.copy(file, root / "boot")
    names = {"label": _LABEL, "version": packages.version, "root": guest.root}
    (root / "boot/grub/grub.cfg").write_text(_GRUB_CFG.format_map(names))
    (root / "etc/fstab").write_text(f"{guest.root} / ext4 errors=remount-ro 0 1\n")
    (root / "etc/hostname").write_text("guest\n")
    (root / "etc/os-release").write_text(_OS_RELEASE)
    _write_program(root / "sbin/init", _INIT)


def _initramfs(root: Path, packages: Packages, guest: Guest) -> bytes:
    for folder in ("bin", "dev", "modules", "proc", "root", "sys"):
        (root / folder).mkdir(parents=True)
    shutil.copy(packages.busybox, root / "bin")
    files = [file for file in map(packages.module, guest.drivers) if file]
    for file in files:
        shutil.copy(file, root / "modules")
    modules = " ".join(file.stem for file in files)
    _write_program(root / "init", _INITRAMFS_INIT.format(modules=modules, root=guest.root))
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    command = ("cpio", "--create", "--quiet", "--format", "newc")
    return subprocess.run(
        command, input=names.encode(), cwd=root, stdout=subprocess.PIPE, check=True
    ).stdout


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _make_file_system(disk: Path, root: Path) -> None:
    """Fill the partition with the files; without a feature that GRUB of Debian 12 cannot read."""
    run(
        *("mke2fs", "-q", "-F", "-t", "ext4", "-L", _LABEL, "-O", "^metadata_csum_seed"),
        *("-d", root, "-E", f"offset={_PARTITION},root_owner=0:0"),
        *(disk, f"{(_DISK_SIZE - _PARTITION) // 1024}k"),
    )


def run(*command: str | Path, **how: object) -> str:
    """Run a program; if it fails, say what it printed."""
    ended = subprocess.run(command, text=True, capture_output=True, check=False, **how)
    if ended.returncode:
        raise RuntimeError(f"{command} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout
