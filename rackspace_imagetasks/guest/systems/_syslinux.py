# SPDX-License-Identifier: Apache-2.0
"""The menus of SYSLINUX and EXTLINUX: Syslinux Wiki, "Config"."""

from collections.abc import Iterator

from rackspace_imagetasks.guest.systems._boot_entries import BootEntry, BootMenu, menu
from rackspace_imagetasks.guest.systems.files import SystemFiles

_PATHS = (
    "extlinux/extlinux.conf", "extlinux.conf", "syslinux/syslinux.cfg", "syslinux/extlinux.conf",
    "syslinux.cfg",
)  # fmt: skip
_MAX_INCLUDES = 10


def read_syslinux(files: SystemFiles, boot: str) -> BootMenu | None:
    """Return the menu of SYSLINUX below a directory, None if there is none."""
    for name in _PATHS:
        path = f"{boot}/{name}"
        parser = _Parser(files, path)
        if found := menu("SYSLINUX", parser.entries(), parser.default):
            return found
    return None


class _Parser:
    def __init__(self, files: SystemFiles, path: str) -> None:
        self.default = ""
        self._files = files
        self._path = path
        self._entries: list[BootEntry] = []

    def entries(self) -> list[BootEntry]:
        """Return the entries that start Linux; `default` is then the name of the default one."""
        for line in self._lines(self._path):
            keyword, *values = line.split(None, 1)
            self._read(keyword.lower(), values[0] if values else "")
        return [each for each in self._entries if each.kernel]

    def _lines(self, path: str) -> Iterator[str]:
        """Yield the lines of a file, and of the files that it includes."""
        included = 0
        for line in self._files.lines(path):
            keyword, *values = line.split(None, 1)
            if keyword.lower() == "include" and values and included < _MAX_INCLUDES:
                included += 1
                directory = path.rpartition("/")[0]
                yield from self._files.lines(f"{directory}/{values[0].split()[0]}")
            else:
                yield line

    def _read(self, keyword: str, value: str) -> None:
        if keyword == "default":
            self.default = value.strip()
        elif keyword == "label":
            place = self._files.place(self._path)
            self._entries.append(BootEntry((value.strip(),), "", "", (), place))
        elif self._entries:
            self._entries[-1] = self._changed(self._entries[-1], keyword, value)

    def _changed(self, entry: BootEntry, keyword: str, value: str) -> BootEntry:
        if keyword == "menu" and value.strip().lower() == "default":
            self.default = entry.names[0]
        elif keyword in ("kernel", "linux"):
            return entry._replace(kernel=value.strip())
        elif keyword == "initrd":
            return entry._replace(initramfs=value.strip().split(",")[-1])
        elif keyword == "append":
            entry = entry._replace(arguments=tuple(value.split()))
            if paths := entry.values("initrd"):
                return entry._replace(initramfs=paths[-1].split(",")[-1])
        return entry
