# SPDX-License-Identifier: Apache-2.0
"""The menus of GRUB: grub.cfg of GRUB 2, and menu.lst of GRUB Legacy.

GNU GRUB Manual, "Writing your own configuration file directly" and "Simple configuration handling".
"""

import itertools
import re
from collections.abc import Iterator

from rackspace_imagetasks.guest.systems import _boot_specification
from rackspace_imagetasks.guest.systems._boot_entries import BootEntry, BootMenu, menu, words
from rackspace_imagetasks.guest.systems.files import SystemFiles, settings

_LINUX = ("linux", "linux16", "linuxefi")
_INITRD = ("initrd", "initrd16", "initrdefi")
_DEFAULT = re.compile(r"set\s+default=[\"']?([^\"']*)[\"']?$")
_SAVED = "${saved_entry}"
_ID_OPTIONS = ("$menuentry_id_option", "--id")
_MAX_DEPTH = 20


def read_grub(files: SystemFiles, boot: str) -> BootMenu | None:
    """Return the menu of GRUB 2 whose files are below a directory, None if there is none."""
    for path in _configuration_paths(files, boot):
        lines = list(files.lines(path))
        if not lines:
            continue
        environment = settings(files.lines(f"{path.rpartition('/')[0]}/grubenv"))
        entries = list(_Parser(files, path).entries(lines))
        if not entries or any(line.split()[0] == "blscfg" for line in lines):
            entries += _boot_specification.entries(files, boot, environment)
        if found := menu("GRUB", entries, _default(lines, environment)):
            return found
    return None


def _configuration_paths(files: SystemFiles, boot: str) -> Iterator[str]:
    yield f"{boot}/grub/grub.cfg"
    yield f"{boot}/grub2/grub.cfg"
    for vendors in (f"{boot}/efi/EFI", f"{boot}/EFI"):
        for vendor in itertools.islice(files.names(vendors), 20):
            yield f"{vendors}/{vendor}/grub.cfg"


def _default(lines: list[str], environment: dict[str, str]) -> str:
    """Return the name of the default entry: the last that is set, but for a single boot."""
    found = [match[1] for line in lines if (match := _DEFAULT.match(line))]
    default = next((each for each in reversed(found) if "next_entry" not in each), "0")
    if default == _SAVED or not found:
        return environment.get("saved_entry", "0")
    return default


class _Level:
    """A menu or one of its submenus.

    :ivar names: by which names in the menu above refer to this one.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.numbers = itertools.count()

    def names_of_next(self, line: list[str]) -> tuple[str, ...]:
        """Return the names of the next entry, by its number, title, and ID."""
        names = [str(next(self.numbers)), line[1] if len(line) > 1 else ""]
        names += [line[line.index(option) + 1] for option in _ID_OPTIONS if option in line[:-1]]
        if not self.names:
            return tuple(names)
        return tuple(f"{above}>{name}" for above in self.names for name in names)


class _Parser:
    """Finds the entries in the commands of a grub.cfg, which it does not run."""

    def __init__(self, files: SystemFiles, path: str) -> None:
        self._place = files.place(path)
        self._levels = [_Level(())]
        self._blocks: list[str] = []
        self._entry: BootEntry | None = None

    def entries(self, lines: list[str]) -> Iterator[BootEntry]:
        """Yield the entries that start Linux."""
        for line in lines:
            if line == "}":
                yield from self._close()
            elif line.endswith("{"):
                self._open(words(line))
            elif self._entry is not None:
                self._entry = _with_command(self._entry, line)

    def _open(self, line: list[str]) -> None:
        if len(self._blocks) >= _MAX_DEPTH:
            return
        self._blocks.append(line[0])
        if line[0] == "menuentry":
            names = self._levels[-1].names_of_next(line)
            self._entry = BootEntry(names, "", "", (), self._place)
        elif line[0] == "submenu":
            self._levels.append(_Level(self._levels[-1].names_of_next(line)[:3]))

    def _close(self) -> Iterator[BootEntry]:
        block = self._blocks.pop() if self._blocks else ""
        if block == "submenu":
            self._levels.pop()
        if block == "menuentry" and self._entry is not None:
            if self._entry.kernel:
                yield self._entry
            self._entry = None


def _with_command(entry: BootEntry, line: str) -> BootEntry:
    command, *arguments = words(line) or [""]
    if command in _LINUX and arguments:
        return entry._replace(kernel=arguments[0], arguments=tuple(arguments[1:]))
    if command in _INITRD and arguments:
        return entry._replace(initramfs=arguments[-1])
    return entry


def read_grub_legacy(files: SystemFiles, boot: str) -> BootMenu | None:
    """Return the menu of GRUB Legacy, which Xen's PyGrub reads too, None if there is none."""
    for path in (f"{boot}/grub/menu.lst", f"{boot}/grub/grub.conf"):
        entries: list[BootEntry] = []
        default = "0"
        for line in files.lines(path):
            command, _, rest = line.replace("=", " ", 1).partition(" ")
            if command == "default":
                default = rest.strip()
            elif command == "title":
                names = (str(len(entries)), rest.strip())
                entries.append(BootEntry(names, "", "", (), files.place(path)))
            elif entries and command in ("kernel", "initrd"):
                entries[-1] = _with_legacy_command(entries[-1], line)
        if found := menu("GRUB Legacy", (each for each in entries if each.kernel), default):
            return found
    return None


def _with_legacy_command(entry: BootEntry, line: str) -> BootEntry:
    command, *arguments = words(line)
    if not arguments:
        return entry
    path = arguments[0].rpartition(")")[2]  # without a device such as (hd0,0)
    if command == "initrd":
        return entry._replace(initramfs=path)
    return entry._replace(kernel=path, arguments=tuple(arguments[1:]))
