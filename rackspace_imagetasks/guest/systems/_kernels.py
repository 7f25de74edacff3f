# SPDX-License-Identifier: Apache-2.0
"""The kernels of a Linux system, and how they get the drivers of a hypervisor."""

import dataclasses
import struct
from collections.abc import Iterator

from rackspace_imagetasks.guest.facts import Driver, DriverState, Kernel
from rackspace_imagetasks.guest.systems._boot_entries import BootEntry, version_key
from rackspace_imagetasks.guest.systems._initramfs import (
    UnreadableInitramfs,
    module_name,
    modules_in,
)
from rackspace_imagetasks.guest.systems.files import SystemFiles, cut, settings

# The drivers, and the options of the kernel's configuration for them.
_OPTIONS = {
    "virtio_blk": "CONFIG_VIRTIO_BLK",
    "virtio_net": "CONFIG_VIRTIO_NET",
    "virtio_pci": "CONFIG_VIRTIO_PCI",
    "virtio_scsi": "CONFIG_SCSI_VIRTIO",
    "xen_blkfront": "CONFIG_XEN_BLKDEV_FRONTEND",
    "xen_netfront": "CONFIG_XEN_NETDEV_FRONTEND",
}
DRIVERS = tuple(_OPTIONS)
_MODULES = "/lib/modules"
_KERNEL_NAMES = ("vmlinuz", "vmlinux", "Image", "bzImage", "kernel")
_NOT_KERNELS = ("rescue", ".old", ".bak", ".hmac", ".sig")
_INITRAMFS_NAMES = (
    "initrd.img-{0}", "initramfs-{0}.img", "initrd-{0}", "initramfs-{0}", "initrd-{0}.img",
)  # fmt: skip
_MAX_KERNELS = 50
_LISTS = {"modules.builtin": DriverState.BUILT_IN, "modules.dep": DriverState.MODULE}
_VALUES = {"y": DriverState.BUILT_IN, "m": DriverState.MODULE}
_MAX_LIST = 4 << 20  # bytes
_MAX_INITRAMFS = 64 << 20
# Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
_BOOT_MAGIC = (b"HdrS", 0x202)
_VERSION_AT = 0x20E


def kernels_of(files: SystemFiles, default: BootEntry | None, *, deep: bool) -> tuple[Kernel, ...]:
    """Return the kernels of a system, the newest first.

    :param default: the entry that the boot loader starts; if it is unknown, the newest kernel is
        taken for the default.
    :param deep: read the initramfs of the default kernel.
    """
    found = list(_kernels(files, default))[:_MAX_KERNELS]
    found.sort(key=lambda kernel: version_key(kernel.version), reverse=True)
    if found and not any(kernel.is_default for kernel in found):
        found[0] = dataclasses.replace(found[0], is_default=True)
    return tuple(
        _with_drivers(files, kernel, deep=deep) if kernel.is_default else kernel for kernel in found
    )


def _kernels(files: SystemFiles, default: BootEntry | None) -> Iterator[Kernel]:
    versions = files.names(_MODULES)
    started = _in_system(files, default.kernel) if default else ""
    paths = [path for path in files.paths("/boot") if _is_kernel(files, path)]
    if started and started not in paths:
        paths.append(started)
    for path in paths:
        version = _version(files, path, versions)
        initramfs = None
        if path == started and default and default.initramfs:
            initramfs = _in_system(files, default.initramfs)
        initramfs = initramfs or _initramfs(files, path, version)
        yield Kernel(
            version=cut(version),
            place=files.place(path),
            is_default=path == started,
            initramfs=files.place(initramfs) if initramfs else None,
        )


def _in_system(files: SystemFiles, path: str) -> str:
    """Return the path in the system of one in the file system of `/boot`; empty if unknown."""
    path = f"/{path.lstrip('/')}"
    return files.first((f"/boot{path}", path, f"/boot/{path.rpartition('/')[2]}")) or ""


