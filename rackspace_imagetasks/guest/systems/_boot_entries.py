# SPDX-License-Identifier: Apache-2.0
"""What boot loaders have in common: entries that name a kernel and its arguments."""

import re
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from rackspace_imagetasks.guest.facts import Place

MAX_ENTRIES = 100


class BootEntry(NamedTuple):
    """An entry of a boot loader's menu; paths are those in the loader's own file system.

    :ivar names: by which the configuration can refer to the entry: its number, title, or ID.
    """

    names: tuple[str, ...]
    kernel: str
    initramfs: str
    arguments: tuple[str, ...]
    place: Place

    def values(self, name: str) -> list[str]:
        """Return the values that the kernel receives for an argument, in their order."""
        prefix = f"{name}="
        return [each.removeprefix(prefix) for each in self.arguments if each.startswith(prefix)]


class BootMenu(NamedTuple):
    """The entries of a boot loader, and the one that it starts by itself.

    :ivar loader: such as `GRUB`.
    """

    loader: str
    entries: tuple[BootEntry, ...]
    default: BootEntry


def menu(loader: str, entries: Iterable[BootEntry], default: str) -> BootMenu | None:
    """Return the menu of some entries, None if there are none.

    :param default: a name of the default entry; if no entry has it, the first one is the default.
    """
    kept = tuple(entries)[:MAX_ENTRIES]
    if not kept:
        return None
    return BootMenu(loader, kept, next((each for each in kept if default in each.names), kept[0]))


def words(line: str) -> list[str]:
    """Return the words of a line in the style of a shell, whatever quotation marks are missing."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def version_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts versions in ascending order, numbers by their value."""
    parts = re.findall(r"(\d{1,18})|(\D+|\d+)", name)
    return tuple((1, int(number), "") if number else (0, 0, text) for number, text in parts)
