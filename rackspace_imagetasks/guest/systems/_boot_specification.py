# SPDX-License-Identifier: Apache-2.0
"""Menus of one file for each entry, which GRUB of the Red Hat family and systemd-boot read.

UAPI Group Specifications, "The Boot Loader Specification"; systemd, loader.conf(5).
"""

import fnmatch
from collections.abc import Iterator, Mapping

from rackspace_imagetasks.guest.systems._boot_entries import (
    MAX_ENTRIES,
    BootEntry,
    BootMenu,
    menu,
    version_key,
)
from rackspace_imagetasks.guest.systems.files import SystemFiles

_SUFFIX = ".conf"


def entries(files: SystemFiles, boot: str, variables: Mapping[str, str]) -> list[BootEntry]:
    """Return the entries below a directory, the newest version first.

    :param variables: of GRUB, which an entry can refer to.
    """
    directory = f"{boot}/loader/entries"
    names = [name for name in files.names(directory) if name.endswith(_SUFFIX)]
    found: list[BootEntry] = []
    for name in sorted(names, key=version_key, reverse=True)[:MAX_ENTRIES]:
        found += _entry(files, f"{directory}/{name}", len(found), variables)
    return found


def _entry(
    files: SystemFiles, path: str, number: int, variables: Mapping[str, str]
) -> Iterator[BootEntry]:
    fields: dict[str, list[str]] = {}
    for line in files.lines(path):
        key, *values = line.split()
        fields.setdefault(key, []).extend(_expanded(values, variables))
    if kernel := fields.get("linux"):
        identifier = path.rpartition("/")[2].removesuffix(_SUFFIX)
        yield BootEntry(
            names=(str(number), " ".join(fields.get("title", ())), identifier),
            kernel=kernel[0],
            initramfs=next(iter(fields.get("initrd", ())), ""),
            arguments=tuple(fields.get("options", ())),
            place=files.place(path),
        )


def _expanded(values: list[str], variables: Mapping[str, str]) -> Iterator[str]:
    for value in values:
        if value.startswith("$"):
            yield from variables.get(value[1:].strip("{}"), "").split()
        else:
            yield value


def read_systemd_boot(files: SystemFiles, boot: str) -> BootMenu | None:
    """Return the menu of systemd-boot below the mount point of its partition, None without one.

    Its own configuration tells it from GRUB, which has its entries in the same place.
    """
    configuration = list(files.lines(f"{boot}/loader/loader.conf"))
    found = entries(files, boot, {}) if configuration else []
    pattern = ""
    for line in configuration:
        key, _, value = line.partition(" ")
        if key == "default":
            pattern = value.strip()
    default = next((each for each in found if _matches(each, pattern)), None)
    return menu("systemd-boot", found, default.names[-1] if default else "")


def _matches(entry: BootEntry, pattern: str) -> bool:
    return fnmatch.fnmatch(entry.names[-1], pattern.removesuffix(_SUFFIX))
