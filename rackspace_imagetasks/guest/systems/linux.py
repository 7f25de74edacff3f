# SPDX-License-Identifier: Apache-2.0
"""Linux: which distribution it is, and what decides whether it works in another cloud."""

import itertools
import re

from rackspace_imagetasks.guest.facts import Mount, SystemFacts, SystemKind
from rackspace_imagetasks.guest.systems._agents import agents_of
from rackspace_imagetasks.guest.systems._boot_entries import BootMenu
from rackspace_imagetasks.guest.systems._boot_menus import boot_menus, menus_of_volume
from rackspace_imagetasks.guest.systems._cloud_init import cloud_init_of
from rackspace_imagetasks.guest.systems._consoles import consoles_of
from rackspace_imagetasks.guest.systems._fstab import device_name, mounts_of
from rackspace_imagetasks.guest.systems._identities import identities_of
from rackspace_imagetasks.guest.systems._initramfs_settings import initramfs_setting
from rackspace_imagetasks.guest.systems._kernels import kernels_of
from rackspace_imagetasks.guest.systems._network import network_of
from rackspace_imagetasks.guest.systems.files import SystemFiles, cut, settings
from rackspace_imagetasks.guest.systems.programs import HEAD, elf_architecture

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
# Of systems that are older than os-release: the file, and the ID that os-release would have.
_RELEASES = {
    "/etc/centos-release": "centos",
    "/etc/redhat-release": "rhel",
    "/etc/SuSE-release": "sles",
    "/etc/alpine-release": "alpine",
    "/etc/debian_version": "debian",
    "/etc/arch-release": "arch",
}
_NAMES = {"alpine": "Alpine Linux", "arch": "Arch Linux", "debian": "Debian"}
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_FEDORA = ("centos", "fedora", "oracle", "rocky", "alma", "scientific")
_PROGRAMS = ("/bin/sh", "/sbin/init", "/bin/bash", "/usr/bin/env", "/bin/busybox")
_EVIDENCE = ("/sbin/init", "/lib/modules", "/etc/fstab")
_MAX_ROOTS = 20


def is_linux(files: SystemFiles) -> bool:
    """Return whether this is the root file system of a Linux system."""
    return _evidence(files) is not None


def _evidence(files: SystemFiles) -> str | None:
    """Return the file that shows that it is Linux, most telling first."""
    if release := files.first((*_OS_RELEASE, *_RELEASES)):
        return release
    return _EVIDENCE[0] if all(files.exists(path) for path in _EVIDENCE) else None


def mounts(files: SystemFiles) -> tuple[Mount, ...]:
    """Return the file systems that the system mounts, as fstab lists them."""
    return mounts_of(files)


def linux(files: SystemFiles, others: tuple[SystemFiles, ...] = (), *, deep: bool) -> SystemFacts:
    """Return the facts about a Linux system.

    :param others: volumes that no system mounts, in which there may be a boot loader.
    :param deep: read the contents of the initramfs, too.
    """
    evidence = _evidence(files) or "/"
    identity = _release(files)
    menus = [*boot_menus(files), *(menu for each in others for menu in menus_of_volume(each))]
    default = menus[0].default if menus else None
    cloud_init = cloud_init_of(files)
    hardware, addresses = network_of(files, has_cloud_init=cloud_init is not None)
    return SystemFacts(
        kind=SystemKind.LINUX,
        place=files.place(evidence),
        id=identity["ID"],
        version=identity["VERSION_ID"],
        name=identity["PRETTY_NAME"],
        architecture=_architecture(files),
        kernels=kernels_of(files, default, deep=deep),
        initramfs_setting=initramfs_setting(files),
        mounts=mounts_of(files),
        roots=_roots(menus),
        cloud_init=cloud_init,
        agents=tuple(agents_of(files)),
        hardware_bindings=tuple(hardware),
        addresses=tuple(addresses),
        consoles=consoles_of(files, default),
        identities=tuple(identities_of(files)),
        unreadable=tuple(files.problems),
    )


def _release(files: SystemFiles) -> dict[str, str]:
    """Return ID, VERSION_ID and PRETTY_NAME: os-release(5), or what older systems have."""
    found = {"ID": "", "VERSION_ID": "", "PRETTY_NAME": ""}
    if path := files.first(_OS_RELEASE):
        values = settings(files.lines(path))
        found["ID"] = "linux"
        found["PRETTY_NAME"] = values.get("NAME", "Linux")
        found |= {key: cut(values[key]) for key in found if values.get(key)}
        return found
    for path, identifier in _RELEASES.items():
        if files.exists(path):
            return _old_release(files.text(path).strip().partition("\n")[0], identifier)
    return found


def _old_release(text: str, identifier: str) -> dict[str, str]:
    version = _NUMBER.search(text)
    if identifier == "rhel":  # of all of its descendants
        words = text.lower().split()
        identifier = next((each for each in _FEDORA if each in words), identifier)
    number = version[0] if version else ""
    name = " ".join(filter(None, (_NAMES.get(identifier, ""), text)))
    return {"ID": identifier, "VERSION_ID": number, "PRETTY_NAME": cut(name)}


def _architecture(files: SystemFiles) -> str:
    heads = (files.read(path, HEAD) for path in _PROGRAMS)
    return next((found for head in heads if (found := elf_architecture(head))), "")


def _roots(menus: list[BootMenu]) -> tuple[Mount, ...]:
    """Return the root file systems of default entries first, each of them once."""
    entries = [menu.default for menu in menus]
    entries += [entry for menu in menus for entry in menu.entries]
    found: dict[tuple[str, str], Mount] = {}
    for entry in entries:
        for value in entry.values("root")[-1:]:
            root = Mount(cut(device_name(value)), "/", entry.place)
            found.setdefault((root.device, str(root.place)), root)
    return tuple(itertools.islice(found.values(), _MAX_ROOTS))
