# SPDX-License-Identifier: Apache-2.0
"""Checks of whether firmware, boot loader and kernel find what they need."""

import re
from collections.abc import Callable, Iterator

from rackspace_imagetasks.guest._sighting import WHOLE_DISK, Sighting, systems
from rackspace_imagetasks.guest.facts import (
    DiskFacts,
    DriverState,
    Kernel,
    LoaderKind,
    Mount,
    Place,
    SystemFacts,
    SystemKind,
    VolumeFacts,
)

_TAG = re.compile(r"(UUID|LABEL)=(.+)")
_FALLBACK = "\\EFI\\BOOT\\BOOT"  # UEFI specification, 3.5.1.1, "Removable Media Boot Behavior"
_WORKING = (DriverState.BUILT_IN, DriverState.INITRAMFS)
_PERHAPS = "is not in the initramfs, and may not be in the kernel"
_DRIVERS_OF_WINDOWS = {"virtio_blk": "viostor", "virtio_scsi": "vioscsi", "virtio_net": "netkvm"}


def no_loader(facts: DiskFacts) -> Iterator[Sighting]:
    """Find a disk that no firmware starts."""
    if not facts.loaders:
        yield Sighting("The disk has no boot loader for BIOS or UEFI.", WHOLE_DISK)


def uefi_only(facts: DiskFacts) -> Iterator[Sighting]:
    """Find a disk that only UEFI starts."""
    if not facts.has_loader(LoaderKind.BIOS):
        loaders = (each for each in facts.loaders if each.kind is LoaderKind.UEFI)
        for loader in loaders:
            yield Sighting("The disk has a boot loader for UEFI, but none for BIOS.", loader.place)
            return


def no_fallback_loader(facts: DiskFacts) -> Iterator[Sighting]:
    """Find a disk that UEFI starts only if it remembers where the boot loader is."""
    for sighting in uefi_only(facts):
        paths = (each.place.path.upper() for each in facts.loaders)
        if not any(path.startswith(_FALLBACK) for path in paths):
            text = f"The boot loader is not at {_FALLBACK}*.EFI, where a new server looks for it."
            yield sighting._replace(text=text)


def encrypted_root(facts: DiskFacts) -> Iterator[Sighting]:
    """Find encrypted volumes of a disk on which no system can be read."""
    if not any(systems(facts, *SystemKind)):
        for volume in _encrypted(facts):
            text = f"The volume is encrypted ({volume.content}), and no system is outside of it."
            yield Sighting(text, Place(volume.name))


def encrypted_data(facts: DiskFacts) -> Iterator[Sighting]:
    """Find encrypted volumes next to a system that can be read."""
    if any(systems(facts, *SystemKind)):
        for volume in _encrypted(facts):
            yield Sighting(f"The volume is encrypted ({volume.content}).", Place(volume.name))


def _encrypted(facts: DiskFacts) -> Iterator[VolumeFacts]:
    """Yield what is encrypted but does not look like Windows, for which there is another check."""
    windows = {each.place.volume for each in facts.systems if each.kind is SystemKind.WINDOWS}
    for volume in facts.volumes:
        if volume.is_encrypted and volume.name not in windows:
            yield volume


def device_names(expected: str) -> Callable[[DiskFacts], Iterator[Sighting]]:
    """Return the check for names of disks that the target does not have.

    :param expected: a regular expression for the names of the target's disks.
    """
    disks = re.compile(rf"/dev/(?!{expected})(?:xvd|vd|sd|hd)[a-z]")

    def check(facts: DiskFacts) -> Iterator[Sighting]:
        for system in systems(facts, SystemKind.LINUX):
            for mount in (*system.roots, *system.mounts):
                if disks.match(mount.device) and not mount.is_optional:
                    yield Sighting(_words(mount), mount.place)

    return check