def _is_kernel(files: SystemFiles, path: str) -> bool:
    name = path.rpartition("/")[2]
    return (
        name.partition("-")[0] in _KERNEL_NAMES
        and not any(part in name for part in _NOT_KERNELS)
        and not files.link(path)
        and files.size(path) is not None
    )


def _version(files: SystemFiles, path: str, versions: tuple[str, ...]) -> str:
    """Return the version of a kernel by its name, its package, or its own header."""
    suffix = path.rpartition("/")[2].partition("-")[2]
    if suffix in versions:
        return suffix
    for version in versions[:_MAX_KERNELS]:
        package = files.text(f"{_MODULES}/{version}/pkgbase").strip()  # of Arch Linux
        if package and package == suffix:
            return version
    return _header_version(files, path) or suffix


def _header_version(files: SystemFiles, path: str) -> str:
    head = files.read(path, 64 << 10)
    magic, offset = _BOOT_MAGIC
    if head[offset : offset + 4] != magic or len(head) < _VERSION_AT + 2:
        return ""
    (pointer,) = struct.unpack_from("<H", head, _VERSION_AT)
    words = head[pointer + 0x200 :][:200].partition(b"\0")[0].split()
    return words[0].decode("ascii", "replace") if pointer and words else ""


def _initramfs(files: SystemFiles, path: str, version: str) -> str | None:
    suffix = path.rpartition("/")[2].partition("-")[2]
    names = (name.format(each) for each in (version, suffix) if each for name in _INITRAMFS_NAMES)
    return files.first(f"/boot/{name}" for name in names)


def _with_drivers(files: SystemFiles, kernel: Kernel, *, deep: bool) -> Kernel:
    drivers = tuple(_listed_drivers(files, f"{_MODULES}/{kernel.version}"))
    drivers = drivers or tuple(_configured_drivers(files, f"/boot/config-{kernel.version}"))
    kernel = dataclasses.replace(kernel, drivers=drivers)
    return _with_initramfs(files, kernel) if deep and kernel.initramfs else kernel


def _listed_drivers(files: SystemFiles, folder: str) -> Iterator[Driver]:
    """Yield the drivers by what `make modules_install` and depmod have listed, if they have."""
    lists = []
    for name, state in _LISTS.items():
        path = f"{folder}/{name}"
        if text := files.text(path, _MAX_LIST):
            modules = {module_name(line.partition(":")[0]) for line in text.splitlines()}
            lists.append((modules, state, files.place(path)))
    for name in DRIVERS if lists else ():
        found = ((state, place) for modules, state, place in lists if name in modules)
        yield Driver(name, *next(found, (DriverState.MISSING, files.place(folder))))


def _configured_drivers(files: SystemFiles, path: str) -> Iterator[Driver]:
    """Yield the drivers by the configuration that distributions keep next to a kernel."""
    values = settings(files.text(path, _MAX_LIST).splitlines())
    absent = DriverState.MISSING if values else DriverState.UNKNOWN
    for name, option in _OPTIONS.items():
        yield Driver(name, _VALUES.get(values.get(option, ""), absent), files.place(path))


def _with_initramfs(files: SystemFiles, kernel: Kernel) -> Kernel:
    """Return a kernel with what its initramfs, which it has, contains of the drivers."""
    place = kernel.initramfs or kernel.place
    content = files.read(place.path, _MAX_INITRAMFS)
    try:
        if len(content) == _MAX_INITRAMFS:
            raise UnreadableInitramfs("it is too large")
        modules = modules_in(content)
    except UnreadableInitramfs as error:
        return dataclasses.replace(kernel, initramfs_problem=str(error))
    drivers = tuple(
        Driver(driver.name, DriverState.INITRAMFS, place) if driver.name in modules else driver
        for driver in kernel.drivers
    )
    return dataclasses.replace(kernel, drivers=drivers, initramfs_is_read=True)
