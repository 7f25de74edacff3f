# SPDX-License-Identifier: Apache-2.0
"""For which hardware a system makes its initramfs files, by the settings of what makes them."""

import itertools
import re
from collections.abc import Iterator

from rackspace_imagetasks.guest.facts import InitramfsSetting
from rackspace_imagetasks.guest.systems.files import SystemFiles, cut, settings

_MAX_FILES = 50
_DRACUT_SETTING = re.compile(r"hostonly=[\"']?(yes|no)\b")
_MKINITCPIO_HOOKS = re.compile(r"HOOKS=[(\"']([^)\"']*)")


def initramfs_setting(files: SystemFiles) -> InitramfsSetting | None:
    """Return the setting that decides for which hardware an initramfs is made."""
    readers = (_initramfs_tools, _dracut, _mkinitcpio, _mkinitfs)
    return next((found for reader in readers for found in reader(files)), None)


def _initramfs_tools(files: SystemFiles) -> Iterator[InitramfsSetting]:
    """initramfs.conf(5) of Debian and Ubuntu."""
    found = None
    fragments = itertools.islice(files.paths("/etc/initramfs-tools/conf.d"), _MAX_FILES)
    for path in ("/etc/initramfs-tools/initramfs.conf", *fragments):
        if modules := settings(files.lines(path)).get("MODULES"):
            text = cut(f"MODULES={modules}")
            found = InitramfsSetting(modules == "most", text, files.place(path))
    if found:
        yield found


def _dracut(files: SystemFiles) -> Iterator[InitramfsSetting]:
    """dracut.conf(5): the last setting counts, and files in /etc replace those of the same name."""
    paths = {
        path.rpartition("/")[2]: path
        for directory in ("/usr/lib/dracut/dracut.conf.d", "/etc/dracut.conf.d")
        for path in files.paths(directory, ".conf")
    }
    found = None
    for path in ("/etc/dracut.conf", *(paths[name] for name in sorted(paths)[:_MAX_FILES])):
        for line in files.lines(path):
            if match := _DRACUT_SETTING.match(line):
                text = f"hostonly={match[1]}"
                found = InitramfsSetting(match[1] == "no", text, files.place(path))
    if found:
        yield found


def _mkinitcpio(files: SystemFiles) -> Iterator[InitramfsSetting]:
    """mkinitcpio.conf(5) of Arch Linux."""
    path = "/etc/mkinitcpio.conf"
    for line in files.lines(path):
        if match := _MKINITCPIO_HOOKS.match(line):
            is_generic = "autodetect" not in match[1].split()
            yield InitramfsSetting(is_generic, cut(f"HOOKS=({match[1]})"), files.place(path))


def _mkinitfs(files: SystemFiles) -> Iterator[InitramfsSetting]:
    """mkinitfs.conf(5) of Alpine Linux."""
    path = "/etc/mkinitfs/mkinitfs.conf"
    if features := settings(files.lines(path)).get("features"):
        is_generic = "virtio" in features.split()
        yield InitramfsSetting(is_generic, cut(f'features="{features}"'), files.place(path))