def unknown_roots(facts: DiskFacts) -> Iterator[Sighting]:
    """Find root file systems that are not on the disk, if all its volumes are known."""
    if any(volume.problem and not volume.uuid for volume in facts.volumes):
        return
    known = {("UUID", volume.uuid.lower()) for volume in facts.volumes}
    known |= {("LABEL", volume.label) for volume in facts.volumes}
    for system in systems(facts, SystemKind.LINUX):
        roots = [*system.roots, *(each for each in system.mounts if each.target == "/")]
        for mount in roots:
            match = _TAG.fullmatch(mount.device)
            if match and (match[1], _comparable(match)) not in known:
                yield Sighting(f"{_words(mount)[:-1]}, which is not on the disk.", mount.place)


def _comparable(match: re.Match[str]) -> str:
    return match[2].lower() if match[1] == "UUID" else match[2]


def _words(mount: Mount) -> str:
    target = "swap" if mount.target == "none" else mount.target
    return f"The device of {target} is {mount.device}."


def no_kernel(facts: DiskFacts) -> Iterator[Sighting]:
    """Find Linux systems without a kernel."""
    for system in systems(facts, SystemKind.LINUX):
        if not system.kernels:
            yield Sighting("No kernel was found in /boot.", system.place)


def missing_drivers(*choices: tuple[str, ...]) -> Callable[[DiskFacts], Iterator[Sighting]]:
    """Return the check for drivers that the system certainly or probably starts without.

    :param choices: names of drivers, of which one of each tuple is enough.
    """

    def check(facts: DiskFacts) -> Iterator[Sighting]:
        for system in systems(facts, SystemKind.LINUX):
            if kernel := system.default_kernel:
                yield from _missing_in_kernel(system, kernel, choices)
        for system in systems(facts, SystemKind.WINDOWS):
            yield from _missing_in_windows(system, choices)

    return check


def _missing_in_kernel(
    system: SystemFacts, kernel: Kernel, choices: tuple[tuple[str, ...], ...]
) -> Iterator[Sighting]:
    setting = system.initramfs_setting
    for names in choices:
        drivers = [driver for name in names if (driver := kernel.driver(name))]
        what = f"Kernel {kernel.version}: {' or '.join(names)}"
        states = {driver.state for driver in drivers}
        if not drivers or states.intersection(_WORKING):
            continue
        if states == {DriverState.MISSING}:
            yield Sighting(f"{what} is missing.", drivers[0].place)
        elif not _is_needed_early(names):
            continue
        elif kernel.initramfs_is_read and kernel.initramfs:
            is_module = DriverState.MODULE in states
            text = "is a module, but not in the initramfs" if is_module else _PERHAPS
            yield Sighting(f"{what} {text}.", kernel.initramfs)
        elif DriverState.UNKNOWN in states:
            continue
        elif setting and not setting.is_generic:
            text = f"{what} is a module, and the initramfs may lack it ({setting.text})."
            yield Sighting(text, setting.place)


def _is_needed_early(names: tuple[str, ...]) -> bool:
    """Return whether a driver is needed before the root file system can be read."""
    return not any("net" in name for name in names)


def _missing_in_windows(
    system: SystemFacts, choices: tuple[tuple[str, ...], ...]
) -> Iterator[Sighting]:
    installed = {driver.name.lower() for driver in system.drivers}
    for names in choices:
        wanted = [_DRIVERS_OF_WINDOWS[name] for name in names if name in _DRIVERS_OF_WINDOWS]
        if wanted and not installed.intersection(wanted):
            yield Sighting(f"Driver {' or '.join(wanted)} is missing.", system.place)


def unread_initramfs(*choices: tuple[str, ...]) -> Callable[[DiskFacts], Iterator[Sighting]]:
    """Return the check for drivers that only the contents of the initramfs can show.

    :param choices: as for `missing_drivers`.
    """

    def check(facts: DiskFacts) -> Iterator[Sighting]:
        for system in systems(facts, SystemKind.LINUX):
            kernel, setting = system.default_kernel, system.initramfs_setting
            if kernel is None or kernel.initramfs_is_read or setting:
                continue
            for names in filter(_is_needed_early, choices):
                drivers = [driver for name in names if (driver := kernel.driver(name))]
                if drivers and not any(driver.state in _WORKING for driver in drivers):
                    problem = kernel.initramfs_problem or "its contents were not read"
                    text = f"The initramfs may lack {' or '.join(names)}: {problem}."
                    yield Sighting(text, kernel.initramfs or kernel.place)

    return check
