# SPDX-License-Identifier: Apache-2.0
"""The menus of the boot loaders that start Linux."""

from collections.abc import Iterator

from rackspace_imagetasks.guest.systems._boot_entries import BootMenu
from rackspace_imagetasks.guest.systems._boot_specification import read_systemd_boot
from rackspace_imagetasks.guest.systems._grub import read_grub, read_grub_legacy
from rackspace_imagetasks.guest.systems._syslinux import read_syslinux
from rackspace_imagetasks.guest.systems.files import SystemFiles

_READERS = (read_grub, read_grub_legacy, read_syslinux)
_SYSTEMD_BOOT = ("/boot", "/efi", "/boot/efi")


def boot_menus(files: SystemFiles) -> Iterator[BootMenu]:
    """Yield the menus of a system, the one that most probably is in use first."""
    for reader in _READERS:
        if found := reader(files, "/boot"):
            yield found
    for boot in _SYSTEMD_BOOT:
        if found := read_systemd_boot(files, boot):
            yield found


def menus_of_volume(files: SystemFiles) -> Iterator[BootMenu]:
    """Yield the menus of a volume that no system mounts, such as one for SYSLINUX alone."""
    for reader in (*_READERS, read_systemd_boot):
        if found := reader(files, ""):
            yield found
