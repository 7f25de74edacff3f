# SPDX-License-Identifier: Apache-2.0
"""The operating systems in the volumes of a disk."""

from collections.abc import Iterator, Mapping, Sequence

from rackspace_imagetasks.guest._devices import OpenVolume, volume_of
from rackspace_imagetasks.guest._tree import Tree
from rackspace_imagetasks.guest._windows_facts import perhaps_windows, windows_facts
from rackspace_imagetasks.guest.facts import Place, Seen, SystemFacts, VolumeFacts
from rackspace_imagetasks.guest.filesystems.base import Damaged
from rackspace_imagetasks.guest.systems.bsd import bsd
from rackspace_imagetasks.guest.systems.files import SystemFiles
from rackspace_imagetasks.guest.systems.linux import is_linux, linux, mounts
from rackspace_imagetasks.guest.systems.media import linux_medium
from rackspace_imagetasks.guest.systems.windows import Role, find

_MAX_SYSTEMS = 10
_NO_MOUNTS: Mapping[str, OpenVolume] = {}


def systems_in(
    volumes: Sequence[VolumeFacts],
    readable: Sequence[OpenVolume],
    windows_like: Sequence[Seen] = (),
    *,
    deep: bool = False,
) -> tuple[SystemFacts, ...]:
    """Return the operating systems of a disk.

    :param volumes: all volumes, of which some are readable.
    :param windows_like: volumes that cannot be read but look like Windows, and why.
    :param deep: read the contents of initramfs files, too.
    """
    linux_systems = _linux_systems(readable, deep=deep)
    roots = {system.place.volume for system in linux_systems}
    others = [volume for volume in readable if volume.facts.name not in roots]
    return (
        *linux_systems,
        *(system for volume in others for system in _other_systems(volume)),
        *(perhaps_windows(seen.place, seen.text) for seen in windows_like),
        *bsd(volumes),
    )


def _other_systems(volume: OpenVolume) -> Iterator[SystemFacts]:
    tree, name = Tree(volume.files), volume.facts.name
    try:
        found = find(tree)
    except Damaged as error:
        yield perhaps_windows(Place(name), error.text)
        return
    if found and found.role is not Role.BOOT_MANAGER:
        yield windows_facts(found, name)
    elif not found and (medium := linux_medium(SystemFiles(tree, name), volume.facts)):
        yield medium


def _linux_systems(volumes: Sequence[OpenVolume], *, deep: bool) -> list[SystemFacts]:
    roots = [volume for volume in volumes if is_linux(_files(volume))][:_MAX_SYSTEMS]
    mounted = [_mounted(root, volumes) for root in roots]
    used = {root.facts.name for root in roots}
    used |= {volume.facts.name for each in mounted for volume in each.values()}
    others: tuple[SystemFiles, ...] = ()
    if len(roots) == 1:  # otherwise it is unknown to which of them a boot loader belongs
        others = tuple(_files(each) for each in volumes if each.facts.name not in used)
    return [
        linux(_files(root, each), others, deep=deep)
        for root, each in zip(roots, mounted, strict=True)
    ]


def _mounted(root: OpenVolume, volumes: Sequence[OpenVolume]) -> dict[str, OpenVolume]:
    """Return the volumes of a disk that a system mounts, by their mount points."""
    found = {}
    for mount in mounts(_files(root)):
        volume = volume_of(mount.device, volumes)
        if volume and mount.target.startswith("/") and mount.target != "/":
            found[mount.target.rstrip("/")] = volume
    return found


def _files(root: OpenVolume, mounted: Mapping[str, OpenVolume] = _NO_MOUNTS) -> SystemFiles:
    trees = {path: volume.files for path, volume in mounted.items()}
    names = {path: volume.facts.name for path, volume in mounted.items()}
    return SystemFiles(Tree(root.files, trees), root.facts.name, names)
