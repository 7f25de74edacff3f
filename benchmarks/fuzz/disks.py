# SPDX-License-Identifier: Apache-2.0
"""The disks that are mutated: real ones, made by the programs that make them for everyone."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from rackspace_imagetasks.units import MIB, round_up
from tests.unit.sources.disks import packed

_FIRST_PARTITION = MIB
_OS_RELEASE = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
_FSTAB = "UUID=6d0b54a0-8f2c-4b4e-9d4a-2f6f3c5b7a11 / ext4 errors=remount-ro 0 1\n"
_GRUB = "menuentry 'Debian' {\n linux /boot/vmlinuz-6.1 root=/dev/xvda1 console=ttyS0\n}\n"


class Disk(NamedTuple):
    """A disk to mutate.

    :ivar reader: what reads it; a key of `explore.READERS`.
    :ivar make: writes it to a path.
    """

    reader: str
    make: Callable[[Path], None]


def _run(*command: object, text: str | None = None) -> None:
    subprocess.run(
        list(map(str, command)), input=text, text=True, check=True, capture_output=True, timeout=120
    )


def _new(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def write_system(root: Path) -> None:
    """Write the files of a small system: what an inspection reads, and one thing of each kind."""
    files = {
        "etc/os-release": _OS_RELEASE,
        "etc/fstab": _FSTAB,
        "etc/hostname": "fuzz\n",
        "etc/cloud/cloud.cfg": "datasource_list: [ConfigDrive]\n",
        "boot/grub/grub.cfg": _GRUB,
        "boot/vmlinuz-6.1": "kernel\n" * 30_000,
        "usr/lib/modules/6.1/modules.builtin": "kernel/fs/ext4/ext4.ko\n" * 300,
    }
    files |= {f"var/many/a file with a long name {number:04}": "" for number in range(400)}
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / "lib").symlink_to("usr/lib")
    (root / "vmlinuz").symlink_to("boot/vmlinuz-6.1")
    (root / "etc/far").symlink_to("/" + "usr/../" * 30 + "etc/hostname")
    with (root / "var/sparse").open("wb") as file:
        for offset in range(0, 4 * MIB, MIB // 4):
            file.seek(offset)
            file.write(b"piece")


def _ext(kind: str, *options: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_system(Path(folder))
            _new(path, 32 * MIB)
            _run("mke2fs", "-q", "-F", "-t", kind, "-d", folder, *options, path)

    return make


def _xfs(*options: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("w") as prototype:
            write_system(Path(folder))
            prototype.write("\n".join(["/dev/null", "0 0", *_prototype(Path(folder), "")]) + "\n")
            prototype.flush()
            _new(path, 320 * MIB)
            _run("mkfs.xfs", "-q", "-f", *options, "-p", prototype.name, path)

    return make


def _prototype(path: Path, name: str) -> Iterator[str]:
    """Yield the lines that describe a directory to mkfs.xfs, whose names have no spaces."""
    yield f"{name} d--755 0 0"
    for child in sorted(path.iterdir()):
        child_name = child.name.replace(" ", "_")
        if child.is_symlink():
            yield f"{child_name} l--777 0 0 {child.readlink()}"
        elif child.is_dir():
            yield from _prototype(child, child_name)
        else:
            # The names on this machine must not have spaces either.
            renamed = child.rename(child.with_name(child_name))
            yield f"{child_name} ---644 0 0 {renamed}"
    yield "$"


def _fat(bits: int, size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        _new(path, size)
        _run("mkfs.vfat", "-F", bits, path)
        _run("mmd", "-i", path, "::EFI", "::EFI/BOOT", "::A directory with a long name")
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"MZ" + bytes(70_000))
            file.flush()
            for name in ("EFI/BOOT/BOOTX64.EFI", "A directory with a long name/a file", "small"):
                _run("mcopy", "-i", path, file.name, f"::{name}")

    return make


def _ntfs(path: Path) -> None:
    _new(path, 16 * MIB)
    _run("mkntfs", "-F", "-q", "-s", 512, "-p", 0, "-H", 16, "-S", 63, path)
    with tempfile.NamedTemporaryFile() as file:
        for number in range(40):
            file.write(b"content\n" * 400)
            file.flush()
            _run("ntfscp", "-q", path, file.name, f"A file with a long name {number}.dll")


def _packed(name: str) -> Callable[[Path], None]:
    """Return what writes a disk of the tests that only root can make."""

    def make(path: Path) -> None:
        path.write_bytes(packed(name))

    return make


def _iso(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_system(Path(folder))
        options = ("-as", "mkisofs", "-quiet", "-R", "-J", "-o")
        _run("xorriso", *options, path, folder)


def _disk(label: str, *partitions: tuple[str, Callable[[Path], None]]) -> Callable[[Path], None]:
    """Return what makes a disk with a partition table; each partition has a type and contents."""

    def make(path: Path) -> None:
        lines, end = [f"label: {label}"], _FIRST_PARTITION
        _new(path, end)
        for kind, content in partitions:
            with tempfile.NamedTemporaryFile() as file:
                content(Path(file.name))
                size = Path(file.name).stat().st_size
                lines.append(f"start={end // 512}, size={size // 512}, type={kind}")
                _run("dd", f"if={file.name}", f"of={path}", "bs=1M", f"seek={end // MIB}",
                     "conv=sparse,notrunc")  # fmt: skip
                end += round_up(size, MIB)
        with path.open("r+b") as file:
            file.truncate(end + MIB)
        _run("sfdisk", "-q", path, text="\n".join(lines))

    return make


_EXT4 = _ext("ext4")
_PLAIN_EXT4 = _ext("ext4", "-O", "^metadata_csum,^64bit")
_ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
# Many mutants of a structure with a checksum do nothing but fail to match it; therefore each
# kind of file system is here without checksums, too.
DISKS = {
    "ext4": Disk("ext", _EXT4),
    "ext4-1k-without-checksums": Disk("ext", _ext("ext4", "-b", "1024", "-O", "^metadata_csum")),
    "ext4-inline-bigalloc": Disk(
        "ext", _ext("ext4", "-O", "^metadata_csum,inline_data,bigalloc,large_dir")
    ),
    "ext2": Disk("ext", _ext("ext2", "-b", "1024", "-I", "128")),
    "xfs": Disk("xfs", _xfs()),
    "xfs-without-checksums": Disk("xfs", _xfs("-m", "crc=0")),
    "xfs-1k": Disk("xfs", _xfs("-b", "size=1024", "-m", "crc=0")),
    "fat12": Disk("fat", _fat(12, 4 * MIB)),
    "fat16": Disk("fat", _fat(16, 32 * MIB)),
    "fat32": Disk("fat", _fat(32, 64 * MIB)),
    "ntfs": Disk("ntfs", _ntfs),
    "ntfs-features": Disk("ntfs", _packed("features.ntfs")),
    "iso": Disk("iso", _iso),
    "disk-mbr-ext4": Disk("inspect", _disk("dos", ("83,bootable", _PLAIN_EXT4))),
    "disk-mbr-windows": Disk("inspect", _disk("dos", ("7,bootable", _packed("windows.ntfs")))),
    "disk-gpt-fat-xfs": Disk(
        "inspect", _disk("gpt", (_ESP, _fat(32, 64 * MIB)), (_LINUX, _xfs("-m", "crc=0")))
    ),
    "disk-gpt-ext4": Disk("inspect", _disk("gpt", (_LINUX, _EXT4))),
}
