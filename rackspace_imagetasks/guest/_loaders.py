# SPDX-License-Identifier: Apache-2.0
"""The boot loaders that BIOS and UEFI find on a disk."""

import itertools
from collections.abc import Iterator, Sequence

from rackspace_imagetasks.formats.partitions import Table
from rackspace_imagetasks.guest._devices import OpenVolume
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest.facts import BootLoader, LoaderKind, Place
from rackspace_imagetasks.guest.systems.files import SystemFiles
from rackspace_imagetasks.guest.systems.programs import HEAD, pe_architecture

_STANDALONE = ("GRUB", "LILO")  # their code in the MBR finds the rest by itself
_SECTOR = 512
_SIGNATURE = b"\x55\xaa"
_CODE = slice(90, 510)  # after the parameters of FAT32, the longest
_NO_SYSTEM = b"This is not a bootable disk"  # the code of mkfs.fat and mkntfs
_BOOT_SECTORS = {b"SYSLINUX": "SYSLINUX", b"EXTLINUX": "EXTLINUX", b"BOOTMGR": "Windows"}
_EFI = "/EFI"
_FALLBACK = "boot"
_UEFI_LOADERS = {
    "boot": "", "shim": "shim", "grub": "GRUB", "systemd-boot": "systemd-boot",
    "bootmgfw": "Windows", "refind": "rEFInd", "loader": "FreeBSD",
}  # fmt: skip
_MAX_VENDORS = 20
_MAX_PROGRAMS = 50


def bios_loader(table: Table | None, disk: bytes, active: tuple[str, bytes]) -> BootLoader | None:
    """Return the boot loader that a BIOS starts, None if it starts none.

    :param disk: the first sector of the disk.
    :param active: the name and first sector of the partition that is marked as active.
    """
    if table is None:
        return _in_sector("disk", disk)
    if table.boot_code in _STANDALONE:
        return BootLoader(LoaderKind.BIOS, table.boot_code, Place("disk"))
    return _in_sector(*active) if table.boot_code else None


def _in_sector(volume: str, sector: bytes) -> BootLoader | None:
    """Return the boot loader in the first sector of a volume."""
    is_bootable = sector[510:512] == _SIGNATURE and any(sector[_CODE])
    if not is_bootable or _NO_SYSTEM in sector:
        return None
    name = next((name for mark, name in _BOOT_SECTORS.items() if mark in sector), "")
    return BootLoader(LoaderKind.BIOS, name, Place(volume))


def uefi_loaders(volumes: Sequence[OpenVolume]) -> Iterator[BootLoader]:
    r"""Yield the boot loaders for UEFI, those in \EFI\BOOT, where it looks first, first."""
    for volume in volumes:
        if volume.facts.content.startswith("FAT"):
            files = SystemFiles(Tree(volume.files), volume.facts.name)
            vendors = itertools.islice(files.names(_EFI), _MAX_VENDORS)
            for vendor in sorted(vendors, key=lambda name: name.lower() != _FALLBACK):
                yield from _in_directory(files, f"{_EFI}/{vendor}")
                if vendor.lower() == "microsoft":
                    yield from _in_directory(files, f"{_EFI}/{vendor}/Boot")


def _in_directory(files: SystemFiles, directory: str) -> Iterator[BootLoader]:
    for path in itertools.islice(files.paths(directory), _MAX_PROGRAMS):
        name = path.rpartition("/")[2].lower()
        start = next((start for start in _UEFI_LOADERS if name.startswith(start)), None)
        if start is None or not name.endswith(".efi"):
            continue
        if architecture := pe_architecture(files.read(path, HEAD)):
            place = Place(files.place(path).volume, path.replace("/", "\\"))
            yield BootLoader(LoaderKind.UEFI, _UEFI_LOADERS[start], place, architecture)
